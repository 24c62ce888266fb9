# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""cluster_status as Ansible runs it: all clusters of the play, files whole or not at all, nothing in check mode."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action import cluster_status
from tests.unit.verify.sample import VIPS, node, pair

PLAN = {
    "cluster": "edge",
    "nodes": ["fw1", "fw2"],
    "vips": VIPS,
    "vip_groups": {"edge": VIPS},
    "topology": "keepalived",
    "instances": ["edge"],
    "profile": "fast",
    "preempt": False,
    "primaries": {"edge": "fw1"},
    "networks": [{"name": "wan", "zone": "wan", "vips": VIPS[:1], "interface": "eth1"}],
    "sync_links": ["sync0"],
}


def shown(
    monkeypatch: pytest.MonkeyPatch, hostvars: dict[str, Any], check: bool = False, **args: Any
) -> dict[str, Any]:
    printed: list[str] = []
    monkeypatch.setattr(cluster_status.display, "display", printed.append)
    monkeypatch.setattr(cluster_status.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_status.ActionModule.__new__(cluster_status.ActionModule)
    action._task = SimpleNamespace(check_mode=check)
    given = {"answers": "firewall_node_info", "json": None, "html": None, **args}
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, given), raising=False)
    result = action.run(None, {"hostvars": hostvars, "ansible_play_hosts_all": list(hostvars)})
    return {"printed": "\n".join(printed), "failed": False, **result}


def cluster(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The variables of the hosts of a cluster; None for one that gave no answer."""
    plan = {**PLAN, "nodes": list(nodes), **more}
    answers = {name: info if info and "unreachable" in info else {"info": info} for name, info in nodes.items()}
    return {
        name: {"firewall_plan": {**plan, "node": name}, "firewall_node_info": answer}
        for name, answer in answers.items()
    }


def test_all_clusters_of_the_play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dead = {"unreachable": True, "msg": "Failed to connect:\n timed out"}
    hostvars = {**cluster(pair()), **cluster({"gw1": dead, "gw2": node(True)}, cluster="branch")}
    files = {"json": str(tmp_path / "s.json"), "html": str(tmp_path / "s.html")}

    result = shown(monkeypatch, hostvars, **files)

    assert (result["failed"], result["changed"]) == (False, False)
    assert result["msg"] == "branch degraded, edge ok"
    assert "cluster branch: DEGRADED" in result["printed"]
    assert "gw1: no answer from the node: Failed to connect: timed out" in " ".join(result["printed"].split())
    assert json.loads((tmp_path / "s.json").read_text()) == result["status"]
    assert (tmp_path / "s.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.html", "s.json"]


def test_check_mode_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = shown(monkeypatch, cluster(pair()), check=True, html=str(tmp_path / "s.html"))
    assert result["msg"] == "edge ok"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = str(tmp_path / "none" / "s.html")
    result = shown(monkeypatch, cluster(pair()), html=name)
    assert result["failed"]
    assert result["msg"].startswith(f"html: {name}: No such file or directory. Name a file")


def test_the_old_file_stays_when_the_new_one_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(self: Path, *args: Any, **more: Any) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    file = tmp_path / "s.html"
    file.write_text("old")
    monkeypatch.setattr(Path, "write_text", full)
    assert shown(monkeypatch, cluster(pair()), html=str(file))["failed"]
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["s.html"]


def test_a_host_of_the_cluster_that_is_not_in_the_play(monkeypatch: pytest.MonkeyPatch) -> None:
    hostvars = cluster(pair())
    action_hosts = {"fw2": hostvars["fw2"], "fw1": {}}
    result = shown(monkeypatch, action_hosts)
    assert result["msg"] == "edge down"
    assert "it was not asked" in result["printed"]


def test_without_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    result = shown(monkeypatch, {"fw1": {}})
    assert result["failed"]
    assert "cluster_plan" in result["msg"]


def test_all_nodes_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = {"unreachable": True, "msg": "timed out"}
    assert shown(monkeypatch, cluster({"fw1": dead, "fw2": dead}))["msg"] == "edge down"
