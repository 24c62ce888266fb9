# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Every mistake in the extended language is found with its path; good input is resolved to what it says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Connections, Limit, Log, Schedule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset, parse

from .conftest import rich_input

RULE = {"name": "r", "from": "lan", "to": "wan"}
DNAT = {"name": "n", "type": "dnat", "from": "wan", "destination": "192.0.2.1", "to_address": "198.51.100.80"}
BLOCK = {
    "name": "n",
    "type": "one_to_one",
    "from": "wan",
    "destination": "192.0.2.0/28",
    "to_address": "198.51.100.0/28",
}
UNTRACKED = {"name": "u", "from": "wan", "to": "firewall", "protocol": "udp", "ports": [53]}
RAW = {"name": "x", "chain": "FORWARD", "rule": "-i eth1 -j DROP"}


def read(**content: Any) -> tuple[Ruleset, tuple[Problem, ...]]:
    zones = {
        "wan": {"interfaces": ["eth1"]},
        "lan": {"interfaces": ["eth2"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
        "guests": {"within": "lan", "networks": ["198.51.100.128/25"]},
    }
    addresses = {"web": ["198.51.100.80", "2001:db8:2::80"], "two": ["192.0.2.1", "192.0.2.9"], "node.a": "192.0.2.66"}
    return parse({"zones": zones, "addresses": addresses, **content})


def one(key: str, entry: object) -> tuple[Problem, ...]:
    return read(**{key: [entry]})[1]


@pytest.mark.parametrize(
    ("change", "path", "reason", "remedy"),
    [
        ({"source": "wbe"}, "source", "no group has this name", "Did you mean 'web'?"),
        ({"source": ["web", "!web"]}, "destination", "no address is left in source", "takes away"),
        ({"service": ["ssh", "!ssh"]}, "destination", "no service is left", "takes away"),
        ({"from": "gests"}, "from", "unknown zone", "Did you mean 'guests'?"),
        ({"service": "htps"}, "service", "unknown service", "Did you mean"),
        ({"service": []}, "service", "is empty", "remove the key"),
        ({"source": []}, "source", "is empty", "remove the key"),
        ({"destination": []}, "destination", "is empty", "remove the key"),
        ({"protocol": "tcp", "ports": []}, "ports", "is empty", "remove the key"),
        ({"protocol": "udp", "source_ports": []}, "source_ports", "is empty", "remove the key"),
        ({"protocol": "icmp", "types": []}, "types", "is empty", "remove the key"),
        ({"schedule": {"days": [], "from": "08:00"}}, "schedule.days", "is empty", "remove the key"),
        (
            {"action": "drop", "limit": {"rate": "10/second"}, "connections": {"max": 5}},
            "connections",
            "stands beside limit",
            "two rules",
        ),
        ({"service": "ssh", "protocol": "tcp"}, "protocol", "stands beside service", "one of them"),
        ({"source": "192.0.2.0/24", "service": {"protocol": "icmpv6"}}, "destination", "no address family", "common"),
        ({"protocol": "icmp", "types": ["ping"]}, "types", "unknown type", "3/4"),
        ({"log": "yes"}, "log", "is not a boolean", "prefix"),
        ({"log": {"rate": "fast"}}, "log.rate", "is not a rate", "10/second"),
        ({"log": {"prefix": 'a "b"'}}, "log.prefix", "no usable prefix", "no quotes"),
        ({"log": {"perfix": "x"}}, "log.perfix", "unknown key", "prefix"),
        ({"limit": 10}, "limit", "is not a mapping", "rate"),
        ({"limit": {}}, "limit.rate", "is missing", "10/second"),
        ({"limit": {"rate": "0/second"}}, "limit.rate", "is not a rate", "10/second"),
        ({"limit": {"rate": "20000/second"}}, "limit.rate", "is not a rate", "10000"),
        ({"limit": {"rate": "1/day", "burst": 0}}, "limit.burst", "is not a number", "number"),
        ({"limit": {"rate": "1/day", "per": "port"}}, "limit.per", "unknown value", "source"),
        ({"connections": {}}, "connections.max", "is missing", "number"),
        ({"connections": {"max": 0}}, "connections.max", "is not a number from 1", "number"),
        ({"schedule": {"days": ["Someday"]}}, "schedule.days", "is not a day", "Mon"),
        ({"schedule": {"from": 1080}}, "schedule.from", "is not a time of day", "in quotes"),
        ({"schedule": {"from": "24:30"}}, "schedule.from", "is not a time of day", "UTC"),
        ({"schedule": {"from": "08:00", "until": "08:00"}}, "schedule.until", "is when it begins", "another hour"),
        ({"enabled": "no"}, "enabled", "is not a boolean", "true or false"),
        ({"comment": ["x"]}, "comment", "is not a text", "plain word"),
    ],
)
def test_a_wrong_rule_is_explained(change: dict[str, Any], path: str, reason: str, remedy: str) -> None:
    problems = one("rules", {**RULE, **change})
    assert [problem.path for problem in problems] == [f"iptables_rules[0].{path}"]
    assert reason in problems[0].reason
    assert remedy in problems[0].remedy


@pytest.mark.parametrize(
    ("key", "entry", "path", "reason"),
    [
        ("nat", {**DNAT, "to_port": "90:80", "protocol": "tcp", "ports": [1]}, "[0].to_port", "is not a port"),
        ("nat", {**DNAT, "to_port": "90:99", "protocol": "tcp", "ports": ["10:14"]}, "[0].to_port", "not as long"),
        ("nat", {**DNAT, "to_port": "90:91", "protocol": "tcp", "ports": [10, 12]}, "[0].to_port", "not as long"),
        ("nat", {**DNAT, "to_address": "two"}, "[0].to_address", "more than one range"),
        ("nat", {**DNAT, "to_address": "!web"}, "[0].to_address", "is not one IPv4"),
        ("nat", {**DNAT, "to_address": "tow"}, "[0].to_address", "no group has this name"),
        ("nat", {**DNAT, "service": "sssh"}, "[0].service", "unknown service"),
        ("nat", {**DNAT, "destination": "2001:db8::1"}, "[0].destination", "not of the family"),
        ("nat", {"name": "n", "to": "wan", "to_address": "node.a", "source": "web"}, "[0].to_address", "of one node"),
        ("nat", {"name": "n", "type": "masquerade", "to": "wan"}, "[0].type", "leaves behind"),
        ("nat", {"name": "n", "type": "none", "to_address": "192.0.2.1"}, "[0].to_address", "belongs to a translation"),
        ("nat", {**BLOCK, "to_address": "198.51.100.0/27"}, "[0].to_address", "not two prefixes of one length"),
        ("nat", {**BLOCK, "destination": "192.0.2.1-192.0.2.16"}, "[0].to_address", "not two prefixes of one length"),
        ("nat", {**BLOCK, "from": None}, "[0].from", "is missing"),
        ("nat", {**BLOCK, "service": "ssh"}, "[0].service", "part of the block"),
        ("defaults", {"from": "lan", "to": "wan"}, "[0].action", "is missing"),
        ("defaults", {"from": "lan", "to": "dmz", "action": "drop"}, "[0].to", "unknown zone"),
        ("untracked", {**UNTRACKED, "to": "lan"}, "[0].destination", "before the route is known"),
        ("untracked", {"name": "u", "from": "wan", "to": "any", "service": "ping"}, "[0].service", "of another kind"),
        ("untracked", {**UNTRACKED, "action": "accept"}, "[0].action", "unknown key"),
        ("mss", {"from": "lan", "to": "wan"}, "[0].mss", "is missing"),
        ("mss", {"from": "lan", "to": "wan", "mss": 100}, "[0].mss", "is not a number from 536"),
        ("raw", {**RAW, "chain": "PREROUTING"}, "[0].chain", "no hook of the table filter"),
        ("raw", {**RAW, "table": "mangle"}, "[0].table", "not a table of this role"),
        ("raw", {**RAW, "rule": ":FORWARD ACCEPT"}, "[0].rule", "built-in policy"),
        ("raw", {**RAW, "rule": "-P FORWARD ACCEPT"}, "[0].rule", "has -P"),
        ("raw", {**RAW, "rule": "-t nat -j DROP"}, "[0].rule", "has -t"),
        ("raw", {**RAW, "rule": "-i eth1"}, "[0].rule", "has no target"),
        ("raw", {**RAW, "rule": "-j DROP\nCOMMIT"}, "[0].rule", "is not one rule"),
        ("raw", {**RAW, "rule": '-m comment --comment "x -j DROP'}, "[0].rule", "cannot be read"),
        ("raw", {**RAW, "family": 5}, "[0].family", "unknown value"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_explained(key: str, entry: dict[str, Any], path: str, reason: str) -> None:
    problems = one(key, entry)
    assert f"iptables_{key}{path}" in [problem.path for problem in problems]
    assert any(reason in problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("zones", "path", "reason"),
    [
        ({"g": {"within": "lan"}}, "g.networks", "is missing"),
        ({"g": {"within": "lna", "networks": ["192.0.2.0/24"]}}, "g.within", "unknown zone"),
        ({"g": {"within": "lan", "networks": ["192.0.2.0/24"], "interfaces": ["e"]}}, "g.interfaces", "of interfaces"),
        ({"g": {"within": "lan", "networks": ["192.0.2.0/24"], "bogons": True}}, "g.bogons", "zone of interfaces"),
        ({"g": {"within": "g", "networks": ["192.0.2.0/24"]}}, "g.within", "contains itself"),
        (
            {"g": {"within": "h", "networks": ["192.0.2.0/24"]}, "h": {"within": "g", "networks": ["192.0.2.0/25"]}},
            "g.within",
            "contains itself",
        ),
        (
            {"g": {"within": "lan", "networks": "192.0.2.0/24"}, "h": {"within": "lan", "networks": "192.0.2.0/24"}},
            "h.networks",
            "belongs to zone g too",
        ),
        ({"wan": {"interfaces": ["eth1"], "antispoof": "maybe"}}, "wan.antispoof", "unknown value"),
        ({"wan": {"interfaces": ["eth1"], "bogons": "yes"}}, "wan.bogons", "is not a boolean"),
    ],
)  # fmt: skip
def test_a_wrong_zone_is_explained(zones: dict[str, Any], path: str, reason: str) -> None:
    _ruleset, problems = parse({"zones": {"lan": {"interfaces": ["eth2"]}, **zones}})
    assert f"iptables_zones.{path}" in [problem.path for problem in problems]
    assert any(reason in problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("key", "value", "path", "reason"),
    [
        ("addresses", {"9lives": "192.0.2.1"}, "addresses.9lives", "is not a usable name"),
        ("addresses", {"any": "192.0.2.1"}, "addresses.any", "is not a usable name"),
        ("addresses", ["192.0.2.1"], "addresses", "is not a mapping"),
        ("addresses", {"a": "b", "b": "a"}, "addresses.a", "contains itself"),
        ("services", {"ssh": {"protocol": "tcp", "ports": 2222}}, "services.ssh", "built-in service"),
        ("services", {"mine": {"protocol": "tcp", "ports": 0}}, "services.mine.ports", "is not a port"),
        ("service", {}, "service", "unknown variable"),
    ],
)
def test_a_wrong_object_is_explained(key: str, value: object, path: str, reason: str) -> None:
    _ruleset, problems = parse({key: value})
    assert [problem.path for problem in problems] == [f"iptables_{path}"]
    assert reason in problems[0].reason


def test_everything_wrong_comes_at_once() -> None:
    _ruleset, problems = read(
        addresses={"a": ["b"], "b": ["a"]},
        services={"s": {"protocol": "tcp", "ports": "2:1"}},
        rules=[
            {**RULE, "source": "nobody"},
            {**RULE, "name": "range", "source": "192.0.2.9-192.0.2.1"},
            {**RULE, "name": "mix", "source": "192.0.2.9-2001:db8::1"},
            {**RULE, "name": "port", "protocol": "tcp", "ports": 70000},
            {**RULE, "name": "zone", "to": "dmz"},
            {**RULE, "name": "zone"},
        ],
        nat=[{"name": "m", "type": "masquerade"}],
        defaults=[{"from": "lan", "to": "wan", "action": "allow"}],
        mss=[{"from": "lan", "to": "wan", "mss": "big"}],
        raw=[{**RAW, "table": "mangle"}],
    )
    assert len(problems) == 12
    assert all(problem.path and problem.reason and problem.remedy for problem in problems)


JUNK = [
    None,
    1,
    True,
    "x",
    [],
    [1],
    {},
    {"a": 1},
    1.5,
    [None],
    [[]],
    [{}],
    {"x": None},
    {1: 2},
    "!",
    ["!"],
    "-",
    "a-b",
    "::/0",
]


KEYS = ("zones", "addresses", "services", "rules", "nat", "defaults", "untracked", "mss", "raw")


def fields(key: str) -> list[tuple[object, str]]:
    """Each field once: the place of the first entry that has it, and its name."""
    body = rich_input()[key]
    found: dict[str, object] = {}
    for place, entry in body.items() if isinstance(body, dict) else enumerate(body):
        for name in entry if isinstance(entry, dict) else ():
            found.setdefault(name, place)
    return [(place, name) for name, place in found.items()]


@pytest.mark.parametrize("key", KEYS)
def test_junk_never_raises(key: str) -> None:
    for junk in JUNK:
        for value in (junk, [junk], {"x": junk}):
            for problem in parse({**rich_input(), key: value})[1]:
                assert str(problem)


@pytest.mark.parametrize(("key", "place", "name"), [(key, *field) for key in KEYS for field in fields(key)])
def test_junk_in_a_field_never_raises(key: str, place: Any, name: str) -> None:
    whole = rich_input()
    entry = whole[key][place]
    content = {"zones": whole["zones"], "addresses": whole["addresses"], "services": whole["services"]}
    for junk in JUNK:
        broken = (
            {**whole[key], place: {**entry, name: junk}} if isinstance(whole[key], dict) else [{**entry, name: junk}]
        )
        for problem in parse({**content, key: broken})[1]:
            assert str(problem)


def test_conditions_are_resolved() -> None:
    ruleset, problems = read(
        rules=[
            {
                **RULE,
                "log": {"prefix": "mail", "rate": "1/minute"},
                "limit": {"rate": "5/hour", "per": "source"},
                "connections": {"max": 3},
                "schedule": {"days": ["sunday", "Mon"], "from": "22:00", "until": "06:30"},
            }
        ]
    )
    assert problems == ()
    (flat,) = ruleset.flat.rules
    assert flat.log == Log("mail", "1/minute")
    assert flat.limit == Limit("5/hour", 5, "source")
    assert flat.connections == Connections(3, "source")
    assert flat.schedule == Schedule(("Mon", "Sun"), 1320, 390)
    assert flat.conditions == (
        "limit 5/hour burst 5 per source",
        "3 connections per source",
        "Mon,Sun 22:00-06:30 UTC",
    )


def test_zones_and_families_are_resolved() -> None:
    rules = [
        {**RULE, "from": "any", "to": ["any", "firewall"]},
        {**RULE, "name": "four", "source": "192.0.2.1"},
        {**RULE, "name": "not four", "source": "!192.0.2.1"},
        {**RULE, "name": "off", "enabled": False},
    ]
    ruleset, problems = read(rules=rules, defaults=[{"from": "guests", "to": "any", "action": "reject"}])
    assert problems == ()
    every, four, not_four, default = ruleset.flat.rules
    assert every.from_zones == ("wan", "lan", "guests")
    assert every.to_zones == ("wan", "lan", "guests", "firewall")
    assert (tuple(four.matches), tuple(not_four.matches)) == ((4,), (4, 6))
    assert (default.name, default.action, default.path) == ("default guests any", "reject", "iptables_defaults[0]")


def test_translations_are_resolved() -> None:
    snat = {"name": "s", "from": "lan", "to": "wan", "to_address": "192.0.2.1"}
    ruleset, problems = read(
        nat=[snat, {**DNAT, "to_address": "web"}, BLOCK | {"name": "b"}, {"name": "x", "type": "none"}]
    )
    assert problems == ()
    found = [(flat.name, flat.type, flat.family, flat.from_zones, flat.to_zones) for flat in ruleset.flat.nat]
    every = ("wan", "lan", "guests")
    assert found == [
        ("s", "snat", 4, (), ("wan",)),
        ("n", "dnat", 4, ("wan",), ()),
        ("b", "dnat", 4, ("wan",), ()),
        ("b", "snat", 4, (), ("wan",)),
        *[("x", "none", family, *way) for family in (4, 6) for way in ((every, ()), ((), every))],
    ]
    # The zone lan without the guests that are inside of it.
    assert ruleset.flat.nat[0].match.source == ((0xC6336400, 0xC633647F),)


def test_a_pool_for_source_translation_has_shared_addresses_only() -> None:
    pool = {"name": "p", "to": "wan", "source": "web", "to_address": "192.0.2.1-192.0.2.3"}
    vips = ["192.0.2.1", "192.0.2.2"]
    assert [problem.value for problem in read(nat=[pool], vips=vips)[1]] == ["192.0.2.3"]
    assert read(nat=[pool], vips=[*vips, "192.0.2.3"])[1] == ()


def test_the_rich_example_is_read_back_the_same() -> None:
    content = rich_input()
    before, problems = parse(content)
    assert problems == ()
    lists = {"rules": before.rules, "nat": before.nat, "defaults": before.defaults, "untracked": before.untracked}
    again, problems = parse({**content, **{key: [entry.as_dict() for entry in found] for key, found in lists.items()}})
    assert problems == ()
    assert again == before
