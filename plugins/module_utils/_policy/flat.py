# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The policy with every name resolved: what is compiled, analysed and traced.

Each rule is a product of plain sets, one product per family, so that rendering, analysis and trace cannot understand a rule
differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

#: Sorted, disjoint, not adjacent, both ends included. () matches nothing.
Ranges = tuple[tuple[int, int], ...]

PORTS: Ranges = ((0, 65535),)
ADDRESSES: Mapping[int, Ranges] = {4: ((0, 2**32 - 1),), 6: ((0, 2**128 - 1),)}
TYPES: Ranges = ((0, 255),)


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


@dataclass(frozen=True)
class FlatNat:
    """One translation of one family. The first that matches the first packet of a connection decides, per type of hook."""

    name: str
    path: str
    #: snat, dnat, or none (an exception: what it matches is not translated by later entries of that hook).
    type: str
    family: int
    #: Interfaces are known before the route (from) and after it (to): dnat has from_zones, snat has to_zones.
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    match: Match
    #: The range of addresses to use, both ends; equal for one address. For one-to-one of a block the block, with `one_to_one`.
    to_addresses: Optional[tuple[int, int]] = None
    to_ports: Optional[tuple[int, int]] = None
    one_to_one: bool = False
