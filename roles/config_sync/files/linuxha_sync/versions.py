# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Version vectors: which edits, counted by node, a version of a file has in it.

The counters are not 1, 2, 3 but seconds of the clock, or one more than before where that is greater. A node that was
replaced by a bare machine has forgotten how far it counted, and must not use a number a second time.
"""

from __future__ import annotations

from typing import Collection, Dict, Mapping

Vector = Mapping[str, int]

EQUAL, BEFORE, AFTER, CONCURRENT = "equal", "before", "after", "concurrent"


def compare(one: Vector, other: Vector) -> str:
    """How `one` lies to `other`. A node that is not in a vector counts as 0."""
    nodes = set(one) | set(other)
    less = any(one.get(node, 0) < other.get(node, 0) for node in nodes)
    more = any(one.get(node, 0) > other.get(node, 0) for node in nodes)
    if less and more:
        return CONCURRENT
    return BEFORE if less else AFTER if more else EQUAL


def merge(one: Vector, other: Vector) -> Dict[str, int]:
    """The smallest vector that is after both or equal."""
    return {node: max(one.get(node, 0), other.get(node, 0)) for node in sorted(set(one) | set(other))}


def among(vector: Vector, members: Collection[str]) -> Dict[str, int]:
    """Without the counts of nodes that have left: a peer that joined since has never heard of them."""
    return {node: count for node, count in vector.items() if node in members}


def bump(vector: Vector, node: str, now_s: int) -> Dict[str, int]:
    """The vector of an edit on this node, based on a version with `vector`."""
    return {**vector, node: max(vector.get(node, 0) + 1, now_s)}
