# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The bytes of a flow: 64-bit counters with the flow's number in the upper half.

Every position of every flow differs from every other, so a lost, repeated, moved or foreign piece is always found.
"""

from __future__ import annotations

from array import array

WORD = 8


def content(flow: int, offset: int, size: int) -> bytes:
    """Bytes [offset, offset + size) of a flow's endless stream."""
    first, last = offset // WORD, (offset + size + WORD - 1) // WORD
    base = (flow + 1) << 32
    skip = offset - first * WORD
    return array("Q", range(base + first, base + last)).tobytes()[skip : skip + size]


def flow_of(start: bytes) -> int:
    """Whose stream begins like that."""
    value = array("Q")
    value.frombytes(start[:WORD])
    return (value[0] >> 32) - 1
