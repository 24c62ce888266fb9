# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The algebra on packets against an oracle that tries every packet of a small universe."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    PORTS,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.index import Index, bits
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import choose, from_point
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, Point

from . import tiny


@dataclass(frozen=True)
class Space:
    """A union of boxes, which may overlap. Empty exactly when it has none."""

    boxes: tuple[Box, ...] = ()

    @classmethod
    def of(cls, match: Match, family: int) -> Space:
        return cls(space.boxes(match, family))

    def __bool__(self) -> bool:
        return bool(self.boxes)

    def __or__(self, other: Space) -> Space:
        return Space(self.boxes + other.boxes)

    def __and__(self, other: Space) -> Space:
        pairs = (space.intersect(mine, theirs) for mine in self.boxes for theirs in other.boxes)
        return Space(tuple(box for box in pairs if box is not None))

    def __sub__(self, other: Space) -> Space:
        return Space(tuple(space.subtract_all(self.boxes, other.boxes)))

    def __le__(self, other: Space) -> bool:
        """Subset."""
        return not self - other

    def __contains__(self, point: Point) -> bool:
        return any(space.contains(box, point) for box in self.boxes)


NUMBERS = st.sets(st.integers(0, 12))
FAMILIES = st.sampled_from([4, 6])


def as_ranges(numbers: set[int]) -> Ranges:
    return spans.normal((number, number) for number in numbers)


def numbers_of(found: Ranges) -> set[int]:
    return {number for low, high in found for number in range(low, high + 1)}


def well_formed(found: Ranges) -> bool:
    return all(low <= high for low, high in found) and all(a[1] + 1 < b[0] for a, b in pairwise(found))


@given(NUMBERS, NUMBERS)
def test_ranges_behave_like_sets(left: set[int], right: set[int]) -> None:
    a, b = as_ranges(left), as_ranges(right)
    assert well_formed(a)
    for found, wanted in (
        (spans.intersect(a, b), left & right),
        (spans.subtract(a, b), left - right),
        (spans.normal(a + b), left | right),
    ):
        assert well_formed(found)
        assert numbers_of(found) == wanted
    assert spans.covers(a, b) == (right <= left)
    assert {number for number in range(14) if spans.contains(a, number)} == left


def packets_of(found: Space, family: int) -> list[int]:
    return [number for number, packet in enumerate(tiny.headers(family)) if packet.point in found]


@given(st.data(), FAMILIES)
def test_a_match_has_the_packets_that_plain_comparison_says(data: st.DataObject, family: int) -> None:
    match = data.draw(tiny.matches(family, empty=True))
    found = Space.of(match, family)
    wanted = [number for number, packet in enumerate(tiny.headers(family)) if tiny.hits(match, packet)]
    assert packets_of(found, family) == wanted
    assert bool(found) == bool(wanted)


@settings(max_examples=60)
@given(st.data(), FAMILIES)
def test_spaces_behave_like_sets_of_packets(data: st.DataObject, family: int) -> None:
    a, b, c = (Space.of(data.draw(tiny.matches(family, empty=True)), family) for _number in range(3))
    left, right, third = (set(packets_of(found, family)) for found in (a, b, c))
    assert set(packets_of(a | b, family)) == left | right
    assert set(packets_of(a & b, family)) == left & right
    assert set(packets_of(a - b, family)) == left - right
    assert (a <= (b | c)) == (left <= right | third)
    assert bool(a - b - c) == bool(left - right - third)
    together = Space(tuple(space.merged((*a.boxes, *b.boxes))))
    assert set(packets_of(together, family)) == left | right
    rest = a - b
    assert rest & b <= Space()
    assert (rest | (a & b)) <= a <= (rest | (a & b))


@settings(max_examples=100)
@given(st.data(), FAMILIES)
def test_the_index_says_the_same_as_every_box_asked_by_itself(data: st.DataObject, family: int) -> None:
    found = data.draw(st.lists(tiny.matches(family), min_size=1, max_size=8))
    boxes = [box for match in found for box in space.boxes(match, family)]
    index = Index(boxes, family)
    box = data.draw(st.sampled_from(boxes))
    among = data.draw(st.integers(0, (1 << len(boxes)) - 1))
    chosen = [boxes[number] for number in bits(among)]

    for packet in tiny.headers(family)[::7]:
        assert list(bits(index.at(packet.point))) == [n for n, b in enumerate(boxes) if space.contains(b, packet.point)]
    assert list(bits(index.meeting(box))) == [n for n, b in enumerate(boxes) if space.intersect(b, box)]
    assert list(bits(index.crossing(box))) == [n for n, b in enumerate(boxes) if crosses(b, box)]

    gap, used = index.uncovered(box, among)
    assert used & ~among == 0
    rest = Space((box,)) - Space(tuple(chosen))
    assert (gap is None) == (not rest)
    if gap is None:
        assert Space((box,)) <= Space(tuple(boxes[number] for number in bits(used)))
    else:
        assert gap.point in rest
        assert index.readable(gap) in rest


def crosses(left: Box, right: Box) -> bool:
    parts = zip(left, right, strict=True)
    return space.intersect(left, right) is not None and any(
        not spans.covers(a, b) and not spans.covers(b, a) for a, b in parts
    )


def test_many_boxes_that_cover_together_are_seen_as_one() -> None:
    """More subtractions than the index has patience for, on two axes, with and without one hole."""
    hosts = [((number, number),) for number in range(300)]
    all_hosts: Ranges = ((0, 299),)
    rows = [Box(host, ADDRESSES[4], space.SERVICES, PORTS) for host in hosts]
    columns = [Box(all_hosts, host, space.SERVICES, PORTS) for host in hosts]
    index = Index(rows + columns, 4)
    target = Box(all_hosts, all_hosts, space.SERVICES, PORTS)
    assert index.uncovered(target, (1 << 300) - 1)[0] is None
    hole = (1 << 600) - 1 ^ 1 << 7 ^ 1 << 311
    gap, _used = index.uncovered(target, hole)
    assert gap is not None
    assert (gap.point.source, gap.point.destination) == (7, 11)
    assert index.readable(gap)[:2] == (7, 11)


WEB = Service(6, ports=((443, 443),))
NET4: Ranges = ((int(ipaddress.ip_address("198.51.100.0")), int(ipaddress.ip_address("198.51.100.255"))),)
NET6: Ranges = ((int(ipaddress.ip_address("2001:db8:2::")), int(ipaddress.ip_address("2001:db8:2::ffff"))),)


@pytest.mark.parametrize(
    ("match", "family", "text"),
    [
        (Match(ADDRESSES[4], NET4, (WEB,)), 4, "tcp 203.0.113.10:40000 -> 198.51.100.10:443 from wan to lan"),
        (Match(ADDRESSES[4], NET4), 4, "tcp 203.0.113.10:40000 -> 198.51.100.10:443 from wan to lan"),
        (
            Match(NET6, ADDRESSES[6], (Service(58),)),
            6,
            "icmpv6 type 128 code 0 2001:db8:2::a -> 2001:db8::10 from wan to lan",
        ),
        (Match(NET4, NET4, (Service(1),)), 4, "icmp type 8 code 0 198.51.100.10 -> 198.51.100.10 from wan to lan"),
        (Match(NET4, NET4, (Service(112),)), 4, "vrrp 198.51.100.10 -> 198.51.100.10 from wan to lan"),
        (Match(NET4, NET4, (Service(99),)), 4, "protocol 99 198.51.100.10 -> 198.51.100.10 from wan to lan"),
        (
            Match(NET6, NET6, (Service(17, ports=((1000, 2000),)),)),
            6,
            "udp [2001:db8:2::a]:40000 -> [2001:db8:2::a]:1000 from wan to lan",
        ),
        (
            Match(((16_900_000, 16_900_001),), ((0, 2**31),), (WEB,)),
            4,
            "tcp 1.1.223.160:40000 -> 1.0.0.10:443 from wan to lan",
        ),
    ],
)
def test_the_packet_that_is_shown_is_an_ordinary_one(match: Match, family: int, text: str) -> None:
    (box,) = space.boxes(match, family)
    point = choose(box, family)
    assert space.contains(box, point)
    packet = from_point(point, family, "wan", "lan")
    assert str(packet) == text
    assert space.contains(box, packet.point) or packet.protocol not in (6, 17)


@given(st.data(), FAMILIES)
def test_a_chosen_packet_is_always_of_its_box(data: st.DataObject, family: int) -> None:
    for box in space.boxes(data.draw(tiny.matches(family)), family):
        assert space.contains(box, choose(box, family))
