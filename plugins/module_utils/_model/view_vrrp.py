# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the keepalived role."""

from __future__ import annotations

from typing import Any

from . import types as t
from .validate import sync_family


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    shared = cluster.vrrp.mode == "shared"
    instances = _shared(cluster, node) if shared else _per_network(cluster, node)
    tracked = [node.interfaces[n.name] for n in cluster.networks if n.track]
    scripts = [s.name for s in cluster.vrrp.track_scripts]
    groups = []
    if len(instances) > 1:
        # keepalived takes the trackers of a sync group from the group.
        group = {"name": cluster.name, "instances": [i["name"] for i in instances], "track_scripts": scripts}
        groups.append({**group, "track_interfaces": tracked})
    else:
        for instance in instances:
            instance.update(track_interfaces=tracked, track_scripts=scripts)
    found = {
        "keepalived_instances": instances,
        "keepalived_sync_groups": groups,
        "keepalived_track_scripts": [_script(s) for s in cluster.vrrp.track_scripts],
        "keepalived_realtime": cluster.profile.realtime,
        # VIPs never come up before the rules.
        "keepalived_requires": ["linuxha-rules.service"],
        "keepalived_conntrackd": True,
    }
    if cluster.vrrp.garp:
        found["keepalived_garp"] = dict(cluster.vrrp.garp)
    return found


def _base(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    return {
        "priority": node.priority,
        "preempt": cluster.preempt,
        "advert_interval_ms": cluster.vrrp.advert_interval_ms,
        "down_timer_adverts": cluster.vrrp.down_timer_adverts,
        "version": cluster.vrrp.version,
        "use_vmac": cluster.vrrp.use_vmac,
    }


def _vips(network: t.Network, node: t.Node, version: int = 0) -> list[dict[str, Any]]:
    found = []
    for vip in network.vips:
        if version in (0, vip.address.version):
            item = {"address": str(vip), "interface": node.interfaces[network.name]}
            if vip.label:
                item["label"] = vip.label
            found.append(item)
    return found


def _shared(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    """One instance per HA link; the first holds every VIP.

    Their sync group becomes master only when the adverts of all links have stopped, so that losing a link moves
    nothing. keepalived binds the sockets of an instance to one interface (vrrp.c), hence one instance per link.
    """
    found: list[dict[str, Any]] = []
    for link in cluster.sync_links:
        version = sync_family(cluster)
        own = node.address(link.name, version)
        peers = [peer.address(link.name, version) for peer in cluster.peers(node)]
        unicast = cluster.vrrp.transport == "unicast"
        found.append(
            {
                "name": f"{cluster.name}_{link.name}",
                "interface": node.interfaces[link.name],
                "vrid": cluster.vrrp.vrid,
                "family": f"ipv{version}",
                "unicast_source": str(own) if unicast and own is not None else None,
                "unicast_peers": [str(a) for a in peers if a is not None] if unicast else [],
                "vips": [] if found else [vip for network in cluster.networks for vip in _vips(network, node)],
                "track_primary": False,
                **_base(cluster, node),
            }
        )
    return found


def _per_network(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    found = []
    unicast = cluster.vrrp.transport == "unicast"
    for network in cluster.networks:
        for version in (4, 6):
            vips = _vips(network, node, version)
            if not vips:
                continue
            own = node.address(network.name, version)
            peers = [p.address(network.name, version) for p in cluster.peers(node)]
            found.append(
                {
                    "name": f"{network.name}_{version}",
                    "interface": node.interfaces[network.name],
                    "vrid": network.vrid,
                    # Multicast names no source by which the role could tell.
                    "family": f"ipv{version}",
                    "unicast_source": str(own) if unicast and own is not None else None,
                    "unicast_peers": [str(a) for a in peers if a is not None] if unicast else [],
                    "vips": vips,
                    # Tracked with all others by the sync group; keepalived refuses an interface tracked twice.
                    "track_primary": False,
                    **_base(cluster, node),
                }
            )
    return found


def _script(script: t.TrackScript) -> dict[str, Any]:
    return {
        "name": script.name,
        "command": script.command,
        "interval_ms": script.interval_ms,
        "timeout_ms": script.timeout_ms,
        "fall": script.fall,
        "rise": script.rise,
        "weight": script.weight,
    }
