# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From what the roles registered to a table, and to who is restarted when."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.action import cluster_changes
from ansible_collections.linuxha.firewall.plugins.module_utils._change.table import Row, rows, table, turns
from tests.tools.sources import ROOT

RELOAD = {"kind": "reload", "lines": ["+ 192.0.2.11/24 dev eth1"], "older": [], "changed": False}
PING = "create primitive ping-out (ocf:pacemaker:ping)"
RESTART = {"kind": "restart", "lines": [], "older": ["LimitRTPRIO: 0 -> infinity"], "changed": False}


@pytest.mark.parametrize(
    ("found", "serves", "wanted"),
    [
        ({}, True, []),
        ({"rules": {"changed": False, "changes": ["x"]}}, True, []),
        ({"rules": {"skipped": True}}, True, []),
        ({"rules": {"changed": True, "changes": ["a", "b", "c", "d"]}}, True, [("rules", "load", "a; b; c; 1 more")]),
        ({"keepalived": RELOAD}, True, [("keepalived", "reload", "+ 192.0.2.11/24 dev eth1")]),
        ({"keepalived": {**RELOAD, "kind": "nothing"}}, True, []),
        ({"keepalived": {**RELOAD, "kind": "check"}}, True, [
            ("keepalived", "reload, new check", "+ 192.0.2.11/24 dev eth1")]),
        ({"keepalived": {**RELOAD, "kind": "start"}}, True, [("keepalived", "start", "")]),
        ({"keepalived": RESTART}, False, [("keepalived", "restart", "LimitRTPRIO: 0 -> infinity")]),
        ({"keepalived": RESTART}, True, [("keepalived", "switchover, then restart", "LimitRTPRIO: 0 -> infinity")]),
        # A move of the addresses would not be less than that.
        ({"conntrackd": {**RESTART, "older": [], "lines": ["+ x"]}}, True, [("conntrackd", "resync", "+ x")]),
        ({"conntrackd": {"skipped": True}}, True, []),
        ({"takeover": {"its programs": {"changed": False}, "takeover.json": {"changed": True}}}, True, [
            ("takeover worker", "aside", "takeover.json")]),
        ({"takeover": {"its programs": {"changed": True, "results": []}, "takeover.json": {"skipped": True}}}, True, [
            ("takeover worker", "aside", "its programs")]),
        ({"journal": {"its programs": {"changed": False}, "journal.json": {"changed": True}}}, True, [
            ("failover journal", "aside", "journal.json")]),
        ({"journal": {"its programs": {"skipped": True}}}, True, []),
        ({"corosync": {"needs": "nothing", "changes": []}}, True, []),
        ({"corosync": {"needs": "reload", "changes": ["totem.token: 1 -> 2"]}}, True, [
            ("corosync", "reload", "totem.token: 1 -> 2")]),
        ({"corosync": {"needs": "restart", "changes": ["a", "b"], "restart_keys": ["totem.transport"]}}, False, [
            ("corosync", "switchover, then restart", "totem.transport")]),
        ({"cib": {"changed": True, "changes": ["update x"], "effects": []}}, True, [("cib", "live", "update x")]),
        ({"cib": {"changed": True, "changes": [PING], "effects": []}}, True, [("cib", "live, new check", PING)]),
        ({"cib": {"changed": True, "changes": [PING.replace("create", "delete")], "effects": []}}, True, [
            ("cib", "live", PING.replace("create", "delete"))]),
        ({"cib": {"changed": True, "changes": [PING], "effects": ["stop x (fw1)"]}}, True, [
            ("cib", "allowed: stop x (fw1)", PING)]),
        ({"cib": {"changed": True, "changes": ["update x"], "effects": ["restart x (fw1)"]}}, True, [
            ("cib", "allowed: restart x (fw1)", "update x")]),
    ],
)  # fmt: skip
def test_rows(found: dict[str, Any], serves: bool, wanted: list[tuple[str, str, str]]) -> None:
    assert [(row.daemon, row.kind, row.why) for row in rows("fw1", found, serves)] == wanted


@pytest.mark.parametrize(
    ("daemon", "registered"),
    [("takeover worker", cluster_changes.TAKEOVER), ("failover journal", cluster_changes.JOURNAL)],
)
def test_whatever_restarts_a_daemon_beside_the_traffic_is_told(daemon: str, registered: dict[str, str]) -> None:
    tasks = [
        task
        for path in sorted((ROOT / "roles/takeover/tasks").glob("*.yml"))
        for task in yaml.safe_load(path.read_text(encoding="utf-8"))
        if f"Restart the {daemon}" in task.get("notify", [])
    ]
    assert len(tasks) > 2
    assert {task.get("register") for task in tasks} == set(registered.values())


def test_those_that_serve_are_last() -> None:
    found = [
        Row("fw1", "keepalived", "switchover, then restart"),
        Row("fw2", "keepalived", "restart"),
        Row("fw3", "keepalived", "reload"),
        Row("fw3", "corosync", "switchover, then restart"),
    ]
    assert turns(["fw1", "fw2", "fw3"], found) == ["fw2", "fw1"]


def test_the_table_names_every_node() -> None:
    text = table("edge", ["fw1", "fw2"], rows("fw1", {"keepalived": RELOAD}, True), True)
    assert text[0] == "cluster edge: what site would do"
    assert any("fw1" in line and "reload" in line and "192.0.2.11" in line for line in text)
    assert any("fw2" in line and "nothing" in line for line in text)
    assert table("edge", [], [], False)[0] == "cluster edge: what site did"


def acted(
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    checked: bool,
    restart: str = "switchover",
    played: Sequence[str] = ("fw1", "fw2"),
) -> dict[str, Any]:
    printed: list[str] = []
    monkeypatch.setattr(cluster_changes.display, "display", printed.append)
    monkeypatch.setattr(cluster_changes.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_changes.ActionModule.__new__(cluster_changes.ActionModule)
    action._task = SimpleNamespace(check_mode=checked)
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, {"restart": restart}), raising=False)
    plan = {"cluster": "edge", "nodes": ["fw1", "fw2"]}
    hostvars: dict[str, Any] = {
        "fw1": {
            "firewall_plan": {**plan, "node": "fw1"},
            "group_names": ["firewalls", "firewall_pass_active"],
            "__keepalived_change": RESTART,
        },
        "fw2": {"firewall_plan": {**plan, "node": "fw2"}, "group_names": [], "__keepalived_change": RESTART},
    }
    variables = {**hostvars[host], "hostvars": hostvars, "ansible_play_hosts_all": list(played)}
    result: dict[str, Any] = action.run(None, variables)
    return {"printed": "\n".join(printed), **result}


def test_standby_first_and_one_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    result = acted(monkeypatch, "fw1", False)
    assert result["turns"] == ["fw2", "fw1"]
    assert result["changed"] is False
    assert "what site did" in result["printed"]
    other = acted(monkeypatch, "fw2", False)
    assert other["turns"] == result["turns"]
    assert other["printed"] == ""


@pytest.mark.parametrize(("checked", "restart"), [(True, "switchover"), (False, "never"), (True, "never")])
def test_nothing_is_restarted(monkeypatch: pytest.MonkeyPatch, checked: bool, restart: str) -> None:
    result = acted(monkeypatch, "fw1", checked, restart)
    assert result["turns"] == []
    assert "switchover, then restart" in result["printed"]
    assert ("not restarted" in result["printed"]) == (restart == "never")


def test_nothing_is_restarted_while_nobody_asks_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    result = acted(monkeypatch, "fw1", False, played=["fw1"])
    assert result["turns"] == []
    assert "not restarted: keepalived on fw1; run without --limit" in result["printed"]
