# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Arithmetic on sorted, disjoint ranges of numbers, and the prefixes that they make."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ADDRESSES, Ranges

BITS = {4: 32, 6: 128}


def normal(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted, disjoint and not adjacent, whatever comes in."""
    ordered = sorted(pairs)
    if len(ordered) < 2:
        return tuple(ordered)
    found: list[tuple[int, int]] = [ordered[0]]
    for low, high in ordered[1:]:
        if low <= found[-1][1] + 1:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return tuple(found)


def union(*parts: Ranges) -> Ranges:
    return normal(pair for part in parts for pair in part)


def intersect(left: Ranges, right: Ranges) -> Ranges:
    found: list[tuple[int, int]] = []
    i = k = 0
    while i < len(left) and k < len(right):
        low, high = max(left[i][0], right[k][0]), min(left[i][1], right[k][1])
        if low <= high:
            found.append((low, high))
        if left[i][1] < right[k][1]:
            i += 1
        else:
            k += 1
    return tuple(found)


def subtract(left: Ranges, right: Ranges) -> Ranges:
    if not right:
        return left
    found: list[tuple[int, int]] = []
    k = 0
    for first, last in left:
        low = first
        while k < len(right) and right[k][1] < low:
            k += 1
        n = k
        while n < len(right) and right[n][0] <= last:
            if low < right[n][0]:
                found.append((low, right[n][0] - 1))
            low = right[n][1] + 1
            n += 1
        if low <= last:
            found.append((low, last))
    return tuple(found)


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
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def prefix_text(first: int, length: int, family: int) -> str:
    """198.51.100.0/24, and a single address without its length."""
    text = address_text(first, family)
    return text if length == BITS[family] else f"{text}/{length}"


def texts(ranges: Ranges, family: int) -> list[str]:
    return [prefix_text(first, length, family) for first, length in prefixes(ranges, family)]


def is_full(ranges: Ranges, family: int) -> bool:
    return ranges == ADDRESSES[family]
