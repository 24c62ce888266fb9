# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Status of a live pair under Pacemaker: ping targets, orders of an operator, a dead node."""

from __future__ import annotations

import pytest

from lab.faults import Faults
from lab.pair import Pair, wait
from tests.failover.test_status import LIMIT_S, Show, show

pytestmark = pytest.mark.full
__all__ = ["show"]


def test_a_pair_that_works(pair: Pair, show: Show) -> None:
    active, standby = pair.active().name, pair.standby().name
    found = show()
    (group,) = found["groups"]
    assert found["state"] == "ok", found["findings"]
    assert group["owner"] == active
    assert group["since"] is not None
    assert group["takeover"]["nodes"] == {standby: []}
    for node in found["nodes"]:
        assert node["pings"] == {"outside": {"192.0.2.80": True, "2001:db8:1::80": True}}


def test_a_node_without_sight_of_its_neighbours_does_not_take_over(pair: Pair, show: Show) -> None:
    standby = pair.standby()
    faults = Faults(pair.lab)
    faults.cut(standby, ["wan"])
    try:
        found = show()
    finally:
        faults.mend()
    (group,) = found["groups"]
    assert not group["takeover"]["able"]
    assert any("ping group outside" in reason for reason in group["takeover"]["why"])


def test_a_node_in_standby_does_not_take_over(pair: Pair, show: Show) -> None:
    standby = pair.standby()
    pair.drain(standby, True)
    try:
        found = show()
    finally:
        pair.drain(standby, False)
    (group,) = found["groups"]
    assert not group["takeover"]["able"]
    assert any("the node is standby" in reason for reason in group["takeover"]["why"])


def test_one_node_dead(pair: Pair, show: Show) -> None:
    faults = Faults(pair.lab)
    active, standby = pair.active(), pair.standby()
    faults.power_cut(active)
    try:
        wait(lambda: pair.held(standby) == pair.vips, 20)
        found = show()
    finally:
        faults.power_return(active)
    (group,) = found["groups"]
    assert group["owner"] == standby.name
    assert not group["takeover"]["able"]
    assert found["seconds"] <= LIMIT_S
