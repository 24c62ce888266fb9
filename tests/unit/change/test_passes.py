# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which nodes site takes for active, as Ansible finds out: by what a node has now, whatever was known of it before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.playbook import environment

SITE = Path(__file__).parents[3] / "playbooks" / "site.yml"
# In place of the plan of an inventory.
PLAN = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        return {"changed": False, "ansible_facts": {"firewall_plan": task_vars["planned"]}}
"""
# Says what a file says, once for all interfaces.
IP = """#!/bin/sh
case "$*" in *"addr show primary dev lo"*) cat "$HELD";; esac
"""
BEFORE = "inet 192.0.2.2/24 scope global edge0\ninet6 2001:db8::2/64 scope global\n"
NOW = "inet 192.0.2.1/24 scope global edge0\ninet6 2001:db8::1/64 scope global\n"
NODES = {"came": "192.0.2.1", "came6": "2001:db8::1", "went": "192.0.2.2", "went6": "2001:db8::2"}


def play(directory: Path, plays: Sequence[Mapping[str, Any]], held: str) -> str:
    """What is printed when the machine has these addresses."""
    (directory / "play.yml").write_text(yaml.safe_dump([*plays]))
    (directory / "held").write_text(held)
    env = environment()
    env.update(
        ANSIBLE_COLLECTIONS_PATH=str(directory),
        ANSIBLE_GATHERING="smart",
        ANSIBLE_CACHE_PLUGIN="jsonfile",
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(directory / "cache"),
        PATH=f"{directory / 'bin'}:{env['PATH']}",
        HELD=str(directory / "held"),
    )
    argv = ["ansible-playbook", "-i", str(directory / "hosts.yml"), str(directory / "play.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_remembered_addresses_make_no_node_active(tmp_path: Path) -> None:
    """With a cache of facts and gathering=smart a play gathers nothing of a node that is in the cache."""
    plugins, programs = tmp_path / "ansible_collections/linuxha/firewall/plugins/action", tmp_path / "bin"
    plugins.mkdir(parents=True)
    (plugins / "cluster_plan.py").write_text(PLAN)
    programs.mkdir()
    (programs / "ip").write_text(IP)
    (programs / "ip").chmod(0o755)
    hosts = {name: {"planned": {"vips": [vip], "topology": "keepalived"}} for name, vip in NODES.items()}
    inventory = {"firewalls": {"hosts": hosts, "vars": {"ansible_connection": "local"}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    gather = {"hosts": "all", "gather_facts": True, "gather_subset": ["!all", "network"]}
    told = {"hosts": "all", "tasks": [{"ansible.builtin.debug": {"var": "ansible_facts['all_ipv4_addresses']"}}]}
    play(tmp_path, [gather], BEFORE)
    assert "192.0.2.2" in play(tmp_path, [told], NOW)
    said = tmp_path / "said"
    plays = yaml.safe_load(SITE.read_text())
    patterns = {found["name"]: found.get("hosts") for found in plays}
    write = {
        "ansible.builtin.copy": {
            "content": "{{ ansible_play_hosts_all | to_json }}\n",
            "dest": f"{said}-{{{{ pass }}}}",
        }
    }
    passes = [
        {"hosts": patterns[f"Deploy the {name} nodes"], "vars": {"pass": name}, "tasks": [{**write, "run_once": True}]}
        for name in ("standby", "active")
    ]
    output = play(tmp_path, [plays[0], *passes], NOW)
    found = {name: json.loads(Path(f"{said}-{name}").read_text()) for name in ("active", "standby")}
    # In the order of the inventory, not in that of their answers.
    assert found == {"active": ["came", "came6"], "standby": ["went", "went6"]}, output
