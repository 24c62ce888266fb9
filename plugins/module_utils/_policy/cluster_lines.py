# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What has to work whatever the policy says: administrators, neighbour discovery, the cluster's own traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import icmp, match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cluster import ClusterRule, Management
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table


def management(
    table: Table, access: Optional[Management], family: int, incoming: str, outgoing: str, target: str
) -> None:
    """The way in for administrators: first, and without looking at the connection's state."""
    if access is None:
        return
    for interface in access.interfaces:
        for net in match.of_family(access.sources, family):
            source, destination = " ".join(match.address("-s", net)), " ".join(match.address("-d", net))
            table.add(incoming, f"{source} -i {interface} -p tcp --dport {access.port}", "management", target)
            table.add(outgoing, f"{destination} -o {interface} -p tcp --sport {access.port}", "management", target)


def own_traffic(
    table: Table, management_access: Optional[Management], rules: Sequence[ClusterRule], family: int
) -> None:
    """What must work without connection tracking: discovery of neighbours and groups, and the cluster itself."""
    if family == 6:
        neighbours(table)
        for number, name in icmp.MLD:
            multicast = f"{icmp.message(6, number)} -m hl --hl-eq 1"
            table.add("INPUT", multicast, f"mld {name}", "-j ACCEPT")
            table.add("OUTPUT", multicast, f"mld {name}", "-j ACCEPT")
        table.add("INPUT", icmp.message(6, *icmp.TOO_BIG[6]), "packet too big", "-j ACCEPT")
    else:
        table.add("INPUT", "-d 224.0.0.0/4 -p 2 -m ttl --ttl-eq 1", "igmp", "-j ACCEPT")
        # The administrators' connections are untracked, so their path MTU errors are related to nothing.
        for interface in management_access.interfaces if management_access else ():
            too_big = f"-i {interface} {icmp.message(4, *icmp.TOO_BIG[4])}"
            table.add("INPUT", too_big, "fragmentation needed", "-j ACCEPT")
    for rule in rules:
        if not rule.chain.startswith("raw"):
            for found in matches(rule, family):
                table.add(rule.chain.upper(), found, f"cluster {rule.name}", "-j ACCEPT")


def neighbours(table: Table) -> None:
    for number, name in icmp.NDP:
        matches = f"{icmp.message(6, number)} -m hl --hl-eq 255"
        table.add("INPUT", matches, f"ndp {name}", "-j ACCEPT")
        table.add("OUTPUT", matches, f"ndp {name}", "-j ACCEPT")


def matches(rule: ClusterRule, family: int) -> Iterator[str]:
    if family not in rule.families:
        return
    incoming = rule.chain in ("input", "raw_prerouting")
    hops = "-m ttl --ttl-eq 255" if family == 4 else "-m hl --hl-eq 255"
    # An advertisement that crossed a router is a forgery.
    on_link = [hops] if rule.protocol == "vrrp" and rule.chain == "input" else []
    for interface in rule.interfaces or ("",):
        for source in match.of_family(rule.source, family):
            for destination in match.of_family(rule.destination, family):
                for ports in match.port_pairs(rule.ports, rule.source_ports):
                    yield " ".join(
                        match.address("-s", source)
                        + match.address("-d", destination)
                        + ([("-i " if incoming else "-o ") + interface] if interface else [])
                        + match.protocol(rule.protocol, family)
                        + ports
                        + on_link
                    )
