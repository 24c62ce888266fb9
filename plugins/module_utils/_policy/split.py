# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A long chain of rules as a tree, so that a packet is compared with a few of them: docs/decisions/0021.

Every rule stands in the tree once. A group is behind one look at the packet that all packets of its rules pass, so what
it hides does not match. Where rules leave their order, each is moved only past rules that no packet of it matches.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional, Union

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    PORTS,
    FlatRule,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import alternatives

#: Chains of up to so many rules stay as they are; groups are made until so many are left.
LONG, SHORT = 48, 16
#: A group pays from so many rules on: it costs a look, and a chain.
LEAST = 5
#: Bits of an address by which rules are told apart at a time: eight blocks.
_BITS = 3
#: The kernel follows 16 jumps, and some are needed before and behind these.
_DEEPEST, _LEVELS = 4, 3
#: A look at more addresses than that is one at the prefix around them.
_MOST_RANGES = 4096
#: How finely rules are looked up while a list is taken apart: so many bits of an address, and places of one range.
_PLACE_BITS, _MOST_PLACES = 8, 16
_CHUNK = 64
SOURCE, DESTINATION = 0, 1
_ALL = (Service(),)


@dataclass(frozen=True)
class Group:
    """Rules that decide about no packet which `guard` does not match."""

    guard: Match
    #: Tells it apart from all other groups, and stays when other rules change.
    key: str
    items: tuple[Item, ...]


Item = Union[FlatRule, Group]


class _Entry(NamedTuple):
    """A rule with the addresses of both sides, and the first and the last of each."""

    number: int
    rule: FlatRule
    sides: tuple[Ranges, Ranges]
    ends: tuple[tuple[int, int], tuple[int, int]]
    services: tuple[Service, ...]


def split(rules: Sequence[FlatRule], family: int) -> tuple[Item, ...]:
    """The same decisions about every packet, by the same rules."""
    if len(rules) <= LONG:
        return tuple(rules)
    entries = []
    for number, rule in enumerate(rules):
        found = rule.matches[family]
        sides = (found.source, found.destination)
        if not all(sides) or not found.services:
            continue
        ends = ((sides[0][0][0], sides[0][-1][1]), (sides[1][0][0], sides[1][-1][1]))
        entries.append(_Entry(number, rule, sides, ends, found.services))
    return tuple(_arranged(entries, family, "", 0))


def _arranged(entries: list[_Entry], family: int, key: str, depth: int) -> Iterator[Item]:
    rest, turn = entries, 0
    while len(rest) > SHORT and depth < _DEEPEST:
        found = _blocks(rest, family)
        if found is None:
            break
        rest, turn = found.others, turn + 1
        for block, members in sorted(found.blocks.items()):
            if len(members) < LEAST:
                yield from (entry.rule for entry in members)
                continue
            first = block << found.shift
            span = ((first, first + (1 << found.shift) - 1),)
            own = f"{key}/{turn}.{found.side}.{first:x}.{found.shift}"
            items = tuple(_arranged(members, family, own, depth + 1))
            yield Group(_guard(family, found.side, span), own, items)
    yield from _in_order(rest, family, key, _LEVELS)


@dataclass(frozen=True)
class _Blocks:
    """Rules by blocks of addresses of one side. `others` come after all of them, in their order."""

    side: int
    shift: int
    blocks: dict[int, list[_Entry]]
    others: list[_Entry]


def _blocks(entries: list[_Entry], family: int) -> Optional[_Blocks]:
    """The side that tells more rules apart, or None where neither is worth it."""
    found = []
    for side in (DESTINATION, SOURCE):
        where = _where(entries, side, family)
        if where is not None:
            sizes = list(where.sizes.values())
            # How many rules a packet of one of them is not compared with.
            found.append((sum(sizes) - sum(size * size for size in sizes) / sum(sizes), side, where))
    for gain, side, where in sorted(found, key=lambda item: -item[0]):
        if gain >= max(SHORT, len(entries) / 4):
            taken = _taken(entries, side, where)
            if taken is not None:
                return taken
    return None


class _Where(NamedTuple):
    prefix: int
    free: int
    shift: int
    sizes: dict[int, int]

    def block(self, ends: tuple[int, int]) -> Optional[int]:
        low, high = ends
        block = low >> self.shift
        return block if low >> self.free == self.prefix and high >> self.shift == block else None


def _where(entries: list[_Entry], side: int, family: int) -> Optional[_Where]:
    """The smallest prefix around where three quarters of the rules are, in blocks."""
    everything = ADDRESSES[family][0]
    firsts = sorted(entry.ends[side][0] for entry in entries if entry.ends[side] != everything)
    if len(firsts) <= SHORT:
        return None
    eighth = len(firsts) // 8
    low, high = firsts[eighth], firsts[-1 - eighth]
    free = (low ^ high).bit_length()
    bits = min(_BITS, max((len(firsts) // SHORT).bit_length(), 1))
    where = _Where(low >> free, free, max(free - bits, 0), {})
    for entry in entries:
        block = where.block(entry.ends[side])
        if block is not None:
            where.sizes[block] = where.sizes.get(block, 0) + 1
    return where if where.sizes else None


def _taken(entries: list[_Entry], side: int, where: _Where) -> Optional[_Blocks]:
    """None where so many rules have to keep their place that hardly any is in a block."""
    blocks: dict[int, list[_Entry]] = {}
    others: list[_Entry] = []
    earlier = _Earlier(side, where)
    for seen, entry in enumerate(entries):
        if seen % _CHUNK == 0 and len(others) > seen * 7 / 8 + len(entries) / 4:
            return None
        block = where.block(entry.ends[side])
        # It comes before all the others, so it must not meet one that stood before it.
        if block is None or earlier.meets(entry):
            others.append(entry)
            earlier.add(entry)
        else:
            blocks.setdefault(block, []).append(entry)
    if len(entries) - len(others) < max(SHORT, len(entries) / 8):
        return None
    return _Blocks(side, where.shift, blocks, others)


class _Earlier:
    """Rules that are asked whether a packet of theirs is one of another rule too. By places of one side."""

    def __init__(self, side: int, where: _Where) -> None:
        self._side = side
        self._shift = max(where.free - _PLACE_BITS, 0)
        self._places: dict[int, list[tuple[int, int, _Entry]]] = {}
        # What is in too many places, by the other side.
        self._chunks: list[tuple[Ranges, list[_Entry]]] = []
        self._long: list[_Entry] = []

    def add(self, entry: _Entry) -> None:
        ranges = entry.sides[self._side]
        if any((high >> self._shift) - (low >> self._shift) > _MOST_PLACES for low, high in ranges):
            self._long.append(entry)
            if len(self._long) == _CHUNK:
                other = spans.union(*(each.sides[1 - self._side] for each in self._long))
                self._chunks.append((other, self._long))
                self._long = []
            return
        for low, high in ranges:
            for place in range(low >> self._shift, (high >> self._shift) + 1):
                self._places.setdefault(place, []).append((low, high, entry))

    def meets(self, entry: _Entry) -> bool:
        for low, high in entry.sides[self._side]:
            for place in range(low >> self._shift, (high >> self._shift) + 1):
                for first, last, each in self._places.get(place, ()):
                    if first <= high and low <= last and _overlap(entry, each):
                        return True
        if any(_overlap(entry, each) for each in self._long):
            return True
        other = entry.sides[1 - self._side]
        return any(
            _overlap(entry, each) for around, members in self._chunks if spans.meet(other, around) for each in members
        )


def _overlap(one: _Entry, other: _Entry) -> bool:
    """Whether some packet may be of both; types of ICMP and ports of sources are not looked at."""
    return (
        one.ends[0][0] <= other.ends[0][1]
        and other.ends[0][0] <= one.ends[0][1]
        and spans.meet(one.sides[0], other.sides[0])
        and spans.meet(one.sides[1], other.sides[1])
        and any(
            left.protocol is None
            or right.protocol is None
            or (left.protocol == right.protocol and spans.meet(left.ports, right.ports))
            for left in one.services
            for right in other.services
        )
    )


def _in_order(entries: Sequence[_Entry], family: int, key: str, levels: int) -> Iterator[Item]:
    """Neighbours behind one look at what they have in common, and neighbours of such groups again.

    Where a group begins depends on the name of its first rule alone, so a new rule changes the group that it is in.
    """
    level = 0
    while level < levels and len(entries) > SHORT ** (level + 1):
        level += 1
    if not level:
        yield from (entry.rule for entry in entries)
        return
    for run in _runs(entries, SHORT**level):
        guard = _common(run, family) if len(run) >= LEAST else None
        own = f"{key}/{level}.{run[0].rule.name}"
        inner = tuple(_in_order(run, family, own, level - 1))
        if guard is None:
            yield from inner
        else:
            yield Group(guard, own, inner)


def _runs(entries: Iterable[_Entry], size: int) -> Iterator[list[_Entry]]:
    run: list[_Entry] = []
    for entry in entries:
        if run and (zlib.crc32(entry.rule.name.encode()) % size == 0 or len(run) == 2 * size):
            yield run
            run = []
        run.append(entry)
    yield run


def _common(run: Sequence[_Entry], family: int) -> Optional[Match]:
    """What one line of iptables can ask about all packets of these rules; None when that is nothing."""
    found = []
    for side in (DESTINATION, SOURCE):
        around = spans.union(*(entry.sides[side] for entry in run))
        if len(around) > _MOST_RANGES:
            around = ((around[0][0], around[-1][1]),)
        found.append((sum(high - low + 1 for low, high in around), side, around))
    size, side, around = min(found, key=lambda item: item[0])
    if size <= (ADDRESSES[family][0][1] + 1) // 2:
        return _guard(family, side, around)
    services = _united(run)
    ways = alternatives(services, family)
    if services != _ALL and len(ways) == 1 and not ways[0].excluded:
        return Match(ADDRESSES[family], ADDRESSES[family], services)
    return None


def _united(run: Sequence[_Entry]) -> tuple[Service, ...]:
    services = [service for entry in run for service in entry.services]
    protocols = {service.protocol for service in services}
    if len(protocols) != 1 or None in protocols:
        return _ALL
    ports = spans.union(*(service.ports for service in services))
    return (Service(services[0].protocol, PORTS, ports),)


def _guard(family: int, side: int, ranges: Ranges) -> Match:
    everything = ADDRESSES[family]
    return Match(ranges, everything) if side == SOURCE else Match(everything, ranges)
