# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What works, but will hurt: each finding is a warning with a code that a cluster can accept by name."""

from __future__ import annotations

from . import types as t
from .problems import ERROR, Problem, Problems, nearest

CODES = {
    "single-sync-link": "shared mode, or topology pacemaker, with one sync link: losing it splits the cluster",
    "fence-race": "two nodes with fence devices and no delay that lets one of them win",
    "fast-adverts": "adverts under 100 ms on the patient profile, which has no realtime priority",
    "multicast-sync": "conntrackd multicast is accepted from any interface before 1.4.9",
    "cache-large-table": "external cache with a large table: the commit is part of every takeover",
    "family-gap": "IPv6 on some networks but not on others",
    "many-vips-vmac": "many VIPs with use_vmac",
    "hash-limit": "conntrackd's hash limit is below the table",
    "prefix-differs": "clusters overlap in a network but write different prefixes",
    "management-missing": "no management network: nobody may ssh to the nodes",
    "host-without-node": "a host has firewall_cluster but no firewall_node",
    "network-without-vip": "a network or one of its families has no VIP",
    "untracked": "no network is tracked: a pulled cable moves nothing",
    "short-down-timer": "one lost advert is a takeover",
}
LARGE_TABLE = 65_536
MANY_VIPS = 20


def lint(c: t.Cluster, path: str, problems: Problems) -> None:
    vrrp, ct = c.vrrp, c.conntrackd

    def warn(code: str, key: str, value: object, reason: str, remedy: str) -> None:
        problems.warn(code, f"{path}.{key}", value, reason, remedy)

    if c.topology == "pacemaker":
        _pacemaker(c, path, problems)
    elif vrrp.mode == "shared" and len(c.sync_links) == 1:
        remedy = "Add a second link over other hardware, or use vrrp.mode: per_network."
        warn(
            "single-sync-link",
            "sync_links",
            c.sync_links[0].name,
            "is the only path of the adverts: losing it makes two owners",
            remedy,
        )
    if vrrp.advert_interval_ms < 100 and not c.profile.realtime:
        remedy = "Use 100 or more, or the profile instant or fast, which run keepalived with realtime priority."
        warn(
            "fast-adverts",
            "vrrp.advert_interval_ms",
            vrrp.advert_interval_ms,
            f"is too short for profile {c.profile.name}",
            remedy,
        )
    if vrrp.down_timer_adverts < 2:
        warn(
            "short-down-timer",
            "vrrp.down_timer_adverts",
            vrrp.down_timer_adverts,
            "makes one lost advert a takeover",
            "Use 2 or more.",
        )
    if ct.transport == "multicast":
        remedy = "Use transport: udp where the cluster has two nodes."
        warn(
            "multicast-sync",
            "conntrackd.transport",
            ct.transport,
            "is accepted from any interface before conntrackd 1.4.9",
            remedy,
        )
    if not ct.immediate and ct.mode != "alarm" and ct.table_max > LARGE_TABLE:
        remedy = "Use immediate: true: then nothing is left to commit."
        warn(
            "cache-large-table",
            "conntrackd.immediate",
            False,
            f"commits up to {ct.table_max} states at a takeover",
            remedy,
        )
    if vrrp.use_vmac and len(c.vips) > MANY_VIPS:
        remedy = "Try it on your switches first."
        warn(
            "many-vips-vmac",
            "vrrp.use_vmac",
            len(c.vips),
            "VIPs move with virtual MACs, each announced on its macvlan",
            remedy,
        )
    if c.management is None:
        remedy = "Add management, or a rule that accepts ssh to the firewall."
        warn("management-missing", "management", None, "is missing: nobody may ssh to the nodes", remedy)
    if c.networks and not any(n.track for n in c.networks):
        warn("untracked", "networks", None, "has no tracked network: a pulled cable moves nothing", "Set track: true.")
    _families(c, warn_path=f"{path}.networks", problems=problems)


def _pacemaker(c: t.Cluster, path: str, problems: Problems) -> None:
    if len(c.sync_links) == 1:
        problems.warn(
            "single-sync-link",
            f"{path}.sync_links",
            c.sync_links[0].name,
            "is the only path of the membership: losing it splits the cluster",
            "Add a second link over other hardware.",
        )
    fencing = c.pacemaker.fencing
    alike = len({device.delay_s for device in fencing.devices}) == 1
    # With a quorum device only the half that has its vote may cut off the other.
    race = len(c.nodes) == 2 and c.pacemaker.quorum_device is None
    if race and alike and not fencing.priority_delay_s:
        problems.warn(
            "fence-race",
            f"{path}.pacemaker.fencing.priority_delay_s",
            None,
            "is missing: two nodes that lose each other may cut each other off",
            "Write the seconds by which the node that serves is ahead, such as 5.",
        )


def _families(c: t.Cluster, warn_path: str, problems: Problems) -> None:
    versions = {p.version for n in c.networks for p in n.prefixes}
    for network in c.networks:
        own = {p.version for p in network.prefixes}
        for version in sorted(versions - own):
            reason = f"has no IPv{version} although other networks have"
            problems.warn(
                "family-gap", f"{warn_path}.{network.name}", None, reason, f"Add ipv{version}, or accept this warning."
            )
        held = {v.address.version for v in network.vips}
        for version in sorted(own - held):
            reason = f"has an IPv{version} prefix but no VIP in it"
            problems.warn(
                "network-without-vip",
                f"{warn_path}.{network.name}.vips",
                None,
                reason,
                "Hosts there have no gateway that survives.",
            )


def accept(clusters: tuple[t.Cluster, ...], found: list[Problem]) -> list[Problem]:
    """Drop the warnings that their cluster accepts, and complain about codes that do not exist."""
    kept = []
    accepted = {c.name: set(c.accept_warnings) for c in clusters}
    for problem in found:
        name = problem.path.partition("[")[2].partition("]")[0]
        if problem.severity != ERROR and problem.code in accepted.get(name, ()):
            continue
        kept.append(problem)
    for cluster in clusters:
        for number, code in enumerate(cluster.accept_warnings):
            if code not in CODES:
                path = f"firewall_cluster[{cluster.name}].accept_warnings[{number}]"
                kept.append(
                    Problem(path, code, "is not the code of a warning", nearest(code, CODES), ERROR, "accept-unknown")
                )
    return kept
