# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover.changing import Changing, changing
from tests.failover.live import INVENTORIES, MAINTENANCE, NAME, calm, deployed, heal

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


@pytest.fixture
def calmed(pair: Pair) -> None:
    """The nodes have forgotten how often their role has moved before."""
    calm(pair)


@pytest.fixture
def no_flag_stays(pair: Pair) -> Iterator[None]:
    """Nothing that the test leaves keeps a node from serving in the next one."""
    yield
    for node in pair.nodes.values():
        if node.powered():
            node.exec(MAINTENANCE, "off")


@pytest.fixture(scope="session")
def topology() -> str:
    return "keepalived"


@pytest.fixture(scope="module")
def changed_pair(topology: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    """Machines of their own, deployed once for a file, with one network more than the example uses."""
    with changing(f"{NAME}-change", topology, tmp_path_factory.mktemp("change")) as found:
        yield found


@pytest.fixture
def live(changed_pair: Changing) -> Iterator[Changing]:
    changed_pair.pair.wait_steady()
    yield changed_pair
    heal(changed_pair.pair)
