# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab_monitors.world import A4, A6, B4, B6, GATE_A4, GATE_A6, GATE_B4, GATE_B6, World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = World(f"mon-test-{os.getpid()}")
    try:
        switch = made.host("s")
        switch.sh("ip link add wan type bridge\nip link set wan up\nip link add lan type bridge\nip link set lan up")
        made.join("a", "eth0", "wan", f"{A4}/24", f"{A6}/64")
        made.join("b", "eth0", "lan", f"{B4}/24", f"{B6}/64")
        made.host("a").sh(f"ip route add default via {GATE_A4}\nip -6 route add default via {GATE_A6}")
        made.host("b").sh(f"ip route add default via {GATE_B4}\nip -6 route add default via {GATE_B6}")
        made.hosts["a"].ipv4, made.hosts["a"].ipv6 = A4, A6
        made.hosts["b"].ipv4, made.hosts["b"].ipv6 = B4, B6
        yield made
    finally:
        made.close()
