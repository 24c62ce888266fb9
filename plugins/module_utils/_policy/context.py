# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What analysis, trace and assertions have to know besides the rules: addresses, routes by zone, intent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address, Net
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FIREWALL,
    FlatRule,
    FlatZone,
    Ranges,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Taste

#: The groups of a link (RFC 5771, RFC 4291), its broadcast (RFC 919) and its addresses in IPv6.
_LINK: Mapping[int, Ranges] = {
    4: ((0xE0000000, 0xE00000FF), (0xFFFFFFFF, 0xFFFFFFFF)),
    6: ((0xFE80 << 112, (0xFEC0 << 112) - 1), (0xFF02 << 112, (0xFF03 << 112) - 1)),
}


@dataclass(frozen=True)
class Context:
    #: Networks of every zone, as far as they are known. The longest prefix that has an address decides its zone.
    networks: Mapping[str, tuple[Net, ...]] = field(default_factory=dict)
    #: The zone of all addresses that are in no network.
    default_zone: str = ""
    #: Zones that have no networks here, so that all zones are known by name.
    zones: tuple[str, ...] = ()
    #: Interfaces and addresses of zones. One that is missing shares its interfaces with no other zone.
    places: tuple[FlatZone, ...] = ()
    #: Action of a pair of zones when no rule decides; for other pairs see default_action.
    defaults: Mapping[tuple[str, str], str] = field(default_factory=dict)
    #: The same for what the firewall itself opens (the role's iptables_output).
    output: str = "accept"
    #: Addresses that one node alone has, of all nodes.
    own: tuple[Address, ...] = ()
    #: Shared addresses, which a takeover moves.
    vips: tuple[Address, ...] = ()
    #: Blocks that are routed to a shared address, so they follow it without being on an interface.
    routed: tuple[Net, ...] = ()
    #: Zones whose packets may come from anybody.
    untrusted: tuple[str, ...] = ()
    #: Names of objects with the place where they are defined, what they refer to, and the names that rules and NAT use.
    objects: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Collection[str]] = field(default_factory=dict)
    used: Collection[str] = ()

    @cached_property
    def zone_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.networks, *self.zones, *filter(None, [self.default_zone]))))

    def default_action(self, from_zone: str, to_zone: str) -> str:
        return self.defaults.get((from_zone, to_zone), self.output if from_zone == FIREWALL else "drop")

    def local(self, family: int) -> Ranges:
        """Addresses whose packets end at the firewall (or at its peer: the rules are the same)."""
        return addresses(family, (*self.own, *self.vips))

    def ends(self, from_zone: str, family: int) -> Ranges:
        """Destinations that packets of a zone reach at the firewall: nobody passes on what is for a link alone."""
        own = self.local(family)
        return own if from_zone == FIREWALL else spans.union(own, _LINK[family])

    def shared(self, family: int) -> Ranges:
        """Addresses that the active node answers for, whichever it is."""
        blocks = span(family, self.routed)
        return spans.normal(addresses(family, self.vips) + blocks)

    def side(self, zone: str, family: int) -> Ranges:
        """The addresses that packets of a zone have on its side: what longer prefixes claim is of other zones."""
        place = self._places.get(zone)
        return ADDRESSES[family] if place is None else place.spans[family]

    def zone_behind(self, zone: str, address: Address) -> str:
        """The zone that an address is of, when its packets pass the interfaces of `zone`."""
        number = int(address)
        found = (each for each in self._beside(zone) if spans.contains(self.side(each, address.version), number))
        return next(found, zone)

    def behind(self, zone: str, family: int, found: Ranges) -> Iterator[tuple[str, Ranges]]:
        """The same for many addresses: each zone with those of `found` that it has."""
        for each in self._beside(zone):
            mine = spans.intersect(found, self.side(each, family))
            if mine:
                yield each, mine

    def region(self, zone: str, family: int) -> Ranges:
        """The addresses that are in networks of this zone, and in no longer prefix of another one."""
        return self._regions[family].get(zone, ())

    def zone_of(self, address: Address) -> str:
        """Where packets to this address go; "" when that is not known."""
        for zone, found in self._regions[address.version].items():
            if spans.contains(found, int(address)):
                return zone
        return self.zone_behind(self.default_zone, address)

    def unknown(self, family: int) -> Ranges:
        """The addresses that are in no network."""
        known = [pair for found in self._regions[family].values() for pair in found]
        return spans.subtract(ADDRESSES[family], spans.normal(known))

    def taste(self, from_zone: str, to_zone: str, family: int) -> Taste:
        """Packets are easier to read when they come from where their zone is."""
        return Taste(self._hosts(from_zone, family), self._hosts(to_zone, family))

    def _hosts(self, zone: str, family: int) -> tuple[int, ...]:
        nets = [net for net in self.networks.get(zone, ()) if net.version == family]
        hosts = [int(net.network_address) + min(10, net.num_addresses - 1) for net in nets]
        return tuple(host for host in hosts if spans.contains(self.region(zone, family), host))

    @cached_property
    def _places(self) -> Mapping[str, FlatZone]:
        return {place.name: place for place in self.places}

    def _beside(self, zone: str) -> tuple[str, ...]:
        """The zones of the interfaces of a zone."""
        place = self._places.get(zone)
        if place is None:
            return (zone,)
        return tuple(other.name for other in self.places if other.interfaces == place.interfaces)

    @cached_property
    def _regions(self) -> Mapping[int, Mapping[str, Ranges]]:
        return {family: self._longest_prefix(family) for family in (4, 6)}

    def _longest_prefix(self, family: int) -> Mapping[str, Ranges]:
        found: dict[str, Ranges] = {}
        taken: Ranges = ()
        pairs = [(net, zone) for zone, nets in self.networks.items() for net in nets if net.version == family]
        for net, zone in sorted(pairs, key=lambda pair: -pair[0].prefixlen):
            mine = spans.subtract(span(family, [net]), taken)
            taken = spans.normal(taken + mine)
            # The route leads to interfaces, and on those the prefixes of zones decide.
            for owner, part in self.behind(zone, family, mine):
                found[owner] = spans.normal(found.get(owner, ()) + part)
        return found


def pair_defaults(rules: Iterable[FlatRule]) -> Mapping[tuple[str, str], str]:
    """What rules that stand for defaults of pairs of zones say; the first of a pair holds."""
    found: dict[tuple[str, str], str] = {}
    for rule in rules:
        for from_zone in rule.from_zones:
            for to_zone in rule.to_zones:
                found.setdefault((from_zone, to_zone), rule.action)
    return found


def addresses(family: int, found: Collection[Address]) -> Ranges:
    return spans.normal((int(address), int(address)) for address in found if address.version == family)


def span(family: int, found: Collection[Net]) -> Ranges:
    return spans.normal(
        (int(net.network_address), int(net.broadcast_address)) for net in found if net.version == family
    )
