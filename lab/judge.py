# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""From what the monitors saw to a verdict on one fault. Pure."""

from __future__ import annotations

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

from .report import Case
from .session import Measured

# The measured gap includes one interval of the 1 kHz stream and the noise of the machine.
NOISE_MS = 10.0
PLANNED_MS = 100.0
UNTOUCHED_MS = 50.0
# A planned switchover may lose nothing. Nothing is lost either while nothing is sent: a longer pause of a sender after
# the request could hide the hand-over.
HIDDEN_MS = 20.0


def limit_ms(cluster: model.Cluster, name: str, moves: bool) -> float:
    """The longest blackout that this fault may cause on this cluster.

    A planned switchover has a fixed bound. A fault that moves the addresses may take what the configuration predicts
    for a power cut; a fault that moves nothing may not be noticed.
    """
    if name in ("planned", "move"):
        return PLANNED_MS
    return model.budget.failover(cluster).total_ms + NOISE_MS if moves else UNTOUCHED_MS


def case(cluster: model.Cluster, measured: Measured, exact: bool = True) -> Case:
    """The verdict on one window.

    Args:
        cluster: the cluster it was measured on.
        measured: what the monitors saw.
        exact: whether the blackout is wanted as a figure, or only that it was within its limit. A sender that this
            machine delays makes the measured gap longer, never shorter: such a run is no figure, yet it proves the
            limit where the gap is within it.

    A void run says nothing about time. What no busy machine can cause counts in it all the same: a leak, and the end of
    a connection.
    """
    window, blackout, owners, leaks, flows = (
        measured.window, measured.blackout, measured.owners, measured.leaks, measured.window.flows,
    )  # fmt: skip
    bound = limit_ms(cluster, window.name, window.moves)
    planned = window.name == "planned"
    hidden = planned and blackout.max_stall_after_ms > HIDDEN_MS
    figure = exact or hidden or blackout.blackout_ms > bound
    reasons = (blackout.void if figure else blackout.unsound, owners.void, leaks.void, flows.void if flows else None)
    void = "; ".join(reason for reason in reasons if reason)
    problems = list(window.problems)
    if leaks.leaked:
        problems.append(f"{leaks.leaked} packets that the policy drops came through, the first: {leaks.examples[:1]}")
    if flows is not None:
        if flows.survived < flows.total:
            first = "; ".join(str(item) for item in flows.failures[:3])
            problems.append(f"{flows.total - flows.survived} of {flows.total} connections did not survive: {first}")
        if flows.resets:
            problems.append(f"{flows.resets} connections were reset")
    if not void:
        if blackout.blackout_ms > bound:
            problems.append(f"blackout of {blackout.blackout_ms:.0f} ms, {bound:.0f} ms are allowed")
        if planned and blackout.lost_packets:
            problems.append(f"{blackout.lost_packets} packets lost in a planned switchover")
        if window.moves == (window.before == window.after):
            problems.append(f"the active role went from {window.before} to {window.after}")
        if owners.dual_owner_ms > 0:
            problems.append(f"two owners of a virtual address for {owners.dual_owner_ms:.0f} ms")
    return Case(
        name=window.name,
        blackout_ms=round(blackout.blackout_ms, 1),
        lost_packets=blackout.lost_packets,
        flows_total=flows.total if flows else 0,
        flows_survived=flows.survived if flows else 0,
        resets=flows.resets if flows else 0,
        dual_owner_ms=owners.dual_owner_ms,
        leaked=leaks.leaked,
        void=void or None,
        fault_ns=window.fault_ns,
        owner_before=window.before,
        owner_after=window.after,
        details={
            "streams": [
                {"direction": s.direction, "family": s.family, "gap_ms": round(s.gap_ms, 2), "lost": s.lost}
                for s in blackout.streams
            ],
            "limit_ms": round(bound, 1),
            "no_owner_ms": owners.no_owner_ms,
            "max_stall_ms": flows.max_stall_ms if flows else None,
            "seconds": round((window.until_ns - window.fault_ns) / 1e9, 2),
        },
        problems=tuple(problems),
    )
