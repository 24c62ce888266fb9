# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the keepalived role."""

from __future__ import annotations

from typing import Any, Optional

from . import types as t
from .net import IPAddress
from .validate import sync_family


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    shared = cluster.vrrp.mode == "shared"
    instances = [_shared(cluster, node)] if shared else _per_network(cluster, node)
    found = {
        "keepalived_instances": instances,
        "keepalived_sync_groups": [] if shared else [{"name": cluster.name, "instances": [i["name"] for i in instances]}],
        "keepalived_track_scripts": [_script(s) for s in cluster.vrrp.track_scripts],
        "keepalived_realtime": cluster.profile.realtime,
        # VIPs never come up before the rules.
        "keepalived_requires": ["linuxha-rules.service"],
        "keepalived_conntrackd": True,
    }
    if cluster.vrrp.garp:
        found["keepalived_garp"] = dict(cluster.vrrp.garp)
    return found


def source(cluster: t.Cluster, node: t.Node) -> Optional[IPAddress]:
    """The address from which, and to which, this node's adverts go in shared mode."""
    if not cluster.sync_links:
        return None
    return node.address(cluster.sync_links[0].name, sync_family(cluster))


def _base(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    return {
        "priority": node.priority,
        "preempt": cluster.preempt,
        "advert_interval_ms": cluster.vrrp.advert_interval_ms,
        "down_timer_adverts": cluster.vrrp.down_timer_adverts,
        "version": cluster.vrrp.version,
        "use_vmac": cluster.vrrp.use_vmac,
        "track_scripts": [s.name for s in cluster.vrrp.track_scripts],
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


def _shared(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    own = source(cluster, node)
    # keepalived binds its receiving socket to the source address, so a copy that goes to the peer's address on a
    # second link would be dropped there. The second path is a duplicate of the packet itself: see advert_copies.
    peers = [str(a) for a in (source(cluster, peer) for peer in cluster.peers(node)) if a is not None]
    return {
        "name": cluster.name,
        "interface": None,
        "vrid": cluster.vrrp.vrid,
        "unicast_source": str(own) if own is not None else None,
        "unicast_peers": peers,
        "vips": [vip for network in cluster.networks for vip in _vips(network, node)],
        "track_interfaces": [node.interfaces[n.name] for n in cluster.networks if n.track],
        **_base(cluster, node),
    }


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
                    "unicast_source": str(own) if unicast and own is not None else None,
                    "unicast_peers": [str(a) for a in peers if a is not None] if unicast else [],
                    "vips": vips,
                    "track_interfaces": [node.interfaces[network.name]] if network.track else [],
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


def advert_copies(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    """Adverts that are sent over the other sync links too, at the same moment (iptables TEE in raw OUTPUT).

    The copy keeps both addresses, so the peer's one socket takes it from whatever link it came.
    """
    own = source(cluster, node)
    if cluster.vrrp.mode != "shared" or own is None:
        return []
    found = []
    for link in cluster.sync_links[1:]:
        for peer in cluster.peers(node):
            target, gateway = source(cluster, peer), peer.address(link.name, own.version)
            if target is not None and gateway is not None:
                found.append(
                    {
                        "name": f"advert over {link.name} to {peer.name}",
                        "protocol": "vrrp",
                        "source": str(own),
                        "destination": str(target),
                        "gateway": str(gateway),
                    }
                )
    return found
