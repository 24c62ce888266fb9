# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The timeline: what arrived around each fault, stream by stream."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from .data import Case, Report
from .svg import document, line, rect, text

BEFORE_MS, AFTER_MS, BIN_MS = 300, 1200, 10
LEFT, WIDTH, ROW, GAP = 150.0, 760.0, 22.0, 4.0


def _x(ms: float) -> float:
    return LEFT + (ms + BEFORE_MS) / (BEFORE_MS + AFTER_MS) * WIDTH


def _panel(case: Case, received: Mapping[str, Sequence[int]], top: float) -> tuple[list[str], float]:
    figure = f"blackout {case.blackout_ms:.1f} ms" if case.lost_packets else "no packet lost"
    owners = f"{case.owner_before} → {case.owner_after}" if case.owner_before != case.owner_after else case.owner_after
    parts = [
        text(LEFT, top + 14, f"{case.name}  ({owners})", "title"),
        text(LEFT + WIDTH, top + 14, figure, "figure", "end"),
    ]
    y = top + 26
    first = y
    for label, times in received.items():
        parts.append(text(LEFT - 10, y + ROW - 7, label, "faint", "end"))
        low = bisect_left(times, case.fault_ns - BEFORE_MS * 1_000_000)
        high = bisect_left(times, case.fault_ns + AFTER_MS * 1_000_000)
        shown = [(t - case.fault_ns) / 1e6 for t in times[low:high]]
        counts = [0] * ((BEFORE_MS + AFTER_MS) // BIN_MS)
        for ms in shown:
            counts[min(len(counts) - 1, int((ms + BEFORE_MS) // BIN_MS))] += 1
        for number, count in enumerate(counts):
            height = (ROW - 2) * min(1.0, count / BIN_MS)
            if height:
                start = number * BIN_MS - BEFORE_MS
                parts.append(
                    rect(_x(start), y + ROW - 1 - height, WIDTH * BIN_MS / (BEFORE_MS + AFTER_MS) - 0.4, height, "ok")
                )
        gap = max(pairwise(shown), key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))
        if gap[1] - gap[0] > BIN_MS:
            parts.append(rect(_x(gap[0]), y, _x(gap[1]) - _x(gap[0]), ROW, "gap"))
        y += ROW + GAP
    parts.append(line(_x(0), first - 4, _x(0), y, "fault"))
    for ms in range(-BEFORE_MS, AFTER_MS + 1, 300):
        parts.append(text(_x(ms), y + 12, f"{ms} ms" if ms else "fault", "faint", "middle"))
    return parts, y + 34


def timeline_svg(report: Report, received: Mapping[str, Sequence[int]]) -> str:
    """One panel per case: packets that arrived in each 10 ms, for each stream, and the longest gap.

    Args:
        report: the cases, with the monotonic time of each fault.
        received: label of a stream to its receive times (monotonic nanoseconds, ascending).
    """
    parts = [text(LEFT, 26, f"{report.topology}, profile {report.profile}: live traffic at 1 kHz per stream", "title")]
    y = 46.0
    for case in report.cases:
        panel, y = _panel(case, received, y)
        parts += panel
    return document(LEFT + WIDTH + 60, y, "Failover under live traffic", parts)
