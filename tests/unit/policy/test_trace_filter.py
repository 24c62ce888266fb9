# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The filter policy_trace: a question in a template, to the role's variables or to a cluster of the inventory."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.filter.policy_trace import FilterModule

from .test_guide import RECIPES

WEB = {"from": "wan", "source": "203.0.113.10", "destination": "192.0.2.1", "protocol": "tcp", "port": 443}
OUT = {"from": "lan", "source": "198.51.100.7", "destination": "203.0.113.10", "protocol": "tcp", "port": 443}


def ask(packet: object, *args: object, **more: object) -> dict[str, Any]:
    policy_trace = FilterModule().filters()["policy_trace"]
    assert callable(policy_trace)
    answer = policy_trace(packet, *args, **more)
    assert isinstance(answer, dict)
    return answer


def hostvars(recipe: str = "three-legs.yml") -> dict[str, Any]:
    group = yaml.safe_load(RECIPES[recipe])["firewalls"]
    return {"elsewhere": {}, **{name: {**group["vars"], **own} for name, own in group["hosts"].items()}}


def test_the_variables_of_the_role_are_asked(raw: dict[str, Any]) -> None:
    raw["rules"].append({"name": "shop", "from": "wan", "to": "lan", "protocol": "tcp", "ports": [8443]})
    answer = ask(WEB, raw)
    assert {key: answer[key] for key in ("action", "rule", "path", "to", "dnat", "destination", "port")} == {
        "action": "accept",
        "rule": "shop",
        "path": "iptables_rules[9]",
        "to": "lan",
        "dnat": "web-dnat",
        "destination": "198.51.100.80",
        "port": 8443,
    }


def test_the_role_does_not_know_the_default_route(raw: dict[str, Any]) -> None:
    assert ask(OUT, raw)["action"] == ""
    for answer in (ask(OUT, raw, outside="wan"), ask({**OUT, "to": "wan"}, raw)):
        assert (answer["action"], answer["rule"], answer["source"]) == ("accept", "lan-out", "192.0.2.1")


def test_addresses_of_the_node_end_there(raw: dict[str, Any]) -> None:
    mine = {**OUT, "destination": "198.51.100.2", "protocol": "udp", "port": 53}
    assert ask(mine, raw)["to"] == "lan"
    answer = ask(mine, raw, own=["198.51.100.2/24", "2001:db8:2::2"])
    assert (answer["to"], answer["rule"]) == ("firewall", "dns")
    assert ask({**mine, "destination": "192.0.2.1"}, raw)["to"] == "firewall"


def test_what_decides_before_the_rules_of_the_role_is_told(raw: dict[str, Any]) -> None:
    echo = {"from": "wan", "source": "203.0.113.10", "destination": "192.0.2.1", "protocol": "icmp"}
    told = ask(echo, raw)["msg"]
    assert "before the rules if this holds: " in told
    assert "before the rules" not in ask(echo, {**raw, "echo_rate": "off"})["msg"]


def test_a_cluster_of_the_inventory_is_asked() -> None:
    answer = ask(WEB, hostvars=hostvars(), host="fw2")
    assert (answer["action"], answer["path"]) == ("accept", "firewall_policy[edge].rules[0]")
    assert answer["msg"].splitlines()[-1].startswith("In the end: accept")


def test_lazy_containers_and_tagged_strings_are_fine(raw: dict[str, Any]) -> None:
    class Tagged(str):
        """Like the strings of ansible-core, which remember where they come from."""

    packet = UserDict({key: Tagged(value) for key, value in OUT.items()})
    raw["zones"] = UserDict(raw["zones"])
    assert ask(packet, UserDict(raw), outside=Tagged("wan")) == ask(OUT, raw, outside="wan")


@pytest.mark.parametrize(
    ("packet", "more", "said"),
    [
        ({**WEB, "from": "wann"}, {}, ["packet.from: 'wann': unknown value. One of: wan, lan, firewall."]),
        ("wan", {}, ["packet: 'wan': is not a mapping.", "packet.source: None"]),
        (WEB, {"outside": "internet"}, ["policy_trace.outside: 'internet': unknown value. One of: wan, lan."]),
        (
            WEB,
            {"own": ["fw1", "192.0.2.300"]},
            ["policy_trace.own: 'fw1': is not an address. Write it", "own: '192.0.2.300'"],
        ),
    ],
)
def test_mistakes_in_the_question(raw: dict[str, Any], packet: object, more: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as error:
        ask(packet, raw, **more)
    for words in said:
        assert words in str(error.value)


def test_every_mistake_in_the_policy_has_a_line(raw: dict[str, Any]) -> None:
    raw["rules"][0]["from"] = "dmz"
    raw["nat"][0]["to_address"] = "192.0.2.2"
    with pytest.raises(AnsibleFilterError) as error:
        ask(WEB, raw)
    lines = str(error.value).splitlines()
    assert lines[0] == "the policy has 2 problem(s):"
    assert "iptables_rules[0].from: 'dmz': unknown zone." in lines[1]


def test_every_mistake_in_the_inventory_has_a_line() -> None:
    found = hostvars()
    for name in ("fw1", "fw2"):
        found[name]["firewall_policy"]["rules"][0]["to"] = "dmzz"
    with pytest.raises(AnsibleFilterError, match=r"firewall_policy\[edge\]\.rules\[0\]\.to: 'dmzz': unknown zone"):
        ask(WEB, hostvars=found, host="fw1")


def test_a_host_that_is_in_no_cluster() -> None:
    with pytest.raises(AnsibleFilterError, match=r"host: 'elsewhere': is in no cluster\. One of: fw1, fw2\."):
        ask(WEB, hostvars=hostvars(), host="elsewhere")
    with pytest.raises(AnsibleFilterError, match=r"is in no cluster\. The inventory has none\."):
        ask(WEB, hostvars={"elsewhere": {}}, host="elsewhere")


@pytest.mark.parametrize("more", [{}, {"policy": "rules"}, {"policy": {}, "hostvars": {}, "host": "fw1"}])
def test_either_a_policy_or_an_inventory(more: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match="either policy, a mapping, or hostvars with host"):
        ask(WEB, **more)
