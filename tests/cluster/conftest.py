# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lab as labs
from lab import options, playbook
from tests.cluster.live import Cluster

HERE = Path(__file__).parent
NAME = os.environ.get("HAFW_LAB", "cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip("needs root"))


@pytest.fixture(scope="session")
def live() -> Iterator[Cluster]:
    """A cluster without resources: fw1 runs Debian 12, fw2 Debian 13."""
    lab = labs.up(NAME, options.INVENTORIES / "keepalived", fresh=not os.environ.get("HAFW_KEEP"))
    try:
        playbook.play(lab, str(HERE / "deploy.yml"), show=None)
        yield Cluster(lab)
    finally:
        if not os.environ.get("HAFW_KEEP"):
            labs.down(NAME)


@pytest.fixture
def cluster(live: Cluster) -> Iterator[Cluster]:
    """The cluster, without resources before and after each test."""
    yield live
    live.wipe()
