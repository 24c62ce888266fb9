# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A cluster's policy as a function of one packet: is it accepted, is it translated? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from netaddr import IPAddress, IPNetwork

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import flat, spans

Protocol = Literal["tcp", "udp"]
NUMBERS = {"tcp": 6, "udp": 17}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection. Its zones are those of the networks, whatever zones of prefixes are in them."""

    from_zone: str
    to_zone: str
    source: IPAddress
    target: IPAddress
    protocol: Protocol
    port: int

    @property
    def family(self) -> int:
        return int(self.source.version)

    def translated(self, target: IPAddress, port: int) -> Packet:
        return replace(self, target=target, port=port)


@dataclass(frozen=True)
class Translation:
    """A destination translation to one address; `ports` is empty when every port is translated."""

    entry: flat.FlatNat
    to_address: IPAddress
    ports: tuple[tuple[int, int], ...]
    to_port: int | None

    @property
    def source(self) -> list[IPNetwork]:
        return nets(self.entry.match.source, self.entry.family)

    @property
    def destination(self) -> list[IPNetwork]:
        return nets(self.entry.match.destination, self.entry.family)


class Filter:
    def __init__(self, policy: model.Policy) -> None:
        self._policy = policy.flat

    def prefixes(self) -> Iterator[IPNetwork]:
        """Everything the policy tells apart by address."""
        for zone in self._policy.zones:
            for family, span in zone.spans.items():
                yield from nets(span, family)
        for rule in self._policy.rules:
            for family, match in rule.matches.items():
                yield from nets(match.source, family)
                yield from nets(match.destination, family)
        for entry in self._policy.nat:
            yield from nets(entry.match.source, entry.family)
            yield from nets(entry.match.destination, entry.family)
            yield from nets((entry.to_addresses,) if entry.to_addresses else (), entry.family)

    def verdict(self, packet: Packet) -> bool | None:
        """Whether it is forwarded: the first rule that matches decides, none means no. None: it depends on the hour."""
        for rule in self._policy.rules:
            match = rule.matches.get(packet.family)
            if match is not None and self._zones(rule.from_zones, rule.to_zones, packet) and _holds(match, packet):
                return None if rule.conditions else rule.action == "accept"
        return False

    def accepts(self, packet: Packet) -> bool:
        """Whether it surely passes, with a source that can be told."""
        entry = self._source_entry(packet)
        ends = set(entry.to_addresses or ()) if entry and not entry.one_to_one else set()
        return self.verdict(packet) is True and len(ends) < 2

    def drops(self, packet: Packet) -> bool:
        return self.verdict(packet) is False

    def accepting(self, from_zone: str, to_zone: str, protocol: Protocol, family: int) -> Iterator[Accepting]:
        """What rules may accept of such packets, one product of addresses and ports at a time."""
        froms, tos = self._of(from_zone), self._of(to_zone)
        for rule in self._policy.rules:
            match = rule.matches.get(family)
            if match is None or rule.action != "accept" or not froms & {*rule.from_zones} or not tos & {*rule.to_zones}:
                continue
            for service in match.services:
                if service.protocol in (None, NUMBERS[protocol]):
                    yield Accepting(
                        nets(match.source, family),
                        nets(match.destination, family),
                        None if service.ports == flat.PORTS else service.ports[0][0],
                        service.protocol is not None,
                    )

    def snat(self, packet: Packet) -> IPAddress | None:
        """The address its server sees, if not the client's own."""
        entry = self._source_entry(packet)
        if entry is None or entry.to_addresses is None:
            return None
        shift = int(packet.source) - entry.match.source[0][0] if entry.one_to_one else 0
        return _address(entry.to_addresses[0] + shift, packet.family)

    def _source_entry(self, packet: Packet) -> flat.FlatNat | None:
        for entry in self._policy.nat:
            # After routing, the way in is no longer known: a SNAT entry is bound to its source, not to a zone.
            if entry.to_zones and self._zones((), entry.to_zones, packet) and _translates(entry, packet):
                return entry
        return None

    def dnat(self, packet: Packet) -> flat.FlatNat | None:
        for entry in self._policy.nat:
            if entry.from_zones and self._zones(entry.from_zones, (), packet) and _translates(entry, packet):
                return entry if entry.to_addresses else None
        return None

    def translations(self, family: int, protocol: Protocol) -> Iterator[Translation]:
        for entry in self._policy.nat:
            single = entry.to_addresses is not None and entry.to_addresses[0] == entry.to_addresses[1]
            if entry.type != "dnat" or entry.family != family or not single or entry.to_addresses is None:
                continue
            for service in entry.match.services:
                if service.protocol in (None, NUMBERS[protocol]):
                    ports = () if service.ports == flat.PORTS else service.ports
                    to_port = entry.to_ports[0] if entry.to_ports else None
                    yield Translation(entry, _address(entry.to_addresses[0], family), ports, to_port)
                    break

    def _zones(self, froms: tuple[str, ...], tos: tuple[str, ...], packet: Packet) -> bool:
        """Whether the packet's zones are among these; an empty tuple is any."""
        return (not froms or self._zone(packet.from_zone, packet.source) in froms) and (
            not tos or self._zone(packet.to_zone, packet.target) in tos
        )

    def _of(self, name: str) -> set[str]:
        """A zone of networks and the zones of prefixes inside of it."""
        interfaces = next((zone.interfaces for zone in self._policy.zones if zone.name == name), None)
        return {zone.name for zone in self._policy.zones if zone.interfaces == interfaces}

    def _zone(self, name: str, address: IPAddress) -> str:
        inside = self._of(name)
        for zone in self._policy.zones:
            if zone.name in inside and spans.contains(zone.spans[address.version], int(address)):
                return zone.name
        return name


@dataclass(frozen=True)
class Accepting:
    source: list[IPNetwork]
    destination: list[IPNetwork]
    #: The first port, None when every port is accepted.
    port: int | None
    #: Whether the rule names the protocol.
    explicit: bool


def nets(ranges: flat.Ranges, family: int) -> list[IPNetwork]:
    """The prefixes of these addresses; none when they are all."""
    if spans.is_full(ranges, family):
        return []
    return [IPNetwork(f"{spans.address_text(low, family)}/{length}") for low, length in spans.prefixes(ranges, family)]


def _address(value: int, family: int) -> IPAddress:
    return IPAddress(spans.address_text(value, family))


def _translates(entry: flat.FlatNat, packet: Packet) -> bool:
    return entry.family == packet.family and _holds(entry.match, packet)


def _holds(match: flat.Match, packet: Packet) -> bool:
    return (
        spans.contains(match.source, int(packet.source))
        and spans.contains(match.destination, int(packet.target))
        and any(
            service.protocol in (None, NUMBERS[packet.protocol]) and spans.contains(service.ports, packet.port)
            for service in match.services
        )
    )
