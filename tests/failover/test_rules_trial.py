# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules that lock the administrators out go back by themselves, on all nodes, and nobody's connection is cut."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import playbook
from lab.cases import Case
from lab.hosts import NodeHost
from lab.lab import Lab
from lab.pair import Pair, wait
from lab.run import LabError
from tests.failover.live import INVENTORIES, fault, observe, with_inventory

FLOWS = 200
LOADER = "linuxha-rules"
MANAGEMENT = {"interfaces": ["eth0"], "sources": ["203.0.113.0/26"], "port": 22}
# Accepted: what comes from the lab. Different: so that there is something to load.
OTHER_WAY = {**MANAGEMENT, "sources": ["203.0.113.0/25"]}
NO_WAY = {**MANAGEMENT, "interfaces": ["eth9"]}
PARTS = """
- name: Load on trial, and go no further
  hosts: firewalls
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Plan
      linuxha.firewall.cluster_plan:
    - name: Test
      ansible.builtin.include_role:
        name: linuxha.firewall.iptables
        tasks_from: prepare
    - name: Load
      ansible.builtin.include_role:
        name: linuxha.firewall.iptables
        tasks_from: load
"""
CONFIRM = """
    - name: Confirm
      ansible.builtin.include_role:
        name: linuxha.firewall.iptables
        tasks_from: finish
      vars:
        iptables_trial_nodes: "{{ ansible_play_hosts_all }}"
"""


def extra(management: Mapping[str, Any], seconds: int, **more: Any) -> list[str]:
    values = {"iptables_management": management, "iptables_trial": seconds, "iptables_check_lockout": False, **more}
    return ["-e", json.dumps(values)]


def status(node: NodeHost) -> dict[str, Any]:
    answer = json.loads(node.exec(LOADER, "status", check=False))
    assert isinstance(answer, dict)
    return answer


def rules(pair: Pair) -> dict[str, object]:
    """What each node enforces and what it would boot with."""
    return {name: (status(node)["kernel"], files(node)) for name, node in pair.nodes.items()}


def files(node: NodeHost) -> str:
    return node.exec("cat", "/etc/linuxha/rules/SHA256SUMS")


def trial(node: NodeHost) -> dict[str, Any]:
    found = status(node)["trial"]
    assert isinstance(found, dict)
    return found


def old_rules_are_back(pair: Pair, before: dict[str, object], timeout: float = 60) -> None:
    wait(lambda: all(status(node)["ok"] for node in pair.nodes.values()), timeout, interval=0.5)
    assert rules(pair) == before


def site(lab: Lab) -> Callable[[NodeHost], object]:
    return lambda _node: playbook.play(lab, "site", show=None)


def reachable(pair: Pair) -> None:
    done = playbook.play(pair.lab, "verify", show=None)
    assert done.changed == 0


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_lock_out_heals_itself(pair: Pair) -> None:
    """The standby node is cut off; it comes back with its old rules, the active one was never touched."""
    before, standby, active = rules(pair), pair.standby(), pair.active()
    serial = {name: trial(node).get("token") for name, node in pair.nodes.items()}
    said: list[str] = []

    def lock_out(_node: NodeHost) -> None:
        with pytest.raises(LabError) as error:
            playbook.play(pair.lab, "site", extra(NO_WAY, 25), show=None)
        said.append(str(error.value))
        wait(lambda: trial(standby)["state"] == "rolled-back", 60, interval=0.5)

    (measured,) = observe(pair, [fault("lock-out", lock_out)], FLOWS)

    assert f"{standby.name}: cannot be reached over a new connection" in said[0]
    assert "iptables_management" in said[0] or "Look at the management" in said[0]
    assert trial(standby)["token"] != serial[standby.name]
    assert trial(standby)["reason"] == "nobody confirmed within 25 s"
    assert trial(active).get("token") == serial[active.name]
    old_rules_are_back(pair, before)
    assert measured.window.flows is not None
    assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
    assert measured.leaks.leaked == 0
    reachable(pair)


@pytest.mark.full
def test_when_the_active_node_is_cut_off_the_standby_node_goes_back_too(pair: Pair) -> None:
    before, active = rules(pair), pair.active()
    interface = f"{{{{ 'eth9' if inventory_hostname == '{active.name}' else 'eth0' }}}}"
    said: list[str] = []

    def lock_out(_node: NodeHost) -> None:
        with pytest.raises(LabError) as error:
            playbook.play(pair.lab, "site", extra({**OTHER_WAY, "interfaces": [interface]}, 40), show=None)
        said.append(str(error.value))
        wait(lambda: {trial(n)["state"] for n in pair.nodes.values()} == {"rolled-back"}, 90, interval=0.5)

    (measured,) = observe(pair, [fault("lock-out", lock_out)], FLOWS)

    assert f"{active.name}: cannot be reached over a new connection" in said[0]
    old_rules_are_back(pair, before)
    assert measured.window.flows is not None
    assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
    assert measured.leaks.leaked == 0
    reachable(pair)


@pytest.mark.full
def test_an_established_connection_is_no_proof(pair: Pair, tmp_path: Path) -> None:
    """New connections to one node are dropped, those that Ansible holds go on: no node confirms."""
    before, deaf = rules(pair), pair.standby()
    close = f"""
    - name: Drop new connections, after the rules were loaded
      ansible.builtin.command: iptables -I INPUT 1 -i eth0 -p tcp --dport 22 --syn -j DROP
      when: inventory_hostname == '{deaf.name}'
    - name: The connection that Ansible holds is served all the same
      ansible.builtin.command: "true"
    - name: It confirms nothing
      ansible.builtin.command: linuxha-rules confirm {{{{ __iptables_ruleset.trial.token }}}}
      register: old
      failed_when: "'this connection is older than the rules' not in old.stderr"
"""
    path = write(tmp_path / "deaf.yml", PARTS + close + CONFIRM)

    with pytest.raises(LabError) as error:
        playbook.play(pair.lab, path, extra(OTHER_WAY, 60), show=None)

    assert f"{deaf.name}: cannot be reached over a new connection" in str(error.value)
    assert f"On {', '.join(pair.nodes)} the previous ones are back" in str(error.value)
    reasons = {name: trial(node)["reason"] for name, node in pair.nodes.items() if node is not deaf}
    assert set(reasons.values()) == {"taken back by order"}, "who can be reached does not wait for its clock"
    old_rules_are_back(pair, before, 90)
    reachable(pair)


@pytest.mark.full
def test_the_controller_dies_before_it_confirms(pair: Pair) -> None:
    before = rules(pair)
    argv = ["ansible-playbook", *playbook.inventories(pair.lab), "linuxha.firewall.site", *extra(OTHER_WAY, 30)]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=playbook.environment()
    ) as controller:
        assert controller.stdout is not None
        for line in controller.stdout:
            if "PLAY [Confirm the rules" in line:
                controller.kill()
                break
    assert {trial(node)["state"] for node in pair.nodes.values()} == {"trial"}
    assert rules(pair) != before

    wait(lambda: {trial(node)["state"] for node in pair.nodes.values()} == {"rolled-back"}, 90, interval=0.5)

    old_rules_are_back(pair, before)
    reachable(pair)


def on_trial(pair: Pair, tmp_path: Path, seconds: int) -> None:
    playbook.play(pair.lab, write(tmp_path / "parts.yml", PARTS), extra(OTHER_WAY, seconds), show=None)
    assert {trial(node)["state"] for node in pair.nodes.values()} == {"trial"}


@pytest.mark.full
def test_a_reboot_during_the_trial_comes_up_with_the_old_rules(pair: Pair, tmp_path: Path) -> None:
    before, standby = rules(pair), pair.standby()
    on_trial(pair, tmp_path, 600)
    assert status(standby)["kernel"] != before[standby.name]

    standby.reboot()
    wait(lambda: status(standby)["ok"], 60, interval=0.5)
    (other,) = [node for node in pair.nodes.values() if node is not standby]
    other.exec(LOADER, "rollback", trial(other)["token"])

    old_rules_are_back(pair, before)
    pair.wait_steady()
    reachable(pair)


@pytest.mark.full
@pytest.mark.parametrize(
    "disturb",
    [
        ["systemctl", "daemon-reload"],
        ["systemctl", "daemon-reexec"],
        ["systemctl", "kill", "--signal=KILL", "linuxha-rules-trial.service"],
        ["systemctl", "stop", "linuxha-rules-trial.service"],
    ],
    ids=lambda argv: " ".join(argv[1:3]),
)
def test_nothing_keeps_rules_that_nobody_confirmed(pair: Pair, tmp_path: Path, disturb: list[str]) -> None:
    before = rules(pair)
    on_trial(pair, tmp_path, 40)
    for node in pair.nodes.values():
        node.exec(*disturb)
    wait(lambda: {trial(node)["state"] for node in pair.nodes.values()} == {"rolled-back"}, 60, interval=0.5)
    old_rules_are_back(pair, before)


def unnoticed(pair: Pair, *changes: Case) -> None:
    """Neither a packet is lost nor a connection, nothing leaks, no address moves."""
    for measured in observe(pair, changes, FLOWS):
        assert measured.window.flows is not None
        assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
        assert measured.blackout.lost_packets == 0, measured.blackout
        assert measured.leaks.leaked == 0
        assert measured.owners.changes == 0


@pytest.mark.full
def test_one_rule_changed_under_load(pair: Pair, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(INVENTORIES / "keepalived", inventory)
    policy = inventory / "group_vars" / "firewalls" / "policy.yml"
    content = yaml.safe_load(policy.read_text())
    content["firewall_policy"]["rules"].insert(
        0, {"name": "new", "from": "wan", "to": "firewall", "protocol": "tcp", "ports": [9], "action": "accept"}
    )
    policy.write_text(yaml.safe_dump(content))
    before = rules(pair)

    there = fault("one rule more", site(with_inventory(pair.lab, inventory)))
    back = fault("one rule less", site(pair.lab))
    try:
        unnoticed(pair, there, back)
    finally:
        if rules(pair) != before:
            playbook.play(pair.lab, "site", show=None)
    assert {trial(node)["state"] for node in pair.nodes.values()} == {"confirmed"}
    old_rules_are_back(pair, before)


def with_rules(directory: Path, count: int, port: int) -> Path:
    """The example with as many rules in front: half exceptions from what lan may, half openings of the nodes.

    Args:
        port: of the rule in the middle, which a change is about.
    """
    shutil.copytree(INVENTORIES / "keepalived", directory)
    policy = directory / "group_vars" / "firewalls" / "policy.yml"
    content = yaml.safe_load(policy.read_text())
    more = []
    for number in range(count):
        host = f"203.0.113.{128 + number // 2 % 126}"
        rule: dict[str, Any] = {"name": f"bulk-{number}", "protocol": "tcp", "ports": [10_000 + number]}
        if number % 2:
            rule |= {"from": "wan", "to": "firewall", "source": host, "action": "accept"}
        else:
            rule |= {"from": "lan", "to": "wan", "destination": host, "action": "drop"}
        more.append(rule)
    more[count // 2]["ports"] = [port]
    content["firewall_policy"]["rules"][:0] = more
    # Ansible reads JSON many times faster than YAML.
    policy.write_text(json.dumps(content))
    return directory


@pytest.mark.full
def test_one_rule_of_10_000_changed_under_load(pair: Pair, tmp_path: Path) -> None:
    """Both nodes load all rules again, twice, and neither a packet nor a connection notices."""
    example = rules(pair)
    labs = [with_inventory(pair.lab, with_rules(tmp_path / str(port), 10_000, port)) for port in (7, 9)]
    try:
        playbook.play(labs[0], "site", show=None)
        before = rules(pair)
        for node in pair.nodes.values():
            assert node.exec("iptables-save").count("--comment bulk-") == 10_000
        there, back = fault("port 9", site(labs[1])), fault("port 7", site(labs[0]))
        unnoticed(pair, there, back)
        assert {trial(node)["state"] for node in pair.nodes.values()} == {"confirmed"}
        assert rules(pair) == before
    finally:
        playbook.play(pair.lab, "site", show=None)
    old_rules_are_back(pair, example)


@pytest.mark.full
def test_rules_of_others_survive_and_connections_too(pair: Pair) -> None:
    """To the shared mode, a change there beside rules of others, and back, under traffic."""
    before = rules(pair)
    shared = ["-e", "iptables_mode=shared"]
    ban = ["-s", "192.0.2.66", "-j", "DROP"]

    def there(_node: NodeHost) -> None:
        playbook.play(pair.lab, "site", shared, show=None)
        for node in pair.nodes.values():
            node.exec("iptables", "-I", "INPUT", "1", *ban)

    def change(_node: NodeHost) -> None:
        playbook.play(pair.lab, "site", [*shared, "-e", "iptables_echo_rate=40/second"], show=None)
        for node in pair.nodes.values():
            lines = node.exec("iptables", "-S", "INPUT").splitlines()
            assert lines[1] == "-A INPUT -s 192.0.2.66/32 -j DROP"
            assert lines[2].endswith("-j LINUXHA-INPUT")
            assert "40/sec" in node.exec("iptables-save")
        playbook.play(pair.lab, "verify", show=None)
        assert playbook.play(pair.lab, "site", [*shared, "-e", "iptables_echo_rate=40/second"], show=None).changed == 0

    def back(_node: NodeHost) -> None:
        playbook.play(pair.lab, "site", show=None)

    cases = [fault("to shared", there), fault("changed", change), fault("to exclusive", back)]
    try:
        for measured in observe(pair, cases, FLOWS):
            assert measured.window.flows is not None
            assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0), measured.window.name
            assert measured.leaks.leaked == 0
    finally:
        if rules(pair) != before:
            playbook.play(pair.lab, "site", show=None)
    old_rules_are_back(pair, before)


@pytest.mark.full
def test_without_a_trial_the_lock_out_stays(pair: Pair) -> None:
    """The control of this file: the same rules, loaded for good."""
    before = rules(pair)
    for node in pair.nodes.values():
        node.exec("cp", "-a", "/etc/linuxha/rules", "/root/rules")
    try:
        with pytest.raises(LabError):
            playbook.play(pair.lab, "site", extra(NO_WAY, 0), show=None)
        time.sleep(40)
        with pytest.raises(LabError):
            reachable(pair)
    finally:
        for node in pair.nodes.values():
            node.exec("sh", "-ec", "rm -r /etc/linuxha/rules && mv /root/rules /etc/linuxha/rules")
            node.exec("systemctl", "reload", "linuxha-rules")
    old_rules_are_back(pair, before)
    reachable(pair)
