# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""With `preempt` a preferred node under Pacemaker takes nothing back before it has the states."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.pair import Pair
from tests.failover.live import NAME, deployed, described, heal
from tests.failover.test_preempt import FLOWS, preferred_serves
from tests.failover.test_preempt import returning as returns

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def preferring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with deployed(f"{NAME}-preempt", described(tmp_path_factory.mktemp("preempt"), "pacemaker", preempt=True)) as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(preferring: Pair) -> Iterator[Pair]:
    preferred_serves(preferring)
    yield preferring
    heal(preferring)


def test_a_preferred_node_takes_back_when_it_has_the_states_and_loses_no_connection(pair: Pair) -> None:
    first = next(iter(pair.nodes.values()))

    _cut, returned = returns(pair, waits=True)

    assert pair.active().name == first.name
    assert returned.window.flows is not None
    assert (returned.window.flows.survived, returned.window.flows.resets) == (FLOWS, 0)
    assert returned.owners.dual_owner_ms == 0
