# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Which runs count, and what in them is a broken promise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from lab import judge, options
from lab.inventory import read
from lab.monitors.blackout import BlackoutResult
from lab.monitors.flows import FlowsResult
from lab.monitors.leaks import LeaksResult
from lab.monitors.owners import OwnersResult
from lab.session import Measured, Window

NOISE = "a sender stalled 1 times, up to 9.0 ms"


@pytest.fixture(scope="module")
def cluster() -> model.Cluster:
    return read(options.INVENTORIES / "keepalived").clusters[0]


def measured(name: str = "power_cut", **changes: Any) -> Measured:
    """A sound run; each change goes where its name is."""
    flows = FlowsResult(None, 9, 9, 0, 0, 0, 0, 0.0, ())
    found = Measured(
        Window(name, 0, 10**9, "fw1", "fw2", True, flows),
        BlackoutResult(None, None, 20.0, 0, 0.0, 0.0, (), 1.0, ()),
        OwnersResult(None, 0.0, 0.0, 0.0, 1, ()),
        LeaksResult(None, 0, 10, ()),
    )
    for key, value in changes.items():
        part, _unused, attribute = key.partition("_")
        found = replace(found, **{part: replace(getattr(found, part), **{attribute: value})})
    return found


def test_a_sound_run(cluster: model.Cluster) -> None:
    case = judge.case(cluster, measured())
    assert (case.void, case.problems) == (None, ())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"blackout_blackout_ms": 9000.0}, "blackout of 9000 ms"),
        ({"window_after": "fw1"}, "the active role went from fw1 to fw1"),
        ({"window_moves": False}, "the active role went from fw1 to fw2"),
        ({"owners_dual_owner_ms": 300.0}, "two owners of a virtual address for 300 ms"),
        ({"leaks_leaked": 1}, "1 packets that the policy drops came through"),
        ({"window_flows": FlowsResult(None, 9, 8, 0, 1, 0, 0, 0.0, ())}, "1 of 9 connections did not survive"),
        ({"window_flows": FlowsResult(None, 9, 9, 2, 0, 0, 0, 0.0, ())}, "2 connections were reset"),
        ({"window_problems": ["no node took over"]}, "no node took over"),
    ],
)
def test_what_breaks(cluster: model.Cluster, changes: dict[str, Any], problem: str) -> None:
    (found,) = judge.case(cluster, measured(**changes)).problems
    assert found.startswith(problem)


def test_a_planned_switchover_loses_nothing(cluster: model.Cluster) -> None:
    (found,) = judge.case(cluster, measured("planned", blackout_lost_packets=1)).problems
    assert found == "1 packets lost in a planned switchover"


def test_noise_voids_a_figure_and_not_a_bound(cluster: model.Cluster) -> None:
    noisy = measured(blackout_void=NOISE)
    assert judge.case(cluster, noisy).void == NOISE
    assert judge.case(cluster, noisy, exact=False).void is None


def test_a_bound_that_a_noisy_run_exceeds_is_void_and_not_broken(cluster: model.Cluster) -> None:
    case = judge.case(cluster, measured(blackout_void=NOISE, blackout_blackout_ms=9000.0), exact=False)
    assert (case.void, case.problems) == (NOISE, ())


def test_an_unsound_run_proves_no_bound(cluster: model.Cluster) -> None:
    case = judge.case(cluster, measured(blackout_void="dropped 3", blackout_unsound="dropped 3"), exact=False)
    assert case.void == "dropped 3"


@pytest.mark.parametrize(("stall_ms", "void"), [(19.0, None), (21.0, NOISE)])
def test_a_long_stall_could_hide_a_planned_switchover(cluster: model.Cluster, stall_ms: float, void: str) -> None:
    noisy = measured("planned", blackout_void=NOISE, blackout_max_stall_after_ms=stall_ms)
    assert judge.case(cluster, noisy, exact=False).void == void


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"blackout_blackout_ms": 9000.0, "owners_dual_owner_ms": 300.0, "window_after": "fw1"}, 0),
        ({"leaks_leaked": 1}, 1),
        ({"window_flows": FlowsResult(None, 9, 8, 0, 1, 0, 0, 0.0, ())}, 1),
        ({"window_problems": ["no node took over"]}, 1),
    ],
)
def test_what_no_busy_machine_can_cause_counts_in_a_void_run(
    cluster: model.Cluster, changes: dict[str, Any], problems: int
) -> None:
    case = judge.case(cluster, measured(blackout_void=NOISE, **changes))
    assert case.void == NOISE
    assert len(case.problems) == problems
