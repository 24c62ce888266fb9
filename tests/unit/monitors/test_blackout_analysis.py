# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.monitors.blackout import Recording, analyse, gaps
from lab.monitors.blackout.records import EndpointRecord

MS = 1_000_000
FAULT = 4000 * MS


def record(side: str, total: int = 6000) -> EndpointRecord:
    networks = ("lan", "wan") if side == "client" else ("wan", "lan")
    sent = array("q", range(0, total * MS, MS))
    received = array("q")
    for number, t in enumerate(sent):
        received.extend((t + 20_000, number, t))
    return EndpointRecord(0, 4, side, *networks, sent, received)


def without(item: EndpointRecord, lost: Callable[[int], bool]) -> EndpointRecord:
    kept = array("q")
    for number in range(0, len(item.received), 3):
        if not lost(item.received[number + 1]):
            kept.extend(item.received[number : number + 3])
    return replace(item, received=kept)


@pytest.fixture
def clean() -> Recording:
    return Recording((record("client"), record("server")))


def changed(recording: Recording, index: int, item: EndpointRecord) -> Recording:
    ends = list(recording.endpoints)
    ends[index] = item
    return Recording(tuple(ends))


def test_a_clean_run(clean: Recording) -> None:
    result = analyse(clean, FAULT)
    assert (result.void, result.lost_packets) == (None, 0)
    assert result.blackout_ms == pytest.approx(1.0)
    assert [item.direction for item in result.streams] == ["lan->wan", "wan->lan"]


def test_a_gap_counts_from_the_last_packet_before_it(clean: Recording) -> None:
    cut = changed(clean, 1, without(clean.endpoints[1], lambda number: 4001 <= number < 4301))
    result = analyse(cut, FAULT)
    assert result.void is None
    stream = result.streams[0]
    assert (stream.gap_ms, stream.lost, stream.open_ended) == (301.0, 300, False)
    assert stream.gap_start_ns == 4000 * MS + 20_000
    assert result.streams[1].lost == 0
    assert gaps(cut.endpoints[1], 50) == [(4000 * MS + 20_000, 4301 * MS + 20_000)]


def test_a_window_leaves_out_later_faults(clean: Recording) -> None:
    cut = changed(clean, 1, without(clean.endpoints[1], lambda number: number >= 5500))
    assert analyse(cut, FAULT, 5400 * MS).lost_packets == 0
    later = analyse(cut, FAULT)
    assert later.streams[0].open_ended
    assert later.lost_packets == 500


@pytest.mark.parametrize(
    ("fault_ns", "lost", "reason"),
    [
        (FAULT, range(2000, 2001), "1 packets were lost before the fault"),
        (FAULT, range(2000, 2030), "a gap of 31.0 ms before the fault"),
        (FAULT, range(6000), "no packet ever arrived"),
        (2000 * MS, range(0), "only 2000 ms were sent before the fault"),
        (9000 * MS, range(0), "sending stopped before the fault"),
    ],
)
def test_void_runs(clean: Recording, fault_ns: int, lost: range, reason: str) -> None:
    result = analyse(changed(clean, 1, without(clean.endpoints[1], lambda n: n in lost)), fault_ns)
    assert result.unsound is not None
    assert reason in str(result.void)


def test_sender_trouble_voids(clean: Recording) -> None:
    client = clean.endpoints[0]
    stalled = analyse(changed(clean, 0, replace(client, stalls=[(4500 * MS, 9 * MS)])), FAULT)
    assert stalled.void == "a sender stalled 1 times, up to 9.0 ms"
    assert stalled.unsound is None
    early = analyse(changed(clean, 0, replace(client, stalls=[(500 * MS, 9 * MS)])), FAULT)
    assert early.void is None
    full = analyse(changed(clean, 0, replace(client, send_errors=[(4500 * MS, 4500, errno.ENOBUFS)])), FAULT)
    assert "ENOBUFS" in str(full.unsound)
    dropped = analyse(changed(clean, 1, replace(clean.endpoints[1], drops=3)), FAULT)
    assert "dropped 3" in str(dropped.unsound)


def test_a_stall_after_the_fault_can_hide_it(clean: Recording) -> None:
    client = clean.endpoints[0]
    before = analyse(changed(clean, 0, replace(client, stalls=[(3500 * MS, 30 * MS)])), FAULT)
    assert (before.max_stall_ms, before.max_stall_after_ms) == (30.0, 0.0)
    across = analyse(changed(clean, 0, replace(client, stalls=[(3990 * MS, 30 * MS)])), FAULT)
    assert (across.max_stall_ms, across.max_stall_after_ms) == (30.0, 30.0)


def test_late_packets_before_the_fault_are_noise(clean: Recording) -> None:
    server = clean.endpoints[1]
    late = array("q", server.received)
    for number in range(3000, 3040):
        late[3 * number] = 3041 * MS
    result = analyse(changed(clean, 1, replace(server, received=late)), FAULT)
    assert "before the fault" in str(result.void)
    assert result.unsound is None


def test_an_unreachable_network_voids_only_before_the_fault(clean: Recording) -> None:
    client = clean.endpoints[0]
    after = analyse(changed(clean, 0, replace(client, send_errors=[(4500 * MS, 4500, errno.EHOSTUNREACH)])), FAULT)
    assert after.void is None
    assert after.streams[0].send_errors == 1
    before = analyse(changed(clean, 0, replace(client, send_errors=[(3500 * MS, 3500, errno.EHOSTUNREACH)])), FAULT)
    assert "EHOSTUNREACH" in str(before.void)


def test_duplicates_and_order(clean: Recording) -> None:
    server = clean.endpoints[1]
    twice = array("q", [*server.received, *server.received[-6:-3]])
    stream = analyse(changed(clean, 1, replace(server, received=twice)), FAULT).streams[0]
    assert (stream.duplicates, stream.reordered) == (1, 1)


def test_nothing_measured_is_void() -> None:
    assert analyse(Recording(())).void == "nothing was measured"


def test_recording_round_trip(clean: Recording, tmp_path: Path) -> None:
    clean.save(tmp_path / "raw")
    assert Recording.load(tmp_path / "raw") == clean
