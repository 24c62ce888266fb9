# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The task files of a switchover as Ansible runs them, with modules that only write down who was asked what.

An order must not outlive the run that gave it, whatever becomes of the nodes and of the steps in between.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.playbook import environment

TASKS = Path(__file__).parents[3] / "playbooks" / "tasks"
MOVE = {"group": "edge", "source": "fw1", "target": "fw2"}
GONE = {"unreachable": True, "msg": "timed out"}
BROKEN = {"failed": True, "msg": "broken"}

ACTION = """
import json, os
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        name = self._task.action.rpartition(".")[2]
        word = next((self._task.args[key] for key in ("action", "state", "step") if key in self._task.args), "")
        said = " ".join(part for part in (task_vars["inventory_hostname"], name, word) if part)
        with open(os.environ["SAID"], "a") as file:
            file.write(said + "\\n")
        with open(os.environ["ANSWERS"]) as file:
            answers = json.load(file)
        return {"changed": False, **answers.get(said, answers.get(" ".join(said.split()[1:]), {}))}
"""
FILTER = """
class FilterModule:
    def filters(self):
        return {"node_mask": lambda plan, *arguments: {}}
"""
MODULES = ("node_info", "cluster_switchover", "node_drain", "cluster_resource", "node_maintenance")
ANSWERS: dict[str, Any] = {
    "node_info": {"info": {"cluster": {"problem": None}}},
    "cluster_switchover arrived": {"reached": True, "missing": [], "again": False, "attempts_left": 0},
    "cluster_switchover settled": {"reached": True, "missing": [], "again": False, "attempts_left": 0},
    "cluster_switchover back": {"moves": [], "drain": False, "resources": []},
}
MISSING = {"reached": False, "missing": ["fw2 does not answer"], "again": False, "attempts_left": 0}


class Run:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        plugins = directory / "ansible_collections" / "linuxha" / "firewall" / "plugins"
        for kind in ("action", "filter"):
            (plugins / kind).mkdir(parents=True)
        for name in MODULES:
            (plugins / "action" / f"{name}.py").write_text(ACTION)
        (plugins / "filter" / "node_mask.py").write_text(FILTER)

    def play(self, topology: str, answers: dict[str, Any], **variables: Any) -> tuple[int, list[str], str]:
        """The exit status, who was asked what, in order, and what was printed."""
        hosts = {}
        for name in ("fw1", "fw2"):
            plan = {"topology": topology, "nodes": ["fw1", "fw2"], "vips": [], "ping_groups": {}}
            order = {
                "moves": [MOVE],
                "drain": topology == "keepalived" and name == "fw1",
                "resources": [MOVE] if topology == "pacemaker" and name == "fw2" else [],
            }
            hosts[name] = {"firewall_plan": plan, "firewall_switchover": order, "firewall_node": {}}
        common = {"ansible_connection": "local", "conntrackd_links": [], "iptables_management": [], **variables}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
        tasks = [{"ansible.builtin.include_tasks": str(TASKS / "switchover_move.yml")}]
        play = [{"hosts": "all", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}]
        (self.directory / "play.yml").write_text(yaml.safe_dump(play))
        (self.directory / "answers.json").write_text(json.dumps({**ANSWERS, **answers}))
        said = self.directory / "said"
        said.touch()
        files = {"SAID": str(said), "ANSWERS": str(self.directory / "answers.json")}
        argv = ["ansible-playbook", "-i", str(self.directory / "hosts.yml"), str(self.directory / "play.yml")]
        env = {**environment(), "ANSIBLE_COLLECTIONS_PATH": str(self.directory), **files}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        return done.returncode, said.read_text().splitlines(), done.stdout + done.stderr


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_an_order_is_given_and_taken_back(run: Run) -> None:
    status, said, output = run.play("pacemaker", {})
    assert status == 0, output
    assert [line for line in said if "cluster_resource" in line] == [
        "fw2 cluster_resource move",
        "fw1 cluster_resource clear",
        "fw2 cluster_resource clear",
    ]


def test_a_target_that_dies_after_the_order_leaves_none_behind(run: Run) -> None:
    status, said, output = run.play(
        "pacemaker",
        {
            "cluster_switchover arrived": MISSING,
            "fw2 node_info": GONE,
            "fw2 cluster_resource clear": GONE,
        },
    )
    assert status != 0
    assert "fw1 cluster_resource clear" in said, output
    assert "It did not come to pass" in output


def test_a_node_without_a_cluster_is_not_asked_to_take_it_back(run: Run) -> None:
    dead = {"info": {"cluster": {"problem": "crm_mon: exit 102"}}}
    _status, said, output = run.play("pacemaker", {"fw2 node_info": dead})
    assert "fw1 cluster_resource clear" in said, output
    assert "fw2 cluster_resource clear" not in said


@pytest.mark.parametrize(("topology", "order"), [
    ("pacemaker", "cluster_resource clear"),
    ("keepalived", "node_drain ready"),
])  # fmt: skip
@pytest.mark.parametrize("step", ["cluster_switchover arrived", "node_maintenance on"])
def test_a_step_that_fails_leaves_no_order_behind(run: Run, topology: str, order: str, step: str) -> None:
    words = {"firewall_maintenance": True, "firewall_source": "fw1"}
    status, said, output = run.play(topology, {f"fw1 {step}": BROKEN}, **words)
    assert status != 0
    assert f"fw1 {order}" in said, output


def test_a_drained_node_that_is_gone_stops_nobody(run: Run) -> None:
    status, said, output = run.play("keepalived", {"fw1 node_info": GONE, "fw1 node_drain ready": GONE})
    assert "fw2 cluster_switchover settled" in said, output
    assert status == 0, output
