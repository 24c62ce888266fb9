# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From recordings to a verdict. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from lab.monitors.blackout.records import EndpointRecord, Recording

MS = 1_000_000
# The network said no. After the fault this is how a sender sees a blackout; anything else is the sender's own trouble.
NETWORK_ERRORS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EHOSTDOWN})


@dataclass(frozen=True)
class Limits:
    clean_ms: float = 3000.0  # how long before the fault must be clean
    clean_gap_ms: float = 20.0  # the longest gap allowed then
    stall_ms: float = 5.0  # a later packet voids the run
    guard_ms: float = 5.0  # packets sent this shortly before the fault may still be hit by it


@dataclass(frozen=True)
class StreamResult:
    direction: str  # "wan->lan": from sender to receiver
    family: int
    gap_ms: float  # longest time without a packet
    gap_start_ns: int  # the last arrival before it
    lost: int
    sent: int
    duplicates: int
    reordered: int
    open_ended: bool  # the longest gap had not ended when sending stopped
    clean_gap_ms: float  # longest gap before the fault
    send_errors: int


@dataclass(frozen=True)
class BlackoutResult:
    void: str | None  # why blackout_ms is not a figure of the network: all of `unsound`, and the noise of this machine
    unsound: str | None  # why the run does not even prove that the blackout was no longer than blackout_ms
    blackout_ms: float  # the longest gap of any stream
    lost_packets: int  # all streams
    max_stall_ms: float
    max_stall_after_ms: float  # of the packets due after the fault: as long a hand-over could pass unseen
    streams: tuple[StreamResult, ...]
    cpu_percent: float  # of one core, all workers
    notes: tuple[str, ...]


def gaps(record: EndpointRecord, at_least_ms: float, end_ns: int | None = None) -> list[tuple[int, int]]:
    """All receive gaps of at least that length as (start, end), for a timeline."""
    times = sorted(record.received[::3])
    if times and end_ns is not None:
        times.append(max(end_ns, times[-1]))
    return [(a, b) for a, b in pairwise(times) if b - a >= at_least_ms * MS]


def analyse(
    recording: Recording, fault_ns: int | None = None, until_ns: int | None = None, limits: Limits | None = None
) -> BlackoutResult:
    """Judge one fault in a recording: from fault_ns (taken just before the fault) up to until_ns or the end.

    Without a fault the whole recording is judged and nothing is required to be clean first.
    """
    limits = limits or Limits()
    ends = {(item.stream, item.side): item for item in recording.endpoints}
    reasons: list[str] = []
    noise: list[str] = []
    streams: list[StreamResult] = []
    for (stream, side), sender in sorted(ends.items()):
        receiver = ends.get((stream, "server" if side == "client" else "client"))
        if receiver is None:
            reasons.append(f"stream {stream}: one end is missing")
            continue
        streams.append(_stream(sender, receiver, fault_ns, until_ns, limits, reasons, noise))
    if not streams:
        reasons.append("nothing was measured")
    stalls = [stall for item in recording.endpoints for stall in _stalls(item, fault_ns, until_ns, limits)]
    longest = max((late for _unused, late in stalls), default=0)
    if stalls:
        noise.append(f"a sender stalled {len(stalls)} times, up to {longest / MS:.1f} ms")
    return BlackoutResult(
        void="; ".join(dict.fromkeys(reasons + noise)) or None,
        unsound="; ".join(dict.fromkeys(reasons)) or None,
        blackout_ms=max((item.gap_ms for item in streams), default=0.0),
        lost_packets=sum(item.lost for item in streams),
        max_stall_ms=round(longest / MS, 3),
        max_stall_after_ms=round(max((late for end, late in stalls if end >= (fault_ns or 0)), default=0) / MS, 3),
        streams=tuple(streams),
        cpu_percent=_cpu_percent(recording.endpoints),
        notes=tuple(dict.fromkeys(note for item in recording.endpoints for note in item.notes)),
    )


def _stalls(
    item: EndpointRecord, fault_ns: int | None, until_ns: int | None, limits: Limits
) -> Iterable[tuple[int, int]]:
    """When each stall ended, and how long it was."""
    if not item.sent:
        return
    begin = item.sent[0] if fault_ns is None else fault_ns - round(limits.clean_ms * MS)
    end = item.sent[-1] if until_ns is None else until_ns
    for due, late in item.stalls:
        if late > limits.stall_ms * MS and due + late >= begin and due <= end:
            yield due + late, late


def _cpu_percent(endpoints: Iterable[EndpointRecord]) -> float:
    workers = {(item.network, item.cpu_ms) for item in endpoints}
    longest = max((item.sent[-1] - item.sent[0] for item in endpoints if len(item.sent) > 1), default=0)
    return round(sum(cpu for _unused, cpu in workers) * MS / longest * 100, 1) if longest else 0.0


def _stream(
    sender: EndpointRecord,
    receiver: EndpointRecord,
    fault_ns: int | None,
    until_ns: int | None,
    limits: Limits,
    reasons: list[str],
    noise: list[str],
) -> StreamResult:
    name = f"{sender.network}->{receiver.network} IPv{sender.family}"

    def void(reason: str) -> None:
        reasons.append(f"{name}: {reason}")

    received = receiver.received
    seen = set(received[1::3])
    arrivals = sorted(received[::3])
    first = sender.sent[0] if sender.sent else 0
    stop = sender.sent[-1] if sender.sent else 0
    begin = first if fault_ns is None else fault_ns
    end = stop if until_ns is None else min(until_ns, stop)
    guard = 0 if fault_ns is None else round(limits.guard_ms * MS)

    if not arrivals:
        void("no packet ever arrived")
    if receiver.drops:
        void(f"the receiver's socket dropped {receiver.drops} packets")
    clean_gap = 0
    if fault_ns is not None:
        clean_from = fault_ns - round(limits.clean_ms * MS)
        if first > clean_from:
            before = max(0, fault_ns - first) / MS
            void(f"only {before:.0f} ms were sent before the fault, {limits.clean_ms:.0f} are needed")
        if fault_ns > stop:
            void("sending stopped before the fault")
        clean_gap, _unused, _unused = _longest(arrivals, clean_from, fault_ns - guard)
        early = sum(1 for seq, t in enumerate(sender.sent) if clean_from <= t < fault_ns - guard and seq not in seen)
        if early:
            void(f"{early} packets were lost before the fault")
        if clean_gap > limits.clean_gap_ms * MS:
            # No packet is missing, so they came late: that makes a gap longer, never shorter.
            noise.append(f"{name}: a gap of {clean_gap / MS:.1f} ms before the fault")
    for reason in _own_errors(sender, fault_ns, end, limits):
        void(reason)

    gap, start, open_ended = _longest(arrivals, begin, end)
    order = received[1::3]
    return StreamResult(
        direction=f"{sender.network}->{receiver.network}",
        family=sender.family,
        gap_ms=round(gap / MS, 3),
        gap_start_ns=start,
        lost=sum(1 for seq, t in enumerate(sender.sent) if begin - guard <= t <= end and seq not in seen),
        sent=sum(1 for t in sender.sent if begin - guard <= t <= end),
        duplicates=len(order) - len(seen),
        reordered=sum(1 for a, b in pairwise(order) if b < a),
        open_ended=open_ended,
        clean_gap_ms=round(clean_gap / MS, 3),
        send_errors=sum(1 for t, _unused, _unused in sender.send_errors if begin - guard <= t <= end),
    )


def _own_errors(sender: EndpointRecord, fault_ns: int | None, end: int, limits: Limits) -> Iterable[str]:
    """Send errors that void the run.

    A network error after the fault does not: it is the blackout itself as its sender sees it (a neighbour entry that
    failed), and voiding on it would throw away exactly the worst runs.
    """
    for t, _unused, number in sender.send_errors:
        if t > end or (fault_ns is not None and t < fault_ns - limits.clean_ms * MS):
            continue
        after_fault = fault_ns is not None and t >= fault_ns
        if not (after_fault and number in NETWORK_ERRORS):
            yield f"sending failed with {errno.errorcode.get(number, str(number))}"


def _longest(arrivals: list[int], begin: int, end: int) -> tuple[int, int, bool]:
    """Longest part of a receive gap inside [begin, end]: length, its start, whether it reaches the end.

    A gap that straddles the begin counts from the last arrival before it: that is what a user saw.
    """
    best, best_start, open_ended = 0, begin, False
    previous = begin
    for t in arrivals:
        if t < begin:
            previous = t
            continue
        upto = min(t, end)
        if upto - previous > best:
            best, best_start, open_ended = upto - previous, previous, t > end
        if t > end:
            return best, best_start, open_ended
        previous = t
    if end - previous > best:
        best, best_start, open_ended = end - previous, previous, True
    return best, best_start, open_ended
