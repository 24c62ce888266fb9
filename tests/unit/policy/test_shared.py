# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules beside those of others, on this machine's kernel, in network namespaces that end with their test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.filter import iptables_ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._node import rules as node_rules
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import shared
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

from .test_loader import Namespace, pytestmark
from .test_trial import TOKEN, Trial, changed, wait

__all__ = ["pytestmark"]

#: What fail2ban and a container engine do, in their own words.
FOREIGN = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:f2b-sshd - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -s 192.0.2.66/32 -j DROP
-A f2b-sshd -j RETURN
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
"""
FOREIGN_RULES = [line for line in FOREIGN.splitlines() if line.startswith("-A")]


@pytest.fixture
def files(raw: dict[str, Any]) -> dict[str, str]:
    ruleset, problems = parse(raw)
    assert problems == ()
    return shared.shared(render(ruleset))


@pytest.fixture
def node(tmp_path: Path, files: dict[str, str]) -> Iterator[Trial]:
    made = Trial(tmp_path, files)
    yield made
    if made.watcher is not None:
        made.watcher.kill()
        made.watcher.communicate()
    made.holder.kill()
    made.holder.wait()


def others(node: Namespace) -> list[str]:
    """The rules of the others in their order; iptables-save puts chains in an order of its own."""
    lines = [line for line in node.run("iptables-save").stdout.splitlines() if line.startswith("-A")]
    found = [line for line in lines if "LINUXHA" not in line]
    return sorted(found)


def chain(node: Namespace, name: str, tool: str = "iptables") -> list[str]:
    return [line for line in node.run(tool, "-S", name).stdout.splitlines() if line.startswith("-A")]


def foreign(node: Namespace) -> None:
    done = node.run("sh", "-c", f"echo '{FOREIGN}' | iptables-restore --noflush")
    assert done.returncode == 0, done.stderr


def load(node: Namespace) -> None:
    done = node.loader("load")
    assert done.returncode == 0, done.stderr
    assert node.status()["ok"]


def test_rules_of_others_survive_every_load(node: Trial, files: dict[str, str]) -> None:
    foreign(node)
    load(node)
    assert others(node) == sorted(FOREIGN_RULES)
    assert chain(node, "INPUT")[0].endswith("-j LINUXHA-INPUT"), "a jump that was not there comes first"
    assert node.status()["mode"] == "shared"

    node.run("iptables", "--insert", "INPUT", "1", "-s", "192.0.2.67", "-j", "DROP")
    assert node.status()["ok"], "what others do is no drift"
    node.write(changed(files))
    load(node)
    assert "--dport 54" in node.saved()
    assert "--dport 53" not in node.saved()
    order = chain(node, "INPUT")
    assert order[0] == "-A INPUT -s 192.0.2.67/32 -j DROP", "who went before us stays there"
    assert order[1].endswith("-j LINUXHA-INPUT")
    assert len([line for line in order if "LINUXHA" in line]) == 1
    assert node.loader("load").stdout == "the rules are loaded already\n"


def test_what_somebody_does_to_our_part_is_drift_and_mended(node: Trial) -> None:
    foreign(node)
    load(node)
    for argv in (
        ("--delete", "INPUT", "-m", "comment", "--comment", "linuxha", "-j", "LINUXHA-INPUT"),
        ("--append", "INPUT", "-j", "LINUXHA-INPUT"),
        ("--insert", "LINUXHA-FORWARD", "1", "-j", "ACCEPT"),
        ("--flush", "LINUXHA-f-lan.wan"),
    ):
        assert node.run("iptables", *argv).returncode == 0
        assert node.status()["drift"]["ipv4"], argv
        load(node)
        assert len([line for line in chain(node, "INPUT") if "LINUXHA" in line]) == 1
    assert others(node) == sorted(FOREIGN_RULES)


def test_chains_that_are_not_needed_any_more_go(node: Trial, raw: dict[str, Any]) -> None:
    load(node)
    assert chain(node, "LINUXHA-f-lan.wan")
    ruleset, _problems = parse({**raw, "rules": [], "nat": []})
    node.write(shared.shared(render(ruleset)))
    load(node)
    assert "f-lan.wan" not in node.saved()
    assert "LINUXHA-POSTROUTING" not in node.saved()


def test_the_first_trial_leaves_nothing_of_ours(node: Trial, files: dict[str, str]) -> None:
    shutil.rmtree(node.rules)
    foreign(node)
    node.lay_down(files, seconds=5)
    node.start()
    assert "LINUXHA-INPUT" in node.saved()
    wait(node.ended)
    assert "LINUXHA" not in node.saved()
    assert others(node) == sorted(FOREIGN_RULES)


def test_a_trial_takes_back_our_part_only(node: Trial, files: dict[str, str]) -> None:
    load(node)
    node.lay_down(changed(files), seconds=2)
    node.start()
    foreign(node)
    wait(node.ended)
    assert "--dport 53" in node.saved()
    assert "--dport 54" not in node.saved()
    assert others(node) == sorted(FOREIGN_RULES)
    assert node.status()["ok"]


def test_from_one_mode_to_the_other_and_back(node: Trial, files: dict[str, str], raw: dict[str, Any]) -> None:
    ruleset, _problems = parse(raw)
    exclusive = render(ruleset)
    load(node)
    foreign(node)
    node.write(exclusive)
    load(node)
    assert "LINUXHA" not in node.saved()
    assert others(node) == sorted(line for line in others(node) if "f2b" not in line and "DOCKER" not in line)

    node.lay_down(files, seconds=5)
    node.start()
    assert node.run("iptables", "-S", "FORWARD").stdout.splitlines()[0] == "-P FORWARD ACCEPT"
    wait(node.ended)
    assert node.status()["ok"]
    assert "LINUXHA" not in node.saved()

    node.lay_down(files)
    node.start()
    assert node.loader("confirm", TOKEN).returncode == 0
    assert node.status()["ok"]
    assert [line for line in others(node) if line.startswith("-A FORWARD")] == []


def test_closed_beside_others(node: Trial) -> None:
    foreign(node)
    load(node)
    assert node.loader("close").returncode == 0
    assert others(node) == sorted(FOREIGN_RULES)
    assert chain(node, "LINUXHA-FORWARD")[-1].endswith("-j DROP")
    assert "-i" not in chain(node, "LINUXHA-FORWARD")[-1]
    load(node)


@pytest.mark.parametrize("damaged", ["closed.v4", "closed.v6"])
def test_one_family_closed_by_the_last_resort_opens_again(node: Trial, files: dict[str, str], damaged: str) -> None:
    load(node)
    (node.rules / damaged).write_text("damaged")
    assert node.loader("close").returncode == 0
    assert node.status()["mode"] == "exclusive", "whole tables with policies were loaded"
    node.write(files)
    load(node)
    assert node.status()["mode"] == "shared"
    assert ":FORWARD DROP" not in node.saved()
    assert ":INPUT DROP" not in node.saved()


@pytest.mark.parametrize(
    "jump",
    [
        "INPUT -i eth0 -j LINUXHA-INPUT",
        "INPUT -p tcp -g LINUXHA-INPUT",
        "INPUT -i eth0 -m comment --comment linuxha -j LINUXHA-INPUT",
        "OUTPUT -j LINUXHA-INPUT",
    ],
)
def test_another_jump_into_our_chain_does_not_count(node: Trial, jump: str) -> None:
    foreign(node)
    load(node)
    wanted = "-A INPUT -m comment --comment linuxha -j LINUXHA-INPUT"
    assert node.run("iptables", "--append", *jump.split()).returncode == 0
    assert node.run("iptables", "--delete", *wanted.split()[1:]).returncode == 0
    assert node.status()["drift"]["ipv4"]
    load(node)
    assert [line for line in chain(node, "INPUT") if "LINUXHA" in line] == [wanted]
    assert "LINUXHA-INPUT" not in "".join(chain(node, "OUTPUT"))
    assert others(node) == sorted(FOREIGN_RULES)


def test_what_no_rule_accepts_between_our_networks_is_dropped(node: Trial) -> None:
    """Undecided packets of our interfaces end in our chains, those of others go on to theirs."""
    load(node)
    last = [line for line in chain(node, "LINUXHA-FORWARD") if "no rule" in line]
    assert set(re.findall(r"-i (\S+)", "\n".join(last))) == {"eth0", "eth1", "eth2", "eth2.100", "eth3"}
    assert all(line.endswith("-j LINUXHA-END") for line in last)
    ends = chain(node, "LINUXHA-END")
    assert set(re.findall(r"-o (\S+)", "\n".join(ends))) == {"eth0", "eth1", "eth2", "eth2.100", "eth3"}
    assert all(line.endswith("-j DROP") for line in ends)
    assert node.run("iptables", "-S", "FORWARD").stdout.splitlines()[0] == "-P FORWARD ACCEPT"


def test_only_what_our_rules_match_is_ours(raw: dict[str, Any]) -> None:
    """Not what a rule is called, nor what a raw rule speaks of."""
    rules = [
        {**raw["rules"][0], "name": "guard -i docker0 too"},
        {**raw["rules"][0], "name": 'a " -m comment --comment -o docker1'},
    ]
    own = [
        {"name": "bridge", "chain": "FORWARD", "rule": "-i docker2 -j ACCEPT"},
        {"name": "out", "chain": "OUTPUT", "rule": "-o docker3 -j ACCEPT"},
    ]
    ruleset, problems = parse({**raw, "rules": [*raw["rules"], *rules], "raw": own})
    assert problems == ()
    others, _problems = parse(raw)
    for family in ("rules.v4", "rules.v6"):
        ends = [
            {
                line.partition(" ")[2]
                for line in shared.shared(render(found))[family].splitlines()
                if '"no rule"' in line
            }
            for found in (ruleset, others)
        ]
        assert ends[0] == ends[1]
        assert "docker" not in "".join(ends[0])
        assert "-i eth1 " in "".join(ends[0])


@pytest.mark.parametrize(
    ("table", "chain_name", "rule", "wanted"),
    [
        ("filter", "FORWARD", "-i docker0 -j RETURN", True),
        ("filter", "INPUT", "--jump RETURN -p tcp", True),
        ("filter", "INPUT", "-jRETURN -m comment --comment -j", True),
        ("filter", "INPUT", "-m comment --comment -j --jump=RETURN", True),
        ("filter", "FORWARD", "-p tcp -g f-lan-wan", True),
        ("filter", "FORWARD", "-p tcp --goto f-lan-wan", True),
        ("filter", "FORWARD", "-m comment --comment RETURN -j DROP", False),
        ("filter", "FORWARD", "-i docker0 -j ACCEPT", False),
        # No policy of ours is at stake.
        ("nat", "POSTROUTING", "-o docker0 -j RETURN", False),
    ],
)
def test_a_raw_rule_does_not_leave_before_the_end(
    raw: dict[str, Any], table: str, chain_name: str, rule: str, wanted: bool
) -> None:
    policy = {**raw, "raw": [{"name": "mine", "table": table, "chain": chain_name, "rule": rule}]}
    assert iptables_ruleset.iptables_ruleset(policy)
    if wanted:
        with pytest.raises(AnsibleFilterError, match="iptables_raw: 'mine': leaves the chain before its end"):
            iptables_ruleset.iptables_ruleset(policy, "shared")
    else:
        assert iptables_ruleset.iptables_ruleset(policy, "shared")


def test_names_fit_the_kernel() -> None:
    assert shared.chain("INPUT") == "LINUXHA-INPUT"
    long = [shared.chain(f"f-{'a' * 12}-{'b' * 10}{letter}") for letter in "xy"]
    assert all(len(name) == 28 for name in long)
    assert len(set(long)) == 2


def test_nodes_are_compared_by_what_is_ours(node: Trial) -> None:
    load(node)
    before = node_rules.own(node.run("iptables-save").stdout)
    foreign(node)
    after = node_rules.own(node.run("iptables-save").stdout)
    assert node_rules.fingerprint(before, {}) == node_rules.fingerprint(after, {})
    assert node_rules.count(before) > 50
    node.run("iptables", "--flush", "LINUXHA-END")
    assert node_rules.fingerprint(node_rules.own(node.run("iptables-save").stdout), {}) != node_rules.fingerprint(
        before, {}
    )
