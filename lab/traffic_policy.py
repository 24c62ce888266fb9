# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A cluster's policy as a function of one packet: is it accepted, is it translated? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from netaddr import IPAddress, IPNetwork

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

Protocol = Literal["tcp", "udp"]
ANY = "any"
NUMBERS = {"tcp": "6", "udp": "17"}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection."""

    from_zone: str
    to_zone: str
    source: IPAddress
    target: IPAddress
    protocol: Protocol
    port: int

    def translated(self, target: IPAddress, port: int) -> Packet:
        return replace(self, target=target, port=port)


class Filter:
    def __init__(self, policy: model.Policy) -> None:
        self._rules = policy.rules
        self._nat = policy.nat

    def prefixes(self) -> Iterator[IPNetwork]:
        """Everything the policy tells apart by address."""
        for rule in self._rules:
            yield from (*rule.source, *rule.destination)
        for entry in self._nat:
            yield from (*entry.source, *entry.destination, IPNetwork(entry.to_address))

    def accepts(self, packet: Packet) -> bool:
        """Whether it is forwarded: the first rule that matches decides, none means no."""
        for rule in self._rules:
            if (
                _zone(rule.from_zones, packet.from_zone)
                and _zone(rule.to_zones, packet.to_zone)
                and _address(rule.source, packet.source)
                and _address(rule.destination, packet.target)
                and (_family(rule.source) & _family(rule.destination) & {packet.source.version})
                and _service(rule.protocol, rule.ports, packet)
            ):
                return rule.action == "accept"
        return False

    def accepting(self, from_zone: str, to_zone: str, protocol: Protocol) -> Iterator[model.Rule]:
        """Rules that may accept such packets."""
        for rule in self._rules:
            if (
                rule.action == "accept"
                and _zone(rule.from_zones, from_zone)
                and _zone(rule.to_zones, to_zone)
                and rule.protocol in (None, protocol, NUMBERS[protocol])
            ):
                yield rule

    def snat(self, packet: Packet) -> IPAddress | None:
        """The address its server sees, if not the client's own."""
        for entry in self._nat:
            # After routing, the way in is no longer known: a SNAT entry is bound to its source prefixes, not to a zone.
            if entry.type == "snat" and _zone(entry.to_zones, packet.to_zone) and _translates(entry, packet):
                return entry.to_address
        return None

    def dnat(self, packet: Packet) -> model.Nat | None:
        for entry in self._nat:
            if entry.type == "dnat" and _zone(entry.from_zones, packet.from_zone) and _translates(entry, packet):
                return entry
        return None

    def translations(self, family: int, protocol: Protocol) -> Iterator[model.Nat]:
        for entry in self._nat:
            suits = entry.protocol in (None, protocol, NUMBERS[protocol])
            if entry.type == "dnat" and entry.to_address.version == family and suits:
                yield entry


def _translates(entry: model.Nat, packet: Packet) -> bool:
    return bool(
        entry.to_address.version == packet.source.version
        and _address(entry.source, packet.source)
        and _address(entry.destination, packet.target)
        and _service(entry.protocol, entry.ports, packet)
    )


def _zone(zones: Iterable[str], name: str) -> bool:
    return name in zones or ANY in zones


def _address(nets: Sequence[IPNetwork], address: IPAddress) -> bool:
    return not nets or any(address in net for net in nets)


def _family(nets: Sequence[IPNetwork]) -> set[int]:
    return {net.version for net in nets} or {4, 6}


def _service(protocol: str | None, ports: Sequence[tuple[int, int]], packet: Packet) -> bool:
    if protocol not in (None, packet.protocol, NUMBERS[packet.protocol]):
        return False
    return not ports or any(low <= packet.port <= high for low, high in ports)
