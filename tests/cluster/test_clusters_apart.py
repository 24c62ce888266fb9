# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two clusters in one play: each has its own key, reload and restart."""

from __future__ import annotations

import json

import pytest

from lab.lab import Lab
from tests.cluster.clusters import deploy, serving, start_resource, starts, wait_whole
from tests.cluster.live import Cluster

pytestmark = pytest.mark.full

NODES = {"edge": ("edge1", "edge2"), "branch": ("branch1", "branch2")}


@pytest.fixture(scope="module")
def apart(two: Lab) -> Lab:
    deploy(two)
    return two


def keys(lab: Lab) -> dict[str, set[str]]:
    return {
        name: {lab.nodes[node].exec("sha256sum", "/etc/corosync/authkey").split()[0] for node in nodes}
        for name, nodes in NODES.items()
    }


def learned(lab: Lab, key: str) -> dict[str, set[str]]:
    return {
        name: {lab.nodes[node].exec("corosync-cmapctl", "-g", key).split()[-1] for node in nodes}
        for name, nodes in NODES.items()
    }


def started(lab: Lab) -> dict[str, str]:
    names = [node for nodes in NODES.values() for node in nodes]
    show = ("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "corosync")
    return {node: lab.nodes[node].exec(*show) for node in names}


def test_each_cluster_has_its_own_key(apart: Lab) -> None:
    found = keys(apart)
    assert [len(values) for values in found.values()] == [1, 1]
    assert found["edge"] != found["branch"]


def test_a_lost_key_comes_from_the_peer_of_the_same_cluster(apart: Lab) -> None:
    before = keys(apart)
    for node in ("edge1", "branch1"):
        apart.nodes[node].exec("rm", "/etc/corosync/authkey")
    assert deploy(apart).changed == 2
    assert keys(apart) == before


def test_each_cluster_has_its_own_resources(apart: Lab) -> None:
    for name, nodes in NODES.items():
        status = Cluster(apart, *nodes).module("cluster_info", {})
        assert sorted(node["name"] for node in status["nodes"]) == sorted(nodes), name
        assert all(node["online"] for node in status["nodes"])


def test_one_run_reloads_both_without_a_restart(apart: Lab) -> None:
    before = started(apart)
    deploy(apart, "-e", "corosync_profile=patient")
    assert learned(apart, "totem.token") == {"edge": {"3000"}, "branch": {"3000"}}
    deploy(apart)
    assert learned(apart, "totem.token") == {"edge": {"300"}, "branch": {"300"}}
    assert started(apart) == before


def test_one_run_restarts_all_nodes_of_both(apart: Lab) -> None:
    before = started(apart)
    deploy(apart, "-e", '{"corosync_system": {"sched_rr": "no"}}')
    after = started(apart)
    assert all(before[node] != after[node] for node in before)
    deploy(apart)


def test_a_restart_moves_what_runs_at_most_once(apart: Lab) -> None:
    """Whichever node serves: it is restarted last, when its peer is ready to take over."""
    edge = Cluster(apart, *NODES["edge"])
    start_resource(edge)
    for given in ({"corosync_system": {"sched_rr": "no"}}, {}):
        (active,) = serving(edge)
        before, count = started(apart), starts(edge)
        deploy(apart, "--limit", "edge,qnetd", "-e", json.dumps(given))
        wait_whole(edge, device=False)
        assert all(before[node] != started(apart)[node] for node in NODES["edge"])
        assert serving(edge) != [active]
        assert starts(edge) == count + 1


def test_in_the_wrong_order_it_moves_twice(apart: Lab) -> None:
    """Negative control."""
    edge = Cluster(apart, *NODES["edge"])
    count, (active,) = starts(edge), serving(edge)
    for node in (active, *(other for other in NODES["edge"] if other != active)):
        edge.run("systemctl", "restart", "pacemaker", node=node)
        wait_whole(edge, device=False)
    assert starts(edge) == count + 2
    edge.wipe()


def test_what_concerns_one_cluster_leaves_the_other_alone(apart: Lab) -> None:
    before = started(apart)
    deploy(apart, "--limit", "edge,qnetd", "-e", "corosync_profile=patient")
    assert learned(apart, "totem.token") == {"edge": {"3000"}, "branch": {"300"}}
    deploy(apart)
    assert started(apart) == before


def test_a_second_run_changes_nothing(apart: Lab) -> None:
    assert deploy(apart).changed == 0
    assert deploy(apart, "--check", "--diff").changed == 0
