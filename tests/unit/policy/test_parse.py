# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Every mistake is found, named and explained; good input comes back as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

RULE = {"name": "r", "from": "lan", "to": "wan"}
SNAT = {"name": "n", "type": "snat", "from": "lan", "to": "wan", "source": "198.51.100.0/24", "to_address": "192.0.2.1"}
DNAT = {"name": "n", "type": "dnat", "from": "wan", "destination": "192.0.2.1", "to_address": "198.51.100.80"}
ZONES = {"wan": {"interfaces": ["eth1"]}, "lan": {"interfaces": ["eth2"]}}


def problems_of(key: str, *entries: object) -> tuple[Problem, ...]:
    return parse({"zones": ZONES, "vips": ["192.0.2.1"], key: list(entries)}, prefix="")[1]


@pytest.mark.parametrize(
    ("change", "path", "reason", "remedy"),
    [
        ({"form": "lan"}, "rules[0].form", "unknown key", "Did you mean 'from'?"),
        ({"name": None}, "rules[0].name", "is missing", "Give it a name"),
        ({"name": " "}, "rules[0].name", "is empty", "Give it a name"),
        ({"from": "dmz"}, "rules[0].from", "unknown zone", "wan, lan, any, firewall"),
        ({"from": None}, "rules[0].from", "is missing", "One or more of"),
        ({"from": "firewall", "to": "firewall"}, "rules[0].to", "talks to itself", "lo is always accepted"),
        ({"source": "198.51.100.1/24"}, "rules[0].source", "has host bits set", "198.51.100.0/24"),
        ({"source": "www.example.org"}, "rules[0].source", "is not an address", "names are not resolved"),
        (
            {"source": "192.0.2.0/24", "destination": "2001:db8::/32"},
            "rules[0].destination",
            "no address family",
            "common",
        ),
        ({"protocol": "tpc"}, "rules[0].protocol", "unknown protocol", "tcp"),
        ({"protocol": 300}, "rules[0].protocol", "unknown protocol", "1 to 255"),
        ({"ports": [80]}, "rules[0].ports", "need a protocol", "protocol: tcp"),
        ({"protocol": "icmp", "ports": [8]}, "rules[0].ports", "need a protocol", "protocol: tcp"),
        ({"protocol": "tcp", "ports": [0]}, "rules[0].ports", "is not a port", "1 to 65535"),
        ({"protocol": "tcp", "ports": ["90:80"]}, "rules[0].ports", "is not a port", "8000:8080"),
        ({"protocol": "tcp", "ports": [True]}, "rules[0].ports", "is not a port", "443"),
        ({"action": "refuse"}, "rules[0].action", "unknown value", "accept, drop, reject"),
        ({"log": "yes"}, "rules[0].log", "is not a boolean", "true or false"),
    ],
)
def test_a_wrong_rule_is_explained(change: dict[str, Any], path: str, reason: str, remedy: str) -> None:
    problems = problems_of("rules", {**RULE, **change})
    assert [problem.path for problem in problems] == [path]
    assert reason in problems[0].reason
    assert remedy in problems[0].remedy


@pytest.mark.parametrize(
    ("entry", "path", "reason"),
    [
        ({**SNAT, "to_address": "192.0.2.9"}, "nat[0].to_address", "is not a VIP"),
        ({**SNAT, "to_address": "192.0.2.0/24"}, "nat[0].to_address", "is not one IPv4 or IPv6 address"),
        ({**SNAT, "source": "2001:db8::/32"}, "nat[0].source", "is not of the family"),
        ({**SNAT, "source": None}, "nat[0].source", "is missing"),
        ({**SNAT, "to_port": 80}, "nat[0].to_port", "belongs to dnat"),
        ({**SNAT, "from": "firewall"}, "nat[0].from", "unknown zone"),
        ({**DNAT, "destination": None}, "nat[0].destination", "is missing"),
        ({**DNAT, "to_port": 80}, "nat[0].to_port", "needs ports"),
        ({**DNAT, "to": "lan"}, "nat[0].to", "belongs to snat"),
        ({**DNAT, "type": "masquerade"}, "nat[0].type", "which a takeover leaves behind"),
    ],
)
def test_a_wrong_translation_is_explained(entry: dict[str, Any], path: str, reason: str) -> None:
    problems = problems_of("nat", entry)
    assert path in [problem.path for problem in problems]
    assert any(reason in problem.reason for problem in problems)


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("zones", [], "iptables_zones"),
        ("zones", {"WAN": {"interfaces": ["eth1"]}}, "iptables_zones.WAN"),
        ("zones", {"any": {"interfaces": ["eth1"]}}, "iptables_zones.any"),
        ("zones", {"wan": {}}, "iptables_zones.wan.interfaces"),
        ("zones", {"wan": {"interfaces": ["eth+"]}}, "iptables_zones.wan.interfaces"),
        ("zones", {"wan": {"interfaces": ["averyverylongname"]}}, "iptables_zones.wan.interfaces"),
        ("zones", {"wan": {"interfaces": ["e1"]}, "lan": {"interfaces": ["e1"]}}, "iptables_zones.lan.interfaces"),
        ("rules", "accept", "iptables_rules"),
        ("rules", ["accept"], "iptables_rules[0]"),
        ("cluster_rules", [{"name": "x", "chain": "input"}], "iptables_cluster_rules[0].interfaces"),
        (
            "cluster_rules",
            [{"name": "x", "chain": "raw_output", "interfaces": ["e"], "action": "accept"}],
            "iptables_cluster_rules[0].action",
        ),
        ("management", {"interfaces": ["eth0"], "port": "ssh"}, "iptables_management.port"),
        ("management", {"sources": ["203.0.113.0/26"]}, "iptables_management.interfaces"),
        ("gate", "yes", "iptables_gate"),
        ("antispoof", "paranoid", "iptables_antispoof"),
        ("echo_rate", "fast", "iptables_echo_rate"),
    ],
)
def test_a_wrong_variable_is_named(key: str, value: object, path: str) -> None:
    _ruleset, problems = parse({key: value})
    assert path in [problem.path for problem in problems]


def test_all_problems_come_at_once(raw: dict[str, Any]) -> None:
    raw["rules"][0]["from"] = "dmz"
    raw["rules"][1]["ports"] = ["http"]
    raw["nat"][0]["to_address"] = "192.0.2.2"
    raw["management"]["port"] = 0
    _ruleset, problems = parse(raw)
    assert len(problems) == 4


def test_two_rules_cannot_have_one_name() -> None:
    problems = problems_of("rules", RULE, RULE)
    assert [problem.path for problem in problems] == ["rules[1].name"]


def test_normalised_rules_are_read_back_the_same(raw: dict[str, Any]) -> None:
    before, _problems = parse(raw)
    again = copy.deepcopy(raw)
    again["rules"] = [rule.as_dict() for rule in before.rules]
    again["nat"] = [entry.as_dict() for entry in before.nat]
    after, problems = parse(again)
    assert problems == ()
    assert after == before


def test_nothing_at_all_is_a_closed_firewall() -> None:
    ruleset, problems = parse({})
    assert problems == ()
    assert ruleset.rules == ()


def test_a_bare_off_is_understood() -> None:
    ruleset, problems = parse({"antispoof": False, "echo_rate": False})
    assert problems == ()
    assert (ruleset.options.antispoof, ruleset.options.echo_rate) == ("off", "off")
