# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The task files that take one node after the other out of service, as Ansible runs them: site's restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .plays import Played, Run

MODULES = (
    "node_info",
    "cluster_switchover",
    "cluster_rolling",
    "cluster_verify",
)
REACHED = {"reached": True, "missing": [], "again": False, "attempts_left": 0, "withdraw": False}
ANSWERS: dict[str, Any] = {
    "node_info": {"info": {"held": [], "maintenance": None, "drained": False, "cluster": {"problem": None}}},
    "fw1 node_info": {
        "info": {"held": ["192.0.2.1"], "maintenance": None, "drained": False, "cluster": {"problem": None}}
    },
    "cluster_switchover plan": {"moves": [], "drain": False, "resources": [], "refused": []},
    "cluster_rolling sound": REACHED,
    "cluster_rolling ready": REACHED,
    "cluster_verify": {"settling": False, "attempts_left": 0, "findings": []},
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, MODULES)


def play(run: Run, file: str, answers: dict[str, Any], preempt: bool = False, **variables: Any) -> Played:
    plan = {
        "topology": "keepalived",
        "nodes": ["fw1", "fw2"],
        "vips": ["192.0.2.1"],
        "ping_groups": {},
        "preempt": preempt,
        "failover_role": "linuxha.firewall.keepalived",
    }
    hosts = {name: {"firewall_plan": {**plan, "node": name}, "firewall_node": {}} for name in ("fw1", "fw2")}
    return run.play(file, hosts, {**ANSWERS, **answers}, **variables)


def restart(run: Run, preempt: bool, **answers: Any) -> Played:
    return play(run, "changes_restart.yml", answers, preempt, firewall_restart_turn="fw1")


def test_what_returns_by_itself_has_returned_before_the_cluster_is_judged(run: Run) -> None:
    """While the addresses go back, one look at the nodes may see two owners."""
    played = restart(run, preempt=True)
    assert played.status == 0, played.output
    order = ("systemctl restart keepalived.service", "fw1 cluster_rolling ready", "fw1 cluster_verify")
    assert [line for line in played.said if line in order] == list(order), played.output
    assert {given["node"] for given in played.of("fw2 cluster_rolling ready")} == {"fw1"}


@pytest.mark.parametrize(("preempt", "own"), [
    (False, {}),
    (True, {"maintenance": {"reason": "new disk"}}),
    (True, {"drained": True}),
])  # fmt: skip
def test_what_does_not_return_is_not_waited_for(run: Run, preempt: bool, own: dict[str, Any]) -> None:
    info = {**ANSWERS["fw1 node_info"]["info"], **own}
    played = restart(run, preempt, **{"fw1 node_info": {"info": info}})
    assert played.status == 0, played.output
    assert "fw1 cluster_verify" in played.said
    assert not any("cluster_rolling" in line for line in played.said)
