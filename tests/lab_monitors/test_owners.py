# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The owner monitor on real kernels: one owner, two owners, none; and it does not disturb what it watches."""

from __future__ import annotations

import json
import socket
import sys
import time

import pytest

from lab.monitors.frames import link_local
from lab.monitors.owners import Owners, mac_for
from tests.lab_monitors.world import GATE_A4, GATE_A6, GATE_B4, GATE_B6, World

pytestmark = pytest.mark.root
VIPS = {"wan": [GATE_A4, GATE_A6], "lan": [GATE_B4, GATE_B6]}


def test_one_owner(world: World) -> None:
    world.router()
    monitor = Owners(world.probes, VIPS)
    monitor.start()
    time.sleep(1)
    result = monitor.stop()
    assert result.void is None
    assert (result.dual_ms, result.no_owner_ms, result.changes) == (0, 0, 0)
    assert all(item.answered >= 15 for item in result.vips)


def test_two_owners_fire(world: World) -> None:
    world.router("r")
    world.router("q")
    monitor = Owners(world.probes, VIPS)
    monitor.start()
    time.sleep(1)
    result = monitor.stop()
    assert [item.dual_owner_ms > 500 for item in result.vips] == [True] * 4


def test_a_moved_address_is_a_change_without_dual_owner(world: World) -> None:
    world.router("r")
    world.join("q", "wan0", "wan")
    monitor = Owners(world.probes, {"wan": [GATE_A4]})
    monitor.start()
    time.sleep(0.5)
    fault = time.monotonic_ns()
    world.host("r").sh(f"ip address del {GATE_A4}/24 dev wan0")
    gone = time.monotonic_ns()
    time.sleep(0.4)
    back = time.monotonic_ns()
    world.host("q").sh(f"ip address add {GATE_A4}/24 dev wan0")
    added = time.monotonic_ns()
    time.sleep(0.5)
    result = monitor.stop()
    assert (result.changes, result.dual_ms) == (1, 0)
    # Between two questions nobody knows.
    assert (back - gone) / 1e6 - 100 <= result.no_owner_ms <= (added - fault) / 1e6 + 100
    assert result.vips[0].timeline[-1].end_ns > fault


def test_many_vips_take_turns(world: World) -> None:
    router = world.router()
    vips = [f"192.0.2.{number}" for number in range(100, 160)]
    for vip in vips:
        router.sh(f"ip address add {vip}/24 dev wan0")
    monitor = Owners(world.probes, {"wan": vips})
    monitor.start()
    time.sleep(1.5)
    result = monitor.stop()
    assert len(result.vips) == 60
    assert (result.dual_ms, result.no_owner_ms, result.changes) == (0, 0, 0)


def test_no_neighbour_entry_is_refreshed(world: World) -> None:
    """The gateway moves without an announcement: only the probe host's own timers may find that out."""
    world.router("r")
    world.join("q", "wan0", "wan")
    probe = world.host("a")

    def gateway(address: str) -> str:
        listed = json.loads(probe.run(["ip", "-j", "neigh", "show", "to", address]).stdout)
        return str(listed[0].get("lladdr", "")) if listed else ""

    greet = "import socket, sys; socket.create_connection((sys.argv[1], 9), timeout=1)"
    for address in (GATE_A4, GATE_A6):
        deadline = time.monotonic() + 5
        while not gateway(address):
            probe.run([sys.executable, "-c", greet, address], check=False)
            assert time.monotonic() < deadline
    before = gateway(GATE_A4), gateway(GATE_A6)
    # No announcement from the second router: its interface does not announce new addresses by itself.
    world.host("r").sh(f"ip address del {GATE_A4}/24 dev wan0\nip address del {GATE_A6}/64 dev wan0")
    world.host("q").sh(f"ip address add {GATE_A4}/24 dev wan0\nip address add {GATE_A6}/64 dev wan0 nodad")
    monitor = Owners(world.probes, {"wan": VIPS["wan"]})
    monitor.start()
    time.sleep(1)
    result = monitor.stop()
    assert all(item.answered >= 15 for item in result.vips)
    assert (gateway(GATE_A4), gateway(GATE_A6)) == before
    learned = json.loads(world.host("q").run(["ip", "-j", "neigh", "show", "dev", "wan0"]).stdout)
    monitors = socket.inet_ntop(socket.AF_INET6, link_local(bytes.fromhex(mac_for(probe.name))))
    assert {item["dst"] for item in learned} <= {monitors}
