# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Ruleset -> the text that iptables-restore, ip6tables-restore and ipset restore read.

The same ruleset always gives the same text. Order and reasons are told in docs/guides/rules.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cluster import ClusterRule, Management
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import families
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.nat import nat_table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.objects import (
    ANY,
    FIREWALL,
    Rule,
    Ruleset,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table

GATES: Mapping[int, str] = {4: "linuxha_gate4", 6: "linuxha_gate6"}
# Neighbour discovery proper; a redirect (137) is never wanted on a firewall. RFC 4861: hop limit 255 proves on-link.
NDP = (
    ("133", "router solicitation"),
    ("134", "router advertisement"),
    ("135", "neighbour solicitation"),
    ("136", "neighbour advertisement"),
)
MLD = (("130", "query"), ("131", "report"), ("132", "done"), ("143", "report v2"))
_RAW_HOOKS = {"input": "PREROUTING", "raw_prerouting": "PREROUTING", "output": "OUTPUT", "raw_output": "OUTPUT"}
SYN = "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"


def render(ruleset: Ruleset) -> dict[str, str]:
    """File name -> content, for /etc/linuxha/rules."""
    return {
        "ipsets": _ipsets(ruleset),
        "rules.v4": _family(ruleset, 4),
        "rules.v6": _family(ruleset, 6),
        "closed.v4": _closed(ruleset, 4),
        "closed.v6": _closed(ruleset, 6),
    }


def policy_id(ruleset: Ruleset) -> str:
    """Equal on all nodes of a cluster that enforce the same policy, whatever their own addresses and interfaces."""
    content = {
        "zones": sorted(zone.name for zone in ruleset.zones),
        "rules": [rule.as_dict() for rule in ruleset.rules],
        "nat": [entry.as_dict() for entry in ruleset.nat],
        "options": ruleset.options.__dict__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _header(ruleset: Ruleset, what: str) -> str:
    note = "Written by Ansible (linuxha.firewall); a changed file is refused."
    return f"# {what}\n# {note}\n# policy {policy_id(ruleset)}\n"


def _ipsets(ruleset: Ruleset) -> str:
    # Created empty, which is closed. The loader uses -exist, so a set that is there keeps its content over reloads.
    lines = [f"create {GATES[family]} hash:net family {'inet' if family == 4 else 'inet6'}" for family in (4, 6)]
    return _header(ruleset, "IP sets") + "".join(line + "\n" for line in (lines if ruleset.options.gate else []))


def _family(ruleset: Ruleset, family: int) -> str:
    tables = (_raw(ruleset, family), nat_table(ruleset, family), _filter(ruleset, family))
    return _header(ruleset, f"IPv{family} rules") + "".join(table.text() for table in tables)


def _closed(ruleset: Ruleset, family: int) -> str:
    """Loaded when the real rules cannot be: this node talks to its administrators and to nobody else."""
    table = Table("filter", INPUT="DROP", FORWARD="DROP", OUTPUT="DROP")
    table.add("INPUT", "-i lo", "loopback", "-j ACCEPT")
    table.add("OUTPUT", "-o lo", "loopback", "-j ACCEPT")
    _management(table, ruleset.management, family, "INPUT", "OUTPUT", "-j ACCEPT")
    if family == 6 and ruleset.management and 6 in families(ruleset.management.sources):
        _neighbours(table)
    raw = Table("raw", PREROUTING="ACCEPT", OUTPUT="ACCEPT")
    return (
        _header(ruleset, f"IPv{family} rules when closed")
        + raw.text()
        + nat_table(Ruleset(), family).text()
        + table.text()
    )


def _raw(ruleset: Ruleset, family: int) -> Table:
    table = Table("raw", PREROUTING="ACCEPT", OUTPUT="ACCEPT")
    # Untracked, so that neither a full connection table nor its state decides over administrators and cluster.
    _management(table, ruleset.management, family, "PREROUTING", "OUTPUT", "-j CT --notrack")
    if family == 6:
        for number, name in NDP:
            for chain in ("PREROUTING", "OUTPUT"):
                table.add(chain, f"-p ipv6-icmp -m icmp6 --icmpv6-type {number}", f"ndp {name}", "-j CT --notrack")
    for rule in ruleset.cluster_rules:
        # A full table must not silence the advertisements: that would be two masters.
        if rule.chain.startswith("raw") or rule.protocol == "vrrp":
            for matches in _cluster_matches(rule, family):
                table.add(_RAW_HOOKS[rule.chain], matches, f"cluster {rule.name}", "-j CT --notrack")
    if ruleset.options.antispoof != "off":
        if family == 6:
            # Before the check of the way back, which can fail for a moment while addresses change: an advertisement
            # lost then is asked for again only after a second (RetransTimer, RFC 4861). Hop limit 255 proves the link.
            for number, name in NDP:
                matches = f"-p ipv6-icmp -m icmp6 --icmpv6-type {number} -m hl --hl-eq 255"
                table.add("PREROUTING", matches, f"ndp {name} on link", "-j ACCEPT")
        loose = " --loose" if ruleset.options.antispoof == "loose" else ""
        for zone in ruleset.zones:
            for interface in zone.interfaces:
                table.add(
                    "PREROUTING", f"-i {interface} -m rpfilter{loose} --invert", f"antispoof {zone.name}", "-j DROP"
                )
    return table


def _filter(ruleset: Ruleset, family: int) -> Table:
    table = Table("filter", INPUT="DROP", FORWARD="DROP", OUTPUT="DROP")
    _management(table, ruleset.management, family, "INPUT", "OUTPUT", "-j ACCEPT")
    table.add("INPUT", "-i lo", "loopback", "-j ACCEPT")
    table.add("OUTPUT", "-o lo", "loopback", "-j ACCEPT")
    _own_traffic(table, ruleset, family)
    if ruleset.options.gate:
        table.add("FORWARD", f"-m set ! --match-set {GATES[family]} dst", "gate", "-j DROP")
    for chain in ("INPUT", "FORWARD", "OUTPUT"):
        _states(table, chain)
    _echo(table, ruleset, family)
    _dispatch(table, ruleset, family)
    if ruleset.options.output == "accept":
        table.add("OUTPUT", "-m conntrack --ctstate NEW", "own traffic", "-j ACCEPT")
    if ruleset.options.log_drops:
        for chain in ("INPUT", "FORWARD", "OUTPUT"):
            table.add(
                chain,
                "-m limit --limit 5/second --limit-burst 20",
                "log drops",
                match.log_target(f"drop {chain.lower()}"),
            )
    return table


def _own_traffic(table: Table, ruleset: Ruleset, family: int) -> None:
    """What must work without connection tracking: discovery of neighbours and groups, and the cluster itself."""
    if family == 6:
        _neighbours(table)
        for number, name in MLD:
            matches = f"-p ipv6-icmp -m icmp6 --icmpv6-type {number} -m hl --hl-eq 1"
            table.add("INPUT", matches, f"mld {name}", "-j ACCEPT")
            table.add("OUTPUT", matches, f"mld {name}", "-j ACCEPT")
        table.add("INPUT", "-p ipv6-icmp -m icmp6 --icmpv6-type 2", "packet too big", "-j ACCEPT")
    else:
        table.add("INPUT", "-d 224.0.0.0/4 -p 2 -m ttl --ttl-eq 1", "igmp", "-j ACCEPT")
        # The administrators' connections are untracked, so their path MTU errors are related to nothing.
        for interface in ruleset.management.interfaces if ruleset.management else ():
            table.add("INPUT", f"-i {interface} -p icmp -m icmp --icmp-type 3/4", "fragmentation needed", "-j ACCEPT")
    for rule in ruleset.cluster_rules:
        if not rule.chain.startswith("raw"):
            for matches in _cluster_matches(rule, family):
                table.add(rule.chain.upper(), matches, f"cluster {rule.name}", "-j ACCEPT")


def _neighbours(table: Table) -> None:
    for number, name in NDP:
        matches = f"-p ipv6-icmp -m icmp6 --icmpv6-type {number} -m hl --hl-eq 255"
        table.add("INPUT", matches, f"ndp {name}", "-j ACCEPT")
        table.add("OUTPUT", matches, f"ndp {name}", "-j ACCEPT")


def _states(table: Table, chain: str) -> None:
    table.add(chain, "-m conntrack --ctstate INVALID", "invalid", "-j DROP")
    table.add(chain, "-m conntrack --ctstate RELATED,ESTABLISHED", "established", "-j ACCEPT")
    # What is left is new, or untracked without a rule of its own.
    table.add(chain, "-m conntrack ! --ctstate NEW", "untracked", "-j DROP")
    table.add(chain, SYN, "new without syn", "-j DROP")


def _echo(table: Table, ruleset: Ruleset, family: int) -> None:
    if ruleset.options.echo_rate == "off":
        return
    kind = "-p icmp -m icmp --icmp-type 8" if family == 4 else "-p ipv6-icmp -m icmp6 --icmpv6-type 128"
    limit = (
        f"-m hashlimit --hashlimit-upto {ruleset.options.echo_rate} --hashlimit-burst 20 "
        f"--hashlimit-mode srcip --hashlimit-name linuxha_echo{family}"
    )
    for zone in ruleset.zones:
        for interface in zone.interfaces:
            table.add("INPUT", f"-i {interface} {kind} {limit}", f"echo {zone.name}", "-j ACCEPT")


def _dispatch(table: Table, ruleset: Ruleset, family: int) -> None:
    """A chain for every pair of zones that has rules, so that a packet meets only the rules of its pair."""
    for source in (*ruleset.zones, None):
        for target in (*ruleset.zones, None):
            if source is None and target is None:
                continue
            pair = (source.name if source else FIREWALL, target.name if target else FIREWALL)
            rules = [
                rule
                for rule in ruleset.rules
                if _covers(rule.from_zones, pair[0]) and _covers(rule.to_zones, pair[1]) and family in rule.families
            ]
            if not rules:
                continue
            if source and target:
                hook, chain = "FORWARD", match.chain_name("f", source.name, target.name)
            elif source:
                hook, chain = "INPUT", match.chain_name("i", source.name)
            else:
                hook, chain = "OUTPUT", match.chain_name("o", pair[1])
            table.chain(chain)
            for incoming in source.interfaces if source else ("",):
                for outgoing in target.interfaces if target else ("",):
                    way = " ".join([f"-i {incoming}"] * bool(incoming) + [f"-o {outgoing}"] * bool(outgoing))
                    table.add(hook, way, f"{pair[0]} to {pair[1]}", f"-j {chain}")
            for rule in rules:
                _rule(table, chain, rule, family)


def _covers(zones: tuple[str, ...], name: str) -> bool:
    """`any` is every zone; the firewall itself must be named."""
    return name in zones or (ANY in zones and name != FIREWALL)


def _rule(table: Table, chain: str, rule: Rule, family: int) -> None:
    for source in match.of_family(rule.source, family):
        for destination in match.of_family(rule.destination, family):
            for ports in match.ports(rule.ports):
                matches = " ".join(
                    match.address("-s", source)
                    + match.address("-d", destination)
                    + match.protocol(rule.protocol, family)
                    + ports
                )
                if rule.log:
                    table.add(chain, f"{matches} -m limit --limit 10/second", rule.name, match.log_target(rule.name))
                table.add(chain, matches, rule.name, "-j ACCEPT" if rule.action == "accept" else "-j DROP")


def _cluster_matches(rule: ClusterRule, family: int) -> Iterator[str]:
    if family not in rule.families:
        return
    incoming = rule.chain in ("input", "raw_prerouting")
    hops = "-m ttl --ttl-eq 255" if family == 4 else "-m hl --hl-eq 255"
    # An advertisement that crossed a router is a forgery.
    on_link = [hops] if rule.protocol == "vrrp" and rule.chain == "input" else []
    for interface in rule.interfaces or ("",):
        for source in match.of_family(rule.source, family):
            for destination in match.of_family(rule.destination, family):
                for ports in match.ports(rule.ports):
                    for source_ports in match.ports(rule.source_ports, "sport"):
                        yield " ".join(
                            match.address("-s", source)
                            + match.address("-d", destination)
                            + ([("-i " if incoming else "-o ") + interface] if interface else [])
                            + match.protocol(rule.protocol, family)
                            + ports
                            + source_ports
                            + on_link
                        )


def _management(
    table: Table, management: Management | None, family: int, incoming: str, outgoing: str, target: str
) -> None:
    """The way in for administrators: first, and without looking at the connection's state."""
    if management is None:
        return
    for interface in management.interfaces:
        for net in match.of_family(management.sources, family):
            source, destination = " ".join(match.address("-s", net)), " ".join(match.address("-d", net))
            table.add(incoming, f"{source} -i {interface} -p tcp --dport {management.port}", "management", target)
            table.add(outgoing, f"{destination} -o {interface} -p tcp --sport {management.port}", "management", target)
