# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The objects of a firewall policy and how plain data becomes them.

This is the only place that parses rules: the role and the cluster model both call it. Every parser returns
the objects it could read and the problems it found, never an exception.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cluster import (
    ClusterRule,
    Management,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import (
    Address,
    Net,
    PortRange,
    Reader,
    entries,
    families,
    valid_zone,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

FIREWALL = "firewall"
ANY = "any"
RULE_KEYS = ("name", "from", "to", "source", "destination", "protocol", "ports", "action", "log")
NAT_KEYS = ("name", "type", "from", "to", "source", "destination", "protocol", "ports", "to_address", "to_port")


@dataclass(frozen=True)
class Zone:
    name: str
    interfaces: tuple[str, ...]
    networks: tuple[Net, ...] = ()


@dataclass(frozen=True)
class Rule:
    name: str
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    source: tuple[Net, ...] = ()
    destination: tuple[Net, ...] = ()
    protocol: Optional[str] = None
    ports: tuple[PortRange, ...] = ()
    action: str = "accept"
    log: bool = False

    @property
    def families(self) -> frozenset[int]:
        return families(self.source, self.destination)

    def as_dict(self) -> dict[str, Any]:
        return _compact(
            {
                "name": self.name,
                "from": list(self.from_zones),
                "to": list(self.to_zones),
                "source": _texts(self.source),
                "destination": _texts(self.destination),
                "protocol": self.protocol,
                "ports": _port_list(self.ports),
                "action": self.action,
                "log": self.log or None,
            }
        )


@dataclass(frozen=True)
class Nat:
    name: str
    type: str
    to_address: Address
    from_zones: tuple[str, ...] = (ANY,)
    to_zones: tuple[str, ...] = (ANY,)
    source: tuple[Net, ...] = ()
    destination: tuple[Net, ...] = ()
    protocol: Optional[str] = None
    ports: tuple[PortRange, ...] = ()
    to_port: Optional[int] = None

    @property
    def family(self) -> int:
        return self.to_address.version

    def as_dict(self) -> dict[str, Any]:
        return _compact(
            {
                "name": self.name,
                "type": self.type,
                "from": list(self.from_zones),
                "to": list(self.to_zones) if self.type == "snat" else None,
                "source": _texts(self.source),
                "destination": _texts(self.destination),
                "protocol": self.protocol,
                "ports": _port_list(self.ports),
                "to_address": str(self.to_address),
                "to_port": self.to_port,
            }
        )


@dataclass(frozen=True)
class Options:
    gate: bool = False
    antispoof: str = "strict"
    output: str = "accept"
    log_drops: bool = False
    echo_rate: str = "50/second"


@dataclass(frozen=True)
class Ruleset:
    """Everything that the renderer needs for one node."""

    zones: tuple[Zone, ...] = ()
    rules: tuple[Rule, ...] = ()
    nat: tuple[Nat, ...] = ()
    cluster_rules: tuple[ClusterRule, ...] = ()
    management: Optional[Management] = None
    options: Options = field(default_factory=Options)


def parse_zones(raw: object, path: str = "iptables_zones") -> tuple[tuple[Zone, ...], tuple[Problem, ...]]:
    problems: list[Problem] = []
    zones: list[Zone] = []
    owner: dict[str, str] = {}
    if raw is not None and not isinstance(raw, Mapping):
        return (), (Problem(path, raw, "is not a mapping", "Write zone: {interfaces: [...]}."),)
    for name, body in (raw or {}).items():
        reader = Reader(body, f"{path}.{name}", ("interfaces", "networks"), problems)
        if not isinstance(name, str) or not valid_zone(name):
            reader.problem(
                "",
                name,
                "is not a usable zone name",
                "1 to 15 of a-z 0-9 _ -, a letter first, and not any or firewall.",
            )
            continue
        zone = Zone(str(name), reader.interfaces("interfaces", required=True), reader.networks("networks"))
        for interface in zone.interfaces:
            if interface in owner:
                reader.problem(
                    "interfaces", interface, f"belongs to zone {owner[interface]} too", "An interface is in one zone."
                )
            owner[interface] = zone.name
        zones.append(zone)
    return tuple(zones), tuple(problems)


def parse_rules(
    raw: object, zones: Collection[str], path: str = "firewall_policy.rules"
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    problems: list[Problem] = []
    rules: list[Rule] = []
    for reader in entries(raw, path, RULE_KEYS, problems):
        protocol = reader.protocol()
        rule = Rule(
            name=reader.text("name", required=True),
            from_zones=_zones(reader, "from", zones, firewall=True),
            to_zones=_zones(reader, "to", zones, firewall=True),
            source=reader.networks("source"),
            destination=reader.networks("destination"),
            protocol=protocol,
            ports=reader.ports("ports", protocol),
            action=reader.choice("action", ("accept", "drop"), "accept"),
            log=reader.flag("log", False),
        )
        if not rule.families:
            reader.problem(
                "destination",
                reader.get("destination"),
                "no address family is left",
                "Source and destination need a common family.",
            )
        if rule.from_zones == (FIREWALL,) == rule.to_zones:
            reader.problem(
                "to",
                reader.get("to"),
                "the firewall talks to itself over lo",
                "Remove the rule: lo is always accepted.",
            )
        rules.append(rule)
    return tuple(rules), _unique(path, rules, problems)


def parse_nat(
    raw: object,
    zones: Collection[str],
    vips: Optional[Collection[object]] = None,
    path: str = "firewall_policy.nat",
    zone_networks: Optional[Mapping[str, Collection[Net]]] = None,
) -> tuple[tuple[Nat, ...], tuple[Problem, ...]]:
    """`vips`: the shared addresses a SNAT may use (None: unknown, not checked)."""
    problems: list[Problem] = []
    found: list[Nat] = []
    shared = None if vips is None else {str(vip).split("/", maxsplit=1)[0] for vip in vips}
    for reader in entries(raw, path, NAT_KEYS, problems):
        protocol = reader.protocol()
        address = reader.address("to_address")
        if address is None:
            continue
        entry = Nat(
            name=reader.text("name", required=True),
            type=reader.choice("type", ("snat", "dnat"), "snat"),
            to_address=address,
            from_zones=_zones(reader, "from", zones, default=(ANY,)),
            to_zones=_zones(reader, "to", zones, default=(ANY,)),
            source=reader.networks("source"),
            destination=reader.networks("destination"),
            protocol=protocol,
            ports=reader.ports("ports", protocol),
            to_port=reader.number("to_port", 1, 65535),
        )
        if entry.type == "snat":
            entry = _snat(entry, reader, shared, zone_networks or {})
        else:
            _check_dnat(entry, reader)
        for key, nets in (("source", entry.source), ("destination", entry.destination)):
            if any(net.version != entry.family for net in nets):
                reader.problem(
                    key,
                    reader.get(key),
                    f"is not of the family of to_address (IPv{entry.family})",
                    "Write one entry per family.",
                )
        found.append(entry)
    return tuple(found), _unique(path, found, problems)


def _snat(entry: Nat, reader: Reader, shared: Optional[set[str]], networks: Mapping[str, Collection[Net]]) -> Nat:
    if shared is not None and str(entry.to_address) not in shared:
        reader.problem(
            "to_address",
            str(entry.to_address),
            "is not a VIP of this cluster",
            "A translation survives a takeover only on a shared address.",
        )
    if entry.to_port is not None:
        reader.problem("to_port", entry.to_port, "belongs to dnat", "Remove it.")
    if entry.source or ANY in entry.from_zones:
        return entry
    # netfilter does not know the incoming interface in POSTROUTING, so a zone can only stand for its prefixes.
    derived = tuple(net for zone in entry.from_zones for net in networks.get(zone, ()) if net.version == entry.family)
    if not derived:
        reader.problem(
            "source", None, "is missing, and the networks of the zone are not known", "Write the prefixes to translate."
        )
    return Nat(**{**entry.__dict__, "source": derived})


def _check_dnat(entry: Nat, reader: Reader) -> None:
    if not entry.destination:
        reader.problem("destination", None, "is missing", "Name the address that is translated.")
    if entry.to_port is not None and not entry.ports:
        reader.problem("to_port", entry.to_port, "needs ports and a protocol", "Add protocol: and ports:.")
    if reader.get("to") is not None:
        reader.problem(
            "to", reader.get("to"), "belongs to snat", "Remove it: the translated address decides the way out."
        )


def _zones(
    reader: Reader, key: str, zones: Collection[str], firewall: bool = False, default: tuple[str, ...] = ()
) -> tuple[str, ...]:
    allowed = [*zones, ANY] + ([FIREWALL] if firewall else [])
    found: list[str] = []
    for item in reader.items(key):
        if isinstance(item, str) and item in allowed:
            found.append(str(item))
        else:
            reader.problem(key, item, "unknown zone", f"Known: {', '.join(allowed)}.")
    if not reader.items(key) and not default:
        reader.problem(key, None, "is missing", f"One or more of: {', '.join(allowed)}.")
    return tuple(found) or default


def _unique(path: str, items: Collection[Any], problems: list[Problem]) -> tuple[Problem, ...]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(items):
        if entry.name and entry.name in seen:
            problems.append(
                Problem(
                    f"{path}[{number}].name",
                    entry.name,
                    f"is the name of entry {seen[entry.name]} too",
                    "Names tell rules apart in counters and logs.",
                )
            )
        seen.setdefault(entry.name, number)
    return tuple(problems)


def _texts(nets: Collection[Net]) -> list[str]:
    return [str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net) for net in nets]


def _port_list(ports: Collection[PortRange]) -> list[object]:
    return [low if low == high else f"{low}:{high}" for low, high in ports]


def _compact(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None and value != []}
