# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Ordered entries, sorted into cells: one pair of zones (or one side of it, for NAT) in one family.

In a cell the first entry that matches decides. Pairs that hold the same entries for the same addresses share a cell,
since what is true for one of them is true for the others: a policy of rules from any to any has few cells, however
many zones there are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FIREWALL,
    FlatNat,
    FlatRule,
    Ranges,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.index import Gap, Index, bits
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, from_point
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, boxes

FAMILIES = (4, 6)
Pair = tuple[str, str]
#: Sources and destinations that packets of a pair of zones have.
Sides = tuple[Ranges, Ranges]


@dataclass(frozen=True)
class Place:
    """A rule, translation, object or assertion, and where it is written."""

    name: str
    path: str


@dataclass(frozen=True)
class Entry:
    """A rule or a translation, reduced to what order and matching do with it."""

    place: Place
    pairs: tuple[Pair, ...]
    boxes: Mapping[int, tuple[Box, ...]]
    #: What it does to a packet; equal effects make the order of two entries irrelevant.
    effect: Hashable
    #: It decides only about some of the packets it matches, so it hides nothing.
    conditional: bool = False
    #: It writes to the log about what it decides.
    logs: bool = False
    #: It does something that does not depend on its place, as giving a helper to connections.
    helps: bool = False


@dataclass(frozen=True, eq=False)
class Cell:
    family: int
    pairs: tuple[Pair, ...]
    #: The effect when no entry decides.
    default: Hashable
    index: Index
    #: Number of the entry that each bit of the index belongs to.
    owner: Sequence[int]
    #: First bit of every entry that is in the cell, and the one after its last.
    bits: Mapping[int, tuple[int, int]]
    #: Bits of the entries that always decide, and of those with each effect.
    firm: int
    effects: Mapping[Hashable, int]

    def boxes_of(self, number: int) -> Sequence[Box]:
        first, end = self.bits[number]
        return self.index.boxes[first:end]

    @property
    def all(self) -> int:
        return (1 << len(self.owner)) - 1

    def mask(self, number: int) -> int:
        first, end = self.bits[number]
        return (1 << end) - (1 << first)

    def mask_of(self, numbers: Iterable[int]) -> int:
        """Of those that are in this cell."""
        mask = 0
        for number in numbers:
            if number in self.bits:
                mask |= self.mask(number)
        return mask

    def before(self, number: int) -> int:
        return (1 << self.bits[number][0]) - 1

    def after(self, number: int) -> int:
        return -1 << self.bits[number][1]

    def of_effect(self, effect: Hashable) -> int:
        return self.effects.get(effect, 0)

    def owners(self, mask: int) -> Iterator[int]:
        """Numbers of the entries, each once, in order."""
        yield from dict.fromkeys(self.owner[bit] for bit in bits(mask))

    def deciders(self, box: Box) -> Optional[int]:
        """The firm bits that decide about some packet of the box, and the bit behind all where none decides about one.

        None where that is too much to know of all packets.
        """
        if self._deciders is None:
            return None
        mask = self._known.get(box)
        if mask is None:
            found = bytearray(len(self.owner) // 8 + 1)
            for bit in self.index.values(self._deciders, box):
                place = bit if bit >= 0 else len(self.owner)
                found[place >> 3] |= 1 << (place & 7)
            mask = self._known[box] = int.from_bytes(found, "little")
        return mask

    @cached_property
    def _known(self) -> dict[Box, int]:
        return {}

    @cached_property
    def _deciders(self) -> Optional[list[list[int]]]:
        return self.index.firsts(self.firm)

    def packet(self, gap: Gap) -> Packet:
        return from_point(self.index.readable(gap), self.family, *self.pairs[0])


def rule_entry(rule: FlatRule) -> Entry:
    return Entry(
        place=Place(rule.name, rule.path),
        pairs=pairs_of(rule),
        boxes=_boxes(rule),
        effect=rule.action,
        conditional=bool(rule.conditions),
        logs=bool(rule.log),
        helps=bool(rule.helpers),
    )


def pairs_of(rule: FlatRule) -> tuple[Pair, ...]:
    # The firewall talks to itself over lo, which no rule of a policy sees.
    found = ((a, b) for a in rule.from_zones for b in rule.to_zones if (a, b) != (FIREWALL, FIREWALL))
    return tuple(dict.fromkeys(found))


def _boxes(rule: FlatRule) -> Mapping[int, tuple[Box, ...]]:
    found = {family: boxes(match, family) for family, match in rule.matches.items()}
    return {family: some for family, some in found.items() if some}


def nat_entry(entry: FlatNat, hook: str) -> Entry:
    """The entry in one hook; in the other one it has no pairs."""
    found = boxes(entry.match, entry.family)
    zones = entry.from_zones if hook == "dnat" else entry.to_zones
    translation = (entry.to_addresses, entry.to_ports, entry.one_to_one)
    return Entry(
        place=Place(entry.name, entry.path),
        pairs=tuple(
            (zone, "") if hook == "dnat" else ("", zone) for zone in dict.fromkeys(zones) if in_hook(entry, hook)
        ),
        boxes={entry.family: found} if found else {},
        effect=(entry.type, translation if entry.type != "none" else None),
    )


def in_hook(entry: FlatNat, hook: str) -> bool:
    """Whether an entry is asked in a hook: dnat before the route, by incoming zone, snat after it, by outgoing zone.

    An exception is asked where it names zones, which may be both.
    """
    if entry.type == "none":
        return bool(entry.from_zones if hook == "dnat" else entry.to_zones)
    return entry.type == hook


def build(entries: Sequence[Entry], context: Context, defaults: bool = True) -> list[Cell]:
    """Cells in the order in which rules first name their pairs; defaults: the actions of the context, else none."""
    found: dict[tuple[int, Pair], list[int]] = {}
    sides: dict[tuple[int, Pair], Sides] = {}
    for number, entry in enumerate(entries):
        for pair in entry.pairs:
            for family, mine in entry.boxes.items():
                key = family, pair
                if key not in sides:
                    sides[key] = context.side(pair[0], family), context.side(pair[1], family)
                if _inside(mine, sides[key], family):
                    found.setdefault(key, []).append(number)
    shared: dict[tuple[int, Hashable, tuple[int, ...], Sides], list[Pair]] = {}
    for (family, pair), numbers in found.items():
        default = context.default_action(*pair) if defaults else None
        shared.setdefault((family, default, tuple(numbers), sides[family, pair]), []).append(pair)
    return [
        _cell(entries, family, tuple(pairs), default, numbers, both, context)
        for (family, default, numbers, both), pairs in shared.items()
    ]


def _inside(found: tuple[Box, ...], sides: Sides, family: int) -> tuple[Box, ...]:
    """The packets that have addresses of their zones."""
    if sides == (ADDRESSES[family], ADDRESSES[family]):
        return found
    source, destination = sides
    parts = (
        box._replace(
            source=spans.intersect(box.source, source), destination=spans.intersect(box.destination, destination)
        )
        for box in found
    )
    return tuple(box for box in parts if box.source and box.destination)


def _cell(
    entries: Sequence[Entry],
    family: int,
    pairs: tuple[Pair, ...],
    default: Optional[Hashable],
    numbers: tuple[int, ...],
    sides: Sides,
    context: Context,
) -> Cell:
    found: list[Box] = []
    owner: list[int] = []
    where: dict[int, tuple[int, int]] = {}
    firm = 0
    effects: dict[Hashable, int] = {}
    for number in numbers:
        entry = entries[number]
        mine = _inside(entry.boxes[family], sides, family)
        mask = ((1 << len(mine)) - 1) << len(found)
        where[number] = (len(found), len(found) + len(mine))
        found += mine
        owner += [number] * len(mine)
        effects[entry.effect] = effects.get(entry.effect, 0) | mask
        if not entry.conditional:
            firm |= mask
    index = Index(found, family, context.taste(*pairs[0], family))
    return Cell(family, pairs, default, index, owner, where, firm, effects)
