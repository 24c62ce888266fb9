# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What is wrong inside one cluster, once its parts could be read."""

from __future__ import annotations

from . import pacemaker, parse_sync
from . import types as t
from .net import IPAddress, covering, overlap, reserved
from .problems import Problems


def validate(cluster: t.Cluster, path: str, problems: Problems) -> None:
    _segments(cluster, path, problems)
    _vips(cluster, path, problems)
    _nodes(cluster, problems)
    _sync_links(cluster, path, problems)
    if cluster.topology == "pacemaker":
        pacemaker.validate(cluster, path, problems)
    else:
        _vrrp(cluster, path, problems)
    _conntrackd(cluster, path, problems)
    _config_sync(cluster, f"{path}.config_sync", problems)
    _overrides(cluster, path, problems)


def segment_path(cluster: t.Cluster, path: str, segment: t.Segment) -> str:
    """Where a segment is written."""
    if isinstance(segment, t.Network):
        return f"{path}.networks.{segment.name}"
    if isinstance(segment, t.SyncLink):
        return f"{path}.sync_links[{cluster.sync_links.index(segment)}]"
    return f"{path}.management"


def _segments(cluster: t.Cluster, path: str, problems: Problems) -> None:
    seen: dict[str, t.Segment] = {}
    for segment in cluster.segments:
        where = segment_path(cluster, path, segment)
        if segment.name in seen:
            problems.error(
                "duplicate",
                where,
                segment.name,
                "is the name of another network or link too",
                "Names are unique in a cluster.",
            )
        for other in seen.values():
            if segment.interface and segment.interface == other.interface:
                problems.error(
                    "interface-twice",
                    f"{where}.interface",
                    segment.interface,
                    f"is the interface of {other.name} too",
                    "Each network and link has an interface of its own.",
                )
            for left in segment.prefixes:
                for right in other.prefixes:
                    if overlap(left, right):
                        remedy = "Prefixes of one cluster must not overlap."
                        problems.error("overlap", where, str(left), f"overlaps {right} of {other.name}", remedy)
        seen.setdefault(segment.name, segment)


def _vips(cluster: t.Cluster, path: str, problems: Problems) -> None:
    seen: dict[IPAddress, str] = {}
    for network in cluster.networks:
        for number, vip in enumerate(network.vips):
            where = f"{path}.networks.{network.name}.vips[{number}]"
            prefix = covering(vip.address, network.prefixes)
            what = reserved(vip.address, prefix) if prefix is not None else None
            if prefix is None:
                known = ", ".join(str(p) for p in network.prefixes) or "none"
                problems.error("outside", where, str(vip.address), "is outside its network", f"Its prefixes: {known}.")
            elif what:
                problems.error("reserved", where, str(vip.address), f"is {what} of {prefix}", "Use a host address.")
            if vip.address in seen:
                problems.error(
                    "clash", where, str(vip.address), f"is written at {seen[vip.address]} too", "Remove one of them."
                )
            seen.setdefault(vip.address, where)
    if cluster.networks and not seen:
        problems.error("missing", f"{path}.networks", None, "has no VIP at all", "Give at least one network a VIP.")


def _nodes(cluster: t.Cluster, problems: Problems) -> None:
    if len(cluster.nodes) < 2:
        names = ", ".join(n.name for n in cluster.nodes)
        problems.error(
            "too-few-nodes",
            f"firewall_cluster[{cluster.name}]",
            names,
            "has fewer than two nodes",
            "Give a second host the same firewall_cluster and a firewall_node of its own.",
        )
    owners: dict[IPAddress, str] = {}
    priorities: dict[int, str] = {}
    for node in cluster.nodes:
        for key, addresses in node.addresses.items():
            for number, address in enumerate(addresses):
                if address in owners:
                    where = f"firewall_node[{node.name}].addresses.{key}[{number}]"
                    problems.error(
                        "clash",
                        where,
                        str(address),
                        f"belongs to {owners[address]} too",
                        "Give each node addresses of its own.",
                    )
                owners.setdefault(address, f"{node.name} ({key})")
        if node.priority in priorities:
            problems.error(
                "priority-equal",
                f"firewall_node[{node.name}].priority",
                node.priority,
                f"is the priority of {priorities[node.priority]} too",
                "Different priorities make the takeover predictable.",
            )
        priorities.setdefault(node.priority, node.name)


def _sync_links(cluster: t.Cluster, path: str, problems: Problems) -> None:
    if not cluster.sync_links:
        if cluster.topology == "pacemaker":
            remedy = "Add two dedicated links: corosync and conntrackd use them."
            problems.error(
                "sync-link-missing", f"{path}.sync_links", None, "is missing, and topology pacemaker needs it", remedy
            )
        elif cluster.vrrp.mode == "shared":
            remedy = "Add two sync links, or use mode: per_network."
            problems.error(
                "sync-link-missing", f"{path}.sync_links", None, "is missing, and vrrp.mode shared needs it", remedy
            )
        else:
            remedy = "Add a dedicated link: whoever can write to it can write into the connection table."
            problems.error(
                "sync-link-missing", f"{path}.sync_links", None, "is missing, and conntrackd needs it", remedy
            )


def _vrrp(cluster: t.Cluster, path: str, problems: Problems) -> None:
    vrrp = cluster.vrrp
    if vrrp.mode == "shared" and vrrp.use_vmac:
        remedy = "Use mode: per_network, or use_vmac: false."
        problems.error("shared-vmac", f"{path}.vrrp.use_vmac", True, "needs one interface per instance", remedy)
    if vrrp.version == 2:
        if vrrp.advert_interval_ms % 1000:
            problems.error(
                "vrrpv2-subsecond",
                f"{path}.vrrp.version",
                2,
                f"cannot carry an advert interval of {vrrp.advert_interval_ms} ms",
                "keepalived rounds it to whole seconds: use version: 3, or advert_interval_ms: 1000.",
            )
        if 6 in cluster.families and vrrp.mode == "per_network":
            problems.error("vrrpv2-ipv6", f"{path}.vrrp.version", 2, "has no IPv6", "Use version: 3.")
    if vrrp.mode == "shared" and cluster.sync_links and sync_family(cluster) == 0:
        remedy = "Give every sync link an IPv4 prefix, or every one an IPv6 prefix."
        problems.error("sync-family", f"{path}.sync_links", None, "have no address family in common", remedy)


def _conntrackd(cluster: t.Cluster, path: str, problems: Problems) -> None:
    if cluster.conntrackd.mode == "ftfw" and len(cluster.nodes) > 2:
        problems.error(
            "ftfw-nodes",
            f"{path}.conntrackd.mode",
            "ftfw",
            f"loses states with {len(cluster.nodes)} nodes",
            "One sequence counter serves all peers: use mode: notrack.",
        )
    if cluster.conntrackd.transport != "multicast" and len(cluster.nodes) > 2:
        problems.error(
            "sync-peers",
            f"{path}.conntrackd.transport",
            cluster.conntrackd.transport,
            f"reaches one peer, not {len(cluster.nodes) - 1}",
            "conntrackd sends a unicast link to one address: use transport: multicast.",
        )


def _config_sync(cluster: t.Cluster, path: str, problems: Problems) -> None:
    sync = cluster.config_sync
    if sync is None:
        return
    parse_sync.check_primary(sync, [node.name for node in cluster.nodes], f"{path}.primary", problems)
    taken = {cluster.management.ssh_port: "ssh"} if cluster.management else {}
    if cluster.conntrackd.transport == "tcp":
        taken[cluster.conntrackd.port] = "conntrackd"
    if sync.port in taken:
        problems.error("port", f"{path}.port", sync.port, f"is the port of {taken[sync.port]}", "Use another one.")


def _overrides(cluster: t.Cluster, path: str, problems: Problems) -> None:
    limit = cluster.conntrackd.hash_limit
    if limit is not None and limit < cluster.conntrackd.table_max:
        problems.warn(
            "hash-limit",
            f"{path}.conntrackd.hash_limit",
            limit,
            f"is below table_max ({cluster.conntrackd.table_max})",
            f"conntrackd then drops states silently: use {2 * cluster.conntrackd.table_max}, or leave it out.",
        )


def sync_family(cluster: t.Cluster) -> int:
    """The IP version that every sync link has; 4 first; 0 when there is none."""
    for version in (4, 6):
        if cluster.sync_links and all(any(p.version == version for p in link.prefixes) for link in cluster.sync_links):
            return version
    return 0
