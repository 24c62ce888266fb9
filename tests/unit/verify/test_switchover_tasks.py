# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The task files of a switchover as Ansible runs them.

An order must not outlive the run that gave it, whatever becomes of the nodes and of the steps in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .plays import BROKEN, GONE, Run

MOVE = {"group": "edge", "source": "fw1", "target": "fw2"}
MODULES = ("node_info", "cluster_switchover", "node_drain", "cluster_resource", "node_maintenance")
ANSWERS: dict[str, Any] = {
    "node_info": {"info": {"cluster": {"problem": None}}},
    "cluster_switchover arrived": {"reached": True, "missing": [], "again": False, "attempts_left": 0},
    "cluster_switchover settled": {"reached": True, "missing": [], "again": False, "attempts_left": 0},
    "cluster_switchover back": {"moves": [], "drain": False, "resources": []},
}
MISSING = {"reached": False, "missing": ["fw2 does not answer"], "again": False, "attempts_left": 0}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, MODULES)


def play(run: Run, topology: str, answers: dict[str, Any], **variables: Any) -> tuple[int, list[str], str]:
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
    played = run.play("switchover_move.yml", hosts, {**ANSWERS, **answers}, **variables)
    return played.status, played.said, played.output


def test_an_order_is_given_and_taken_back(run: Run) -> None:
    status, said, output = play(run, "pacemaker", {})
    assert status == 0, output
    assert [line for line in said if "cluster_resource" in line] == [
        "fw2 cluster_resource move",
        "fw1 cluster_resource clear",
        "fw2 cluster_resource clear",
    ]


def test_a_target_that_dies_after_the_order_leaves_none_behind(run: Run) -> None:
    status, said, output = play(
        run,
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
    _status, said, output = play(run, "pacemaker", {"fw2 node_info": dead})
    assert "fw1 cluster_resource clear" in said, output
    assert "fw2 cluster_resource clear" not in said


@pytest.mark.parametrize(("topology", "order"), [
    ("pacemaker", "cluster_resource clear"),
    ("keepalived", "node_drain ready"),
])  # fmt: skip
@pytest.mark.parametrize("step", ["cluster_switchover arrived", "node_maintenance on"])
def test_a_step_that_fails_leaves_no_order_behind(run: Run, topology: str, order: str, step: str) -> None:
    words = {"firewall_maintenance": True, "firewall_source": "fw1"}
    status, said, output = play(run, topology, {f"fw1 {step}": BROKEN}, **words)
    assert status != 0
    assert f"fw1 {order}" in said, output


def test_a_drained_node_that_is_gone_stops_nobody(run: Run) -> None:
    status, said, output = play(run, "keepalived", {"fw1 node_info": GONE, "fw1 node_drain ready": GONE})
    assert "fw2 cluster_switchover settled" in said, output
    assert status == 0, output


@pytest.mark.parametrize("answers", [
    {"node_info": {"info": {"cluster": {"problem": "crm_mon: exit 102"}}}},
    {"node_info": GONE},
    {"fw1 node_info": GONE, "fw2 cluster_resource clear": GONE},
    {"fw1 node_info": GONE, "fw2 cluster_resource clear": BROKEN},
])  # fmt: skip
def test_an_order_that_nobody_takes_back_is_told(run: Run, answers: dict[str, Any]) -> None:
    status, _said, output = play(run, "pacemaker", answers)
    told = " ".join(output.split())
    assert status != 0
    assert "No node could take the order back; asked: fw1, fw2." in told, output
    assert "for each of vips-edge" in told
