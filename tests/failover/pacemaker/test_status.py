# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Status of a live pair under Pacemaker: ping targets, orders of an operator, a dead node."""

from __future__ import annotations

import pytest

from lab.faults import Faults
from lab.pair import Pair
from tests.failover.test_status import LIMIT_S, Show, show, without_power

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
    with without_power(pair) as (active, standby):
        found = show()
    (group,) = found["groups"]
    assert group["owner"] == standby
    assert not group["takeover"]["able"]
    assert any(reason.startswith(f"{active}: no answer") for reason in group["takeover"]["why"])


def test_a_dead_node_costs_seconds_only(pair: Pair, show: Show) -> None:
    """Apart from the test above, since it needs a quiet machine."""
    with without_power(pair):
        seconds = [show()["seconds"] for _run in range(3)]
    assert max(seconds) <= LIMIT_S, seconds
