# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How long a power cut of the active node interrupts traffic, computed before anything is deployed.

Detection is arithmetic of VRRP. The other two parts are estimates from measurements on small machines: they tell
which part dominates, not the last millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import types as t
from .problems import Problems

# Adding an address and announcing it, per VIP; and the fixed part of waking up and changing state.
ANNOUNCE_MS = 2.0
ANNOUNCE_PER_VIP_MS = 0.1
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
    advert = cluster.vrrp.advert_interval_ms
    adverts = cluster.vrrp.down_timer_adverts
    # The best of the others takes over; the node of the highest priority is the usual victim.
    priorities = sorted((n.priority for n in cluster.nodes), reverse=True)
    standby = priorities[1] if len(priorities) > 1 else (priorities[0] if priorities else 100)
    skew = (256 - standby) / 256 * advert
    detection = adverts * advert + skew
    vips = len(cluster.vips)
    announcement = ANNOUNCE_MS + ANNOUNCE_PER_VIP_MS * vips
    flows = 0 if cluster.conntrackd.immediate else cluster.conntrackd.table_max
    commit = COMMIT_MS + COMMIT_PER_FLOW_MS * flows if flows else 0.0
    total = detection + announcement + commit
    lines = (
        f"detection    {detection:8.1f} ms  {adverts} x {advert} ms + skew {skew:.1f} ms (priority {standby})",
        f"announcement {announcement:8.1f} ms  {vips} VIPs (estimate)",
        f"commit       {commit:8.1f} ms  "
        + (f"{flows} states, a full table (estimate)" if flows else "states are in the kernel already"),
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
        remedy = "Detection dominates: use a faster profile, or a shorter vrrp.advert_interval_ms."
    reason = (
        f"is below the computed {budget.total_ms:.0f} ms (detection {budget.detection_ms:.0f}, "
        f"announcement {budget.announcement_ms:.0f}, commit {budget.commit_ms:.0f})"
    )
    problems.error("budget", f"{path}.failover_budget_ms", limit, reason, remedy)
