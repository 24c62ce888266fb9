# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A bare machine takes the place of a dead node, under live traffic."""

from __future__ import annotations

import pytest

from lab.pair import Pair
from tests.failover.replacing import Record, nobody_notices, refused, replace, the_living_are_refused

pytestmark = pytest.mark.full

UNITS = ("keepalived", "conntrackd", "linuxha-takeover", "linuxha-journal", "linuxha-rules")


def test_nobody_notices_and_the_new_node_can_take_over(pair: Pair, record_property: Record) -> None:
    nobody_notices(pair, UNITS, record_property)


def test_a_node_that_lives_is_not_replaced(pair: Pair) -> None:
    the_living_are_refused(pair)


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
