# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Statements about packets: how they are written, every mistake in them, and what breaks them."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.assertions import parse_assertions
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.check import check
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import Finding
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FlatNat,
    FlatRule,
    FlatZone,
    Match,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.spelling import Names
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, trace


def one(text: str) -> tuple[tuple[int, int], ...]:
    net = ipaddress.ip_network(text)
    return ((int(net.network_address), int(net.broadcast_address)),)


def rule(name: str, from_zone: str, to_zone: str, match: Match, action: str = "accept", **more: Any) -> FlatRule:
    return FlatRule(name, f"rules[{name}]", (from_zone,), (to_zone,), {4: match}, action, **more)


HTTPS, ANY4 = (Service(6, ports=((443, 443),)),), ADDRESSES[4]
CONTEXT = Context(
    networks={
        "lan": (ipaddress.ip_network("198.51.100.0/25"),),
        "dmz": (ipaddress.ip_network("198.51.100.128/25"), ipaddress.ip_network("2001:db8:3::/64")),
    },
    default_zone="wan",
    vips=(ipaddress.ip_address("192.0.2.1"),),
)
POLICY = Policy(
    rules=(
        rule("shop", "wan", "dmz", Match(ANY4, one("198.51.100.180"), HTTPS)),
        rule("slow", "wan", "dmz", Match(ANY4, one("198.51.100.181"), HTTPS), conditions=("3/minute",)),
        rule("out", "lan", "wan", Match(ANY4, ANY4)),
    ),
    nat=(
        FlatNat(
            "shop-in",
            "nat[0]",
            "dnat",
            4,
            ("wan",),
            (),
            Match(ANY4, one("192.0.2.1"), HTTPS),
            to_addresses=one("198.51.100.180")[0],
        ),
        FlatNat("out", "nat[1]", "snat", 4, (), ("wan",), Match(one("198.51.100.0/25"), ANY4), one("192.0.2.1")[0]),
    ),
    context=CONTEXT,
)
NAMES = Names(
    zones=("wan", "lan", "dmz"),
    rules=("shop", "slow", "out"),
    addresses={"shop-server": {4: one("198.51.100.180")}},
    services={"https": {4: HTTPS, 6: HTTPS}},
)
SHOP = {"name": "a", "from": "wan", "to": "192.0.2.1", "protocol": "tcp", "port": 443, "expect": "accept"}


def broken(*raw: dict[str, Any], policy: Policy = POLICY) -> tuple[Finding, ...]:
    parsed, problems = parse_assertions(list(raw), NAMES, "a")
    assert problems == ()
    return check(parsed, policy)


@pytest.mark.parametrize(
    "assertion",
    [
        SHOP,
        {**SHOP, "nat": {"destination": "198.51.100.180", "port": 443}},
        {"name": "a", "from": "wan", "to": "dmz", "destination": "192.0.2.1", "service": "https", "expect": "accept"},
        {"name": "a", "from": "wan", "to": "shop-server", "service": ["tcp/443"], "expect": "accept"},
        {"name": "a", "from": "wan", "to": "shop-server", "service": "tcp/1-442", "expect": "deny"},
        {"name": "a", "from": "wan", "to": "dmz", "expect": "drop", "except": ["shop", "slow"]},
        {"name": "a", "from": "wan", "to": "dmz", "expect": "drop", "except": "shop", "conditions": "fail"},
        {
            "name": "a",
            "from": "wan",
            "to": "198.51.100.181",
            "service": "https",
            "expect": "accept",
            "conditions": "hold",
        },
        {"name": "a", "from": "wan", "to": "2001:db8:3::/64", "expect": "drop"},
        {"name": "a", "from": "wan", "to": "lan", "expect": "drop"},
        {"name": "a", "from": "wan", "to": "dmz", "destination": "192.0.2.9", "expect": "drop"},
        {"name": "a", "from": ["lan", "dmz"], "to": "firewall", "expect": "drop"},
        {
            "name": "a",
            "from": "lan",
            "to": "wan",
            "source": "198.51.100.0/25",
            "expect": "accept",
            "nat": {"source": "192.0.2.1"},
        },
        {
            "name": "a",
            "from": "lan",
            "to": "wan",
            "source": "198.51.100.200-198.51.100.210",
            "expect": "accept",
            "nat": "none",
        },
        {"name": "a", "from": "firewall", "to": "any", "expect": "accept"},
        {"name": "a", "from": "wan", "to": "dmz", "protocol": "icmp", "type": 8, "code": 0, "expect": "drop"},
    ],
)
def test_what_holds(assertion: dict[str, Any]) -> None:
    assert broken(assertion) == ()


@pytest.mark.parametrize(
    ("assertion", "text", "packet"),
    [
        (
            {**SHOP, "expect": "drop"},
            "'a' expects drop, but rule 'shop' accepts the packet, after 'shop-in' has translated its destination",
            "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to dmz",
        ),
        (
            {**SHOP, "port": 80},
            "'a' expects accept, but the default from wan to firewall drops the packet",
            "tcp 203.0.113.10:40000 -> 192.0.2.1:80 from wan to firewall",
        ),
        (
            {"name": "a", "from": "wan", "to": "dmz", "expect": "drop", "except": "shop"},
            "'a' expects drop, but rule 'slow' with 3/minute accepts the packet",
            "tcp 203.0.113.10:40000 -> 198.51.100.181:443 from wan to dmz",
        ),
        (
            {"name": "a", "from": "wan", "to": "198.51.100.181", "service": "https", "expect": "accept"},
            "'a' expects accept, but the default from wan to dmz drops the packet",
            "tcp 203.0.113.10:40000 -> 198.51.100.181:443 from wan to dmz",
        ),
        (
            {"name": "a", "from": "wan", "to": "lan", "destination": "192.0.2.1", "expect": "drop"},
            "'a' is about no packet: nothing that fits it arrives there, or all of it is excepted",
            "None",
        ),
        (
            {**SHOP, "nat": {"destination": "198.51.100.199"}},
            "'a' expects another translation: the destination is then 198.51.100.180",
            "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to dmz",
        ),
        (
            {**SHOP, "nat": {"port": 8443}},
            "'a' expects another translation: the port is then 443",
            "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to dmz",
        ),
        (
            {**SHOP, "nat": "none"},
            "'a' expects another translation: 'shop-in' translates the destination",
            "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to dmz",
        ),
        (
            {"name": "a", "from": "lan", "to": "203.0.113.9", "expect": "accept", "nat": {"source": "192.0.2.1"}},
            "'a' expects another translation: the source is not always 192.0.2.1",
            "tcp 203.0.113.10:40000 -> 203.0.113.9:443 from lan to wan",
        ),
    ],
)
def test_what_breaks(assertion: dict[str, Any], text: str, packet: str) -> None:
    (found,) = broken(assertion)
    assert (found.text, str(found.packet)) == (text, packet)
    assert (found.severity, found.rules[0].path) == ("error", "a[0]")


def test_nothing_else_is_said_with_the_names_of_other_assertions() -> None:
    rest = {"name": "rest", "from": "wan", "to": "dmz", "expect": "drop", "except": ["a", "slow"]}
    inside = {
        "name": "inside",
        "from": "wan",
        "to": "dmz",
        "destination": "shop-server",
        "service": "https",
        "expect": "accept",
    }
    # The server's own address is open too, which is not what the published address says.
    (found,) = broken(SHOP, rest)
    assert found.rules[0].name == "rest"
    assert str(found.packet) == "tcp 203.0.113.10:40000 -> 198.51.100.180:443 from wan to dmz"
    assert broken(SHOP, inside, {**rest, "except": ["a", "inside", "slow"]}) == ()


def test_a_hole_of_one_packet_is_found() -> None:
    hole = Match(one("203.0.113.77"), one("198.51.100.140"), (Service(17, ((7, 7),), ((9, 9),)),))
    policy = replace(POLICY, rules=(rule("hole", "wan", "dmz", hole), *POLICY.rules))
    rest = {"name": "rest", "from": "wan", "to": "dmz", "expect": "drop", "except": ["shop", "slow"]}
    (found,) = broken(rest, policy=policy)
    assert [place.name for place in found.rules] == ["rest", "hole"]
    assert str(found.packet) == "udp 203.0.113.77:7 -> 198.51.100.140:9 from wan to dmz"
    assert found.packet is not None
    assert trace(policy, found.packet).action == "accept"


def test_without_a_way_out_it_cannot_be_decided() -> None:
    policy = replace(POLICY, context=replace(CONTEXT, default_zone=""))
    (found,) = broken({"name": "a", "from": "lan", "to": "203.0.113.9", "expect": "accept"}, policy=policy)
    assert "no zone has a network with 203.0.113.9" in found.text


LAB = one("198.51.100.64/26")
PREFIXES = replace(
    POLICY,
    rules=(rule("lab-out", "lab", "wan", Match(ANY4, ANY4)), rule("into-lab", "wan", "lab", Match(ANY4, ANY4))),
    context=replace(
        CONTEXT,
        networks={**CONTEXT.networks, "lab": (ipaddress.ip_network("198.51.100.64/26"),)},
        places=(
            FlatZone("wan", ("eth1",)),
            FlatZone("lan", ("eth2",), {4: spans.subtract(ANY4, LAB), 6: ADDRESSES[6]}),
            FlatZone("lab", ("eth2",), {4: LAB, 6: ()}),
            FlatZone("dmz", ("eth3",)),
        ),
    ),
)


@pytest.mark.parametrize(
    ("assertion", "text"),
    [
        ({"from": "lan", "to": "wan", "expect": "drop"}, None),
        ({"from": "lab", "to": "wan", "expect": "accept"}, None),
        ({"from": "wan", "to": "198.51.100.0/26", "expect": "drop"}, None),
        ({"from": "wan", "to": "198.51.100.64/26", "expect": "accept"}, None),
        ({"from": "wan", "to": "lan", "expect": "drop"}, None),
        ({"from": "wan", "to": "lan", "destination": "198.51.100.70", "expect": "drop"}, "is about no packet"),
        ({"from": "lab", "to": "wan", "source": "198.51.100.5", "expect": "accept"}, "is about no packet"),
        ({"from": "lab", "to": "wan", "source": "2001:db8:4::1", "expect": "accept"}, "is about no packet"),
        # In no known network, and yet it leaves by no prefix of lab.
        ({"from": "wan", "to": "lab", "destination": "203.0.113.9", "expect": "drop"}, "is about no packet"),
        ({"from": "wan", "to": "198.51.100.0/25", "expect": "drop"}, "rule 'into-lab' accepts"),
    ],
)
def test_a_packet_is_of_the_zone_that_has_its_address(assertion: dict[str, Any], text: str | None) -> None:
    names = replace(NAMES, zones=(*NAMES.zones, "lab"), rules=("lab-out", "into-lab"))
    parsed, problems = parse_assertions([{"name": "a", **assertion}], names, "a")
    assert problems == ()
    found = check(parsed, PREFIXES)
    assert [text in each.text for each in found if text] == [True] * bool(text)
    assert bool(found) == bool(text)


@pytest.mark.parametrize(
    ("change", "path", "reason", "remedy"),
    [
        ({"name": None}, "a[0].name", "is missing", "Give it a name"),
        ({"form": "wan"}, "a[0].form", "unknown key", "Did you mean 'from'?"),
        ({"from": None}, "a[0].from", "is missing", "Name the zone"),
        ({"from": "wam"}, "a[0].from", "unknown zone", "wan, lan, dmz, firewall, any"),
        ({"to": "web"}, "a[0].to", "is not known", "name of an object or a zone (wan"),
        ({"to": "192.0.2.9-192.0.2.1"}, "a[0].to", "is not known", "a range first-last"),
        ({"to": ["dmz", "192.0.2.1"]}, "a[0].to", "is not a zone, the rest is", "destination"),
        ({"destination": "192.0.2.1"}, "a[0].destination", "is given in to as well", "one of the two"),
        ({"source": "192.0.2.1/24"}, "a[0].source", "is not known", "a prefix"),
        ({"source": "2001:db8::1"}, "a[0]", "is about no packet", "common family"),
        ({"protocol": "tpc", "port": None}, "a[0].protocol", "unknown protocol", "tcp"),
        ({"port": 99999}, "a[0].port", "is not a port", "443"),
        ({"ports": [80]}, "a[0].ports", "is given with port", "one of the two"),
        ({"service": "tcp/443"}, "a[0].protocol", "is given with service", "one of the two"),
        ({"service": "web", "protocol": None, "port": None}, "a[0].service", "is not known", "tcp/443"),
        ({"service": "icmp/8", "protocol": None, "port": None}, "a[0].service", "is not known", "icmp"),
        ({"type": 8}, "a[0].type", "belongs to ICMP", "protocol: icmp"),
        ({"expect": "allow"}, "a[0].expect", "unknown value", "accept, drop, reject, deny"),
        ({"expect": None}, "a[0].expect", "unknown value", "accept, drop, reject, deny"),
        ({"except": "b"}, "a[0].except", "is neither a rule nor an assertion", "Correct the name"),
        ({"except": "a"}, "a[0].except", "is this assertion itself", "Name another one"),
        ({"conditions": "maybe"}, "a[0].conditions", "unknown value", "any, hold, fail"),
        ({"expect": "drop", "nat": "none"}, "a[0].nat", "is for packets that are accepted", "expect: accept"),
        ({"nat": {}}, "a[0].nat", "says nothing", "Write none"),
        ({"nat": {"adress": 1}}, "a[0].nat.adress", "unknown key", "Known keys"),
        ({"nat": {"source": "x"}}, "a[0].nat.source", "is not one IPv4 or IPv6 address", "one address"),
        ({"nat": {"port": 0}}, "a[0].nat.port", "is not a number from 1", "Correct"),
        ({"nat": "none", "except": "shop"}, "a[0].except", "leaves out packets as rules see them", "assertion"),
    ],
)
def test_a_wrong_assertion_is_explained(change: dict[str, Any], path: str, reason: str, remedy: str) -> None:
    raw = {key: value for key, value in {**SHOP, **change}.items() if value is not None}
    _parsed, problems = parse_assertions([raw], NAMES, "a")
    assert path in [problem.path for problem in problems]
    problem = next(each for each in problems if each.path == path)
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_all_mistakes_come_at_once_and_never_as_an_exception() -> None:
    raw = [{"from": "wam", "to": [None], "port": 80, "expect": 3}, "web", {**SHOP}, {**SHOP, "name": "a"}, None, 7]
    _parsed, problems = parse_assertions(raw, NAMES, "a")
    paths = {problem.path for problem in problems}
    assert {"a[0].name", "a[0].from", "a[0].to", "a[0].port", "a[0].expect", "a[1]", "a[3].name", "a[4]"} <= paths
    assert parse_assertions("web", NAMES, "a")[1][0].path == "a"
    assert parse_assertions(None, NAMES, "a") == ((), ())
