# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The example inventories and the action plugin, as a user runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ansible_collections.linuxha.firewall.plugins.module_utils._model as model

ROOT = Path(__file__).resolve().parents[3]
# .../ansible_collections/linuxha/firewall/plugins/module_utils/_model/__init__.py
COLLECTIONS = Path(model.__file__).parents[6]
PLAY = """
- hosts: firewalls
  gather_facts: false
  tasks:
    - linuxha.firewall.cluster_plan:
    - ansible.builtin.debug:
        msg: >-
          PLAN {{ firewall_plan.cluster }} {{ firewall_plan.node }}
          {{ firewall_plan.vips | length }} {{ keepalived_instances | length }}
"""


def plan(inventory: Path, tmp_path: Path, *more: str, content: str = PLAY) -> subprocess.CompletedProcess[str]:
    play = tmp_path / "plan.yml"
    play.write_text(content)
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play), *more]
    return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keepalived", ["PLAN edge fw1 4 2", "PLAN edge fw2 4 2"]),
        ("config_sync", ["PLAN edge fw1 4 2", "PLAN edge fw2 4 2"]),
        ("two_clusters", ["PLAN edge edge1 4 2", "PLAN branch branch2 4 4"]),
        ("vips250", ["PLAN edge fw1 250 2"]),
    ],
)
def test_example(name: str, expected: list[str], tmp_path: Path) -> None:
    done = plan(ROOT / "inventories" / name, tmp_path, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr + done.stdout
    for line in expected:
        assert line in done.stdout


def broken(tmp_path: Path) -> Path:
    inventory = tmp_path / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    source = ROOT / "inventories" / "two_clusters"
    (inventory / "hosts.yml").write_text((source / "hosts.yml").read_text())
    for group in ("edge", "branch"):
        folder = inventory / "group_vars" / group
        folder.mkdir()
        for file in (source / "group_vars" / group).iterdir():
            (folder / file.name).write_text(
                file.read_text().replace("198.51.100.1,", "198.51.101.1,").replace("eth1", "eth 1")
            )
    (inventory / "host_vars").symlink_to(source / "host_vars")
    return inventory


def test_all_mistakes_of_all_clusters_whatever_the_limit(tmp_path: Path) -> None:
    done = plan(broken(tmp_path), tmp_path, "--limit", "edge1")
    assert done.returncode != 0
    text = done.stdout + done.stderr
    for words in (
        "3 mistakes in the inventory",
        "firewall_cluster[edge].networks.wan.interface",
        "firewall_cluster[branch].networks.transit.interface",
        "firewall_cluster[branch].networks.office.vips[0]",
    ):
        assert words in text


TRACE = """
- hosts: fw1
  gather_facts: false
  tasks:
    - linuxha.firewall.policy_trace:
        packet: {from: wan, source: 203.0.113.10, destination: 192.0.2.1, protocol: tcp, port: 443}
      register: web
    - ansible.builtin.debug:
        msg: >-
          TRACE {{ web.action }} {{ web.rule }} {{ web.path }} {{ web.to }} {{ web.dnat }} {{ web.destination }}
          {{ web.port }}
    - ansible.builtin.debug:
        msg: "FILTER {{ answer.rule }} {{ answer.msg == web.msg }}"
      vars:
        packet: {from: wan, source: 203.0.113.10, destination: 192.0.2.1, protocol: tcp, port: 443}
        answer: "{{ packet | linuxha.firewall.policy_trace(hostvars=hostvars, host=inventory_hostname) }}"
    - linuxha.firewall.policy_trace:
        packet: {from: wann, source: 203.0.113.10, destination: 192.0.2.1, protocol: tcp, port: 443}
"""


def test_the_policy_can_be_asked(tmp_path: Path) -> None:
    done = plan(ROOT / "inventories" / "keepalived", tmp_path, "--check", content=TRACE)
    assert "TRACE accept web-in firewall_policy[edge].rules[3] lan web4 198.51.100.80 8443" in done.stdout
    assert "FILTER web-in True" in done.stdout
    assert done.returncode != 0
    assert "packet.from: 'wann'" in done.stdout + done.stderr


def test_a_list_of_packets_is_compared_as_the_guide_does(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "migration.md").read_text(encoding="utf-8")
    found = {text.split("\n")[0]: text for text in re.findall(r"^```yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)}
    inventory = tmp_path / "migrated.yml"
    inventory.write_text(found["# migrated.yml"], encoding="utf-8")
    play = found["# compare.yml"]
    done = plan(inventory, tmp_path, content=play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unreachable=0" in done.stdout
    assert play.count("{action: ") == done.stdout.count("(item={'action'") >= 8
    wrong = plan(inventory, tmp_path, content=play.replace("{action: reject", "{action: accept"))
    assert wrong.returncode != 0
    assert "'no-smtp' (firewall_policy[edge].rules[5]) rejects it." in wrong.stdout + wrong.stderr


def test_a_policy_with_findings_can_be_asked_and_is_not_deployed(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventories" / "keepalived", inventory)
    policy = inventory / "group_vars" / "firewalls" / "policy.yml"
    policy.write_text(policy.read_text().replace("port: 443, expect: accept", "port: 443, expect: deny"))
    asked = plan(inventory, tmp_path, "--check", content=TRACE)
    assert "TRACE accept web-in" in asked.stdout
    done = plan(inventory, tmp_path, "--check")
    assert done.returncode != 0
    assert "'the web server answers'" in done.stdout + done.stderr
