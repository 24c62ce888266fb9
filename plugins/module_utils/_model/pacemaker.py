# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What is wrong in a cluster of topology pacemaker, once its parts could be read."""

from __future__ import annotations

from . import types as t
from . import view_cib
from .problems import Problems, nearest


def validate(cluster: t.Cluster, path: str, problems: Problems) -> None:
    _ids(cluster, problems)
    _groups(cluster, path, problems)
    _injection(cluster, path, problems)
    _stickiness(cluster, path, problems)
    _devices(cluster, f"{path}.pacemaker.fencing", problems)
    _quorum(cluster, f"{path}.pacemaker.quorum_device", problems)
    _ping_groups(cluster, f"{path}.pacemaker.ping_groups", problems)


def _ids(cluster: t.Cluster, problems: Problems) -> None:
    seen: dict[int, str] = {}
    for node in cluster.nodes:
        if node.id in seen:
            problems.error(
                "node-id",
                f"firewall_node[{node.name}].id",
                node.id,
                f"is the id of {seen[node.id]} too",
                "Give each node a number of its own that never changes.",
            )
        seen.setdefault(node.id, node.name)


def _groups(cluster: t.Cluster, path: str, problems: Problems) -> None:
    names = [group.name for group in cluster.vip_groups]
    nodes = [node.name for node in cluster.nodes]
    for group in cluster.vip_groups:
        where = f"{path}.vip_groups.{group.name}"
        if group.primary and group.primary not in nodes:
            problems.error("node", f"{where}.primary", group.primary, "no such node", nearest(group.primary, nodes))
        if not cluster.vips_of(group.name):
            remedy = "Write group: in at least one of networks.NAME.vips, or remove the group."
            problems.error("group", where, group.name, "has no virtual address", remedy)
    for network in cluster.networks:
        for number, vip in enumerate(network.vips):
            if vip.group not in names:
                where = f"{path}.networks.{network.name}.vips[{number}].group"
                problems.error("group", where, vip.group, "no such group in vip_groups", nearest(vip.group, names))


def _stickiness(cluster: t.Cluster, path: str, problems: Problems) -> None:
    if len(cluster.vip_groups) > 1 and cluster.pacemaker.stickiness < view_cib.PREFERRED:
        problems.error(
            "groups-stickiness",
            f"{path}.pacemaker.stickiness",
            cluster.pacemaker.stickiness,
            f"is too little for {len(cluster.vip_groups)} vip_groups",
            f"Groups would follow the free node: write at least {view_cib.PREFERRED}, and preempt for a way back.",
        )


def _injection(cluster: t.Cluster, path: str, problems: Problems) -> None:
    if len(cluster.vip_groups) > 1 and not cluster.conntrackd.immediate:
        problems.error(
            "groups-immediate",
            f"{path}.conntrackd.immediate",
            False,
            f"does not go with {len(cluster.vip_groups)} vip_groups",
            "A node that serves already commits nothing when it takes one more group: use immediate: true.",
        )


def _devices(cluster: t.Cluster, path: str, problems: Problems) -> None:
    nodes = [node.name for node in cluster.nodes]
    devices = cluster.pacemaker.fencing.devices
    taken = {"states", view_cib.STATES, *(f"vips-{group.name}" for group in cluster.vip_groups)}
    taken |= {f"ping-{group.name}{suffix}" for group in cluster.pacemaker.ping_groups for suffix in ("", "-clone")}
    for number, device in enumerate(devices):
        if device.name in taken:
            where = f"{path}.devices[{number}].name"
            problems.error("duplicate", where, device.name, "is the name of another resource too", "Use another name.")
        for name in device.nodes:
            if name not in nodes:
                where = f"{path}.devices[{number}].nodes"
                problems.error("node", where, name, "no such node", nearest(name, nodes))
    for name in nodes:
        if devices and all(name not in device.nodes for device in devices):
            remedy = "A node that cannot be cut off keeps the others from taking over: give it a device."
            problems.error("unfenced-node", f"{path}.devices", None, f"node {name} has no device", remedy)


def _quorum(cluster: t.Cluster, path: str, problems: Problems) -> None:
    device = cluster.pacemaker.quorum_device
    if device is not None and device.algorithm == "ffsplit" and len(cluster.nodes) % 2:
        remedy = "Use lms, or no device: an odd number of nodes always has a majority."
        problems.error(
            "ffsplit", f"{path}.algorithm", "ffsplit", f"is for halves, not for {len(cluster.nodes)} nodes", remedy
        )


def _ping_groups(cluster: t.Cluster, path: str, problems: Problems) -> None:
    own = {address for node in cluster.nodes for address in node.all_addresses} | {v.address for v in cluster.vips}
    for group in cluster.pacemaker.ping_groups:
        for number, host in enumerate(group.hosts):
            if host in own:
                where = f"{path}.{group.name}.hosts[{number}]"
                problems.error("ping", where, str(host), "is an address of the cluster itself", "Name a neighbour.")
