# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The strip plot: every run of a repeated drill as one dot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .data import percentile
from .svg import circle, document, line, text

LEFT, WIDTH, ROW = 190.0, 700.0, 58.0


def strip_svg(title: str, groups: Mapping[str, Sequence[float]], targets: Mapping[str, float] | None = None) -> str:
    """Blackouts on a logarithmic axis, one row per group, with median, p95 and target.

    Args:
        title: of the picture.
        groups: name to blackouts in milliseconds.
        targets: name to the figure that p95 may not exceed.
    """
    targets = targets or {}
    every = [value for values in groups.values() for value in values] + list(targets.values())
    low = 10 ** math.floor(math.log10(max(0.5, min(every))))
    high = 10 ** math.ceil(math.log10(max(every) * 1.05))

    def x(value: float) -> float:
        return LEFT + math.log10(max(value, low) / low) / math.log10(high / low) * WIDTH

    parts = [text(20, 26, title, "title")]
    top, bottom = 50.0, 50.0 + ROW * len(groups)
    decade = low
    while decade <= high:
        for step in (1, 2, 5):
            value = decade * step
            if value <= high:
                parts += [
                    line(x(value), top, x(value), bottom, "grid"),
                    text(x(value), bottom + 16, f"{value:g}", "faint", "middle"),
                ]
        decade *= 10
    parts.append(text(LEFT + WIDTH, bottom + 34, "blackout, ms (logarithmic)", "faint", "end"))
    for number, (name, values) in enumerate(groups.items()):
        y = top + ROW * (number + 0.5)
        parts.append(text(LEFT - 12, y - 2, name, "", "end"))
        parts.append(text(LEFT - 12, y + 13, f"n={len(values)}", "faint", "end"))
        for index, value in enumerate(values):
            parts.append(circle(x(value), y + ((index * 7) % 11 - 5) * 2.2, 3, "dot"))
        median, p95 = percentile(values, 0.5), percentile(values, 0.95)
        for value, label in ((median, f"median {median:.0f}"), (p95, f"p95 {p95:.0f}")):
            parts.append(line(x(value), y - 20, x(value), y + 20, "line"))
            parts.append(text(x(value), y - 22 if label.startswith("m") else y + 31, label, "faint", "middle"))
        if name in targets:
            parts.append(line(x(targets[name]), y - 24, x(targets[name]), y + 24, "target"))
            parts.append(text(x(targets[name]) + 4, y - 14, f"target {targets[name]:g}", "figure"))
    return document(LEFT + WIDTH + 60, bottom + 50, title, parts)
