# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a change of the policy is called, from the input of the role to the lines of the module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import differences, split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from lab.bench_rules import policy as bench

from .conftest import full_input


def files(raw: dict[str, Any]) -> dict[str, str]:
    ruleset, problems = parse(raw)
    assert problems == ()
    return render(ruleset)


def told(edit: Callable[[dict[str, Any]], object]) -> list[str]:
    raw = copy.deepcopy(full_input())
    edit(raw)
    return differences.changes(files(full_input()), files(raw))


def rule(raw: dict[str, Any], name: str) -> dict[str, Any]:
    for entry in (*raw["rules"], *raw["nat"]):
        if entry["name"] == name:
            assert isinstance(entry, dict)
            return entry
    raise KeyError(name)


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        (
            lambda raw: raw["rules"].append({"name": "new", "from": "wan", "to": "lan", "protocol": "tcp"}),
            ["new rule new (IPv4 and IPv6)"],
        ),
        (lambda raw: raw["rules"].remove(rule(raw, "six")), ["rule six is gone (IPv6)"]),
        (lambda raw: rule(raw, "dns").update(ports=[54]), ["rule dns (IPv4 and IPv6): --dport 53 -> 54"]),
        (lambda raw: rule(raw, "no-ping").update(action="accept"), ["rule no-ping (IPv4 and IPv6): -j DROP -> ACCEPT"]),
        (
            lambda raw: rule(raw, "six").update(destination="2001:db8:2::81"),
            ["rule six (IPv6): -d 2001:db8:2::80 -> 2001:db8:2::81"],
        ),
        (
            lambda raw: rule(raw, "six").update(source="2001:db8:9::/64"),
            ["rule six (IPv6): nothing -> -s 2001:db8:9::/64"],
        ),
        (
            lambda raw: rule(raw, "web-dnat").update(to_port=8444),
            ["rule web-dnat (IPv4): --to-destination 198.51.100.80:8443 -> 198.51.100.80:8444"],
        ),
        (
            lambda raw: rule(raw, "ntp").update(ports=[123, 323]),
            ["rule ntp (IPv4 and IPv6): --dport 123 -> -m multiport --dports 123,323"],
        ),
        (lambda raw: raw["rules"].reverse(), None),
        (lambda raw: raw.update(output="drop"), ["rule own traffic is gone (IPv4 and IPv6)"]),
    ],
)
def test_changes(edit: Callable[[dict[str, Any]], object], wanted: list[str] | None) -> None:
    lines = told(edit)
    if wanted is None:
        assert lines and all("another order" in line for line in lines)
    else:
        assert lines == wanted


def test_a_new_management_tells_of_the_closed_rules_too() -> None:
    lines = told(lambda raw: raw["management"].update(sources=["192.0.2.0/24"]))
    assert lines[-1] == "what is loaded when the rules cannot be (closed) changes"
    assert "rule management (IPv4)" in lines[0]


SETS = "create web hash:ip family inet\nadd web 192.0.2.1\nadd web 192.0.2.2 timeout 60\n"


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        (SETS, []),
        (SETS + "add web 192.0.2.3\n", ["set web: new 192.0.2.3"]),
        (SETS.replace("192.0.2.1", "192.0.2.9"), ["set web: new 192.0.2.9, gone 192.0.2.1"]),
        (SETS + "create mail hash:ip\n", ["new set mail, 0 members"]),
        ("", ["set web is gone"]),
        (SETS + "".join(f"add web 198.51.100.{n}\n" for n in range(7)),
         ["set web: new 198.51.100.0 198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4 and 2 more"]),
    ],
)  # fmt: skip
def test_sets(after: str, wanted: list[str]) -> None:
    assert differences.changes({"ipsets": SETS}, {"ipsets": after}) == wanted


def grouped(partners: list[str], **more: list[str]) -> dict[str, str]:
    """The real names of the renderer, which change with the content."""
    raw = full_input()
    raw["addresses"] = {"partners": partners, **more}
    for name in ("partners", *more):
        raw["rules"].append(
            {"name": f"{name} in", "from": "wan", "to": "lan", "source": name, "protocol": "tcp", "ports": [81]}
        )
    return files(raw)


ONE, TWO, THREE = "203.0.113.1", "203.0.113.20", "198.51.100.7"
SIX = ["2001:db8:5::1", "2001:db8:5::9"]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ([ONE, TWO], [ONE, TWO, THREE], ["set partners: new 198.51.100.7"]),
        ([ONE, TWO, THREE], [ONE, TWO], ["set partners: gone 198.51.100.7"]),
        ([ONE, TWO], [ONE, THREE], ["set partners: new 198.51.100.7, gone 203.0.113.20"]),
        ([ONE, TWO, *SIX], [ONE, TWO, THREE, *SIX, "2001:db8:5::20"],
         ["set partners: new 198.51.100.7 2001:db8:5::20"]),
        # One address needs no set.
        ([ONE], [ONE, TWO],
         ["rule partners in (IPv4): -s 203.0.113.1 -> -m set --match-set partners src", "new set partners, 2 members"]),
        ([ONE, TWO], [ONE, TWO], []),
    ],
)  # fmt: skip
def test_a_member_of_a_group(before: list[str], after: list[str], wanted: list[str]) -> None:
    told_now = differences.changes(grouped(before), grouped(after))
    assert [line for line in told_now if "closed" not in line] == wanted


def test_only_the_group_that_changes_is_told() -> None:
    mail = [THREE, ONE]
    told_now = differences.changes(grouped([ONE, TWO], mail=mail), grouped([ONE, TWO, THREE], mail=mail))
    assert told_now == ["set partners: new 198.51.100.7"]
    told_now = differences.changes(grouped([ONE, TWO]), grouped([ONE, TWO], mail=mail))
    assert told_now == ["new rule mail in (IPv4)", "new set mail, 2 members"]


def test_lists_of_rules_without_a_group() -> None:
    def listed(*sources: list[str]) -> dict[str, str]:
        raw = full_input()
        for number, source in enumerate(sources):
            raw["rules"].append(
                {"name": f"own {number}", "from": "wan", "to": "lan", "source": source, "protocol": "tcp"}
            )
        return files(raw)

    assert differences.changes(listed([ONE, TWO]), listed([ONE, TWO, THREE])) == [
        "set without a name: new 198.51.100.7"
    ]
    # Which of them follows which cannot be known: the rules tell it, and nothing is hidden.
    swapped = differences.changes(listed([ONE, TWO], [ONE, THREE]), listed([ONE, THREE], [ONE, TWO]))
    assert [line.split(":")[0] for line in swapped] == ["rule own 0 (IPv4)", "rule own 1 (IPv4)"]
    both = differences.changes(listed([ONE, TWO], [ONE, THREE]), listed([ONE, "192.0.2.8"], [TWO, "192.0.2.9"]))
    assert len([line for line in both if line.startswith("rule own")]) == 2


@pytest.mark.parametrize("count", [split.LONG, 4 * split.LONG])
def test_in_which_part_of_a_chain_a_rule_is_says_nothing(count: int) -> None:
    """One rule more makes a long chain a tree, and moves others in one that is a tree already."""
    rules = bench.one_pair(count + 1)
    shorter, longer = (files(bench.variables(found, "203.0.113.0/24")) for found in (rules[:-1], rules))
    told = differences.changes(shorter, longer)
    assert told[0] == f"new rule rule-{count} (IPv4 and IPv6)"
    assert all("new set" in line for line in told[1:])
    assert "+" in longer["rules.v4"].partition("-A f-")[0]
    assert set(differences.changes(longer, shorter)) >= {f"rule rule-{count} is gone (IPv4 and IPv6)"}


def test_a_chain_that_jumps_in_circles_is_read_to_its_end() -> None:
    text = "*filter\n-A a+1 -j b+2\n-A b+2 -j a+1\n-A b+2 -j DROP\nCOMMIT\n"
    assert differences.changes({"rules.v4": text}, {"rules.v4": text}) == []


def test_policies_of_chains() -> None:
    text = "*filter\n:INPUT ACCEPT [0:0]\n:mine - [0:0]\nCOMMIT\n"
    assert differences.changes({"rules.v4": text}, {"rules.v4": text.replace("ACCEPT", "DROP")}) == [
        "filter INPUT: what no rule decides: ACCEPT -> DROP"
    ]


def test_counters_and_remarks_mean_nothing() -> None:
    before = files(full_input())
    after = {name: text.replace("# policy", "# another") for name, text in before.items()}
    assert differences.changes(before, after) == []


TEXT = st.lists(
    st.sampled_from(["*filter", "-A INPUT", "--comment", '"', "a b", ":X - [0:0]", "add", "-j"]), max_size=9
)


@given(st.lists(TEXT, max_size=8), st.lists(TEXT, max_size=8))
def test_any_text_has_an_answer_and_the_same_text_none(one: list[list[str]], other: list[list[str]]) -> None:
    before, after = ({"rules.v4": "\n".join(map(" ".join, lines))} for lines in (one, other))
    differences.changes(before, after)
    assert differences.changes(before, before) == []
