# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Random policies: the text of iptables and the trace decide about packets as the resolved rules do."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import packet as packets
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatPolicy, Ranges, Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, trace

from .tiny import split_small
from .walk import ICMP, Packet, Walk

INTERFACES = {"eth1": "wan", "eth2": "lan"}
BASE = {4: int(ipaddress.ip_address("198.51.100.0")), 6: int(ipaddress.ip_address("2001:db8::"))}


def inside(ranges: Ranges, value: int) -> bool:
    return any(low <= value <= high for low, high in ranges)


def service_holds(service: Service, packet: Packet, family: int) -> bool:
    if service.protocol not in (None, packet.protocol):
        return False
    if packet.protocol in (6, 17):
        return inside(service.source_ports, packet.left) and inside(service.ports, packet.right)
    if packet.protocol != ICMP[family]:
        return True
    return inside(service.types, packet.left) and inside(service.codes, packet.right)


def decided(policy: FlatPolicy, packet: Packet, family: int) -> str | None:
    def zone(interface: str, address: int) -> str:
        if not interface:
            return "firewall"
        here = [item for item in policy.zones if interface in item.interfaces]
        (found,) = [item.name for item in here if inside(item.spans[family], address)]
        return found

    pair = zone(packet.incoming, packet.source), zone(packet.outgoing, packet.destination)
    for rule in policy.rules:
        match = rule.matches.get(family)
        if match is None or pair[0] not in rule.from_zones or pair[1] not in rule.to_zones:
            continue
        if (
            inside(match.source, packet.source)
            and inside(match.destination, packet.destination)
            and any(service_holds(service, packet, family) for service in match.services)
        ):
            return rule.action
    return None


literals = st.one_of(
    st.integers(0, 15).map(lambda number: f"198.51.100.{number}"),
    st.integers(0, 15).map(lambda number: f"2001:db8::{number:x}"),
    st.sampled_from(["198.51.100.0/29", "198.51.100.8/30", "198.51.100.3-198.51.100.9", "group"]),
    st.sampled_from(["2001:db8::/125", "2001:db8::8/126", "2001:db8::3-2001:db8::9", "2001:db8::/32"]),
)
items = st.builds(lambda negative, item: ("!" if negative else "") + item, st.booleans(), literals)
names = st.sampled_from(["ssh", "dns", "ping", "pair", "traceroute", "everything", "esp", "ah"])
services = st.lists(
    st.builds(lambda negative, name: ("!" if negative else "") + name, st.booleans(), names), min_size=1, max_size=3
)
zone_names = st.sampled_from(["wan", "lan", "guests", "any", "firewall"])
sides = st.lists(zone_names, min_size=1, max_size=2, unique=True)
rules = st.fixed_dictionaries(
    {
        "from": sides,
        "to": sides,
        "action": st.sampled_from(["accept", "drop", "reject"]),
        "log": st.booleans(),
    },
    optional={
        "source": st.lists(items, min_size=1, max_size=3),
        "destination": st.lists(items, min_size=1, max_size=3),
        "service": services,
    },
)
ways = st.tuples(st.sampled_from(["", *INTERFACES]), st.sampled_from(["", *INTERFACES])).filter(any)


@st.composite
def sent_packets(draw: st.DrawFn, family: int) -> Packet:
    protocol = draw(st.sampled_from([6, 17, 47, 50, 51, 1, 58]))
    kinds = ([0, 1, 3, 8, 128], [0, 4]) if protocol in (1, 58) else ([0, 3, 8, 1030], [0, 4, 22, 53, 8080, 33500])
    hosts = st.integers(BASE[family], BASE[family] + 17)
    left, right = (draw(st.sampled_from(found)) for found in kinds)
    return Packet(*draw(ways), draw(hosts), draw(hosts), protocol, left, right)


families = st.sampled_from([4, 6])
journeys = families.flatmap(
    lambda family: st.tuples(st.just(family), st.lists(sent_packets(family), min_size=20, max_size=20))
)


def policy_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "zones": {
            "wan": {"interfaces": ["eth1"]},
            "lan": {"interfaces": ["eth2"]},
            "guests": {
                "within": "lan",
                "networks": ["198.51.100.4/30", "198.51.100.12/31", "2001:db8::4/126", "2001:db8::c/127"],
            },
        },
        "addresses": {
            "group": [
                "198.51.100.1",
                "198.51.100.5-198.51.100.6",
                "!198.51.100.6",
                "2001:db8::1",
                "2001:db8::5-2001:db8::6",
            ]
        },
        "services": {
            "pair": [{"protocol": "tcp", "ports": [8080, 22], "source_ports": ["1024:65535"]}, {"protocol": "gre"}],
            "everything": {},
            "ah": {"protocol": "ah"},
            "esp": [{"protocol": "esp"}, {"protocol": "icmp", "types": ["3/4"]}],
        },
        "rules": [{"name": f"r{number}", **rule} for number, rule in enumerate(found)],
    }


#: What leaves the chain of a rule has to meet the next rule.
NEGATED: list[dict[str, Any]] = [
    {"from": ["lan", "firewall"], "to": ["wan", "firewall"], "action": "drop", "service": ["!ssh", "!ping"]},
    {"from": ["any", "firewall"], "to": ["any", "firewall"], "action": "accept"},
]
ONE_OF_EACH = [
    Packet(incoming, outgoing, BASE[family], BASE[family], protocol, left, right)
    for family in (4, 6)
    for incoming, outgoing in (("eth2", "eth1"), ("eth2", ""), ("", "eth1"))
    for protocol, left, right in ((6, 1030, 22), (6, 1030, 53), (17, 1030, 22), (1, 8, 0), (58, 128, 0), (47, 0, 0))
]


def traced(policy: FlatPolicy, packet: Packet, family: int) -> str:
    """What the trace says about it, asked for the zone of the interfaces whatever the addresses are."""
    ports = packet.protocol in (6, 17)
    context = Context(places=policy.zones, output="drop")
    asked = packets.Packet(
        INTERFACES.get(packet.incoming, "firewall"),
        packets.to_address(packet.source, family),
        packets.to_address(packet.destination, family),
        packet.protocol,
        source_port=packet.left if ports else 0,
        port=packet.right if ports else 0,
        icmp_type=packet.left if packet.protocol == ICMP[family] else 0,
        icmp_code=packet.right if packet.protocol == ICMP[family] else 0,
        to_zone=INTERFACES.get(packet.outgoing, "firewall"),
    )
    return trace(Policy(policy.rules, (), context), asked).action


@example(NEGATED, (4, [packet for packet in ONE_OF_EACH if packet.source < 2**32]))
@example(NEGATED, (6, [packet for packet in ONE_OF_EACH if packet.source >= 2**32]))
@settings(deadline=None, max_examples=120)
@given(st.lists(rules, min_size=1, max_size=5), journeys)
def test_the_text_and_the_trace_decide_as_the_rules_do(
    found: list[dict[str, Any]], journey: tuple[int, list[Packet]]
) -> None:
    agree(found, journey)


@settings(deadline=None, max_examples=80)
@given(st.lists(rules, min_size=3, max_size=12), journeys)
def test_so_do_chains_that_are_split(found: list[dict[str, Any]], journey: tuple[int, list[Packet]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        split_small(patch)
        agree(found, journey)


def agree(found: list[dict[str, Any]], journey: tuple[int, list[Packet]]) -> None:
    family, sent = journey
    ruleset, problems = parse(policy_of(found))
    # What takes away everything is a mistake, and no rule; neither is one about the firewall alone.
    assert all("is left" in problem.reason or "talks to itself" in problem.reason for problem in problems)
    walk = Walk(render(ruleset), family)
    # Only the lines that lead to pairs of zones: everything before them looks at states, and test_early looks at it.
    for hook in ("INPUT", "FORWARD", "OUTPUT"):
        walk.chains[hook] = [words for words in walk.chains[hook] if words[-1].startswith(("f-", "i-", "o-"))]
    for packet in sent:
        wanted = decided(ruleset.flat, packet, family)
        assert walk.decide(packet.hook, packet) == wanted, packet
        assert traced(ruleset.flat, packet, family) == (wanted or "drop"), packet
