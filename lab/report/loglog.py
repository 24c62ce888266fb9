# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Lines on two logarithmic axes, each with its name at its end."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from .svg import circle, document, line, polyline, text

LEFT, TOP, WIDTH, HEIGHT, RIGHT = 70.0, 50.0, 560.0, 360.0, 190.0
APART = 15.0


def loglog_svg(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    dashed: Collection[str] = (),
) -> str:
    """A plot.

    Args:
        title: of the picture.
        series: name to points, ascending, all greater than nought; at most eight.
        x_label: what x is.
        y_label: what y is.
        dashed: names of series that are not measured throughout.
    """
    points = [point for found in series.values() for point in found]
    (left, right), (low, high) = (_decades([point[axis] for point in points]) for axis in (0, 1))

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - left) / (right - left) * WIDTH

    def y(value: float) -> float:
        return TOP + HEIGHT - (math.log10(value) - low) / (high - low) * HEIGHT

    parts = [text(LEFT, 26, title, "title")]
    for decade in range(left, right + 1):
        place = x(10.0**decade)
        parts.append(line(place, TOP, place, TOP + HEIGHT, "grid"))
        parts.append(text(place, TOP + HEIGHT + 18, f"{10**decade:,}".replace(",", " "), "faint", "middle"))
    for decade in range(low, high + 1):
        place = y(10.0**decade)
        parts.append(line(LEFT, place, LEFT + WIDTH, place, "grid"))
        parts.append(
            text(LEFT - 8, place + 4, f"{10.0**decade:,.{max(0, -decade)}f}".replace(",", " "), "faint", "end")
        )
    parts.append(text(LEFT + WIDTH, TOP + HEIGHT + 36, f"{x_label} (logarithmic)", "faint", "end"))
    parts.append(text(LEFT - 50, TOP - 10, f"{y_label} (logarithmic)", "faint"))
    css = {name: f"s{number}" for number, name in enumerate(series)}
    for name, found in series.items():
        drawn = [(x(one), y(other)) for one, other in found]
        parts.append(polyline(drawn, f"{css[name]} dashed" if name in dashed else css[name]))
        parts += [circle(*place, 3.5, css[name]) for place in drawn]
    for name, place in _spread({name: y(found[-1][1]) for name, found in series.items()}).items():
        parts.append(
            text(LEFT + WIDTH + 12, place + 4, name + (" (scaled)" if name in dashed else ""), f"{css[name]} name")
        )
    return document(LEFT + WIDTH + RIGHT, TOP + HEIGHT + 50, title, parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _spread(places: Mapping[str, float]) -> dict[str, float]:
    """Names that would lie on each other move down."""
    found: dict[str, float] = {}
    lowest = -math.inf
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        lowest = found[name] = max(place, lowest + APART)
    return found
