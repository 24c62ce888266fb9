# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The same list of rules in the words of other tools. Pure.

Each gets the same frame: states first, the node itself stays reachable, and of what passes all else is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .policy import ZONES, Rule, interface

PROGRAMS = {4: "iptables", 6: "ip6tables"}
_STATES = (
    ("-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP"),
    ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"),
)


def words(rule: Rule, family: int) -> list[str]:
    """One rule of one family, as iptables takes it; lists of addresses it expands itself."""
    found = ["-A", "FORWARD", "-i", interface(rule.from_zone), "-o", interface(rule.to_zone)]
    if rule.sources[family]:
        found += ["-s", ",".join(rule.sources[family])]
    found += ["-d", ",".join(rule.destinations[family]), "-p", rule.protocol]
    many = len(rule.ports) > 1
    found += ["-m", "multiport", "--dports", ",".join(rule.ports)] if many else ["--dport", rule.ports[0]]
    return [*found, "-m", "comment", "--comment", rule.name, "-j", rule.action.upper()]


def each(rules: Sequence[Rule]) -> list[list[str]]:
    """One command for each rule and family."""
    frame = [[program, "-A", "FORWARD", *state] for program in PROGRAMS.values() for state in _STATES]
    frame += [[program, "-P", "FORWARD", "DROP"] for program in PROGRAMS.values()]
    return frame + [[PROGRAMS[family], *words(rule, family)] for rule in rules for family in rule.families]


def flat(rules: Sequence[Rule], family: int) -> str:
    """One chain, every address a line of its own, for iptables-restore."""
    lines = [f"-A FORWARD {' '.join(state)}" for state in _STATES]
    lines += [" ".join(words(rule, family)) for rule in rules if family in rule.families]
    chains = (":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")
    return "\n".join(["*filter", *chains, *lines, "COMMIT", ""])


def stateful() -> str:
    """Everything is accepted, and states are kept."""
    lines = (f"-A FORWARD {' '.join(state)}" for state in _STATES)
    return "\n".join(["*filter", ":FORWARD ACCEPT [0:0]", *lines, "COMMIT", ""])


def tasks(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """One task of ansible.builtin.iptables for each rule and family."""
    return [{"name": rule.name, "ansible.builtin.iptables": _task(rule, family)} for rule, family in _both(rules)]


def _both(rules: Sequence[Rule]) -> Iterator[tuple[Rule, int]]:
    return ((rule, family) for rule in rules for family in rule.families)


def _task(rule: Rule, family: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "chain": "FORWARD",
        "ip_version": f"ipv{family}",
        "in_interface": interface(rule.from_zone),
        "out_interface": interface(rule.to_zone),
        "destination": ",".join(rule.destinations[family]),
        "protocol": rule.protocol,
        "comment": rule.name,
        "jump": rule.action.upper(),
    }
    if rule.sources[family]:
        found["source"] = ",".join(rule.sources[family])
    if len(rule.ports) > 1:
        found["destination_ports"] = list(rule.ports)
    else:
        found["destination_port"] = rule.ports[0]
    return found


def ferm(rules: Sequence[Rule]) -> str:
    """A configuration of ferm(1)."""
    lines = []
    for family, domain in ((4, "ip"), (6, "ip6")):
        lines += [f"domain {domain} table filter {{", "  chain (INPUT OUTPUT) policy ACCEPT;", "  chain FORWARD {"]
        lines += ["    policy DROP;", "    mod conntrack ctstate INVALID DROP;"]
        lines += ["    mod conntrack ctstate (ESTABLISHED RELATED) ACCEPT;"]
        lines += [f"    {_ferm(rule, family)}" for rule in rules if family in rule.families]
        lines += ["  }", "}"]
    return "\n".join([*lines, ""])


def _ferm(rule: Rule, family: int) -> str:
    text = f"interface {interface(rule.from_zone)} outerface {interface(rule.to_zone)}"
    if rule.sources[family]:
        text += f" saddr ({' '.join(rule.sources[family])})"
    text += f" daddr ({' '.join(rule.destinations[family])}) proto {rule.protocol}"
    many = len(rule.ports) > 1
    text += f" mod multiport destination-ports ({' '.join(rule.ports)})" if many else f" dport {rule.ports[0]}"
    return f'{text} mod comment comment "{rule.name}" {rule.action.upper()};'


def shorewall(rules: Sequence[Rule], family: int) -> dict[str, str]:
    """Files of /etc/shorewall or /etc/shorewall6 beside its shorewall.conf."""
    zones = "".join(f"{zone} ipv{family}\n" for zone in ZONES)
    lines = [_shorewall(rule, family) for rule in rules if family in rule.families]
    return {
        "zones": f"fw firewall\nadm ipv{family}\n{zones}",
        "interfaces": "?FORMAT 2\nadm eth0\n" + "".join(f"{zone} {interface(zone)}\n" for zone in ZONES),
        "policy": "$FW all ACCEPT\nadm $FW ACCEPT\nall all DROP\n",
        "rules": "\n".join(["?SECTION NEW", *lines, ""]),
        "stoppedrules": "ACCEPT eth0 -\n",
    }


def _shorewall(rule: Rule, family: int) -> str:
    def place(zone: str, addresses: Sequence[str]) -> str:
        listed = [address if family == 4 else _bracketed(address) for address in addresses]
        return f"{zone}:{','.join(listed)}" if listed else zone

    source, destination = place(rule.from_zone, rule.sources[family]), place(rule.to_zone, rule.destinations[family])
    return f"{rule.action.upper()} {source} {destination} {rule.protocol} {','.join(rule.ports)}"


def _bracketed(address: str) -> str:
    host, slash, length = address.partition("/")
    return f"[{host}]{slash}{length}"
