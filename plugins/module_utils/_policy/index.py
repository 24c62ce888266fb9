# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which of many boxes a packet or a box meets, with one bit per box.

Each axis is cut where any box begins or ends; every piece between two cuts knows the boxes that hold there as the bits
of one integer. A packet meets the boxes whose bit is set in its piece of all four axes (the bit vectors of Lakshman
and Stiliadis, 1998). Integers of ten thousand bits are quick, so a question costs microseconds and its
cost hardly grows with the number of boxes. Memory grows with its square: about 100 MB for 10 000 boxes that all differ.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import and_, or_
from random import Random
from typing import Callable, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import NO_TASTE, Taste, choose
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, Point

#: Packets tried by chance before the next box is subtracted: a subtraction costs as much as several of them.
_PROBES = 6
#: Of the boxes that a packet meets, so many are compared for the one that leaves the fewest pieces.
_COMPARED = 12
#: After so many subtractions, boxes that differ on one axis only are subtracted as one.
_PATIENCE = 6


class Axis:
    """The sets that boxes have on one axis; `sets[n]` belongs to bit n."""

    def __init__(self, sets: Sequence[Ranges], universe: Ranges) -> None:
        self.universe = universe
        events: dict[int, int] = {universe[0][0]: 0, universe[-1][1] + 1: 0}
        for number, found in enumerate(sets):
            bit = 1 << number
            for low, high in found:
                events[low] = events.get(low, 0) ^ bit
                events[high + 1] = events.get(high + 1, 0) ^ bit
        self.cuts = sorted(events)
        self.pieces: list[int] = []
        mask = 0
        for cut in self.cuts[:-1]:
            mask ^= events[cut]
            self.pieces.append(mask)
        self._any: Optional[list[int]] = None
        self._all: Optional[list[int]] = None

    def piece(self, value: int) -> tuple[int, int]:
        """The largest range around `value` in which all packets meet the same boxes."""
        position = bisect_right(self.cuts, value)
        return self.cuts[position - 1], self.cuts[position] - 1

    def meeting(self, found: Ranges) -> int:
        """Boxes that have a part of `found`."""
        if self._any is None:
            self._any = _tree(self.pieces, or_)
        return self._fold(self._any, found, or_, 0)

    def holding(self, found: Ranges) -> int:
        """Boxes that have all of `found`."""
        if self._all is None:
            self._all = _tree(self.pieces, and_)
        return self._fold(self._all, found, and_, -1)

    def sticking_out(self, found: Ranges) -> int:
        """Boxes that have a part outside of `found`."""
        return self.meeting(spans.subtract(self.universe, found))

    def _fold(self, tree: list[int], found: Ranges, join: Callable[[int, int], int], mask: int) -> int:
        size = len(self.pieces)
        for low, high in found:
            left = bisect_right(self.cuts, low) - 1 + size
            right = bisect_right(self.cuts, high) + size
            while left < right:
                if left & 1:
                    mask = join(mask, tree[left])
                    left += 1
                if right & 1:
                    right -= 1
                    mask = join(mask, tree[right])
                left >>= 1
                right >>= 1
        return mask


def _tree(leaves: list[int], join: Callable[[int, int], int]) -> list[int]:
    """A segment tree: node n joins the nodes 2n and 2n + 1, the leaves come last."""
    tree = [0] * len(leaves) + leaves
    for node in range(len(leaves) - 1, 0, -1):
        tree[node] = join(tree[2 * node], tree[2 * node + 1])
    return tree


class Index:
    """Boxes of one family in an order that callers give a meaning: bit n of every mask stands for `boxes[n]`."""

    def __init__(self, found: Sequence[Box], family: int, taste: Taste = NO_TASTE) -> None:
        self.boxes = list(found)
        self.family = family
        self._taste = taste
        universe = space.everything(family)
        self.axes = tuple(Axis([box[d] for box in self.boxes], universe[d]) for d in range(4))
        # Chance that is the same in every run.
        self._random = Random(1)
        self._alike: Optional[list[dict[tuple[Ranges, ...], int]]] = None
        self.meeting_on = lru_cache(maxsize=None)(self._meeting_on)
        self.crossing_on = lru_cache(maxsize=None)(self._crossing_on)

    def at(self, point: Point) -> int:
        """The boxes that have this packet."""
        a, b, c, d = self.axes
        return (
            a.pieces[bisect_right(a.cuts, point[0]) - 1]
            & b.pieces[bisect_right(b.cuts, point[1]) - 1]
            & c.pieces[bisect_right(c.cuts, point[2]) - 1]
            & d.pieces[bisect_right(d.cuts, point[3]) - 1]
        )

    def meeting(self, box: Box) -> int:
        """The boxes that have a packet in common with `box`: products meet when they meet on every axis."""
        mask = self.meeting_on(2, box[2])
        for d in (1, 0, 3):
            if mask:
                mask &= self.meeting_on(d, box[d])
        return mask

    def crossing(self, box: Box) -> int:
        """The boxes that, on some axis, have only a part of what `box` has there and something else too."""
        mask = 0
        for d in range(4):
            mask |= self.crossing_on(d, box[d])
        return mask & self.meeting(box)

    def uncovered(self, box: Box, among: int) -> tuple[Optional[Point], int]:
        """A packet of `box` that no box of `among` has, or None; and the boxes that were subtracted on the way.

        When there is no such packet, those are a part of `among` that covers `box`.
        """
        used = count = 0
        rest = [box]
        while rest:
            part = rest.pop()
            hits = 0
            for point in self._probes(part):
                hits = among & self.at(point)
                if not hits:
                    return self._readable(point, part), used
            number = self._best(hits, part)
            taken, other = 1 << number, self.boxes[number]
            if count >= _PATIENCE:
                taken, other = self._lifted(number, among, part)
            used |= taken
            count += 1
            rest += space.subtract(part, other)
        return None, used

    def _meeting_on(self, d: int, found: Ranges) -> int:
        return self.axes[d].meeting(found)

    def _crossing_on(self, d: int, found: Ranges) -> int:
        axis = self.axes[d]
        return self.meeting_on(d, found) & ~axis.holding(found) & axis.sticking_out(found)

    def _probes(self, box: Box) -> Iterator[Point]:
        yield choose(box, self.family, self._taste)
        pick, between = self._random.choice, self._random.randint
        for _probe in range(_PROBES):
            yield Point(*(between(*pick(found)) for found in box))

    def _readable(self, point: Point, box: Box) -> Point:
        """A packet that meets the same boxes as this one, with values that people know."""
        return choose(
            Box(*(spans.intersect(box[d], (self.axes[d].piece(point[d]),)) for d in range(4))),
            self.family,
            self._taste,
        )

    def _best(self, hits: int, part: Box) -> int:
        """Of the boxes in `hits`, one that leaves few pieces of `part`."""
        best, fewest = -1, 9
        for number in bits(hits, _COMPARED):
            box = self.boxes[number]
            pieces = sum(not spans.covers(box[d], part[d]) for d in range(4))
            if pieces < fewest:
                best, fewest = number, pieces
            if not pieces:
                break
        return best

    def _lifted(self, number: int, among: int, part: Box) -> tuple[int, Box]:
        """Box `number` together with those that equal it on three axes, on the axis where that takes most away."""
        if self._alike is None:
            self._alike = [{} for _axis in range(4)]
            for bit, box in enumerate(self.boxes):
                for d in range(4):
                    key = box[:d] + box[d + 1 :]
                    self._alike[d][key] = self._alike[d].get(key, 0) | 1 << bit
        box = self.boxes[number]
        open_axes = [d for d in range(4) if not spans.covers(box[d], part[d])] or [0]
        members = {d: self._alike[d][box[:d] + box[d + 1 :]] & among for d in open_axes}
        d = max(open_axes, key=lambda axis: bin(members[axis]).count("1"))
        union = self._union(d, members[d])
        return members[d], space.replace(box, d, union)

    def _union(self, d: int, members: int) -> Ranges:
        return spans.normal(pair for number in bits(members) for pair in self.boxes[number][d])


def bits(mask: int, limit: int = 0) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first, at most `limit` if that is not 0."""
    count = 0
    while mask and (not limit or count < limit):
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
        count += 1
