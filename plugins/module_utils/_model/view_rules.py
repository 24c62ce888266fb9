# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the iptables role: zones, the policy, and the rules that the cluster itself needs."""

from __future__ import annotations

from typing import Any

from . import policy, view_corosync
from . import types as t
from .validate import sync_family
from .view_states import link_version

VRRP_GROUP = {4: "224.0.0.18", 6: "ff02::12"}
STATES_GROUP = {4: "225.0.0.50", 6: "ff02::3780"}
LINK_LOCAL = "fe80::/10"


def role_variables(cluster: t.Cluster, node: t.Node) -> dict[str, Any]:
    written = cluster.policy.as_dicts()
    found: dict[str, Any] = {
        **{f"iptables_{key}": written.get(key, []) for key in ("rules", "nat", "defaults", "untracked", "mss", "raw")},
        "iptables_zones": policy.zones(cluster, node.interfaces, written.get("zones", {})),
        "iptables_addresses": {**policy.addresses(cluster), **written.get("addresses", {})},
        "iptables_services": written.get("services", {}),
        "iptables_vips": [str(v.address) for v in cluster.vips],
        "iptables_cluster_rules": [
            *(_membership if cluster.topology == "pacemaker" else _adverts)(cluster, node),
            *_states(cluster, node),
            *_links(cluster, node),
            *_ssh(cluster, node),
            *_config_sync(cluster, node),
        ],
        "iptables_gate": True,
        "iptables_management": {},
    }
    if "flush" in written:
        found["iptables_flush"] = written["flush"]
    if cluster.management is not None:
        found["iptables_management"] = {
            "interfaces": [node.interfaces[t.MANAGEMENT]],
            "sources": [str(p) for p in cluster.management.sources],
            "port": cluster.management.ssh_port,
        }
    return found


def _both(name: str, interfaces: list[str], own: list[str], peers: list[str], **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name} in",
            "chain": "input",
            "interfaces": interfaces,
            "source": peers,
            "destination": own,
            "action": "accept",
            **more,
        },
        {
            "name": f"{name} out",
            "chain": "output",
            "interfaces": interfaces,
            "source": own,
            "destination": peers,
            "action": "accept",
            **more,
        },
    ]


def _texts(node: t.Node, keys: list[str], version: int) -> list[str]:
    return [str(a) for key in keys for a in node.addresses.get(key, ()) if a.version == version]


def _peers(cluster: t.Cluster, node: t.Node, keys: list[str], version: int) -> list[str]:
    return [a for peer in cluster.peers(node) for a in _texts(peer, keys, version)]


def _adverts(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    if cluster.vrrp.mode == "shared":
        version = sync_family(cluster)
        return [rule for link in cluster.sync_links for rule in _advert(cluster, node, link, version)]
    found: list[dict[str, Any]] = []
    for network in cluster.networks:
        for version in sorted({v.address.version for v in network.vips}):
            found += _advert(cluster, node, network, version)
    return found


def _membership(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    """corosync on every sync link. Untracked: a full connection table must not cost the node its membership."""
    found: list[dict[str, Any]] = []
    for link in cluster.sync_links:
        version = link_version(cluster, link)
        own, peers = _texts(node, [link.name], version)[:1], _peers(cluster, node, [link.name], version)
        more: dict[str, Any] = {"protocol": "udp", "ports": [view_corosync.port(cluster, link)]}
        both = _both(f"corosync {link.name}", [node.interfaces[link.name]], own, peers, **more)
        found += both
        for rule, chain in zip(both, ("raw_prerouting", "raw_output")):
            found.append({**rule, "name": f"{rule['name']} untracked", "chain": chain, "action": "notrack"})
    return found


def _advert(cluster: t.Cluster, node: t.Node, segment: t.Segment, version: int) -> list[dict[str, Any]]:
    name, interfaces = f"vrrp {segment.name} IPv{version}", [node.interfaces[segment.name]]
    own, peers = _texts(node, [segment.name], version), _peers(cluster, node, [segment.name], version)
    if cluster.vrrp.transport == "unicast":
        return _both(name, interfaces, own, peers, protocol="vrrp")
    # IPv6 adverts come from a link-local address, which is known only on the running node.
    sources = {"in": peers, "out": own} if version == 4 else {"in": [LINK_LOCAL], "out": [LINK_LOCAL]}
    found: list[dict[str, Any]] = [
        {
            "name": f"{name} {way}",
            "chain": chain,
            "interfaces": interfaces,
            "source": sources[way],
            "destination": [VRRP_GROUP[version]],
            "protocol": "vrrp",
            "action": "accept",
        }
        for way, chain in (("in", "input"), ("out", "output"))
    ]
    if version == 4:
        found.append(_igmp(segment.name, interfaces))
    return found


def _igmp(name: str, interfaces: list[str]) -> dict[str, Any]:
    # Without reports a snooping switch stops forwarding the group.
    return {
        "name": f"igmp {name}",
        "chain": "output",
        "interfaces": interfaces,
        "destination": ["224.0.0.0/4"],
        "protocol": "igmp",
        "action": "accept",
    }


def _states(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    ct = cluster.conntrackd
    protocol = "tcp" if ct.transport == "tcp" else "udp"
    found: list[dict[str, Any]] = []
    for link in cluster.sync_links:
        version = link_version(cluster, link)
        interfaces = [node.interfaces[link.name]]
        own, peers = _texts(node, [link.name], version), _peers(cluster, node, [link.name], version)
        name = f"conntrackd {link.name}"
        # (direction of the connection, what limits the port): TCP answers come back from the port.
        sides = [("", "ports")] + ([(" answers", "source_ports")] if ct.transport == "tcp" else [])
        receivers = {"in": own, "out": peers}
        if ct.transport == "multicast":
            receivers = {"in": [STATES_GROUP[version]], "out": [STATES_GROUP[version]]}
            if version == 4:
                found.append(_igmp(link.name, interfaces))
        for suffix, key in sides:
            for way, chain, raw, senders in (
                ("in", "input", "raw_prerouting", peers),
                ("out", "output", "raw_output", own),
            ):
                rule = {
                    "interfaces": interfaces,
                    "source": senders,
                    "destination": receivers[way],
                    "protocol": protocol,
                    key: [ct.port],
                }
                found.append({"name": f"{name}{suffix} {way}", "chain": chain, "action": "accept", **rule})
                found.append({"name": f"{name}{suffix} untracked {way}", "chain": raw, "action": "notrack", **rule})
    return found


def _links(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    found = []
    for link in cluster.sync_links:
        for prefix in link.prefixes:
            own = _texts(node, [link.name], prefix.version)
            peers = _peers(cluster, node, [link.name], prefix.version)
            found += _both(
                f"icmp {link.name} IPv{prefix.version}", [node.interfaces[link.name]], own, peers, protocol="icmp"
            )
    return found


def _ssh(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    if cluster.management is None:
        return []
    found = []
    for prefix in cluster.management.prefixes:
        own = _texts(node, [t.MANAGEMENT], prefix.version)
        peers = _peers(cluster, node, [t.MANAGEMENT], prefix.version)
        interfaces, port = [node.interfaces[t.MANAGEMENT]], cluster.management.ssh_port
        found += _both(f"ssh peers IPv{prefix.version}", interfaces, own, peers, protocol="tcp", ports=[port])
    return found


def _config_sync(cluster: t.Cluster, node: t.Node) -> list[dict[str, Any]]:
    """Every node fetches from every other one."""
    if cluster.config_sync is None:
        return []
    found = []
    for link in cluster.sync_links:
        for prefix in link.prefixes:
            own = _texts(node, [link.name], prefix.version)
            peers = _peers(cluster, node, [link.name], prefix.version)
            name, interfaces = f"config sync {link.name} IPv{prefix.version}", [node.interfaces[link.name]]
            found += _both(name, interfaces, own, peers, protocol="tcp", ports=[cluster.config_sync.port])
    return found
