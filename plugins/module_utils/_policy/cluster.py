# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the cluster itself needs from the rules: its own traffic, and the administrators' way in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import (
    Net,
    PortRange,
    Reader,
    entries,
    families,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

CLUSTER_KEYS = ("name", "chain", "interfaces", "source", "destination", "protocol", "ports", "source_ports", "action")
CHAINS = ("input", "output", "raw_prerouting", "raw_output")


@dataclass(frozen=True)
class ClusterRule:
    name: str
    chain: str
    interfaces: tuple[str, ...] = ()
    source: tuple[Net, ...] = ()
    destination: tuple[Net, ...] = ()
    protocol: Optional[str] = None
    ports: tuple[PortRange, ...] = ()
    source_ports: tuple[PortRange, ...] = ()
    action: str = "accept"

    @property
    def families(self) -> frozenset[int]:
        return families(self.source, self.destination)


@dataclass(frozen=True)
class Management:
    interfaces: tuple[str, ...]
    sources: tuple[Net, ...] = ()
    port: int = 22


def parse_cluster_rules(
    raw: object, path: str = "iptables_cluster_rules"
) -> tuple[tuple[ClusterRule, ...], tuple[Problem, ...]]:
    problems: list[Problem] = []
    rules: list[ClusterRule] = []
    for reader in entries(raw, path, CLUSTER_KEYS, problems):
        protocol = reader.protocol()
        chain = reader.choice("chain", CHAINS, "input")
        rule = ClusterRule(
            name=reader.text("name", required=True),
            chain=chain,
            interfaces=reader.interfaces("interfaces"),
            source=reader.networks("source"),
            destination=reader.networks("destination"),
            protocol=protocol,
            ports=reader.ports("ports", protocol),
            source_ports=reader.ports("source_ports", protocol),
            action=reader.choice("action", ("notrack",) if chain.startswith("raw") else ("accept",), "accept"),
        )
        if not rule.families:
            reader.problem(
                "destination",
                reader.get("destination"),
                "no address family is left",
                "Source and destination need a common family.",
            )
        if not rule.interfaces and not rule.source and not rule.destination:
            reader.problem(
                "interfaces",
                None,
                "matches every peer on every interface",
                "Bind it to an interface, and to the peers.",
            )
        rules.append(rule)
    return tuple(rules), tuple(problems)


def parse_management(
    raw: object, path: str = "iptables_management"
) -> tuple[Optional[Management], tuple[Problem, ...]]:
    if raw is None or raw == {}:
        return None, ()
    problems: list[Problem] = []
    reader = Reader(raw, path, ("interfaces", "sources", "port"), problems)
    interfaces = reader.interfaces("interfaces", required=True)
    sources = reader.networks("sources")
    port = reader.number("port", 1, 65535, 22)
    return Management(interfaces, sources, port or 22), tuple(problems)
