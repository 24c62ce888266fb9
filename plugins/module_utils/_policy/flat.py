# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The policy with every name resolved: what is compiled, analysed and traced.

Each rule is a product of plain sets, one product per family, so that rendering, analysis and trace cannot understand
a rule differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

#: Sorted, disjoint, not adjacent, both ends included. () matches nothing.
Ranges = tuple[tuple[int, int], ...]

PORTS: Ranges = ((0, 65535),)
ADDRESSES: Mapping[int, Ranges] = {4: ((0, 2**32 - 1),), 6: ((0, 2**128 - 1),)}
TYPES: Ranges = ((0, 255),)
#: The node itself as one side of a packet, and the word for every zone.
FIREWALL, ANY = "firewall", "any"
#: Numbers of RFC 5237. The ICMP of one family is in the other one a protocol like any other.
WITH_PORTS = (6, 17, 132)
ICMP: Mapping[int, int] = {4: 1, 6: 58}


@dataclass(frozen=True)
class Service:
    """One product of protocol and ports. `protocol` is the number of RFC 5237, None for every protocol.

    Ports hold for tcp (6), udp (17) and sctp (132), types and codes for ICMP (1, in IPv6 58); elsewhere they are full.
    """

    protocol: Optional[int] = None
    source_ports: Ranges = PORTS
    ports: Ranges = PORTS
    types: Ranges = TYPES
    codes: Ranges = TYPES


@dataclass(frozen=True)
class Match:
    """Packets of one family. `services` is a union; their products may overlap."""

    source: Ranges
    destination: Ranges
    services: tuple[Service, ...] = (Service(),)


@dataclass(frozen=True)
class Log:
    #: What a line in the kernel's log begins with.
    prefix: str
    #: As xt_limit takes it: 10/second.
    rate: str = "10/second"


@dataclass(frozen=True)
class Limit:
    """New connections in a time. An accepting rule holds for those within it, every other rule for those beyond it."""

    rate: str
    burst: int
    #: source, destination or none: what has a bucket of its own.
    per: str = "none"


@dataclass(frozen=True)
class Connections:
    """Connections at a time, that of the packet among them; within and beyond as with `Limit`."""

    most: int
    per: str = "source"


@dataclass(frozen=True)
class Schedule:
    """Hours in UTC. `start` > `end` lasts beyond midnight and belongs to the day on which it begins."""

    #: Mon to Sun; () is every day.
    days: tuple[str, ...] = ()
    #: Minutes since midnight, the end excluded.
    start: int = 0
    end: int = 1440


@dataclass(frozen=True)
class FlatRule:
    name: str
    #: Where it stands in the input, as `firewall_policy.rules[3]`.
    path: str
    #: Names of zones and `firewall`, never `any`.
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    #: By IP version; a family that the rule does not hold for is absent.
    matches: Mapping[int, Match]
    action: str = "accept"
    #: Rate and connection limits, schedules: the rule decides only about some of the packets that it matches.
    conditions: tuple[str, ...] = ()
    log: Optional[Log] = None
    #: What `conditions` tells in words.
    limit: Optional[Limit] = None
    connections: Optional[Connections] = None
    schedule: Optional[Schedule] = None
    #: Names of the kernel's helpers and what they look at; only of accepting rules.
    helpers: tuple[tuple[str, Service], ...] = ()


@dataclass(frozen=True)
class FlatNat:
    """One translation of one family. The first that matches the first packet of a connection decides, per type of hook.

    What the firewall itself sends is not translated.
    """

    name: str
    path: str
    #: snat, dnat, or none (an exception: what it matches is not translated by later entries of that hook).
    type: str
    family: int
    #: Interfaces are known before the route (from) and after it (to): dnat has from_zones, snat has to_zones.
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    match: Match
    #: The range of addresses to use, both ends; equal for one address. For `one_to_one` the whole block.
    to_addresses: Optional[tuple[int, int]] = None
    #: One port for all, or a range as long as the one range of ports in `match`: the n-th becomes the n-th.
    to_ports: Optional[tuple[int, int]] = None
    one_to_one: bool = False
    #: Helpers that have to look at connections which this entry translates.
    helpers: tuple[tuple[str, Service], ...] = ()


@dataclass(frozen=True)
class FlatZone:
    """What arrives on (or leaves through) `interfaces` with an address in `spans` belongs to the zone.

    Zones that share an interface have disjoint spans that together are everything: a packet has one zone on each side.
    """

    name: str
    interfaces: tuple[str, ...]
    spans: Mapping[int, Ranges] = field(default_factory=lambda: ADDRESSES)


@dataclass(frozen=True)
class Clamp:
    """The largest segment that TCP may announce between two zones, in both directions. None: what the path takes."""

    name: str
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    mss: Optional[int] = None


@dataclass(frozen=True)
class FlatPolicy:
    """All that decides about connections, in the order in which it is asked."""

    zones: tuple[FlatZone, ...] = ()
    #: The rules, and after them the defaults of pairs of zones.
    rules: tuple[FlatRule, ...] = ()
    nat: tuple[FlatNat, ...] = ()
    #: Accepted in both directions without a state, before `rules` are asked.
    untracked: tuple[FlatRule, ...] = ()
    clamps: tuple[Clamp, ...] = ()
