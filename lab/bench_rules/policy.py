# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The list of rules that every tool gets: between five zones, both families, any number of them. Pure.

Addresses are those of benchmarks (RFC 2544, RFC 5180). The same number and seed give the same list.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

ZONES = ("wan", "lan", "dmz", "vpn", "guest")
# wan is behind the default route; its hosts are from here.
NETS = {
    zone: {4: ipaddress.ip_network(four), 6: ipaddress.ip_network(f"2001:2:0:{number}::/64")}
    for number, (zone, four) in enumerate(
        zip(
            ZONES,
            ("198.19.0.0/17", "198.18.0.0/18", "198.18.64.0/18", "198.18.128.0/18", "198.18.192.0/18"),
            strict=True,
        )
    )
}
PORTS = (22, 25, 53, 80, 123, 143, 389, 443, 445, 465, 587, 636, 993, 1433, 3306, 3389, 5432, 8080, 8443, 9100)
# What the packets of the measurement go by; no other rule has this port.
PROBE_PORT = 7000
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def interface(zone: str) -> str:
    """Of the node, to this zone."""
    return f"z-{zone}"


def host(zone: str, family: int, number: int) -> str:
    """An address that no rule but the probe's has: those are in the lower half of each prefix."""
    net = NETS[zone][family]
    return str(net.network_address + net.num_addresses // 2 + number)


@dataclass(frozen=True)
class Rule:
    """One rule from one zone to another.

    Attributes:
        sources: by family; empty means all of the zone.
        destinations: by family, never empty for a family of the rule.
        ports: numbers, or ranges as `first:last`.
    """

    name: str
    from_zone: str
    to_zone: str
    sources: Mapping[int, tuple[str, ...]]
    destinations: Mapping[int, tuple[str, ...]]
    protocol: str
    ports: tuple[str, ...]
    action: str = "accept"

    @property
    def families(self) -> tuple[int, ...]:
        return tuple(self.destinations)

    def matches(self, packet: Packet) -> bool:
        """Whether this rule decides about the packet, unless an earlier one does."""
        return (
            (self.from_zone, self.to_zone, self.protocol) == (packet.from_zone, packet.to_zone, packet.protocol)
            and packet.family in self.families
            and _inside(packet.source, self.sources[packet.family] or (EVERYWHERE[packet.family],))
            and _inside(packet.destination, self.destinations[packet.family])
            and any(_bounds(port)[0] <= packet.port <= _bounds(port)[1] for port in self.ports)
        )


@dataclass(frozen=True)
class Packet:
    """The first of a connection."""

    from_zone: str
    to_zone: str
    source: str
    destination: str
    protocol: str
    port: int

    @property
    def family(self) -> int:
        return 6 if ":" in self.source else 4


def _inside(address: str, nets: Sequence[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(net) for net in nets)


def _bounds(port: str) -> tuple[int, int]:
    low, _colon, high = port.partition(":")
    return int(low), int(high or low)


def accepted(rules: Sequence[Rule], packet: Packet) -> bool:
    """The first rule that matches decides; without one it is dropped."""
    return next((rule.action for rule in rules if rule.matches(packet)), "drop") == "accept"


def realistic(count: int, seed: int = 1) -> list[Rule]:
    """A block list of a twentieth first, then accepts between all pairs of zones, sorted by nothing.

    Three rules in ten name several hosts on a side. Three fifths are of IPv4, a fifth of IPv6, a fifth of both.
    """
    random = Random(seed)
    found = []
    for number in range(count):
        from_zone, to_zone = random.sample(ZONES, 2)
        found.append(_rule(random, number, from_zone, to_zone, early=number < count // 20))
    return found


def one_pair(count: int, seed: int = 2) -> list[Rule]:
    """The worst case: every rule is between the same two zones, and of both families."""
    random = Random(seed)
    return [_rule(random, number, "wan", "dmz", families=(4, 6)) for number in range(count)]


def with_probe(rules: Sequence[Rule]) -> list[Rule]:
    """As many rules, of which the very last accepts what is measured."""
    sources, destinations = ({family: (host(zone, family, 1),) for family in (4, 6)} for zone in ("wan", "dmz"))
    return [*rules[:-1], Rule("probe", "wan", "dmz", sources, destinations, "tcp", (str(PROBE_PORT),))]


def changed(rules: Sequence[Rule]) -> list[Rule]:
    """The same but for one rule in the middle, which has another port."""
    middle = len(rules) // 2
    old = rules[middle]
    new = Rule(
        old.name, old.from_zone, old.to_zone, old.sources, old.destinations, old.protocol, ("7001",), old.action
    )  # fmt: skip
    return [*rules[:middle], new, *rules[middle + 1 :]]


def _rule(
    random: Random, number: int, from_zone: str, to_zone: str, early: bool = False, families: tuple[int, ...] = ()
) -> Rule:
    families = families or random.choice([(4,), (4,), (4,), (6,), (4, 6)])
    anyone = not early and random.random() < 0.3
    sources = {family: () if anyone else _hosts(random, from_zone, family) for family in families}
    destinations = {family: _hosts(random, to_zone, family) for family in families}
    protocol, ports = _service(random)
    action = "drop" if early or random.random() < 0.03 else "accept"
    return Rule(f"rule-{number}", from_zone, to_zone, sources, destinations, protocol, ports, action)


def _hosts(random: Random, zone: str, family: int) -> tuple[str, ...]:
    """One host, two to eight hosts, or a subnet."""
    net = NETS[zone][family]
    kind, room = random.random(), min(1 << 20, net.num_addresses // 2)
    if kind < 0.8:
        count = 1 if kind < 0.5 else random.randint(2, 8)
        found = sorted({net.network_address + random.randrange(1, room) for _number in range(count)})
        return tuple(str(address) for address in found)
    size = 1 << random.choice([4, 6, 8])
    first = net.network_address + (random.randrange(room) & -size)
    return (f"{first}/{net.max_prefixlen - size.bit_length() + 1}",)


def _service(random: Random) -> tuple[str, tuple[str, ...]]:
    protocol = "tcp" if random.random() < 0.8 else "udp"
    if random.random() < 0.1:
        low = random.randrange(10_000, 60_000)
        return protocol, (f"{low}:{low + random.choice([10, 100, 1000])}",)
    return protocol, tuple(str(port) for port in sorted(random.sample(PORTS, random.choice([1, 1, 1, 2, 3]))))


def variables(rules: Sequence[Rule], management: str) -> dict[str, Any]:
    """As the role's variables without their prefix.

    Args:
        management: the network from which the node may always be reached.
    """
    zones: dict[str, Any] = {}
    for zone in ZONES:
        zones[zone] = {"interfaces": [interface(zone)]}
        if zone != "wan":
            zones[zone]["networks"] = [str(net) for net in NETS[zone].values()]
    return {
        "zones": zones,
        "rules": [_written(rule) for rule in rules],
        "management": {"interfaces": ["eth0"], "sources": [management]},
    }


def _written(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": rule.name,
        "from": rule.from_zone,
        "to": rule.to_zone,
        "destination": [address for family in rule.families for address in rule.destinations[family]],
        "protocol": rule.protocol,
        "ports": list(rule.ports),
        "action": rule.action,
    }
    if sources := [address for family in rule.families for address in rule.sources[family]]:
        found["source"] = sources
    return found


def packets(rules: Sequence[Rule], count: int, seed: int = 3) -> list[Packet]:
    """Half are aimed at rules, the others at hosts that rules name, from anybody and on any of the usual ports."""
    random = Random(seed)
    found = []
    for number in range(count):
        rule, other = random.choice(rules), random.choice(rules)
        family = random.choice(rule.families)
        aimed = number % 2 == 0
        source = _one(random, rule.sources[family]) if aimed and rule.sources[family] else None
        port = _bounds(random.choice(rule.ports if aimed else other.ports))[0]
        found.append(
            Packet(
                rule.from_zone,
                rule.to_zone,
                source or host(rule.from_zone, family, random.randrange(100, 200)),
                _one(random, rule.destinations[family]),
                rule.protocol,
                port,
            )
        )
    return found


def _one(random: Random, nets: Sequence[str]) -> str:
    net = ipaddress.ip_network(random.choice(nets))
    return str(net.network_address + random.randrange(net.num_addresses))
