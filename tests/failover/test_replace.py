# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A bare machine takes the place of a dead node, under live traffic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import playbook
from lab.pair import Pair
from tests.failover.live import measure, sound
from tests.failover.replacing import FLOWS, REPLACED_S, dies_and_is_replaced, nobody_noticed, pids, refused, replace

pytestmark = pytest.mark.full

UNITS = ("keepalived", "conntrackd", "linuxha-takeover", "linuxha-rules")

Record = Callable[[str, object], None]


def test_nobody_notices_and_the_new_node_can_take_over(pair: Pair, record_property: Record) -> None:
    active = pair.active()
    before = pids(active, *UNITS)

    measured, run = dies_and_is_replaced(pair)

    record_property("seconds", round(run.seconds))
    nobody_noticed(measured)
    assert pids(active, *UNITS) == before
    assert pair.active().name == active.name
    assert playbook.play(pair.lab, "site", show=None).changed == 0
    # It has the states, or no connection would survive this.
    sound(measure(pair, "planned", flows=FLOWS))
    assert run.seconds <= REPLACED_S


def test_a_node_that_lives_is_not_replaced(pair: Pair) -> None:
    refused(pair, pair.standby(), "it runs conntrackd.service")
    refused(pair, pair.active(), "the node lives and serves")


def test_another_machine_is_refused_and_the_right_one_is_taken(pair: Pair) -> None:
    lost = pair.standby()
    pair.lab.replace(lost.name)
    wan = pair.cluster.networks[0]
    (port,) = (port for port in lost.plan.ports if port.key == wan.name)
    own = next(address for address in port.addresses if ":" not in address)
    lost.exec("ip", "address", "delete", own, "dev", port.interface)
    refused(pair, lost, f"{port.interface} has not {own.partition('/')[0]}")
    lost.exec("ip", "address", "add", own, "dev", port.interface)
    replace(pair, lost)
    pair.wait_steady()


def test_nothing_is_replaced_while_nobody_serves(pair: Pair) -> None:
    active, lost = pair.active(), pair.standby()
    pair.lab.replace(lost.name)
    active.exec("systemctl", "stop", "keepalived")
    try:
        refused(pair, lost, "keepalived.service")
    finally:
        active.exec("systemctl", "start", "keepalived")
    replace(pair, lost)
    pair.wait_steady()
