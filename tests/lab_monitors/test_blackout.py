# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The blackout monitor on a real router: it sees a cut, and sees nothing when nothing happens."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from lab.monitors.blackout import Blackout, Limits, Recording, analyse
from lab.monitors.paths import Path
from lab.monitors.wire import MonitorError
from tests.lab_monitors.world import A4, A6, B4, B6, World

pytestmark = pytest.mark.root
STREAM4 = Path("routed", 4, "udp", "lan", B4, "wan", A4, 5001, A4, 5001)
STREAM6 = Path("routed", 6, "udp", "lan", B6, "wan", A6, 5001, A6, 5001)
# A busy machine sends late, which lengthens gaps: these tests hold there too, and say by how much.
LIMITS = Limits(clean_ms=1000, clean_gap_ms=50)


def test_nothing_happens(world: World) -> None:
    world.router()
    monitor = Blackout(world.probes, [STREAM4, STREAM6], LIMITS)
    monitor.start()
    time.sleep(1.3)
    fault = time.monotonic_ns()
    time.sleep(1)
    result = monitor.stop(fault)
    assert result.unsound is None
    assert result.lost_packets == 0
    assert result.blackout_ms < 20 + result.max_stall_ms
    assert len(result.streams) == 4


def test_a_cut_is_measured(world: World, tmp_path: FilePath) -> None:
    world.router()
    monitor = Blackout(world.probes, [STREAM4, STREAM6], LIMITS)
    monitor.start()
    time.sleep(1.3)
    fault = time.monotonic_ns()
    world.cut("r", "wan")
    down = time.monotonic_ns()
    time.sleep(0.3)
    world.heal()
    up = time.monotonic_ns()
    monitor.wait_flowing(5, since_ns=up)
    time.sleep(0.3)
    result = monitor.stop(fault)
    noise = 25 + result.max_stall_ms
    shortest, longest = (up - down) / 1e6 - noise, (up - fault) / 1e6 + noise
    assert result.unsound is None
    for stream in result.streams:
        assert shortest <= stream.gap_ms <= longest
        assert shortest * 0.9 <= stream.lost <= longest
        assert not stream.open_ended
    assert monitor.recording is not None
    monitor.recording.save(tmp_path / "raw")
    assert analyse(Recording.load(tmp_path / "raw"), fault, limits=LIMITS) == result


def test_a_cut_before_the_fault_voids_the_run(world: World) -> None:
    world.router()
    monitor = Blackout(world.probes, [STREAM4], LIMITS)
    monitor.start()
    time.sleep(1.1)
    world.cut("r", "wan")
    time.sleep(0.1)
    world.heal()
    time.sleep(0.1)
    result = monitor.stop(time.monotonic_ns() - 1_000_000)
    assert result.void is not None
    assert "before the fault" in result.void


def test_a_dead_path_is_an_error_not_a_result(world: World) -> None:
    world.router()
    stream = replace(STREAM4, connect_address="192.0.2.99")
    with pytest.raises(MonitorError, match="nothing arrives"):
        Blackout(world.probes, [stream], LIMITS).start(timeout=0.5)
