# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The leak monitor on a real router: silent behind a filter, loud without one."""

from __future__ import annotations

import time

import pytest

from lab.monitors.leaks import Leaks
from lab.monitors.paths import Canary
from tests.lab_monitors.world import A4, A6, B4, B6, World

pytestmark = pytest.mark.root
CANARIES = [
    Canary(4, "udp", "wan", A4, "lan", B4, 47001),
    Canary(4, "tcp", "wan", A4, "lan", B4, 47002),
    Canary(6, "udp", "wan", A6, "lan", B6, 47001),
    Canary(6, "tcp", "wan", A6, "lan", B6, 47002),
]
FILTER = "iptables -P FORWARD DROP\nip6tables -P FORWARD DROP"


def test_nothing_leaks_through_a_filter(world: World) -> None:
    world.router().sh(FILTER)
    monitor = Leaks(world.probes, CANARIES)
    monitor.start()
    time.sleep(1)
    result = monitor.stop()
    assert (result.void, result.leaked) == (None, 0)
    assert result.sent > 150


def test_all_leaks_without_a_filter(world: World) -> None:
    router = world.router()
    router.sh(FILTER)
    monitor = Leaks(world.probes, CANARIES)
    monitor.start()
    time.sleep(0.5)
    assert monitor.arrived() == 0
    router.sh("iptables -P FORWARD ACCEPT\nip6tables -P FORWARD ACCEPT")
    time.sleep(1)
    result = monitor.stop()
    assert result.leaked > 100
    kinds = {(item.family, item.protocol) for item in monitor.records.arrived}
    assert kinds == {(4, "tcp"), (4, "udp"), (6, "tcp"), (6, "udp")}
    assert {item.network for item in result.examples} == {"lan"}


def test_both_directions_at_once(world: World) -> None:
    world.router()
    back = [Canary(4, "udp", "lan", B4, "wan", A4, 47001), Canary(6, "tcp", "lan", B6, "wan", A6, 47002)]
    monitor = Leaks(world.probes, [*CANARIES, *back])
    monitor.start()
    time.sleep(1.5)
    result = monitor.stop()
    assert {item.network for item in monitor.records.arrived} == {"lan", "wan"}
    assert result.leaked <= result.sent
