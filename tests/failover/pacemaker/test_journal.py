# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The failover journal of a live pair under Pacemaker: the same lines, from other sources; and the same damping."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.faults import Faults
from lab.pair import Pair, wait
from tests.failover.live import NAME, damping, deployed, described
from tests.failover.test_journal import DAMPING, Since, both, entries, settled

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def flapping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    inventory = described(tmp_path_factory.mktemp("journal"), "pacemaker", preempt=True, damping=DAMPING)
    with deployed(f"{NAME}-journal", inventory) as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(flapping: Pair) -> Pair:
    settled(flapping)
    return flapping


def test_a_power_cut_is_a_silent_peer_and_a_boot_forgets_nothing(pair: Pair) -> None:
    active, standby = both(pair)
    before = entries(active)
    seen = Since(standby)
    faults = Faults(pair.lab)
    faults.power_cut(active)

    line = seen.one("BACKUP", "MASTER")
    faults.power_return(active)

    assert line["cause"] == "peer_silent", line
    assert line["cluster_group"] == pair.cluster.name
    assert before and entries(active)[: len(before)] == before
    pair.wait_steady()


def test_a_pulled_cable_is_a_link_on_both_nodes(pair: Pair) -> None:
    active, standby = both(pair)
    here, there = Since(active), Since(standby)
    faults = Faults(pair.lab)
    faults.pull_cable(active, "lan")
    lines = (here.one("MASTER", "BACKUP"), there.one("BACKUP", "MASTER"))
    faults.plug_cable(active, "lan")

    assert [line["cause"] for line in lines] == ["link", "link"], lines


def test_standby_is_the_work_of_an_operator_on_both_nodes(pair: Pair) -> None:
    active, standby = both(pair)
    here, there = Since(active), Since(standby)
    pair.drain(active, True)
    lines = (here.one("MASTER", "BACKUP"), there.one("BACKUP", "MASTER"))
    pair.drain(active, False)

    assert [line["cause"] for line in lines] == ["operator", "operator"], lines
    pair.wait_steady()
    assert damping(active)["moves"] == 0


def test_a_node_that_flaps_is_held_and_still_serves_when_the_peer_dies(pair: Pair) -> None:
    active, standby = both(pair)
    faults = Faults(pair.lab)
    for _flap in range(3):
        wait(lambda: pair.held(active) == pair.vips, 60)
        seen = Since(active)
        faults.pull_cable(active, "lan")
        seen.one("MASTER", "BACKUP")
        faults.plug_cable(active, "lan")
    assert damping(active)["held"] is True
    with pytest.raises(TimeoutError):
        wait(lambda: bool(pair.held(active)), 10)
    assert pair.wait_steady().name == standby.name

    faults.power_cut(standby)
    wait(lambda: pair.held(active) == pair.vips, 10)
    faults.power_return(standby)

    # It keeps what it has: what it gave up is its preference.
    assert pair.wait_steady().name == active.name
