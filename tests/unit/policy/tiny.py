# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A universe that is small enough to try every packet: the oracle for everything that is computed on sets.

Each axis has a few values; the last one stands for all that are above, since no generated set tells those apart.
What matches is told here by plain comparison, without the encoding that the algebra uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans, split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    PORTS,
    TYPES,
    FlatRule,
    FlatZone,
    Log,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, to_address

HOSTS, PORT_COUNT, TYPE_COUNT = 4, 3, 3
PROTOCOLS = (6, 17, 1, 58, 47, 99)
PAIRS = (("wan", "lan"), ("lan", "wan"))
#: A zone of two prefixes inside of lan; of every address, each side of a packet has one of the two.
PLACES = (
    FlatZone("wan", ("eth1",)),
    FlatZone("lan", ("eth2",), dict.fromkeys((4, 6), ((0, 0), (2, 2)))),
    FlatZone("guests", ("eth2",), {family: ((1, 1), (3, ADDRESSES[family][0][1])) for family in (4, 6)}),
)
NESTED_PAIRS = (*PAIRS, ("wan", "guests"), ("guests", "wan"))
Sides = tuple[tuple[str, ...], tuple[str, ...]]
SIDES: Sequence[Sides] = ((("wan",), ("lan",)), (("wan",), ("lan",)), (("wan", "lan"), ("lan", "wan")))
NESTED_SIDES: Sequence[Sides] = (
    *SIDES,
    (("wan",), ("guests",)),
    (("guests",), ("wan",)),
    (("wan", "lan", "guests"), ("guests", "lan", "wan")),
)


def split_small(patch: pytest.MonkeyPatch) -> None:
    """Trees of chains that hold a few rules."""
    for name, value in (("LONG", 1), ("SHORT", 2), ("LEAST", 2)):
        patch.setattr(split, name, value)


def sets(count: int, top: int, full: Ranges, empty: bool) -> st.SearchStrategy[Ranges]:
    some = st.sets(st.integers(0, count - 1), min_size=0 if empty else 1).map(
        lambda chosen: spans.normal((value, top if value == count - 1 else value) for value in chosen)
    )
    return st.one_of(st.just(full), some)


def addresses(family: int, empty: bool = False) -> st.SearchStrategy[Ranges]:
    return sets(HOSTS, ADDRESSES[family][0][1], ADDRESSES[family], empty)


@st.composite
def services(draw: st.DrawFn, empty: bool = False) -> Service:
    protocol = draw(st.sampled_from([None, 6, 6, 17, 1, 58, 47]))
    if protocol in (6, 17):
        ports = sets(PORT_COUNT, 65535, PORTS, empty)
        sources = st.one_of(st.just(PORTS), ports)
        return Service(protocol, source_ports=draw(sources), ports=draw(ports))
    if protocol in (1, 58):
        types = sets(TYPE_COUNT, 255, TYPES, empty)
        return Service(protocol, types=draw(types), codes=draw(st.one_of(st.just(TYPES), types)))
    return Service(protocol)


@st.composite
def matches(draw: st.DrawFn, family: int, empty: bool = False) -> Match:
    found = draw(st.lists(services(empty), min_size=0 if empty else 1, max_size=2))
    return Match(draw(addresses(family, empty)), draw(addresses(family, empty)), tuple(found))


@st.composite
def policies(
    draw: st.DrawFn, most: int = 6, empty: bool = False, pairs: Sequence[Sides] = SIDES
) -> tuple[FlatRule, ...]:
    found = []
    for number in range(draw(st.integers(1, most))):
        families = draw(st.sampled_from([(4,), (4,), (6,), (4, 6)]))
        from_zones, to_zones = draw(st.sampled_from(pairs))
        found.append(
            FlatRule(
                name=f"r{number}",
                path=f"rules[{number}]",
                from_zones=from_zones,
                to_zones=to_zones,
                matches={family: draw(matches(family, empty)) for family in families},
                action=draw(st.sampled_from(["accept", "accept", "drop", "reject"])),
                conditions=draw(st.sampled_from([(), (), (), ("limit 1/second",)])),
                log=draw(st.sampled_from([None, None, Log("seen")])),
            )
        )
    return tuple(found)


@st.composite
def dense(draw: st.DrawFn, most: int = 7) -> tuple[FlatRule, ...]:
    """Rules of one pair and family with few fields, so that many hide each other, alone and together."""
    family = draw(st.sampled_from([4, 6]))
    found = []
    for number in range(draw(st.integers(3, most))):
        service = Service(6, ports=draw(sets(PORT_COUNT, 65535, PORTS, False)))
        match = Match(ADDRESSES[family], draw(addresses(family)), (service,))
        action = draw(st.sampled_from(["accept", "accept", "drop"]))
        conditions = draw(st.sampled_from([(), (), (), (), ("limit",)]))
        found.append(
            FlatRule(f"r{number}", f"rules[{number}]", ("wan",), ("lan",), {family: match}, action, conditions)
        )
    return tuple(found)


def headers(family: int) -> list[Packet]:
    """Every packet of the small universe, without zones."""
    return _headers(family)


@cache
def _headers(family: int) -> list[Packet]:
    found = []
    for source in range(HOSTS):
        for destination in range(HOSTS):
            for protocol in PROTOCOLS:
                for first, second in _rest(family, protocol):
                    ports, icmp = protocol in (6, 17), (family, protocol) in ((4, 1), (6, 58))
                    found.append(
                        Packet(
                            "",
                            to_address(source, family),
                            to_address(destination, family),
                            protocol,
                            source_port=first if ports else 0,
                            port=second if ports else 0,
                            icmp_type=first if icmp else 0,
                            icmp_code=second if icmp else 0,
                        )
                    )
    return found


def _rest(family: int, protocol: int) -> Iterator[tuple[int, int]]:
    count = 1
    if protocol in (6, 17):
        count = PORT_COUNT
    elif (family, protocol) in ((4, 1), (6, 58)):
        count = TYPE_COUNT
    for first in range(count):
        for second in range(count):
            yield first, second


def within(found: Ranges, value: int) -> bool:
    return any(low <= value <= high for low, high in found)


def lives(zone: str, address: Address) -> bool:
    """Whether packets of a zone have this address on its side, with `PLACES`."""
    return zone == "wan" or (zone == "guests") == (int(address) == 1 or int(address) >= 3)


def hits(match: Match | None, packet: Packet) -> bool:
    """The oracle: does the packet match?"""
    return (
        match is not None
        and within(match.source, int(packet.source))
        and within(match.destination, int(packet.destination))
        and any(_serves(service, packet) for service in match.services)
    )


def _serves(service: Service, packet: Packet) -> bool:
    if service.protocol is None:
        return True
    if service.protocol != packet.protocol:
        return False
    if packet.protocol in (6, 17, 132):
        return within(service.source_ports, packet.source_port) and within(service.ports, packet.port)
    if (packet.family, packet.protocol) in ((4, 1), (6, 58)):
        return within(service.types, packet.icmp_type) and within(service.codes, packet.icmp_code)
    return True
