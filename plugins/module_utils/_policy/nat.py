# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The nat table of a ruleset."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.objects import ANY, Nat, Ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table


def nat_table(ruleset: Ruleset, family: int) -> Table:
    # The policies of nat say nothing about what may pass: only the filter table decides that.
    table = Table("nat", PREROUTING="ACCEPT", INPUT="ACCEPT", OUTPUT="ACCEPT", POSTROUTING="ACCEPT")
    for entry in ruleset.nat:
        if entry.family != family:
            continue
        if entry.type == "dnat":
            for interface in _interfaces(ruleset, entry.from_zones):
                for matches in _matches(entry, f"-i {interface}"):
                    table.add("PREROUTING", matches, entry.name, f"-j DNAT --to-destination {_target(entry)}")
        else:
            for interface in _interfaces(ruleset, entry.to_zones):
                # The node's own packets keep their own address: a standby does not hold the shared one.
                for matches in _matches(entry, f"-o {interface}", "-m addrtype ! --src-type LOCAL"):
                    table.add("POSTROUTING", matches, entry.name, f"-j SNAT --to-source {_target(entry)}")
    return table


def _interfaces(ruleset: Ruleset, zones: tuple[str, ...]) -> list[str]:
    return [name for zone in ruleset.zones if ANY in zones or zone.name in zones for name in zone.interfaces]


def _target(entry: Nat) -> str:
    if entry.to_port is None:
        return str(entry.to_address)
    host = f"[{entry.to_address}]" if entry.family == 6 else str(entry.to_address)
    return f"{host}:{entry.to_port}"


def _matches(entry: Nat, way: str, *more: str) -> Iterator[str]:
    for source in match.of_family(entry.source, entry.family):
        for destination in match.of_family(entry.destination, entry.family):
            for ports in match.ports(entry.ports):
                yield " ".join(
                    match.address("-s", source)
                    + match.address("-d", destination)
                    + [way]
                    + match.protocol(entry.protocol, entry.family)
                    + ports
                    + list(more)
                )
