# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Random policies in the whole language that has a meaning for one packet, and random packets for them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import early, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import span
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    FIREWALL,
    ICMP,
    WITH_PORTS,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, to_address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.review import review
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset, parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, matches, trace

ZONES: Mapping[str, Mapping[str, list[str]]] = {
    "wan": {"interfaces": ["wan"], "networks": ["192.0.2.0/24", "2001:db8:1::/64"]},
    "lan": {"interfaces": ["lan0", "lan1"], "networks": ["198.51.100.0/25", "2001:db8:2::/64"]},
    "dmz": {"interfaces": ["dmz"], "networks": ["198.51.100.128/25", "2001:db8:3::/64"]},
    "vpn": {"interfaces": ["vpn"], "networks": ["203.0.113.0/25", "2001:db8:4::/64"]},
}
#: In no network: behind the zone of the default route.
ELSEWHERE = ("203.0.113.128/25", "2001:db8:5::/64")
#: Behind the zone that does not tell its networks, in those of lan.
HIDDEN = ("198.51.100.64/27", "2001:db8:2::40/122")
#: What a policy may have besides: exemptions, sources that nobody has, the check of the way back, and a zone whose
#: hosts are in networks of another one.
FEATURES = ("untracked", "bogons", "antispoof", "hidden")
OWN = (
    "192.0.2.2", "198.51.100.2", "198.51.100.130", "203.0.113.2",
    "2001:db8:1::2", "2001:db8:2::2", "2001:db8:3::2", "2001:db8:4::2",
)  # fmt: skip
VIPS = ("192.0.2.1", "192.0.2.3", "192.0.2.4", "198.51.100.1", "2001:db8:1::1", "2001:db8:1::3", "2001:db8:2::1")
UNIVERSE = {4: ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"), 6: ("2001:db8::/32",)}
PORTS = (1, 21, 22, 53, 80, 123, 443, 500, 1024, 5060, 5900, 8000, 8080, 8443, 9000, 33434, 65535)
PROTOCOLS = (6, 6, 6, 6, 17, 17, 17, 132, 1, 58, 1, 58, 47, 50, 51, 89, 103, 112, 253, 2)
#: Messages that begin a connection. All others are errors and answers, or not tracked (neighbours, groups of hosts).
REQUESTS = {4: (8, 13, 15, 17), 6: (128, 139)}
SERVICES = (
    "bgp", "dns", "ftp", "http", "https", "ike", "ipsec", "ntp", "ping", "pptp", "sip", "ssh", "smtp", "tftp",
    "traceroute", "vnc", "own-tcp", "own-udp", "own-sctp", "own-other", "own-mixed", "own-icmp",
)  # fmt: skip
OWN_SERVICES: Mapping[str, Any] = {
    "own-tcp": {"protocol": "tcp", "ports": [8080, "9000:9010"], "source_ports": ["1024:65535"]},
    "own-udp": {"protocol": "udp", "source_ports": [123, 53], "ports": [123, 1123, "33434:33440"]},
    "own-sctp": [{"protocol": "sctp", "ports": [22, 80, "8000:8080"]}, {"protocol": "sctp", "source_ports": 443}],
    "own-other": [{"protocol": "gre"}, {"protocol": 89}, {"protocol": "esp"}, {"protocol": "ah"}],
    "own-mixed": ["own-tcp", "dns", "!own-udp", {"protocol": "vrrp"}],
    "own-icmp": [
        {"protocol": "icmp", "types": ["8/0", "timestamp-request"]},
        {"protocol": "icmpv6", "types": ["128/0"]},
    ],
}


@dataclass(frozen=True)
class Case:
    """A policy, where it stands, and what the trace is asked with."""

    seed: int
    raw: Mapping[str, Any]
    outside: str
    ruleset: Ruleset
    policy: Policy
    features: frozenset[str] = frozenset()

    @cached_property
    def local(self) -> frozenset[Address]:
        return frozenset(ipaddress.ip_address(text) for text in (*OWN, *VIPS))

    @cached_property
    def routes(self) -> Mapping[str, str]:
        """The networks of each zone behind its interfaces in turn, and the rest outside."""
        found: dict[str, str] = {}
        for zone in self.raw["zones"]:
            links = self._links(zone)
            for number, net in enumerate(self.raw["zones"][zone].get("networks", HIDDEN)):
                found[net] = links[number % len(links)]
        links = self._links(self.outside)
        return {**found, "0.0.0.0/0": links[0], "::/0": links[0]}

    def link_to(self, address: Address) -> str:
        """The interface by which the firewall sends to an address."""
        nets = [net for net in map(ipaddress.ip_network, self.routes) if address in net]
        return self.routes[str(max(nets, key=lambda net: net.prefixlen))]

    def spoofed(self, link: str, source: Address) -> str:
        """The zone whose check of the way back drops a source; "" when none does. A default route leads everywhere."""
        if link == FIREWALL or self.link_to(source) == link:
            return ""
        zone = self.zone_at(link)
        return zone if self.raw["zones"][zone].get("antispoof", self.raw["antispoof"]) == "strict" else ""

    def cuts(self, packet: Packet, exempt: str) -> bool:
        """Whether an exemption takes an answer from the connections of others, although all who may ask are known."""
        entry = next((each for each in self.raw.get("untracked", ()) if each["name"] == exempt), None)
        askers = entry["from"] if entry and "source" not in entry else []
        if packet.from_zone in (FIREWALL, *askers) or not askers or {"any", FIREWALL} & {*askers}:
            return False
        bodies = [self.raw["zones"][zone] for zone in askers]
        nets = [[ipaddress.ip_network(text) for text in body.get("networks", ())] for body in bodies]
        known = all(any(net.version == packet.family for net in each) for each in nets)
        if not known or any(body.get("bogons") for body in bodies):
            return False
        return not any(packet.destination in net for each in nets for net in each)

    def zone_of(self, link: str, address: Address) -> str:
        """The zone of an address behind an interface, as the guide says it: the longest prefix wins."""
        best, longest = self.zone_at(link), -1
        for zone, body in self.raw["zones"].items():
            for net in map(ipaddress.ip_network, body["networks"] if "within" in body else ()):
                if link in self._links(zone) and address in net and net.prefixlen > longest:
                    best, longest = zone, net.prefixlen
        return best

    def zone_at(self, link: str) -> str:
        """The zone of an interface, without those of prefixes behind it."""
        found: str = next(zone for zone, body in self.raw["zones"].items() if link in body.get("interfaces", ()))
        return found

    def _links(self, zone: str) -> Sequence[str]:
        body = self.raw["zones"][zone]
        return body["interfaces"] if "interfaces" in body else self._links(body["within"])


def case(seed: int, features: Collection[str] = ()) -> Case:
    """Without features the policy of a seed is what it is with all others."""
    made = _Maker(Random(seed), Random(seed + 2_000_000), frozenset(features))
    raw = made.policy()
    ruleset, problems = parse(raw, "")
    while problems:
        # What takes away everything is a mistake, and no rule.
        wrong = {(match[1], int(match[2])) for each in problems if (match := _ENTRY.match(each.path))}
        assert wrong, problems
        for key in _LISTS:
            raw[key] = [entry for number, entry in enumerate(raw.get(key, ())) if (key, number) not in wrong]
        ruleset, problems = parse(raw, "")
    judged, mistakes = review(
        ruleset,
        {"outside": made.outside},
        "",
        [ipaddress.ip_address(text) for text in OWN],
        [ipaddress.ip_address(text) for text in VIPS],
    )
    assert not mistakes
    policy = replace(judged.policy, early=early.of(ruleset, {}, ""))
    return Case(seed, raw, made.outside, ruleset, policy, made.features)


_LISTS = ("rules", "nat", "defaults", "untracked")
_ENTRY = re.compile(rf"({'|'.join(_LISTS)})\[(\d+)\]")


class _Maker:
    def __init__(self, random: Random, more: Random, features: frozenset[str]) -> None:
        self.random, self.more, self.features = random, more, features
        self.outside = random.choice(["wan", "wan", "vpn"])
        self.zones = self._zones()
        self.nets = [net for body in self.zones.values() for net in body.get("networks", HIDDEN)] + list(ELSEWHERE)
        self.groups: list[str] = []

    def policy(self) -> dict[str, Any]:
        found = self._policy()
        self.random = self.more
        for feature in FEATURES:
            if feature in self.features and feature != "hidden":
                getattr(self, f"_add_{feature}")(found)
        return found

    def _add_untracked(self, found: dict[str, Any]) -> None:
        found["untracked"] = [self._untracked(number) for number in range(self.random.randint(2, 6))]
        if "hidden" in self.features:
            service = {"protocol": self.random.choice(["tcp", "udp"]), "ports": self._ports()}
            # Either its hosts ask, or it is one of those whose connections are left alone.
            others = self.random.sample(["wan", "lan", "dmz"], self.random.randint(1, 2))
            asker = ["vpn"] if self._chance(0.5) else others
            found["untracked"][0] = {"name": "u0", "from": asker, "to": ["any"], **service}
            # Else they exempt what would pass as an answer of the first one.
            for entry in found["untracked"][1:]:
                entry.setdefault("source", self._items())

    def _add_bogons(self, found: dict[str, Any]) -> None:
        for zone in self.random.sample(sorted(ZONES), self.random.randint(1, 2)):
            found["zones"][zone]["bogons"] = True

    def _add_antispoof(self, found: dict[str, Any]) -> None:
        found["antispoof"] = self.random.choice(["strict", "strict", "loose", "off"])
        for zone in self.random.sample(sorted(ZONES), self.random.randint(1, 3)):
            found["zones"][zone]["antispoof"] = self.random.choice(["strict", "loose", "off"])
        found["zones"][zone]["antispoof"] = "strict"

    def _untracked(self, number: int) -> dict[str, Any]:
        """Of every shape: an answer has to find those who may ask, and no others."""
        pair = self._pair(firewall=True)
        # What is taken away has a chain of its own, where answers of the firewall would be counted too.
        negated = FIREWALL not in (*pair["from"], *pair["to"])
        found = {"name": f"u{number}", **pair, **self._stateless(0.2 if negated else 0)}
        if self._chance(0.3):
            found["source"] = self._items()
        if "any" not in found["to"] and found["to"] != [FIREWALL]:
            found["destination"] = self._items()
        elif self._chance(0.5):
            found["destination"] = [self.random.choice([*OWN, *VIPS])] if FIREWALL in found["to"] else self._items()
        return found

    def _stateless(self, negated: float) -> dict[str, Any]:
        """A service without kinds of messages."""
        kind = self.random.random()
        if kind < 0.15:
            return {}
        if kind < 0.4:
            names = self.random.sample(["dns", "ntp", "http", "own-tcp", "own-udp", "own-sctp"], 2)
            return {"service": [("!" if self._chance(negated) else "") + name for name in names]}
        found = self._inline()
        return {key: value for key, value in found.items() if key != "types"}

    def _policy(self) -> dict[str, Any]:
        pick = self.random
        return {
            "zones": self.zones,
            "addresses": self._addresses(),
            "services": dict(OWN_SERVICES),
            "rules": [self._rule(number) for number in range(pick.randint(6, 30))],
            "nat": [self._nat(number) for number in range(pick.randint(0, 9))],
            "defaults": [self._default(number) for number in range(pick.randint(0, 3))],
            "vips": list(VIPS),
            "gate": True,
            # The trace says that it does not look at them.
            "antispoof": "off",
            "echo_rate": "off",
            "output": pick.choice(["accept", "drop"]),
        }

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _zones(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: dict(body) for name, body in ZONES.items()}
        if "hidden" in self.features:
            del found["vpn"]["networks"]
        taken = {net for body in ZONES.values() for net in body["networks"]}
        for name in self.random.sample(["guests", "printers", "branch", "labs"], self.random.randint(0, 4)):
            upper = self.random.choice(list(found))
            nets: list[str] = []
            for _number in range(self.random.randint(1, 3)):
                around = found[upper].get("networks", HIDDEN) if self._chance(0.7) else ELSEWHERE
                net = self._subnet(self.random.choice(around))
                if net not in taken:
                    taken.add(net)
                    nets.append(net)
            if upper in ZONES and self._chance(0.1):
                # The very prefix of the zone around it.
                nets += [net for net in found[upper].get("networks", HIDDEN)[:1] if net not in _inner(found)]
            if nets:
                found[name] = {"within": upper, "networks": nets}
        return found

    def _subnet(self, text: str) -> str:
        net = ipaddress.ip_network(text)
        top = 30 if net.version == 4 else 124
        length = self.random.randint(net.prefixlen, max(net.prefixlen, top))
        first = int(self._host(text)) >> (net.max_prefixlen - length) << (net.max_prefixlen - length)
        return f"{to_address(first, net.version)}/{length}"

    def _host(self, text: str) -> Address:
        """Near the beginning of a network more often than not, so that rules meet each other."""
        net = ipaddress.ip_network(text)
        most = min(net.num_addresses - 1, 31 if self._chance(0.7) else 255)
        return to_address(int(net.network_address) + self.random.randint(0, most), net.version)

    def _literal(self) -> str:
        text, kind = self.random.choice(self.nets), self.random.random()
        if kind < 0.45:
            return str(self._host(text))
        if kind < 0.75:
            return text if self._chance(0.3) else self._subnet(text)
        low, high = sorted([self._host(text), self._host(text)], key=int)
        return f"{low}-{high}"

    def _items(self) -> list[str]:
        found = []
        for _number in range(self.random.choice([1, 1, 2, 3, 5])):
            item = self.random.choice(self.groups) if self.groups and self._chance(0.35) else self._literal()
            found.append(("!" if self._chance(0.2) else "") + item)
        return found

    def _addresses(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "pair": [str(self._host("198.51.100.128/25")), str(self._host("2001:db8:3::/64"))],
            "vip": ["192.0.2.1", "2001:db8:1::1"],
        }
        self.groups = list(found)
        for number in range(self.random.randint(1, 5)):
            found[f"g{number}"] = self._items()
            self.groups.append(f"g{number}")
        return found

    def _sides(self, share: float = 0.5) -> dict[str, Any]:
        return {key: self._items() for key in ("source", "destination") if self._chance(share)}

    def _pair(self, firewall: bool) -> dict[str, Any]:
        return {key: self._zone_list(firewall) for key in ("from", "to")}

    def _zone_list(self, firewall: bool) -> list[str]:
        names = list(self.zones) + [FIREWALL] * firewall
        kind = self.random.random()
        if kind < 0.35:
            return ["any", FIREWALL] if firewall and self._chance(0.3) else ["any"]
        return self.random.sample(names, 1 if kind < 0.75 else 2)

    def _service(self) -> dict[str, Any]:
        kind = self.random.random()
        if kind < 0.3:
            return {}
        if kind < 0.65:
            names = self.random.sample(SERVICES, self.random.randint(1, 3))
            return {"service": [("!" if self._chance(0.25) else "") + name for name in names]}
        return self._inline()

    def _inline(self) -> dict[str, Any]:
        protocol = self.random.choice(["tcp", "tcp", "udp", "sctp", "icmp", "esp", "ah", "gre", 89, 253])
        found: dict[str, Any] = {"protocol": protocol}
        if protocol in ("tcp", "udp", "sctp"):
            if self._chance(0.8):
                found["ports"] = self._ports()
            if self._chance(0.2):
                found["source_ports"] = self._ports()
        elif protocol == "icmp" and self._chance(0.5):
            found["types"] = self.random.sample(["echo-request", "timestamp-request", "8", "8/0", "13", "128/0"], 2)
        return found

    def _ports(self) -> list[Any]:
        found: list[Any] = []
        for _number in range(self.random.choice([1, 1, 2, 4, 20])):
            port = self.random.choice(PORTS) if self._chance(0.8) else self.random.randint(1, 65535)
            found.append(f"{port}:{min(port + self.random.choice([1, 9, 600]), 65535)}" if self._chance(0.3) else port)
        return found

    def _rule(self, number: int) -> dict[str, Any]:
        return {
            "name": f"r{number}",
            **self._pair(firewall=True),
            **self._sides(),
            **self._service(),
            "action": self.random.choice(["accept", "accept", "accept", "drop", "reject"]),
            "log": self._chance(0.15),
        }

    def _default(self, number: int) -> dict[str, Any]:
        action = self.random.choice(["accept", "drop", "reject"])
        return {"name": f"d{number}", **self._pair(firewall=True), "action": action}

    def _nat(self, number: int) -> dict[str, Any]:
        kind = self.random.choice(["snat", "snat", "dnat", "dnat", "dnat", "one_to_one", "none"])
        return {"name": f"n{number}", "type": kind, **getattr(self, f"_{kind}")()}

    def _snat(self) -> dict[str, Any]:
        to = self.random.choice(
            ["192.0.2.1", "192.0.2.3-192.0.2.4", "198.51.100.1", "vip", "2001:db8:1::1", "2001:db8:1::3"]
        )
        by_zone = {"from": [self.random.choice(list(self.zones))]} if self._chance(0.5) else {"source": self._items()}
        more = {"destination": self._items()} if self._chance(0.3) else {}
        return {"to": self._zone_list(False), **by_zone, **more, **self._service(), "to_address": to}

    def _dnat(self) -> dict[str, Any]:
        first = self._host(self.random.choice(self.nets))
        last = to_address(int(first) | 3, first.version)
        target = self.random.choice(["pair", str(first), str(first), str(first), f"{first}-{last}"])
        places = [*VIPS, *VIPS, *OWN, "vip", self._literal()]
        found = {
            "from": self._zone_list(False),
            "destination": self.random.sample(places, self.random.choice([1, 1, 2])),
            "to_address": target,
            **({"source": self._items()} if self._chance(0.2) else {}),
        }
        kind = self.random.random()
        if kind < 0.3:
            return {**found, **self._service()}
        low = self.random.choice(PORTS[:-1])
        protocol = self.random.choice(["tcp", "udp", "sctp"])
        if kind < 0.65:
            return {**found, "protocol": protocol, "ports": self._ports(), "to_port": self.random.choice(PORTS)}
        shift = self.random.choice([0, 1, 700, 9000])
        inner = f"{min(low + shift, 65000)}:{min(low + shift, 65000) + 9}"
        return {**found, "protocol": protocol, "ports": f"{low}:{low + 9}", "to_port": inner}

    def _one_to_one(self) -> dict[str, Any]:
        length, outer, inner = self.random.choice(
            [
                (28, "203.0.113.128/25", "198.51.100.0/25"),
                (30, "192.0.2.0/24", "198.51.100.128/25"),
                (120, "2001:db8:5::/64", "2001:db8:2::/64"),
                (127, "2001:db8:1::/64", "2001:db8:3::/64"),
            ]
        )
        blocks = [_block(self._host(text), length) for text in (outer, inner)]
        to = {"to": self._zone_list(False)} if self._chance(0.3) else {}
        return {"from": self._zone_list(False), **to, "destination": blocks[0], "to_address": blocks[1]}

    def _none(self) -> dict[str, Any]:
        keys = self.random.choice([("from",), ("to",), ("from", "to"), ()])
        return {**{key: self._zone_list(False) for key in keys}, **self._sides(), **self._service()}


def _inner(zones: Mapping[str, Any]) -> set[str]:
    return {net for body in zones.values() if "within" in body for net in body["networks"]}


def _block(host: Address, length: int) -> str:
    size = 1 << (host.max_prefixlen - length)
    return f"{to_address(int(host) // size * size, host.version)}/{length}"


@dataclass(frozen=True)
class Question:
    #: Where the packet arrives: an interface, or FIREWALL, which sends it.
    link: str
    #: As the trace is asked.
    packet: Packet


def questions(made: Case, count: int) -> Iterator[Question]:
    """Packets of both families in turn: most meet an entry, many on the edge of what it matches."""
    traffic = _Traffic(made)
    for number in range(count):
        yield traffic.wanted(4 if number % 2 else 6)


class _Traffic:
    def __init__(self, made: Case) -> None:
        self.case = made
        self.random = Random(made.seed + 1_000_000)
        flat = made.ruleset.flat
        self.links = [link for zone in ZONES.values() for link in zone["interfaces"]]
        self.universe = {family: [ipaddress.ip_network(text) for text in texts] for family, texts in UNIVERSE.items()}
        self.matches: dict[int, list[tuple[tuple[str, ...], Match]]] = {4: [], 6: []}
        for rule in flat.rules:
            for family, match in rule.matches.items():
                self.matches[family].append((rule.from_zones, match))
        for entry in flat.nat:
            zones = entry.from_zones or tuple(made.raw["zones"])
            self.matches[entry.family] += [(zones, entry.match)] * 2
        for rule in made.policy.early.untracked:
            for family, match in rule.matches.items():
                self.matches[family] += [(rule.from_zones, match)] * 2
        # Where hosts of those who may ask are, beyond the networks of their zones.
        beyond = {
            place: {family: span(family, [ipaddress.ip_network(text) for text in place]) for family in (4, 6)}
            for place in (HIDDEN, ELSEWHERE)
        }
        for rule in made.policy.early.answers:
            place = HIDDEN if "vpn" in rule.to_zones else ELSEWHERE
            for family, match in rule.matches.items():
                there = replace(match, destination=spans.intersect(match.destination, beyond[place][family]))
                self.matches[family] += [(rule.from_zones, there)] * (9 if "hidden" in made.features else 2)
        self.addresses = {family: self._known(family) for family in (4, 6)}
        # The routers of a link share its first address (RFC 4291, section 2.6.1), so nobody sends from it.
        nets = map(ipaddress.ip_network, made.routes)
        self.anycast = {net.network_address for net in nets if net.version == 6 and net.prefixlen < 127}

    def _known(self, family: int) -> list[int]:
        ranges = [each for _zones, match in self.matches[family] for each in match.source + match.destination]
        ranges += [zone_range for zone in self.case.ruleset.flat.zones for zone_range in zone.spans[family]]
        ranges += [each.to_addresses for each in self.case.ruleset.flat.nat if each.to_addresses]
        ends = {end + near for low, high in ranges for end in (low, high) for near in (-1, 0, 1)}
        ends |= {int(address) for address in self.case.local if address.version == family}
        return sorted(end for end in ends if self._usable(end, family))

    def _usable(self, number: int, family: int) -> bool:
        limit = 1 << (32 if family == 4 else 128)
        return 0 <= number < limit and any(to_address(number, family) in net for net in self.universe[family])

    def wanted(self, family: int) -> Question:
        wish = self.random.choice(["any", "rule", "rule", "translation"])
        for _try in range(30):
            found = self.question(family)
            told = trace(self.case.policy, found.packet)
            translated = bool(told.dnat or (told.snat and told.action == "accept"))
            decided = bool(told.rule or told.exempt)
            if {"any": True, "rule": decided, "translation": translated}[wish]:
                break
        return found

    def question(self, family: int) -> Question:
        while True:
            found = self._question(family)
            ends, sends = {found.packet.source, found.packet.destination}, found.link == FIREWALL
            # The kernel takes no packet from outside with an address of the firewall, and what the firewall tells
            # itself passes no rule. A packet from a host to itself is its own answer.
            own = (found.packet.source in self.case.local) == sends and not (sends and ends <= self.case.local)
            if not own or len(ends) < 2 or found.packet.source in self.anycast:
                continue
            # Most have to get further than to the look at their source.
            if not self._dropped_at_once(found) or self.random.random() < 0.15:
                return found

    def _dropped_at_once(self, found: Question) -> bool:
        if not {"bogons", "antispoof"} & self.case.features:
            return False
        packet = found.packet
        return bool(self.case.spoofed(found.link, packet.source)) or any(
            packet.from_zone in rule.from_zones and matches(rule.matches[packet.family], packet)
            for rule in self.case.policy.early.forged
        )

    def _question(self, family: int) -> Question:
        zones, match = self.random.choice(self.matches[family]) if self.random.random() < 0.75 else ((), None)
        link, source = self._sender(family, zones, match)
        zone = FIREWALL if link == FIREWALL else self.case.zone_of(link, source)
        destination = to_address(self._address(match.destination if match else (), family), family)
        return Question(link, self._routed(self._served(Packet(zone, source, destination, 0), match)))

    def _routed(self, packet: Packet) -> Packet:
        """Where not every zone tells its networks, the trace has to be told where a packet leaves."""
        if "hidden" not in self.case.features:
            return packet
        link = self.case.link_to(trace(self.case.policy, packet).result.destination)
        return replace(packet, to_zone=self.case.zone_at(link))

    def _sender(self, family: int, zones: Sequence[str], match: Match | None) -> tuple[str, Address]:
        """An interface and an address behind it; of one of the zones, if that can be had."""
        for _try in range(20):
            if self.random.random() < (0.05 if not zones else 0.5 * (FIREWALL in zones)):
                mine = [address for address in self.case.local if address.version == family]
                return FIREWALL, self.random.choice(sorted(mine, key=int))
            link = self.random.choice(self.links)
            source = to_address(self._address(match.source if match else (), family), family)
            if not zones or self.case.zone_of(link, source) in zones:
                break
        return link, source

    def _address(self, wanted: Ranges, family: int) -> int:
        """On an edge of a range, in it, or anywhere."""
        if wanted and self.random.random() < 0.85:
            low, high = self.random.choice(wanted)
            number = self.random.choice([low, high, self.random.randint(low, min(high, low + 40))])
            if self._usable(number, family):
                return number
        if self.random.random() < 0.6:
            return self.random.choice(self.addresses[family])
        nets = [net for net in map(ipaddress.ip_network, (*self.case.routes, *ELSEWHERE)) if net.version == family]
        net = self.random.choice([net for net in nets if net.prefixlen])
        return int(net.network_address) + self.random.randint(0, min(net.num_addresses - 1, 40))

    def _served(self, packet: Packet, match: Match | None) -> Packet:
        service = self.random.choice(match.services) if match else Service()
        # The kernel calls the ICMP of the other family invalid.
        known_here = [number for number in PROTOCOLS if number != ICMP[10 - packet.family]]
        protocol = service.protocol if service.protocol in known_here else self.random.choice(known_here)
        more: dict[str, Any] = {}
        if protocol in WITH_PORTS:
            # Low source ports only where they are asked for: those of a batch have to differ.
            more["port"] = self._number(service.ports, PORTS, 65535)
            asked = service.source_ports if service.source_ports != ((0, 65535),) else ()
            more["source_port"] = self._number(asked, (), 65535)
        elif protocol == ICMP[packet.family]:
            known = [number for number in REQUESTS[packet.family] if any(a <= number <= b for a, b in service.types)]
            more["icmp_type"] = self.random.choice(known or REQUESTS[packet.family])
            more["icmp_code"] = self.random.choice([0, 0, service.codes[0][0], 1])
        return Packet(packet.from_zone, packet.source, packet.destination, protocol, **more)

    def _number(self, wanted: Ranges, known: Sequence[int], top: int) -> int:
        if wanted and self.random.random() < 0.8:
            low, high = self.random.choice(wanted)
            number = self.random.choice([low, high, low - 1, high + 1, self.random.randint(low, high)])
        else:
            number = self.random.choice(known) if known and self.random.random() < 0.7 else self.random.randint(1, top)
        return min(max(number, 1), top)
