# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Orders of an operator on a live cluster, each waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.live import Cluster

RESOURCES = {
    "resources": [
        {"id": "a", "agent": "ocf:heartbeat:Dummy", "operations": [{"name": "monitor", "interval": "2s"}]},
        {"id": "b", "agent": "ocf:heartbeat:Dummy"},
        {"id": "pair", "type": "group", "members": ["a", "b"]},
    ],
    "constraints": [{"type": "location", "resource": "pair", "node": "fw1", "score": 50}],
    "wait": 60,
}


@pytest.fixture(scope="module")
def deployed(live: Cluster) -> Iterator[Cluster]:
    yield live
    live.wipe()


@pytest.fixture
def serving(deployed: Cluster) -> Cluster:
    """With these resources where they belong: each test takes its orders back, so mostly there is nothing to do."""
    deployed.cib({**RESOURCES, "allow": ["*"]})
    return deployed


def where(cluster: Cluster, name: str) -> set[str]:
    status = cluster.module("cluster_info", {})
    return {node for item in status["resources"] if name in (item["id"], *item["parents"]) for node in item["nodes"]}


def ordered(cluster: Cluster, module: str, given: dict[str, Any]) -> None:
    """Each order is predicted, done, and nothing the second time."""
    predicted = cluster.module(module, given, check=True)
    done = cluster.module(module, given)
    assert not done.failed, done.msg
    assert done.changed
    assert predicted["changes"] == done["changes"]
    assert predicted["effects"] == done["effects"]
    assert not cluster.module(module, given).changed


def test_standby_and_back(serving: Cluster) -> None:
    assert where(serving, "pair") == {"fw1"}
    ordered(serving, "cluster_node", {"name": "fw1", "state": "standby"})
    assert where(serving, "pair") == {"fw2"}
    ordered(serving, "cluster_node", {"name": "fw1", "state": "online"})
    assert where(serving, "pair") == {"fw1"}


def test_maintenance_and_back(serving: Cluster) -> None:
    ordered(serving, "cluster_node", {"name": "fw1", "state": "maintenance"})
    status = serving.module("cluster_info", {})
    assert [node["name"] for node in status["nodes"] if node["maintenance"]] == ["fw1"]
    assert where(serving, "pair") == {"fw1"}
    ordered(serving, "cluster_node", {"name": "fw1", "state": "online"})


def test_move_ban_and_clear(serving: Cluster) -> None:
    ordered(serving, "cluster_resource", {"id": "pair", "action": "move", "node": "fw2"})
    assert where(serving, "pair") == {"fw2"}
    ordered(serving, "cluster_resource", {"id": "pair", "action": "clear"})
    assert where(serving, "pair") == {"fw1"}
    ordered(serving, "cluster_resource", {"id": "pair", "action": "ban", "node": "fw1"})
    assert where(serving, "pair") == {"fw2"}
    # The same constraints that crm_resource makes: it can take them back.
    serving.run("crm_resource", "--resource", "pair", "--clear")
    assert not serving.module("cluster_resource", {"id": "pair", "action": "clear"}).changed


def test_disable_and_enable(serving: Cluster) -> None:
    ordered(serving, "cluster_resource", {"id": "pair", "action": "disable"})
    assert where(serving, "pair") == set()
    ordered(serving, "cluster_resource", {"id": "pair", "action": "enable"})
    assert where(serving, "pair") == {"fw1"}


def test_unmanage_and_manage(serving: Cluster) -> None:
    ordered(serving, "cluster_resource", {"id": "pair", "action": "unmanage"})
    status = serving.module("cluster_info", {})
    assert not any(item["managed"] for item in status["resources"] if "pair" in item["parents"])
    ordered(serving, "cluster_resource", {"id": "pair", "action": "manage"})


def test_cleanup_forgets_a_failure(serving: Cluster) -> None:
    # The state file is what Dummy takes for running.
    serving.run("sh", "-c", "rm -f /run/resource-agents/Dummy-a.state /run/Dummy-a.state")
    for _second in range(30):
        status = serving.module("cluster_info", {})
        if status["failures"]:
            break
    assert status["failures"][0]["op_key"].startswith("a_monitor")
    ordered(serving, "cluster_resource", {"id": "pair", "action": "cleanup"})
    assert serving.module("cluster_info", {})["failures"] == []


@pytest.mark.parametrize(
    ("module", "given", "reason"),
    [
        ("cluster_node", {"name": "fw3", "state": "standby"}, "the cluster has no such node"),
        ("cluster_resource", {"id": "pear", "action": "disable"}, "Did you mean 'pair'?"),
        ("cluster_resource", {"id": "pair", "action": "move", "node": "fw9"}, "the cluster has no such node"),
        ("cluster_resource", {"id": "pair", "action": "move"}, "node"),
    ],
)
def test_orders_that_make_no_sense(serving: Cluster, module: str, given: dict[str, Any], reason: str) -> None:
    before = serving.version()
    result = serving.module(module, given)
    assert result.failed
    assert reason in result.msg
    assert serving.version() == before
