# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""ruleset_info on what the nodes of a running pair said (iptables 1.8.9 and 1.8.11)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset_info import collect
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import counters, saved

DATA = Path(__file__).parent / "data"
RELEASES = ("debian12", "debian13")


def captured(program: str, release: str) -> str:
    return next(DATA.glob(f"{program}-{release}.*")).read_text()


def ask(release: str, broken: str = "") -> dict[str, Any]:
    def run(argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == broken:
            return 1, "", "no such program"
        if argv[0] == "loader":
            assert argv[1] == "status"
            return 1, captured("linuxha-rules-status", release), ""
        assert argv[1:] == ["--counters"]
        return 0, captured(argv[0], release), ""

    return collect(run, "loader")


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_lost_and_nothing_is_counted_twice(release: str) -> None:
    rules = ask(release)["rules"]
    for family, program in (("ipv4", "iptables-save"), ("ipv6", "ip6tables-save")):
        text = captured(program, release)
        lines = re.findall(r"^\[(\d+):(\d+)\] -A ", text, re.MULTILINE)
        found = [rule[family] for rule in rules if family in rule]
        assert len(lines) > 40
        assert sum(item["rules"] for item in found) == len(lines)
        assert sum(item["packets"] for item in found) == sum(int(packets) for packets, _bytes in lines)
        assert sum(item["bytes"] for item in found) == sum(int(size) for _packets, size in lines)
    assert len({rule["name"] for rule in rules}) == len(rules)
    assert not [rule["name"] for rule in rules if rule["name"].startswith("[")], "every rule of the role has a name"


def test_by_name() -> None:
    info = ask("debian13")
    rules = {rule["name"]: rule for rule in info["rules"]}
    # Of raw and filter together: the untracked way in, and the acceptance.
    assert rules["management"]["ipv4"] == {"rules": 4, "packets": 180, "bytes": 42472}
    assert rules["management"]["tables"] == ["raw", "filter"]
    assert "ipv6" not in rules["management"]
    assert rules["web-in"]["chains"] == ["f-wan-lan"]
    assert set(rules["web-in"]) >= {"ipv4", "ipv6"}
    assert "web-in" in info["unused"]
    assert "management" not in info["unused"]


@pytest.mark.parametrize("release", RELEASES)
def test_the_rest_is_the_loaders_word(release: str) -> None:
    info = ask(release)
    assert (info["state"], info["backend"], info["generation"]) == ("loaded", "nft", 1)
    assert info["forwarding"] == {"ipv4": True, "ipv6": True}
    assert info["trial"]["state"] in ("confirmed", "rolled-back")
    assert info["changed"] is False


@pytest.mark.parametrize("broken", ["loader", "iptables-save", "ip6tables-save"])
def test_no_answer_is_an_error(broken: str) -> None:
    assert broken in ask("debian12", broken)["msg"]


def test_a_rule_in_one_family_that_counts_is_used() -> None:
    rule = '[{}:60] -A INPUT -m comment --comment "my rule" -j ACCEPT'
    texts = {family: f"*filter\n{rule.format(count)}\nCOMMIT\n" for family, count in (("ipv4", 0), ("ipv6", 1))}
    rules = counters.by_name(texts)
    assert [entry["name"] for entry in rules] == ["my rule"]
    assert counters.unused(rules) == []
    assert counters.unused(rules, ("ipv4",)) == ["my rule"]


def test_rules_of_others_have_no_name() -> None:
    rules = counters.by_name({"ipv4": "*filter\n[7:60] -A DOCKER -j RETURN\n[1:2] -A DOCKER -j DROP\nCOMMIT\n"})
    assert [(entry["name"], entry["ipv4"]["rules"]) for entry in rules] == [("[filter DOCKER]", 2)]


@pytest.mark.parametrize(
    ("line", "name", "words"),
    [
        ("-A INPUT -m comment --comment x -j DROP", "x", ("-j", "DROP")),
        ('-A INPUT -i lo -m comment --comment "a b" -j DROP', "a b", ("-i", "lo", "-j", "DROP")),
        ("-A INPUT --comment x -m comment", "x", ("-m", "comment")),
        ('-A INPUT -j LOG --log-prefix "fw drop "', "", ("-j", "LOG", "--log-prefix", "fw drop ")),
        ('-A INPUT -j LOG --log-prefix "fw', "", ("-j", "LOG", "--log-prefix", '"fw')),
        ("-A INPUT -m comment --comment", "", ("-m", "comment", "--comment")),
    ],
)
def test_names(line: str, name: str, words: tuple[str, ...]) -> None:
    (rule,) = saved.parse(f"*filter\n{line}\nCOMMIT\n").rules
    assert (rule.name, rule.words) == (name, words)
