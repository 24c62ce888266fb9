# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What order does to entries: which never decide, because of which others, and which change nothing.

All answers are exact. `firm` entries always decide; conditional ones may let a packet pass, so they hide nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Callable, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import Cell, Entry
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.index import Gap, bits
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box

#: Sets of entries up to this size are reduced until none can be left out; larger ones nobody reads name by name.
_REDUCED = 40


@dataclass(frozen=True)
class Hidden:
    """An entry that never decides."""

    number: int
    #: Earlier entries with the same effect would do alone, and some of its packets do get that effect.
    same: bool
    #: Entries that together match all of its packets, without one that is not needed for that.
    by: tuple[int, ...]
    #: A packet of the entry, and the one that decides about it.
    packet: Packet
    decider: int


@dataclass(frozen=True)
class _Part:
    """A box of an entry, and for every packet of it the earlier entries that have it; None where that is too much."""

    cell: Cell
    box: Box
    patterns: Optional[Collection[int]]

    def covered(self, mask: int) -> bool:
        if self.patterns is None:
            return self.cell.index.uncovered(self.box, mask)[0] is None
        return all(pattern & mask for pattern in self.patterns)


def _covered(parts: Iterable[_Part], among: Callable[[Cell], int]) -> bool:
    return all(part.covered(among(part.cell)) for part in parts)


class Order:
    def __init__(self, entries: Sequence[Entry], cells: Sequence[Cell]) -> None:
        self.entries = entries
        self.cells = cells
        self.where: dict[int, list[Cell]] = {}
        for cell in cells:
            for number in cell.bits:
                self.where.setdefault(number, []).append(cell)
        #: Entries that change nothing and are looked through, as bits of each cell.
        self._gone = dict.fromkeys(cells, 0)

    def live_packet(self, number: int, cells: Optional[Iterable[Cell]] = None) -> Optional[Packet]:
        """A packet that no firm entry before this one matches."""
        found = self._live(number, cells)
        return None if found is None else found[0].packet(found[1])

    def _live(self, number: int, cells: Optional[Iterable[Cell]] = None) -> Optional[tuple[Cell, Gap]]:
        for cell in self.where[number] if cells is None else cells:
            earlier = cell.firm & cell.before(number)
            for box in cell.boxes_of(number):
                gap, _used = cell.index.uncovered(box, earlier)
                if gap is not None:
                    return cell, gap
        return None

    def _is_live(self, number: int) -> bool:
        for cell in self.where[number]:
            for box in cell.boxes_of(number):
                deciders = cell.deciders(box)
                if deciders is None:
                    if cell.index.uncovered(box, cell.firm & cell.before(number))[0] is not None:
                        return True
                elif deciders & ~cell.before(number):
                    return True
        return False

    def alive(self, cell: Cell) -> int:
        return cell.all & ~self._gone[cell]

    def forget(self, number: int) -> None:
        for cell in self.where[number]:
            self._gone[cell] |= cell.mask(number)

    def hidden(self) -> list[Hidden]:
        """All entries that never decide; they are forgotten."""
        found = []
        for number in sorted(self.where):
            if not self._is_live(number):
                found += self._hidden(number)
                self.forget(number)
        return found

    def needless(self) -> list[tuple[int, tuple[int, ...]]]:
        """Entries whose packets what follows decides in the same way, with what follows (nothing: the default).

        Any of them, and of the hidden ones, can be taken away in any order: what is forgotten is not counted on any
        more, but still stands in the way where it decides otherwise. The search goes from the last to the first.
        """
        found = []
        for number in sorted(self.where, reverse=True):
            entry = self.entries[number]
            if entry.logs or entry.helps or self._is_gone(number):
                continue
            by = self._followed(number, None)
            if by is not None:
                found.append((number, self._reduced(by, partial(self._still_followed, number))))
                self.forget(number)
        return found[::-1]

    def deciding(self, cell: Cell, box: Box, mask: int) -> int:
        """Those of `mask` that decide about some packet of the box."""
        known = cell.deciders(box)
        if known is not None:
            return known & mask
        return sum(1 << bit for bit in bits(mask) if self.decided(cell, box, bit) is not None)

    def decided(self, cell: Cell, box: Box, bit: int) -> Optional[Gap]:
        """A packet of `box` about which this one decides."""
        part = space.intersect(box, cell.index.boxes[bit]) if cell.firm >> bit & 1 else None
        return None if part is None else cell.index.uncovered(part, cell.firm & ((1 << bit) - 1))[0]

    def _first(self, cell: Cell, box: Box, mask: int) -> Optional[int]:
        """The first of `mask` that decides about some packet of the box."""
        known = cell.deciders(box)
        if known is not None:
            return next(bits(known & mask), None)
        near = cell.index.meeting(box) & cell.firm & mask
        return next((bit for bit in bits(near) if self.decided(cell, box, bit) is not None), None)

    def _is_gone(self, number: int) -> bool:
        return any(self._gone[cell] & cell.mask(number) for cell in self.where[number][:1])

    def _earlier(self, cell: Cell, number: int) -> int:
        return cell.firm & cell.before(number) & ~self._gone[cell]

    def _hidden(self, number: int) -> list[Hidden]:
        effect = self.entries[number].effect

        def all_earlier(cell: Cell) -> int:
            return self._earlier(cell, number)

        def alike(cell: Cell) -> int:
            return self._earlier(cell, number) & cell.of_effect(effect)

        def unlike(cell: Cell) -> int:
            return self._earlier(cell, number) & ~cell.of_effect(effect)

        shown, parts = self._shown(number, alike), self._parts(number)
        same = shown is not None and _covered(parts, alike)
        shown = shown if same else self._shown(number, unlike) or shown
        gap = None if shown is None else self.decided(*shown)
        if shown is None or gap is None:
            # Not reached: whatever it matches, another one decides about.
            return []
        cell, _box, bit = shown
        packet, decider = cell.packet(gap), cell.owner[bit]
        if same:
            return [Hidden(number, True, self._cover(parts, alike), packet, decider)]
        by = self._cover(parts, unlike if _covered(parts, unlike) else all_earlier)
        # The others may match all without the one that tells why it matters.
        return [Hidden(number, False, tuple(sorted({*by, decider})), packet, decider)]

    def _shown(self, number: int, among: Callable[[Cell], int]) -> Optional[tuple[Cell, Box, int]]:
        for cell in self.where[number]:
            for box in cell.boxes_of(number):
                bit = self._first(cell, box, among(cell))
                if bit is not None:
                    return cell, box, bit
        return None

    def _parts(self, number: int) -> list[_Part]:
        return [
            _Part(cell, box, cell.index.patterns(box, self._earlier(cell, number)))
            for cell in self.where[number]
            for box in cell.boxes_of(number)
        ]

    def _cover(self, parts: Sequence[_Part], among: Callable[[Cell], int]) -> tuple[int, ...]:
        chosen: set[int] = set()
        for part in parts:
            cell, mask = part.cell, among(part.cell)
            if not chosen or not part.covered(mask & cell.mask_of(chosen)):
                chosen.update(cell.owners(cell.index.uncovered(part.box, mask)[1]))
        needed = self._needed(parts, chosen, among) if 1 < len(chosen) <= _REDUCED else None
        if needed is not None:
            return needed
        return self._reduced(chosen, lambda rest: _covered(parts, lambda cell: among(cell) & cell.mask_of(rest)))

    def _needed(
        self, parts: Sequence[_Part], chosen: Collection[int], among: Callable[[Cell], int]
    ) -> Optional[tuple[int, ...]]:
        """What `_reduced` finds, by counting who else has each packet; None where there is too much to count."""
        alternatives: set[frozenset[int]] = set()
        for part in parts:
            cell = part.cell
            mask = among(cell) & cell.mask_of(chosen)
            found = cell.index.patterns(part.box, mask) if part.patterns is None else {p & mask for p in part.patterns}
            if found is None:
                return None
            alternatives.update(frozenset(cell.owners(pattern)) for pattern in found)
        kept = {other for several in alternatives if len(several) == 1 for other in several}
        open_ones = [several for several in alternatives if not several & kept]
        rest = {other for several in open_ones for other in several}
        for other in sorted(rest, reverse=True):
            if all(several & (rest - {other}) for several in open_ones):
                rest.discard(other)
        return tuple(sorted(kept | rest))

    def _reduced(self, chosen: Iterable[int], enough: Callable[[set[int]], bool]) -> tuple[int, ...]:
        """Without the ones that can be left out, later ones first."""
        kept = set(chosen)
        if 1 < len(kept) <= _REDUCED:
            for number in sorted(kept, reverse=True):
                if enough(kept - {number}):
                    kept.discard(number)
        return tuple(sorted(kept))

    def _still_followed(self, number: int, only: set[int]) -> bool:
        return self._followed(number, only) is not None

    def _followed(self, number: int, only: Optional[set[int]]) -> Optional[set[int]]:
        """The later entries that decide the same about all packets of this one, or None if something changes."""
        effect, by = self.entries[number].effect, set[int]()
        for cell in self.where[number]:
            used = self._followed_in(cell, number, effect, only)
            if used is None:
                return None
            by.update(cell.owners(used))
        return by

    def _followed_in(self, cell: Cell, number: int, effect: Hashable, only: Optional[set[int]]) -> Optional[int]:
        earlier = self._earlier(cell, number)
        later = cell.all & cell.after(number)
        alike = later & cell.firm & cell.of_effect(effect) & ~self._gone[cell]
        if only is not None:
            alike &= cell.mask_of(only)
        unlike = later & ~cell.of_effect(effect)
        used = 0
        for box in cell.boxes_of(number):
            patterns = cell.index.patterns(box, earlier | alike | unlike)
            if patterns is not None:
                found = _followers(patterns, earlier, alike, unlike, cell.default == effect)
                if found is None:
                    return None
                used |= found
                continue
            if cell.default != effect:
                gap, taken = cell.index.uncovered(box, earlier | alike)
                if gap is not None:
                    return None
                used |= taken & alike
            for bit in bits(cell.index.meeting(box) & unlike):
                part = space.intersect(box, cell.index.boxes[bit])
                if part is None:
                    continue
                # Whoever reaches this one, which decides otherwise, must have met one that decides alike.
                sooner = alike & ((1 << bit) - 1)
                gap, taken = cell.index.uncovered(part, earlier | sooner)
                if gap is not None:
                    return None
                used |= taken & sooner
        return used


def _followers(patterns: Iterable[int], earlier: int, alike: int, unlike: int, default: bool) -> Optional[int]:
    """Of `alike` those that come first everywhere, or None where something else does; `default`: so may nothing."""
    used = 0
    for pattern in patterns:
        if pattern & earlier or (default and not pattern):
            continue
        first = pattern & -pattern
        if not first & alike:
            return None
        other = pattern & unlike
        sooner = pattern & ((other & -other) - 1) if other else pattern
        if not sooner & used and (other or not default):
            used |= first
    return used
