# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""All role variables of one node: the edge between the cluster model and the roles."""

from __future__ import annotations

from typing import Any

from . import types as t
from . import view_cib, view_corosync, view_rules, view_states, view_sync, view_system, view_takeover, view_vrrp
from .budget import failover


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    """Everything derived, with the cluster's own `role_variables` on top. Plain data, ready for JSON."""
    return {
        **view_system.role_variables(cluster, node),
        **view_rules.role_variables(cluster, node),
        **view_states.role_variables(cluster, node),
        **view_takeover.role_variables(cluster, node),
        **_topology(cluster, node),
        **view_sync.role_variables(cluster),
        **cluster.role_overrides,
    }


def _topology(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    if cluster.topology == "pacemaker":
        return {**view_corosync.role_variables(cluster, node), **view_cib.role_variables(cluster)}
    return view_vrrp.role_variables(cluster, node)


#: What moves the addresses of a node, by topology; the roles of a whole cluster come after it.
FAILOVER_ROLES = {"keepalived": "linuxha.firewall.keepalived", "pacemaker": "linuxha.firewall.ocf_agents"}


def _instances(cluster: t.Cluster, node: t.Node) -> list[str]:
    """What the takeover worker of a node hears of."""
    if cluster.topology == "pacemaker":
        return ["states"]
    return [i["name"] for i in view_vrrp.role_variables(cluster, node)["keepalived_instances"]]


def plan(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    """The cluster as playbooks see it (fact `firewall_plan`)."""
    found = failover(cluster)
    peers = cluster.peers(node)
    primaries = {group.name: cluster.primary_of(group) for group in cluster.vip_groups}
    return {
        "cluster": cluster.name,
        "topology": cluster.topology,
        "failover_role": FAILOVER_ROLES[cluster.topology],
        "profile": cluster.profile.name,
        "node": node.name,
        "nodes": [n.name for n in cluster.nodes],
        "peers": [n.name for n in peers],
        "peer_addresses": {n.name: {key: [str(a) for a in own] for key, own in n.addresses.items()} for n in peers},
        "interfaces": {name: [str(a) for a in node.addresses.get(key, ())] for key, name in node.interfaces.items()},
        "priority": node.priority,
        # To where a group returns by itself.
        "preferred": primaries if cluster.preempt else {},
        "vrrp_mode": cluster.vrrp.mode if cluster.topology == "keepalived" else None,
        "instances": _instances(cluster, node),
        "vips": [str(v.address) for v in cluster.vips],
        "vip_groups": {g.name: [str(v.address) for v in cluster.vips_of(g.name)] for g in cluster.vip_groups},
        "primaries": primaries,
        "preempt": cluster.preempt,
        "ping_groups": {g.name: [str(host) for host in g.hosts] for g in cluster.pacemaker.ping_groups},
        "sync_links": [link.name for link in cluster.sync_links],
        "networks": [
            {
                "name": n.name,
                "zone": n.zone,
                "interface": node.interfaces[n.name],
                "vips": [str(v.address) for v in n.vips],
                "addresses": [str(a) for a in node.addresses[n.name]],
            }
            for n in cluster.networks
        ],
        "config_sync": cluster.config_sync is not None,
        "budget": {
            "detection_ms": round(found.detection_ms, 1),
            "announcement_ms": round(found.announcement_ms, 1),
            "commit_ms": round(found.commit_ms, 1),
            "total_ms": round(found.total_ms, 1),
            "limit_ms": cluster.budget_limit_ms,
        },
    }
