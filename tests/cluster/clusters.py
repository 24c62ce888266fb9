# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two clusters in one lab and in one play, with or without a quorum device, and what their nodes do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from lab import playbook
from lab.lab import Lab
from lab.pair import wait
from tests.cluster.live import Cluster

DEPLOY = str(Path(__file__).parent / "deploy_two.yml")
WITNESS = "witness"
DEVICE = {"host": "203.0.113.6", "name": WITNESS, "timeout": 2000}
DUMMY = "/run/resource-agents/Dummy-a.state"


def deploy(lab: Lab, *arguments: str, device: dict[str, object] | None = None) -> playbook.Played:
    """Both clusters, as clients of the device if there is one."""
    more = ["-e", json.dumps({"device": device})] if device else []
    return playbook.play(lab, DEPLOY, [*more, *arguments], show=None)


def serving(cluster: Cluster) -> list[str]:
    """The nodes on which the resource `a` really runs, whatever Pacemaker believes."""
    command = f"test ! -e {DUMMY} || echo yes"
    return [node for node in cluster.nodes if "yes" in cluster.run("sh", "-c", command, node=node, check=False)]


def quorum(cluster: Cluster, node: str) -> str:
    return cluster.run("corosync-quorumtool", "-s", node=node, check=False)


def quorate(cluster: Cluster, node: str) -> bool:
    return re.search(r"Quorate:\s+Yes", quorum(cluster, node)) is not None


def voting(cluster: Cluster, node: str) -> bool:
    """This node has the vote of the device."""
    return re.search(r"A,V,\S+\s.*\(local\)", quorum(cluster, node)) is not None


def starts(cluster: Cluster, nodes: Sequence[str] = ()) -> int:
    """How often the resource `a` was ever started, in the journals of the nodes."""
    found = re.compile(r"Result of start operation for a on \S+: ok", re.IGNORECASE)
    texts = (cluster.run("journalctl", "--no-pager", "--unit=pacemaker", node=node) for node in nodes or cluster.nodes)
    return sum(len(found.findall(text)) for text in texts)


def wait_whole(cluster: Cluster, device: bool) -> None:
    """Until all nodes are online on all nodes, the device votes everywhere, and nothing moves."""

    def whole() -> bool:
        for node in cluster.nodes:
            if device and not voting(cluster, node):
                return False
            online = cluster.run("crm_node", "--partition", node=node, check=False).split()
            status = cluster.run("crm_mon", "--one-shot", "--output-as=xml", node=node, check=False)
            if sorted(online) != sorted(cluster.nodes) or status.count(' online="true"') != len(cluster.nodes):
                return False
        return True

    wait(whole, 90)
    cluster.run("crm_resource", "--wait", "--timeout=60")


def start_resource(cluster: Cluster) -> None:
    """One resource, which stays where it is, and stops where there is no quorum."""
    given = {
        "resources": [{"id": "a", "agent": "ocf:heartbeat:Dummy"}],
        "resource_defaults": {"resource-stickiness": 100},
        "properties": {"no-quorum-policy": "stop"},
        "wait": 60,
    }
    cluster.cib(given)
