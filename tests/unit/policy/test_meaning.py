# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Random policies: walking a packet through the text of iptables decides as the resolved rules do."""

from __future__ import annotations

import ipaddress
import shlex
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatPolicy, Ranges, Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "sctp": 132}
INTERFACES = {"eth1": "wan", "eth2": "lan"}


class Packet(NamedTuple):
    """The first packet of a connection. ICMP has its type and code in place of the ports."""

    incoming: str
    outgoing: str
    source: int
    destination: int
    protocol: int
    left: int
    right: int


class Walk:
    """The few words of iptables that a policy without conditions becomes; any other word is an error."""

    def __init__(self, files: dict[str, str]) -> None:
        self.chains: dict[str, list[list[str]]] = {}
        for line in files["rules.v4"].split("*filter")[1].splitlines():
            if line.startswith("-A "):
                words = shlex.split(line)
                self.chains.setdefault(words[1], []).append(words[2:])
        self.sets: dict[str, list[ipaddress.IPv4Network]] = {}
        for line in files["ipsets"].splitlines():
            if line.startswith("add lh4-"):
                _add, name, entry = line.split()
                self.sets.setdefault(name, []).append(ipaddress.IPv4Network(entry))

    def decide(self, chain: str, packet: Packet) -> str | None:
        for words in self.chains.get(chain, []):
            holds, target = self.line(list(words), packet)
            if not holds or target == "LOG":
                continue
            if target in ("ACCEPT", "DROP", "reject"):
                return target.lower()
            if target == "RETURN":
                return None
            found = self.decide(target, packet)
            if found:
                return found
        return None

    def line(self, words: list[str], packet: Packet) -> tuple[bool, str]:
        holds, negated = True, False
        while words:
            word = words.pop(0)
            if word == "!":
                negated = True
                continue
            if word == "-j":
                return holds, words[0]
            truth = self.match(word, words, packet)
            if truth is not None:
                holds &= truth != negated
                negated = False
        raise AssertionError("a line without a target")

    def match(self, word: str, words: list[str], packet: Packet) -> bool | None:
        if word == "-m":
            words.pop(0)
            return None
        value = words.pop(0)
        if word in ("--comment", "--limit"):
            return None
        if word == "--match-set":
            side = packet.source if words.pop(0) == "src" else packet.destination
            return any(ipaddress.IPv4Address(side) in net for net in self.sets[value])
        if word in ("-s", "-d"):
            side = packet.source if word == "-s" else packet.destination
            return ipaddress.IPv4Address(side) in ipaddress.IPv4Network(value)
        if word in ("-i", "-o"):
            return value == (packet.incoming if word == "-i" else packet.outgoing)
        if word == "-p":
            return packet.protocol == int(NUMBERS.get(value, value))
        if word == "--icmp-type":
            kind, slash, code = value.partition("/")
            return packet.left == int(kind) and (not slash or packet.right == int(code))
        if word in ("--dport", "--dports", "--sport", "--sports"):
            port = packet.right if word.startswith("--d") else packet.left
            ends = [[int(end) for end in part.split(":")] for part in value.split(",")]
            return any(part[0] <= port <= part[-1] for part in ends)
        raise AssertionError(word)


def inside(ranges: Ranges, value: int) -> bool:
    return any(low <= value <= high for low, high in ranges)


def service_holds(service: Service, packet: Packet) -> bool:
    if service.protocol not in (None, packet.protocol):
        return False
    if packet.protocol in (6, 17):
        return inside(service.source_ports, packet.left) and inside(service.ports, packet.right)
    return packet.protocol != 1 or (inside(service.types, packet.left) and inside(service.codes, packet.right))


def decided(policy: FlatPolicy, packet: Packet) -> str | None:
    def zone(interface: str, address: int) -> str:
        found = [item.name for item in policy.zones if interface in item.interfaces and inside(item.spans[4], address)]
        assert len(found) == 1
        return found[0]

    pair = zone(packet.incoming, packet.source), zone(packet.outgoing, packet.destination)
    for rule in policy.rules:
        match = rule.matches.get(4)
        if match is None or pair[0] not in rule.from_zones or pair[1] not in rule.to_zones:
            continue
        if (
            inside(match.source, packet.source)
            and inside(match.destination, packet.destination)
            and any(service_holds(service, packet) for service in match.services)
        ):
            return rule.action
    return None


BASE = int(ipaddress.IPv4Address("198.51.100.0"))
literals = st.one_of(
    st.integers(0, 15).map(lambda number: f"198.51.100.{number}"),
    st.sampled_from(["198.51.100.0/29", "198.51.100.8/30", "198.51.100.3-198.51.100.9", "group", "2001:db8::/32"]),
)
items = st.builds(lambda negative, item: ("!" if negative else "") + item, st.booleans(), literals)
names = st.sampled_from(["ssh", "dns", "ping", "pair", "traceroute", "everything", "esp"])
services = st.lists(
    st.builds(lambda negative, name: ("!" if negative else "") + name, st.booleans(), names), min_size=1, max_size=3
)
zone_names = st.sampled_from(["wan", "lan", "guests", "any"])
rules = st.fixed_dictionaries(
    {
        "from": zone_names,
        "to": zone_names,
        "action": st.sampled_from(["accept", "drop", "reject"]),
        "log": st.booleans(),
    },
    optional={
        "source": st.lists(items, min_size=1, max_size=3),
        "destination": st.lists(items, min_size=1, max_size=3),
        "service": services,
    },
)
packets = st.builds(
    Packet,
    st.sampled_from(list(INTERFACES)),
    st.sampled_from(list(INTERFACES)),
    st.integers(BASE, BASE + 17),
    st.integers(BASE, BASE + 17),
    st.sampled_from([6, 17, 47, 50]),
    st.sampled_from([0, 3, 8, 1030]),
    st.sampled_from([0, 4, 22, 53, 8080, 33500]),
)
messages = st.builds(
    lambda packet, kind, code: packet._replace(protocol=1, left=kind, right=code),
    packets,
    st.sampled_from([0, 3, 8]),
    st.sampled_from([0, 4]),
)


def policy_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "zones": {
            "wan": {"interfaces": ["eth1"]},
            "lan": {"interfaces": ["eth2"]},
            "guests": {"within": "lan", "networks": ["198.51.100.4/30", "198.51.100.12/31"]},
        },
        "addresses": {"group": ["198.51.100.1", "198.51.100.5-198.51.100.6", "!198.51.100.6", "2001:db8::1"]},
        "services": {
            "pair": [{"protocol": "tcp", "ports": [8080, 22], "source_ports": ["1024:65535"]}, {"protocol": "gre"}],
            "everything": {},
            "esp": [{"protocol": "esp"}, {"protocol": "icmp", "types": ["3/4"]}],
        },
        "rules": [{"name": f"r{number}", **rule} for number, rule in enumerate(found)],
    }


#: What leaves the chain of a rule has to meet the next rule.
NEGATED: list[dict[str, Any]] = [
    {"from": "lan", "to": "wan", "action": "drop", "service": ["!ssh", "!ping"]},
    {"from": "any", "to": "any", "action": "accept"},
]
ONE_OF_EACH = [
    Packet("eth2", "eth1", BASE, BASE, protocol, left, right)
    for protocol, left, right in ((6, 1030, 22), (6, 1030, 53), (17, 1030, 22), (1, 8, 0), (1, 3, 4), (47, 0, 0))
]


@example(NEGATED, ONE_OF_EACH)
@settings(deadline=None, max_examples=60)
@given(st.lists(rules, min_size=1, max_size=5), st.lists(st.one_of(packets, messages), min_size=20, max_size=20))
def test_the_text_decides_as_the_rules_do(found: list[dict[str, Any]], sent: list[Packet]) -> None:
    ruleset, problems = parse(policy_of(found))
    # What takes away everything is a mistake, and no rule.
    assert all("is left" in problem.reason for problem in problems)
    walk = Walk(render(ruleset))
    # Only the lines that lead to pairs of zones: everything before them looks at states.
    walk.chains["FORWARD"] = [words for words in walk.chains["FORWARD"] if words[-1].startswith("f-")]
    for packet in sent:
        assert walk.decide("FORWARD", packet) == decided(ruleset.flat, packet), packet
