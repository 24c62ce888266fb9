# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules to text: one table of cases, and what must hold for every ruleset."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import policy_id, render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

ZONES = {"wan": {"interfaces": ["eth1"]}, "lan": {"interfaces": ["eth2"]}}
OUT = {"from": "lan", "to": "wan"}


def chain(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"-A {name} ")]


def rules(text: str, table: str) -> list[str]:
    return text.split(f"*{table}\n", 1)[1].split("COMMIT", 1)[0].splitlines()


def compiled(**raw: Any) -> dict[str, str]:
    ruleset, problems = parse({"zones": ZONES, **raw})
    assert problems == ()
    return render(ruleset)


@pytest.mark.parametrize(
    ("rule", "four", "six"),
    [
        (
            {"name": "r", **OUT},
            ['-A f-lan.wan -m comment --comment "r" -j ACCEPT'],
            ['-A f-lan.wan -m comment --comment "r" -j ACCEPT'],
        ),
        (
            {"name": "r", **OUT, "source": ["198.51.100.0/24", "2001:db8:2::/64"], "action": "drop"},
            ['-A f-lan.wan -s 198.51.100.0/24 -m comment --comment "r" -j DROP'],
            ['-A f-lan.wan -s 2001:db8:2::/64 -m comment --comment "r" -j DROP'],
        ),
        (
            {"name": "r", **OUT, "destination": "192.0.2.9", "protocol": "tcp", "ports": [22]},
            ['-A f-lan.wan -d 192.0.2.9 -p tcp --dport 22 -m comment --comment "r" -j ACCEPT'],
            [],
        ),
        (
            {"name": "r", **OUT, "protocol": "udp", "ports": [53, "5000:5010"]},
            ['-A f-lan.wan -p udp -m multiport --dports 53,5000:5010 -m comment --comment "r" -j ACCEPT'],
            ['-A f-lan.wan -p udp -m multiport --dports 53,5000:5010 -m comment --comment "r" -j ACCEPT'],
        ),
        (
            {"name": "r", **OUT, "protocol": "icmp"},
            ['-A f-lan.wan -p icmp -m comment --comment "r" -j ACCEPT'],
            ['-A f-lan.wan -p ipv6-icmp -m comment --comment "r" -j ACCEPT'],
        ),
        (
            {"name": "r", **OUT, "protocol": "ah"},
            ['-A f-lan.wan -p ah -m comment --comment "r" -j ACCEPT'],
            ['-A f-lan.wan -m ah -m comment --comment "r" -j ACCEPT'],
        ),
        (
            {"name": "r", **OUT, "protocol": 112},
            ['-A f-lan.wan -p 112 -m comment --comment "r" -j ACCEPT'],
            ['-A f-lan.wan -p 112 -m comment --comment "r" -j ACCEPT'],
        ),
    ],
)
def test_a_rule_becomes(rule: dict[str, Any], four: list[str], six: list[str]) -> None:
    files = compiled(rules=[rule])
    assert chain(files["rules.v4"], "f-lan.wan") == four
    assert chain(files["rules.v6"], "f-lan.wan") == six


def test_the_family_in_which_a_rule_does_not_apply_has_no_chain_for_it() -> None:
    files = compiled(rules=[{"name": "r", **OUT, "destination": "192.0.2.9"}])
    assert "f-lan.wan" not in files["rules.v6"]


def test_any_is_every_zone_but_not_the_firewall() -> None:
    text = compiled(rules=[{"name": "r", "from": "any", "to": "any"}])["rules.v4"]
    assert all(chain(text, name) for name in ("f-wan.lan", "f-lan.wan", "f-wan.wan", "f-lan.lan"))
    assert not chain(text, "i-wan")
    assert not chain(text, "o-wan")


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6", "closed.v4", "closed.v6"])
def test_every_policy_of_the_filter_is_drop_and_nothing_is_rejected(files: dict[str, str], name: str) -> None:
    policies = [line for line in rules(files[name], "filter") if line.startswith(":") and " - " not in line]
    assert policies == [":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT DROP [0:0]"]
    assert "REJECT" not in files[name]


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6"])
def test_the_order_of_forward(files: dict[str, str], name: str) -> None:
    forward = [line.split('--comment "')[1].split('"')[0] for line in chain(files[name], "FORWARD")]
    assert forward[:5] == ["gate", "invalid", "established", "untracked", "new without syn"]


def test_administrators_come_first_and_do_not_depend_on_connections(files: dict[str, str]) -> None:
    text = files["rules.v4"]
    way = "-s 203.0.113.0/26 -i eth0 -p tcp --dport 22"
    assert rules(text, "filter")[len([line for line in rules(text, "filter") if line.startswith(":")])].startswith(
        f"-A INPUT {way}"
    )
    assert f'-A PREROUTING {way} -m comment --comment "management" -j CT --notrack' in text
    assert f"-A INPUT {way}" in files["closed.v4"]


def test_an_advertisement_that_crossed_a_router_is_not_accepted(files: dict[str, str]) -> None:
    assert "-s 203.0.113.66 -i eth3 -p 112 -m ttl --ttl-eq 255" in files["rules.v4"]


def test_neighbour_discovery_is_accepted_before_any_state(files: dict[str, str]) -> None:
    for name in ("INPUT", "OUTPUT"):
        lines = chain(files["rules.v6"], name)
        states = next(number for number, line in enumerate(lines) if "conntrack" in line)
        found = [line for line in lines[:states] if "--hl-eq 255" in line and "ndp" in line]
        assert len(found) == 4


def test_neighbour_discovery_does_not_depend_on_the_way_back(files: dict[str, str]) -> None:
    lines = [line for line in rules(files["rules.v6"], "raw") if line.startswith("-A PREROUTING ")]
    spoofed = next(number for number, line in enumerate(lines) if "rpfilter" in line)
    accepted = [line for line in lines[:spoofed] if line.endswith("-j ACCEPT")]
    assert [line.split("--icmpv6-type ")[1].split()[0] for line in accepted] == ["133", "134", "135", "136"]
    # A packet from beyond a router could claim any neighbour.
    assert all("-m hl --hl-eq 255" in line for line in accepted)


def test_translations(files: dict[str, str]) -> None:
    four, six = rules(files["rules.v4"], "nat"), rules(files["rules.v6"], "nat")
    assert any(line.endswith("-j DNAT --to-destination 198.51.100.80:8443") for line in four)
    assert any(line.endswith("-j DNAT --to-destination [2001:db8:2::80]:8443") for line in six)
    # Without a source of its own a source NAT takes the networks of the zone it comes from.
    assert any(line.startswith("-A POSTROUTING -s 198.51.100.0/24 -o eth1") for line in four)
    assert any(line.startswith("-A POSTROUTING -s 2001:db8:2::/64 -o eth1") for line in six)


def test_the_gate_is_there_only_on_demand(files: dict[str, str]) -> None:
    assert files["ipsets"].count("create linuxha_gate") == 2
    without = compiled()
    assert "linuxha_gate" not in "".join(without.values())


def test_output_can_be_limited_to_rules() -> None:
    assert any("own traffic" in line for line in chain(compiled()["rules.v4"], "OUTPUT"))
    assert not any("own traffic" in line for line in chain(compiled(output="drop")["rules.v4"], "OUTPUT"))


def test_the_text_depends_on_nothing_but_the_input(raw: dict[str, Any], files: dict[str, str]) -> None:
    shuffled = list(raw.items())
    random.Random(7).shuffle(shuffled)
    assert render(parse(dict(shuffled))[0]) == files


def test_the_policy_id_ignores_what_differs_between_nodes(raw: dict[str, Any]) -> None:
    one, _problems = parse(raw)
    raw["zones"]["wan"]["interfaces"] = ["ens5"]
    raw["cluster_rules"] = []
    two, _problems = parse(raw)
    raw["rules"][0]["action"] = "drop"
    three, _problems = parse(raw)
    assert policy_id(one) == policy_id(two)
    assert policy_id(one) != policy_id(three)


@pytest.mark.parametrize(
    ("text", "limit", "wanted"),
    [
        ("plain name", 255, "plain name"),
        ('a "quote" and \\ back', 255, "a _quote_ and _ back"),
        ("line\nbreak\x00", 255, "line_break_"),
        ("caf\u00e9", 255, "caf_"),
        ("x" * 300, 255, "x" * 255),
        ("", 255, "_"),
    ],
)
def test_a_comment_cannot_break_out_of_its_quotes(text: str, limit: int, wanted: str) -> None:
    assert match.plain(text, limit) == wanted


def test_two_pairs_of_zones_never_share_a_chain() -> None:
    """Zone names may have the sign between the two names of a pair in them."""
    assert match.chain_name("f", "lan", "guest-wan") != match.chain_name("f", "lan-guest", "wan")
    long = ("a" * 14, "b-" + "c" * 13)
    assert match.chain_name("f", *long) != match.chain_name("f", long[0] + "-b", "c" * 13)


def test_chain_names_fit_the_kernel_and_stay_apart() -> None:
    one = match.chain_name("f", "a" * 15, "b" * 15)
    two = match.chain_name("f", "a" * 15, "b" * 14 + "c")
    assert len(one) <= 28
    assert len(two) <= 28
    assert one != two


def test_many_ports_are_spread_over_rules() -> None:
    found = match.ports([(port, port) for port in range(1, 17)] + [(100, 200)])
    assert [len(item[3].split(",")) for item in found] == [15, 2]


def test_advertisements_are_untracked(files: dict[str, str]) -> None:
    raw = rules(files["rules.v4"], "raw")
    assert any(line.startswith("-A PREROUTING -s 203.0.113.66 -i eth3 -p 112") for line in raw)
