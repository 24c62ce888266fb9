# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Views for the roles corosync and ocf_agents."""

from __future__ import annotations

from typing import Any

from . import types as t
from .view_states import link_version

FIRST_PORT = 5405


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    found: dict[str, Any] = {
        "corosync_cluster_name": cluster.name,
        "corosync_nodes": [
            {"name": n.name, "id": n.id, "addresses": [address(cluster, n, link) for link in cluster.sync_links]}
            for n in cluster.nodes
        ],
        "corosync_node": node.name,
        "corosync_profile": cluster.profile.name,
    }
    if len(cluster.nodes) > 2 and cluster.profile.name != "patient":
        # corosync adds it to the token for each node beyond the second, 650 ms unless it is told otherwise.
        found["corosync_totem"] = {"token_coefficient": 0}
    device = cluster.pacemaker.quorum_device
    if device is not None:
        name = {"name": device.name} if device.name else {}
        found["corosync_device"] = {
            "host": str(device.host),
            "algorithm": device.algorithm,
            "timeout": device.timeout_ms,
            **name,
        }
    return {**found, **_agents(cluster, node)}


def address(cluster: t.Cluster, node: t.Node, link: t.SyncLink) -> str:
    """The node's address on a link."""
    return str(node.address(link.name, link_version(cluster, link)))


def port(cluster: t.Cluster, link: t.SyncLink) -> int:
    """The UDP port of a link (knet), as corosync chooses it."""
    return FIRST_PORT + cluster.sync_links.index(link)


def _agents(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    return {
        "ocf_agents_groups": [
            {
                "name": group.name,
                "addresses": [
                    {"address": str(vip), "interface": node.interfaces[network.name]}
                    for network in cluster.networks
                    for vip in network.vips
                    if vip.group == group.name
                ],
            }
            for group in cluster.vip_groups
        ],
        "ocf_agents_mode": "immediate" if cluster.conntrackd.immediate else "cache",
        "ocf_agents_gate": True,
        "ocf_agents_preempt": cluster.preempt,
        "ocf_agents_links": [node.interfaces[n.name] for n in cluster.networks if n.track],
        # VIPs never come up before the rules.
        "ocf_agents_requires": ["linuxha-rules.service"],
    }
