# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""cluster_verify as Ansible runs it: who speaks, when it fails, when it asks for another attempt."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action import cluster_verify

from .sample import VIPS, node, pair

PLAN = {
    "cluster": "edge",
    "nodes": ["fw1", "fw2"],
    "vips": VIPS,
    "vip_groups": {"edge": VIPS},
    "topology": "keepalived",
    "instances": ["edge"],
}


def judged(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], host: str = "fw1", **args: Any) -> dict[str, Any]:
    """Runs the action with the parts of Ansible that it uses; the judgement is the real one."""
    printed: list[str] = []
    slept: list[float] = []
    monkeypatch.setattr(cluster_verify.display, "display", printed.append)
    monkeypatch.setattr(cluster_verify.time, "sleep", slept.append)
    monkeypatch.setattr(cluster_verify.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_verify.ActionModule.__new__(cluster_verify.ActionModule)
    given = {"answers": "firewall_node_info", "without": [], "attempts_left": 0, "delay": 1.5, **args}
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, given), raising=False)
    hostvars = {
        name: {"firewall_plan": {**PLAN, "node": name}, "firewall_node_info": answer}
        for name, answer in answers.items()
    }
    result = action.run(None, {**hostvars[host], "hostvars": hostvars})
    return {"printed": "\n".join(printed), "slept": slept, "failed": False, **result}


def answers(nodes: dict[str, Any]) -> dict[str, Any]:
    return {name: {"info": info, "changed": False} for name, info in nodes.items()}


def test_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(monkeypatch, answers(pair()))
    assert not result["failed"]
    assert not result["settling"]
    assert "owner fw1" in result["printed"]
    assert "nothing to report" in result["printed"]
    assert result["changed"] is False


def test_a_node_that_is_known_to_be_dead_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it would have spoken: the first of those that are left does."""
    nodes = {"fw1": None, "fw2": node(True)}
    assert "no answer from the node" in judged(monkeypatch, answers(nodes), host="fw2")["msg"]
    result = judged(monkeypatch, answers(nodes), host="fw2", without=["fw1"])
    assert not result["failed"], result["msg"]
    assert "owner fw2" in result["printed"]
    assert "fw1" not in result["printed"]


def test_one_node_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(monkeypatch, answers({"fw1": node(True), "fw2": node(True)}), host="fw2")
    assert not result["failed"]
    assert result["printed"] == ""
    assert result["findings"]


def test_split_brain_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {"fw1": node(True), "fw2": node(True)}
    nodes["fw2"]["worker"]["states"] = "resyncing"
    result = judged(monkeypatch, answers(nodes), attempts_left=10)
    assert result["failed"]
    assert not result["settling"]
    assert result["slept"] == []
    assert "split brain" in result["msg"]


def test_settling_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = pair()
    nodes["fw2"]["worker"]["states"] = "resyncing"
    result = judged(monkeypatch, answers(nodes), attempts_left=1, delay=0.5)
    assert (result["failed"], result["settling"], result["slept"]) == (False, True, [0.5])
    assert result["attempts_left"] == 0
    other = judged(monkeypatch, answers(nodes), host="fw2", attempts_left=1)
    assert (other["settling"], other["slept"]) == (True, [])
    result = judged(monkeypatch, answers(nodes), attempts_left=0)
    assert (result["failed"], result["settling"], result["slept"]) == (True, False, [])


def test_a_dead_node_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by itself: an unreachable node stays in the play and speaks on the controller."""
    given = {**answers(pair()), "fw1": {"unreachable": True, "msg": "Failed to connect:\n timed out"}}
    result = judged(monkeypatch, given, attempts_left=10)
    assert result["failed"]
    assert "edge/fw1\n    found:    no answer from the node: Failed to connect: timed out" in result["msg"]


def test_a_node_whose_answer_failed_lets_the_next_one_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**answers(pair()), "fw1": {"failed": True, "msg": "the node cannot be asked: ip: not found"}}
    assert not judged(monkeypatch, given)["failed"]
    result = judged(monkeypatch, given, host="fw2")
    assert result["failed"]
    assert "ip: not found" in result["msg"]


def test_a_node_outside_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    result = judged(monkeypatch, {**answers(pair()), "fw1": None}, host="fw2")
    assert result["failed"]
    assert "--limit" in result["msg"]


def test_without_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAN, "cluster", "edge")
    action = cluster_verify.ActionModule.__new__(cluster_verify.ActionModule)
    monkeypatch.setattr(cluster_verify.ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, {}), raising=False)
    assert "cluster_plan" in action.run(None, {"hostvars": {}})["msg"]


@pytest.mark.parametrize(
    ("plan", "own", "seconds"),
    [
        ({}, {}, 0),
        ({"config_sync": False}, {"config_sync_interval_s": 30}, 0),
        ({"config_sync": True}, {"config_sync_interval_s": 30}, 30),
        ({"config_sync": True}, {"config_sync_interval_s": 30, "config_sync_service_state": "stopped"}, 0),
    ],
)
def test_how_often_config_sync_is_expected(plan: dict[str, Any], own: dict[str, Any], seconds: int) -> None:
    wanted = cluster_verify.expected({**PLAN, **plan}, own, {"fw1": {}, "fw2": {}})
    assert wanted.sync_interval_s == seconds
