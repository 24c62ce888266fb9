# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the conntrackd role."""

from __future__ import annotations

from typing import Any

from . import types as t
from .validate import sync_family


def link_version(cluster: t.Cluster, link: t.SyncLink) -> int:
    """The family in which states travel over a link."""
    common = sync_family(cluster)
    if common:
        return common
    return 4 if link.ipv4 is not None else 6


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    ct = cluster.conntrackd
    found: dict[str, Any] = {
        "conntrackd_mode": ct.mode,
        "conntrackd_immediate": ct.immediate,
        "conntrackd_transport": ct.transport,
        "conntrackd_port": ct.port,
        "conntrackd_links": [_link(cluster, node, link) for link in cluster.sync_links],
        "conntrackd_ignore": _ignore(cluster),
        "conntrackd_table_max": ct.table_max,
        "conntrackd_expectations": "all" if "all" in ct.expectations else list(ct.expectations),
    }
    if ct.hash_limit is not None:
        found["conntrackd_hash_limit"] = ct.hash_limit
    return found


def _link(cluster: t.Cluster, node: t.Node, link: t.SyncLink) -> dict[str, Any]:
    version = link_version(cluster, link)
    peers = [p.address(link.name, version) for p in cluster.peers(node)]
    return {
        "name": link.name,
        "interface": node.interfaces[link.name],
        "local": str(node.address(link.name, version)),
        "peers": [str(a) for a in peers if a is not None],
    }


def _ignore(cluster: t.Cluster) -> list[str]:
    """Flows that end on a node itself are of no use to its peer.

    VIPs are left out: conntrackd compares these addresses with both ends of a flow, and translated flows carry a
    VIP as one end.
    """
    found = ["127.0.0.1", "::1"]
    translated = [(n.family, *n.to_addresses) for n in cluster.policy.flat.nat if n.to_addresses]
    for node in cluster.nodes:
        for a in node.all_addresses:
            if not any(a.version == family and low <= int(a) <= high for family, low, high in translated):
                found.append(str(a))
    return list(dict.fromkeys(found))
