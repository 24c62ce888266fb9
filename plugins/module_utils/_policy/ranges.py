# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Sets of whole numbers as ranges: sorted, disjoint, not adjacent, both ends included."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges

#: Above every number in use: with it a pair sorts after all ranges that begin at the same number.
_TOP = 1 << 129


def normal(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The union of any ranges; one with its ends reversed is empty."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if low > high:
            continue
        if found and low <= found[-1][1] + 1:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return tuple(found)


def intersect(left: Ranges, right: Ranges) -> Ranges:
    if left is right:
        return left
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def subtract(left: Ranges, right: Ranges) -> Ranges:
    if left is right:
        return ()
    found: list[tuple[int, int]] = []
    j = 0
    for first, last in left:
        low = first
        while j < len(right) and right[j][1] < low:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= last:
            if low < right[k][0]:
                found.append((low, right[k][0] - 1))
            low = right[k][1] + 1
            k += 1
        if low <= last:
            found.append((low, last))
    return tuple(found)


def contains(ranges: Ranges, value: int) -> bool:
    return find(ranges, value) is not None


def find(ranges: Ranges, value: int) -> Optional[tuple[int, int]]:
    """The range that `value` is in."""
    position = bisect_right(ranges, (value, _TOP)) - 1
    if position >= 0 and value <= ranges[position][1]:
        return ranges[position]
    return None


def covers(outer: Ranges, inner: Ranges) -> bool:
    return outer is inner or not subtract(inner, outer)


def shift(ranges: Ranges, offset: int) -> Ranges:
    return tuple((low + offset, high + offset) for low, high in ranges)
