# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The task files that take one node after the other out of service, as Ansible runs them: restarts and updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._verify import rolling

from .plays import BROKEN, GONE, Played, Run

MODULES = (
    "node_info",
    "cluster_switchover",
    "cluster_rolling",
    "cluster_verify",
    "node_maintenance",
    "node_update",
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
    (True, {"damping": {"held": True}}),
])  # fmt: skip
def test_what_does_not_return_is_not_waited_for(run: Run, preempt: bool, own: dict[str, Any]) -> None:
    info = {**ANSWERS["fw1 node_info"]["info"], **own}
    played = restart(run, preempt, **{"fw1 node_info": {"info": info}})
    assert played.status == 0, played.output
    assert "fw1 cluster_verify" in played.said
    assert not any("cluster_rolling" in line for line in played.said)


def turn(run: Run, answers: dict[str, Any] | None = None, **more: Any) -> Played:
    """The turn of fw2, which serves nothing."""
    told = {"cluster_rolling turn": {"serves": False}, "node_update": {"reboot": []}, **(answers or {})}
    words: dict[str, Any] = {
        "firewall_rolling_node": "fw2",
        "firewall_update_reboot": "never",
        "firewall_by": "somebody",
        **more,
    }
    return play(run, "rolling_turn.yml", told, configured=False, **words)


def maintenances(played: Played) -> list[tuple[str, str, str]]:
    """State, end and reason of each order."""
    lines = [line for line in played.said if line.startswith("fw2 node_maintenance")]
    assert len(lines) == sum("node_maintenance" in line for line in played.said), "no other node is touched"
    orders = [given for line in dict.fromkeys(lines) for given in played.of(line)]
    return [(given["state"], given.get("lasts", ""), given.get("reason", "")) for given in orders]


def test_a_turn_has_a_maintenance_that_ends(run: Run) -> None:
    played = turn(run)
    assert played.status == 0, played.output
    assert maintenances(played) == [("on", "4h", "rolling update"), ("off", "", "")]


def test_a_node_whose_update_failed_is_kept_away_without_an_end(run: Run) -> None:
    apt = {"failed": True, "msg": "3 packages cannot be upgraded:\n  dpkg: error"}
    played = turn(run, {"fw2 node_update": apt})
    assert played.status != 0
    reason = "rolling update failed: Rolling | Upgrade packages: 3 packages cannot be upgraded: dpkg: error"
    assert maintenances(played) == [("on", "4h", "rolling update"), ("on", "", reason)]
    assert reason.startswith(rolling.MARK), "the next run begins with it"
    assert "stays in maintenance until somebody ends it" in " ".join(played.output.split())
    assert not any(line in played.said for line in ("fw1 cluster_rolling sound", "fw1 cluster_rolling ready"))


def test_a_step_of_somebodys_own_counts_as_well(run: Run, tmp_path: Path) -> None:
    """Also without a name."""
    tasks = tmp_path / "own.yml"
    tasks.write_text('[{"ansible.builtin.fail": {"msg": "no such disk"}}]')
    played = turn(run, firewall_update_tasks=[str(tasks)])
    assert played.status != 0
    assert maintenances(played)[-1] == ("on", "", "rolling update failed: ansible.builtin.fail: no such disk")


@pytest.mark.parametrize(("problem", "why"), [(GONE, "timed out"), (BROKEN, "broken")])
def test_a_node_that_cannot_be_told_by_then_is_named_with_what_failed(
    run: Run, problem: dict[str, Any], why: str
) -> None:
    """The flag that ends by itself is all that it has."""
    played = turn(run, {"fw2 node_update": BROKEN, "fw2 node_maintenance on": [{}, problem]})
    assert played.status != 0
    told = " ".join(played.output.split())
    assert "The update of fw2 failed: Rolling | Upgrade packages: broken." in told
    assert f"it cannot be told to stay away ({why}): it stays in maintenance until the limit of 4h is over" in told


def test_a_node_that_is_not_reached_in_the_middle_of_its_update_ends_the_run(run: Run) -> None:
    """A rescue lets the others go on; what it said before would be taken for its state."""
    played = turn(run, {"fw2 node_update": GONE})
    assert played.status != 0
    assert "fw2 was not reached in the middle of its update. No other node was begun." in " ".join(
        played.output.split()
    )
    assert not any("cluster_rolling sound" in line or "cluster_rolling ready" in line for line in played.said)


def test_what_is_hidden_from_the_output_is_no_reason_either(run: Run, tmp_path: Path) -> None:
    tasks = tmp_path / "own.yml"
    tasks.write_text('[{"ansible.builtin.fail": {"msg": "hunter2"}, "name": "Log in", "no_log": true}]')
    played = turn(run, firewall_update_tasks=[str(tasks)])
    assert maintenances(played)[-1] == ("on", "", "rolling update failed: Log in: hidden by no_log")
    assert "The update of fw2 failed: Log in: hidden by no_log." in " ".join(played.output.split())
