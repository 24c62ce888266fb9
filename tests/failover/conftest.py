# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover.live import INVENTORIES, NAME, deployed, heal

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip("needs root"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Pair]:
    """The example pair, deployed once for all tests: fw1 runs Debian 12, fw2 Debian 13."""
    with deployed(NAME, INVENTORIES / "keepalived") as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(cluster: Pair) -> Iterator[Pair]:
    """The pair, steady before the test and whole again after it."""
    cluster.wait_steady()
    yield cluster
    heal(cluster)
