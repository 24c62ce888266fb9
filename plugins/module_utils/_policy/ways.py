# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Zones to interfaces and addresses: how a packet of a zone looks in each hook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL, FlatZone, Match, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import narrowed


class Way(NamedTuple):
    """Packets from one zone to another; None stands for the firewall itself."""

    source: Optional[FlatZone]
    target: Optional[FlatZone]

    @property
    def names(self) -> tuple[str, str]:
        return (self.source.name if self.source else FIREWALL, self.target.name if self.target else FIREWALL)

    @property
    def hook(self) -> str:
        if self.source is None:
            return "OUTPUT"
        return "FORWARD" if self.target else "INPUT"

    def interfaces(self) -> Iterator[str]:
        for incoming in self.source.interfaces if self.source else ("",):
            for outgoing in self.target.interfaces if self.target else ("",):
                yield " ".join([f"-i {incoming}"] * bool(incoming) + [f"-o {outgoing}"] * bool(outgoing))

    def spans(self, family: int) -> tuple[Optional[Ranges], Optional[Ranges]]:
        return (self.source.spans[family] if self.source else None, self.target.spans[family] if self.target else None)

    def narrow(self, found: Match, family: int) -> Optional[Match]:
        return narrowed(found, *self.spans(family))

    def empty(self, family: int) -> bool:
        return () in self.spans(family)


def ways(zones: Sequence[FlatZone]) -> Iterator[Way]:
    """Every pair of zones, the firewall last; not the firewall with itself, which talks over lo."""
    for source in (*zones, None):
        for target in (*zones, None):
            if source is not None or target is not None:
                yield Way(source, target)


def arriving(
    zones: Mapping[str, FlatZone], names: Sequence[str], found: Match, family: int
) -> Iterator[tuple[str, Match]]:
    """(interface match, packets) of what comes from these zones, before the route is known."""
    for name in names:
        zone = zones.get(name)
        inside = narrowed(found, source=zone.spans[family]) if zone else None
        if zone and inside:
            for interface in zone.interfaces:
                yield f"-i {interface}", inside


def leaving(
    zones: Mapping[str, FlatZone], names: Sequence[str], found: Match, family: int
) -> Iterator[tuple[str, Match]]:
    """(interface match, packets) of what goes to these zones."""
    for name in names:
        zone = zones.get(name)
        inside = narrowed(found, destination=zone.spans[family]) if zone else None
        if zone and inside:
            for interface in zone.interfaces:
                yield f"-o {interface}", inside
