# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Task files of playbooks as Ansible runs them, with modules that only write down who was asked what."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.playbook import environment

TASKS = Path(__file__).parents[3] / "playbooks" / "tasks"
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
        with open(os.environ["SAID"], "a+") as file:
            file.seek(0)
            before = sum(json.loads(line)[0] == said for line in file)
            file.write(json.dumps([said, self._task.args], default=str) + "\\n")
        with open(os.environ["ANSWERS"]) as file:
            answers = json.load(file)
        answer = answers.get(said, answers.get(" ".join(said.split()[1:]), {}))
        if isinstance(answer, list):
            answer = answer[min(before, len(answer) - 1)]
        return {"changed": False, **answer}
"""
FILTER = """
class FilterModule:
    def filters(self):
        return {"node_mask": lambda plan, *arguments: {}}
"""
# First in the path: no daemon of the machine that tests is asked or told anything.
SYSTEMCTL = """#!/bin/sh
case $1 in start|stop|restart|reload) printf '["systemctl %s", {}]\\n' "$*" >> "$SAID" ;; esac
echo LoadState=loaded
echo ActiveState=active
"""


@dataclass(frozen=True)
class Played:
    """The exit status, who was asked what in order (orders to systemd too), with which arguments, what was printed."""

    status: int
    said: list[str]
    arguments: list[dict[str, Any]]
    output: str

    def of(self, said: str) -> list[dict[str, Any]]:
        """The arguments of each time at which this was said."""
        return [given for line, given in zip(self.said, self.arguments, strict=True) if line == said]


class Run:
    """A place for plays. `modules` are those of this collection that the task files use."""

    def __init__(self, directory: Path, modules: Iterable[str]) -> None:
        self.directory = directory
        plugins = directory / "ansible_collections" / "linuxha" / "firewall" / "plugins"
        for kind in ("action", "filter"):
            (plugins / kind).mkdir(parents=True)
        for name in modules:
            (plugins / "action" / f"{name}.py").write_text(ACTION)
        (plugins / "filter" / "node_mask.py").write_text(FILTER)
        systemctl = directory / "bin" / "systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)

    def play(
        self,
        file: str,
        hosts: Mapping[str, Mapping[str, Any]],
        answers: Mapping[str, Any],
        **variables: Any,
    ) -> Played:
        """One file of playbooks/tasks.

        Args:
            file: its name.
            hosts: the variables of each node.
            answers: what a module returns, by what is said to it, with the name of the node first or without. Of a list
                the first time its first, and so on; then the last.
            variables: of all nodes.
        """
        common = {"ansible_connection": "local", "conntrackd_links": [], "iptables_management": [], **variables}
        given = {"all": {"hosts": {name: dict(own) for name, own in hosts.items()}, "vars": common}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(given))
        tasks = [{"ansible.builtin.include_tasks": str(TASKS / file)}]
        play = [{"hosts": "all", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}]
        (self.directory / "play.yml").write_text(yaml.safe_dump(play))
        (self.directory / "answers.json").write_text(json.dumps(answers))
        said = self.directory / "said"
        said.write_text("")
        found = environment()
        env = {
            **found,
            "PATH": f"{self.directory / 'bin'}:{found['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory),
            "SAID": str(said),
            "ANSWERS": str(self.directory / "answers.json"),
        }
        argv = ["ansible-playbook", "-i", str(self.directory / "hosts.yml"), str(self.directory / "play.yml")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        lines = [json.loads(line) for line in said.read_text().splitlines()]
        return Played(
            done.returncode,
            [line for line, _given in lines],
            [given for _line, given in lines],
            done.stdout + done.stderr,
        )
