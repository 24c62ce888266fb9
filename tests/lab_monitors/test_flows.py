# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The flow monitor on a real router: flows survive, are reset, stall, are corrupted, come from the wrong address."""

from __future__ import annotations

import time

import pytest

from lab.monitors.flows import Flows
from lab.monitors.paths import Path
from lab.monitors.wire import MonitorError
from tests.lab_monitors.world import A4, A6, B4, B6, GATE_A4, World

pytestmark = pytest.mark.root
ROUTED4 = Path("routed", 4, "tcp", "lan", B4, "wan", A4, 8080, A4, 8080, B4)
ROUTED6 = Path("routed", 6, "tcp", "lan", B6, "wan", A6, 8080, A6, 8080, B6)
SNAT4 = Path("snat", 4, "tcp", "lan", B4, "wan", A4, 8081, A4, 8081, GATE_A4)
DNAT4 = Path("dnat", 4, "tcp", "wan", A4, "lan", B4, 8443, GATE_A4, 443, A4)
RESET = "-I FORWARD -p tcp -j REJECT --reject-with tcp-reset"


def nat(world: World) -> None:
    world.host("r").sh(
        f"iptables -t nat -A POSTROUTING -o wan0 -p tcp --dport 8081 -j SNAT --to-source {GATE_A4}\n"
        f"iptables -t nat -A PREROUTING -i wan0 -p tcp --dport 443 -j DNAT --to-destination {B4}:8443"
    )


def test_all_survive_when_nothing_happens(world: World) -> None:
    world.router()
    nat(world)
    monitor = Flows(world.probes, [ROUTED4, ROUTED6, SNAT4, DNAT4], 2000)
    monitor.start()
    monitor.mark()
    time.sleep(1)
    assert monitor.check_all().failed == ()
    result = monitor.stop()
    assert result.void is None
    assert (result.total, result.survived) == (2000, 2000), result.failures[:3]
    assert {item.kind for item in result.flows} == {"idle", "interactive", "bulk"}
    assert min(item.bytes_back for item in result.flows if item.kind == "bulk") > 100_000
    assert result.max_stall_ms < 1000


def test_a_reset_is_seen(world: World) -> None:
    router = world.router()
    monitor = Flows(world.probes, [ROUTED4, ROUTED6], 40)
    monitor.start()
    router.sh(f"iptables {RESET}\nip6tables {RESET}")
    time.sleep(0.5)
    result = monitor.check(deadline_ms=3000)
    assert result.resets == 40, result.flows
    assert monitor.stop().total == 0  # counted once


def test_a_short_cut_is_a_stall_that_is_survived(world: World) -> None:
    world.router()
    monitor = Flows(world.probes, [ROUTED4, ROUTED6], 40, interactive=1.0, bulk=4)
    monitor.start()
    time.sleep(0.5)
    monitor.mark()
    world.cut("r", "wan")
    time.sleep(0.5)
    world.heal()
    time.sleep(0.5)
    result = monitor.stop()
    assert result.survived == 40
    assert all(item.max_stall_ms >= 300 for item in result.flows)


def test_a_lasting_cut_is_seen(world: World) -> None:
    world.router()
    monitor = Flows(world.probes, [ROUTED4, ROUTED6], 40)
    monitor.start()
    world.cut("r", "wan")
    assert len(monitor.check_all(deadline_ms=500).failed) == 40
    result = monitor.stop(deadline_ms=500)
    assert result.stalled == 40


def test_missing_snat_is_seen(world: World) -> None:
    world.router()
    monitor = Flows(world.probes, [SNAT4], 4)
    monitor.start()
    result = monitor.stop()
    assert result.misrouted == 4
    assert f"not {GATE_A4}" in result.flows[0].detail


def test_flows_that_cannot_be_opened_are_an_error(world: World) -> None:
    world.router().sh(f"iptables {RESET}")
    with pytest.raises(MonitorError, match="cannot be opened"):
        Flows(world.probes, [ROUTED4], 4).start()
