# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Sets of whole numbers as ranges (sorted, disjoint, not adjacent, both ends included), and prefixes that they make."""

from __future__ import annotations

import ipaddress
import socket
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ADDRESSES, Ranges

BITS = {4: 32, 6: 128}
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


def union(*parts: Ranges) -> Ranges:
    return normal(pair for part in parts for pair in part)


def intersect(left: Ranges, right: Ranges) -> Ranges:
    if left is right or not left or not right:
        return left and right
    # Most sets of a policy are everything, or one range.
    for one, other in ((left, right), (right, left)):
        if len(one) == 1 and one[0][0] <= other[0][0] and other[-1][1] <= one[0][1]:
            return other
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        (first, last), (begin, end) = left[i], right[j]
        if last < end:
            if begin <= last:
                found.append((first if first > begin else begin, last))
            i += 1
        else:
            if first <= end:
                found.append((first if first > begin else begin, end))
            j += 1
    return tuple(found)


def subtract(left: Ranges, right: Ranges) -> Ranges:
    if not right:
        return left
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


def meet(left: Ranges, right: Ranges) -> bool:
    """Whether a number is in both."""
    few, many = (left, right) if len(left) <= len(right) else (right, left)
    for low, high in few:
        position = bisect_right(many, (high, _TOP)) - 1
        if position >= 0 and many[position][1] >= low:
            return True
    return False


def covers(outer: Ranges, inner: Ranges) -> bool:
    return outer is inner or not subtract(inner, outer)


def shift(ranges: Ranges, offset: int) -> Ranges:
    return tuple((low + offset, high + offset) for low, high in ranges)


def prefixes(ranges: Ranges, family: int) -> Iterator[tuple[int, int]]:
    """(first address, length) of the fewest prefixes that are exactly these addresses."""
    bits = BITS[family]
    for first, last in ranges:
        low = first
        while low <= last:
            # The largest block that is aligned at `low` and does not reach beyond `last`.
            size = (low & -low).bit_length() - 1 if low else bits
            size = min(size, (last - low + 1).bit_length() - 1)
            yield low, bits - size
            low += 1 << size


@lru_cache(maxsize=65536)
def address_text(value: int, family: int) -> str:
    # An IPv4 address has one spelling; those of IPv6 differ between C libraries where one is mapped.
    return (
        socket.inet_ntop(socket.AF_INET, value.to_bytes(4, "big")) if family == 4 else str(ipaddress.IPv6Address(value))
    )


def prefix_text(first: int, length: int, family: int) -> str:
    """198.51.100.0/24, and a single address without its length."""
    text = address_text(first, family)
    return text if length == BITS[family] else f"{text}/{length}"


def texts(ranges: Ranges, family: int) -> list[str]:
    return [prefix_text(first, length, family) for first, length in prefixes(ranges, family)]


def is_full(ranges: Ranges, family: int) -> bool:
    return ranges == ADDRESSES[family]
