# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""cluster_drift in a real run of Ansible: a playbook within the task, in check mode, with the secrets of the run.

The nodes are this machine, and the playbook a small one, so what is judged here is the way and not the firewall.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.playbook import environment

PLAN = {"cluster": "edge", "nodes": ["a", "b"], "vips": [], "vip_groups": {}, "topology": "keepalived"}
UNITS = {"conntrackd.service": {"load": "loaded", "active": "active", "since": 1.0, "newer": ["/x"], "reload": False}}
INNER = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Write
      ansible.builtin.copy: {content: "{{ secret }}", dest: "{{ place }}/{{ inventory_hostname }}", mode: "0600"}
      notify: After
    - name: Stop where it cannot be
      ansible.builtin.command: {argv: ["false"]}
      check_mode: false
      when: broken | default(false) and inventory_hostname == 'b'
    - name: What only a deployment does
      ansible.builtin.copy: {content: "", dest: "{{ place }}/deployed", mode: "0600"}
      check_mode: false
      when: not ansible_check_mode or not ansible_diff_mode
  handlers:
    - name: After
      ansible.builtin.file: {path: "{{ place }}/handled", state: touch, mode: "0600"}
"""


class Run:
    """An inventory of two hosts, which are this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = directory / "place"
        self.place.mkdir()
        hosts = {name: {"firewall_plan": {**PLAN, "node": name}} for name in PLAN["nodes"]}
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": hosts, "vars": {**common, "place": str(self.place)}}}
        (directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        (directory / "inner.yml").write_text(INNER)
        (directory / "password").write_text("a password")
        self.report = directory / "report.json"

    def play(self, *arguments: str, fail: bool = False) -> tuple[int, str]:
        options = {"playbook": str(self.directory / "inner.yml"), "fail": fail, "report": str(self.report)}
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.set_fact": {"firewall_running": {"info": {"units": UNITS}}}},
            {"linuxha.firewall.cluster_drift": options, "run_once": True},
        ]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (self.directory / "outer.yml").write_text(yaml.safe_dump(play))
        argv = ["ansible-playbook", "-i", str(self.directory / "hosts.yml"), str(self.directory / "outer.yml")]
        argv += ["--vault-password-file", str(self.directory / "password"), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment())
        return done.returncode, done.stdout + done.stderr

    def found(self) -> set[tuple[str, str, str]]:
        report = json.loads(self.report.read_text())
        return {(item["layer"], item["node"], item["path"]) for item in report["differences"]}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_playbook_runs_in_check_mode_with_what_this_run_was_given(run: Run) -> None:
    (run.place / "a").write_text("as it should be")
    (run.place / "a").chmod(0o600)

    status, output = run.play("-e", "secret='as it should be'")

    assert status == 0, output
    # Host a has its file, b has none, and nothing was written.
    assert ("file", "b", str(run.place / "b")) in run.found()
    assert not any(path == str(run.place / "a") for _layer, _node, path in run.found())
    assert sorted(path.name for path in run.place.iterdir()) == ["a"]
    # Nobody asked these nodes how they are, and what they said of their daemons is there.
    assert {("unknown", "a", "connection"), ("daemon", "a", "conntrackd.service")} <= run.found()
    assert "as it should be" not in output
    assert output.count("PLAY RECAP") == 1
    assert run.report.stat().st_mode & 0o777 == 0o600


def test_a_difference_fails_when_it_is_asked_for(run: Run) -> None:
    status, output = run.play("-e", "secret=x", fail=True)
    assert status == 2
    assert "INVENTORY" in output or "FILE" in output


def test_what_site_could_not_tell_is_in_the_report(run: Run) -> None:
    status, output = run.play("-e", "secret=x", "-e", "broken=true")
    assert status == 0, output
    assert ("unknown", "b", "Stop where it cannot be") in run.found()


def test_check_mode_writes_no_report(run: Run) -> None:
    status, output = run.play("-e", "secret=x", "--check")
    assert status == 0, output
    assert not run.report.exists()
