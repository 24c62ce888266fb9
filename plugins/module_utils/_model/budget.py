# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How long a power cut of the active node interrupts traffic, computed before anything is deployed.

Detection is arithmetic of VRRP, or of corosync's timeouts. The other two parts are estimates from measurements on
small machines: they tell which part dominates, not the last millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import types as t
from .problems import Problems

# Adding an address and announcing it, per VIP; and the fixed part of waking up and changing state.
ANNOUNCE_MS = 2.0
ANNOUNCE_PER_VIP_MS = 0.1
# Pacemaker, from the new membership to the last announcement: 250 to 350 ms where nothing else is at work.
TRANSITION_MS = 450.0
# corosync adds it to the token for each node beyond the second; the other profiles switch it off.
TOKEN_COEFFICIENT_MS = 650
# Commit of an external cache: 62, 516 and 1142 ms were measured for 10, 100 and 200 thousand flows.
COMMIT_MS = 5.0
COMMIT_PER_FLOW_MS = 0.0057


@dataclass(frozen=True)
class Budget:
    """Worst case in milliseconds; `detection_min_ms` is the luckiest moment of the cut."""

    detection_min_ms: float
    detection_ms: float
    announcement_ms: float
    commit_ms: float
    total_ms: float
    lines: tuple[str, ...]


def failover(cluster: t.Cluster) -> Budget:
    """The budget of a power cut of the active node."""
    if cluster.topology == "pacemaker":
        return _pacemaker(cluster)
    return _vrrp(cluster)


def _pacemaker(cluster: t.Cluster) -> Budget:
    """corosync takes a node for lost after the token timeout, and agrees on who is left within the consensus timeout
    (corosync.conf(5)); then Pacemaker elects, decides, promotes and starts."""
    profile, device = cluster.profile, cluster.pacemaker.quorum_device
    more = TOKEN_COEFFICIENT_MS * max(0, len(cluster.nodes) - 2) if profile.name == "patient" else 0
    token, consensus = profile.token_ms + more, round(profile.consensus_ms + 1.2 * more)
    waiting = device.timeout_ms if device is not None else 0
    delay_s = cluster.pacemaker.fencing.priority_delay_s
    # Pacemaker's timer of whole seconds rings on full seconds of its own clock: up to one more.
    delay = 1000 * (delay_s + 1) if delay_s else 0
    detection = float(token + consensus + waiting + delay)
    vips = len(cluster.vips)
    announcement = TRANSITION_MS + ANNOUNCE_PER_VIP_MS * vips
    commit, commit_text = _commit(cluster)
    total = detection + announcement + commit
    lines = [
        f"detection    {detection:8.1f} ms  token {token} ms + consensus {consensus} ms"
        + (f" + quorum device {waiting} ms" if waiting else "")
        + (f" + priority_delay_s {delay_s} to {delay_s + 1} s" if delay else ""),
        f"announcement {announcement:8.1f} ms  election, decision, promotion and start, {vips} VIPs (estimate)",
        f"commit       {commit:8.1f} ms  {commit_text}",
        f"total        {total:8.1f} ms",
    ]
    if cluster.pacemaker.fencing.devices:
        lines.append("             and the time of the fence device, which is not known here")
    return Budget(float(consensus), detection, announcement, commit, total, tuple(lines))


def _commit(cluster: t.Cluster) -> tuple[float, str]:
    flows = 0 if cluster.conntrackd.immediate else cluster.conntrackd.table_max
    if not flows:
        return 0.0, "states are in the kernel already"
    return COMMIT_MS + COMMIT_PER_FLOW_MS * flows, f"{flows} states, a full table (estimate)"


def _vrrp(cluster: t.Cluster) -> Budget:
    advert = cluster.vrrp.advert_interval_ms
    adverts = cluster.vrrp.down_timer_adverts
    # The best of the others takes over; the node of the highest priority is the usual victim.
    priorities = sorted((n.priority for n in cluster.nodes), reverse=True)
    standby = priorities[1] if len(priorities) > 1 else (priorities[0] if priorities else 100)
    skew = (256 - standby) / 256 * advert
    detection = adverts * advert + skew
    vips = len(cluster.vips)
    announcement = ANNOUNCE_MS + ANNOUNCE_PER_VIP_MS * vips
    commit, commit_text = _commit(cluster)
    total = detection + announcement + commit
    lines = (
        f"detection    {detection:8.1f} ms  {adverts} x {advert} ms + skew {skew:.1f} ms (priority {standby})",
        f"announcement {announcement:8.1f} ms  {vips} VIPs (estimate)",
        f"commit       {commit:8.1f} ms  {commit_text}",
        f"total        {total:8.1f} ms",
    )
    return Budget(detection - advert, detection, announcement, commit, total, lines)


def check(cluster: t.Cluster, path: str, problems: Problems) -> None:
    """Assert `failover_budget_ms`."""
    limit = cluster.budget_limit_ms
    if limit is None:
        return
    budget = failover(cluster)
    if budget.total_ms <= limit:
        return
    if budget.commit_ms > budget.detection_ms:
        remedy = "The commit dominates: use conntrackd.immediate: true."
    else:
        shorter = ", or a shorter vrrp.advert_interval_ms" if cluster.topology == "keepalived" else ""
        remedy = f"Detection dominates: use a faster profile{shorter}."
    reason = (
        f"is below the computed {budget.total_ms:.0f} ms (detection {budget.detection_ms:.0f}, "
        f"announcement {budget.announcement_ms:.0f}, commit {budget.commit_ms:.0f})"
    )
    problems.error("budget", f"{path}.failover_budget_ms", limit, reason, remedy)
