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
from operator import and_, itemgetter, or_
from random import Random
from typing import Callable, NamedTuple, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import NO_TASTE, Taste, choose
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, Point

#: Up to so many products of pieces are looked at one by one.
_FEW = 4096
#: Of more, packets tried by chance before the next box is subtracted, which costs as much as several of them.
_PROBES = 6
#: Of the boxes that a packet meets, so many are compared for the one that leaves the fewest pieces.
_COMPARED = 12
#: After so many subtractions, boxes that differ on one axis only are subtracted as one.
_PATIENCE = 6
#: All products of an index are looked at once where there are at most so many for each of its boxes.
_SWEPT = 32
#: Answers about sets that are kept: rules name the same sets again and again.
_KEPT = 8192

#: Axes with the sets that are looked at there, and values on them.
Axes = tuple[tuple[int, Ranges], ...]
Hole = dict[int, int]


class Gap(NamedTuple):
    """`point` is in `box`, and in no box of `among`."""

    box: Box
    among: int
    point: Point


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
        self.slots = lru_cache(maxsize=_KEPT)(self._slots)

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

    def _slots(self, found: Ranges) -> list[tuple[int, int, int]]:
        """For each range the number of its first piece, the one after its last, and where it begins."""
        cuts = self.cuts
        return [(bisect_right(cuts, low) - 1, bisect_right(cuts, high), low) for low, high in found]

    def _fold(self, tree: list[int], found: Ranges, join: Callable[[int, int], int], mask: int) -> int:
        size = len(self.pieces)
        for first, end, _low in self.slots(found):
            left, right = first + size, end + size
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
        self.meeting_on = lru_cache(maxsize=_KEPT)(self._meeting_on)
        self.holding_on = lru_cache(maxsize=_KEPT)(self._holding_on)
        self.crossing_on = lru_cache(maxsize=_KEPT)(self._crossing_on)
        self.enumerated = lru_cache(maxsize=_KEPT)(self._enumerated)

    def at(self, point: Point) -> int:
        """The boxes that have this packet."""
        a, b, c, d = self.axes
        return (
            a.pieces[bisect_right(a.cuts, point[0]) - 1]
            & b.pieces[bisect_right(b.cuts, point[1]) - 1]
            & c.pieces[bisect_right(c.cuts, point[2]) - 1]
            & d.pieces[bisect_right(d.cuts, point[3]) - 1]
        )

    def firsts(self, among: int) -> Optional[list[list[int]]]:
        """For every product of pieces the first box of `among`, -1 where none has it; None where that is too much.

        A row has the products of a piece of the first axis with one of the second.
        """
        a, b, c, d = (axis.pieces for axis in self.axes)
        if len(a) * len(b) * len(c) * len(d) > _SWEPT * len(self.boxes):
            return None
        rows: list[list[int]] = []
        for first in a:
            for second in b:
                some = among & first & second
                masks = (some & third & fourth for third in c for fourth in d) if some else [0] * (len(c) * len(d))
                rows.append([(mask & -mask).bit_length() - 1 for mask in masks])
        return rows

    def values(self, rows: Sequence[Sequence[int]], box: Box) -> set[int]:
        """What `firsts` has for the products that the box meets."""
        a, b, c, d = (
            [n for first, end, _low in axis.slots(found) for n in range(first, end)]
            for axis, found in zip(self.axes, box)
        )
        if not (c and d):
            return set()
        height, width = len(self.axes[1].pieces), len(self.axes[3].pieces)
        places = [n * width + m for n in c for m in d]
        # Of one place it would not make a tuple.
        taken = itemgetter(*places, places[0])
        return {value for n in a for m in b for value in taken(rows[n * height + m])}

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

    def uncovered(self, box: Box, among: int) -> tuple[Optional[Gap], int]:
        """A packet of `box` that no box of `among` has, or None; and the boxes that were needed on the way.

        When there is no such packet, those are a part of `among` that covers `box`.
        """
        used = count = 0
        rest = [box]
        while rest:
            part = rest.pop()
            near = among & self.meeting(part)
            held = [near & self.holding_on(d, part[d]) for d in range(4)]
            whole = held[0] & held[1] & held[2] & held[3]
            if whole:
                used |= whole & -whole
                continue
            # On the other axes all boxes that are near are alike.
            axes = tuple((d, part[d]) for d in range(4) if held[d] != near)
            if self._size(axes) <= _FEW:
                hole, taken = self.enumerated(near, axes)
                used |= taken
            else:
                hole, hits = self._probed(near, axes)
                if hole is None:
                    taken, other = self._next(hits, held, among, part, count >= _PATIENCE)
                    used |= taken
                    count += 1
                    rest += space.subtract(part, other)
            if hole is not None:
                point = Point(*(hole.get(d, part[d][0][0]) for d in range(4)))
                return Gap(box, among, point), used
        return None, used

    def patterns(self, box: Box, among: int) -> Optional[set[int]]:
        """For every packet of `box` the boxes of `among` that have it; None if that is too much to look at."""
        near = among & self.meeting(box)
        found = {near}
        for d in range(4):
            slots = self.axes[d].slots(box[d])
            if sum(end - first for first, end, _low in slots) > _FEW:
                return None
            pieces = self.axes[d].pieces
            here = {near & piece for first, end, _low in slots for piece in pieces[first:end]}
            if len(found) * len(here) > _FEW:
                return None
            found = {mask & piece for mask in found for piece in here}
        return found

    def readable(self, gap: Gap) -> Point:
        """A packet of the gap with values that people know."""
        first = choose(gap.box, self.family, self._taste)
        if not self.at(first) & gap.among:
            return first
        pieces = ((self.axes[d].piece(gap.point[d]),) for d in range(4))
        return choose(
            Box(*(spans.intersect(found, piece) for found, piece in zip(gap.box, pieces))), self.family, self._taste
        )

    def _meeting_on(self, d: int, found: Ranges) -> int:
        return self.axes[d].meeting(found)

    def _holding_on(self, d: int, found: Ranges) -> int:
        return self.axes[d].holding(found)

    def _crossing_on(self, d: int, found: Ranges) -> int:
        return self.meeting_on(d, found) & ~self.holding_on(d, found) & self.axes[d].sticking_out(found)

    def _size(self, axes: Axes) -> int:
        """How many products of pieces there are."""
        size = 1
        for d, found in axes:
            size *= sum(end - first for first, end, _low in self.axes[d].slots(found))
        return size

    def _enumerated(self, near: int, axes: Axes) -> tuple[Optional[Hole], int]:
        """Values that no box of `near` has together, or None and a part of `near` that has all of them."""
        if not near:
            return {}, 0
        (d, found), rest = axes[0], axes[1:]
        whole, taken = near, 0
        for other, values in rest:
            whole &= self.holding_on(other, values)
        axis = self.axes[d]
        for first, end, low in axis.slots(found):
            for position in range(first, end):
                mask = near & axis.pieces[position]
                sure = mask & whole
                if sure:
                    if not sure & taken:
                        taken |= sure & -sure
                    continue
                hole, more = self._enumerated(mask, rest) if mask else ({}, 0)
                if hole is not None:
                    return {**hole, d: max(low, axis.cuts[position])}, taken
                taken |= more
        return None, taken

    def _probed(self, near: int, axes: Axes) -> tuple[Optional[Hole], int]:
        """Values that no box of `near` has, if chance finds some; else boxes that have the last ones tried."""
        chance, mask = self._random.random, near
        for _probe in range(_PROBES):
            mask, hole = near, {}
            for d, found in axes:
                slots = self.axes[d].slots(found)
                first, end, low = slots[int(chance() * len(slots))]
                position = first + int(chance() * (end - first))
                mask &= self.axes[d].pieces[position]
                hole[d] = max(low, self.axes[d].cuts[position])
            if not mask:
                return hole, 0
        return None, mask

    def _next(self, hits: int, held: Sequence[int], among: int, part: Box, patient: bool) -> tuple[int, Box]:
        """Of the boxes in `hits`, one that leaves few pieces of `part`; in the end together with others."""
        best, fewest = -1, 9
        for number in bits(hits, _COMPARED):
            pieces = sum(not mask >> number & 1 for mask in held)
            if pieces < fewest:
                best, fewest = number, pieces
        return self._lifted(best, among, part) if patient else (1 << best, self.boxes[best])

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
