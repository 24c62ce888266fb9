# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The failover budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

TABLE = [
    # 3 x 100 + (256 - 240) / 256 x 100
    ({}, 306.25),
    ({"cluster.profile": "instant"}, 20.625),
    ({"cluster.profile": "patient"}, 3062.5),
    ({"fw2.firewall_node.priority": 128}, 350.0),
    ({"cluster.vrrp": {"advert_interval_ms": 50, "down_timer_adverts": 2}}, 103.125),
]


@pytest.mark.parametrize(("changes", "expected"), TABLE)
def test_detection(changed: Callable[..., model.Loaded], changes: dict[str, Any], expected: float) -> None:
    (cluster,) = changed(changes).clusters
    budget = model.budget.failover(cluster)
    assert budget.detection_ms == pytest.approx(expected)
    assert budget.detection_min_ms == pytest.approx(expected - cluster.vrrp.advert_interval_ms)
    assert budget.total_ms == pytest.approx(budget.detection_ms + budget.announcement_ms + budget.commit_ms)


@pytest.mark.parametrize(("flows", "measured"), [(10_000, 62), (100_000, 516), (200_000, 1142)])
def test_commit_is_near_what_was_measured(changed: Callable[..., model.Loaded], flows: int, measured: float) -> None:
    loaded = changed({"cluster.conntrackd": {"immediate": False, "table_max": flows}})
    assert model.budget.failover(loaded.clusters[0]).commit_ms == pytest.approx(measured, rel=0.15)


def test_nothing_to_commit_with_immediate_injection(sound: model.Cluster) -> None:
    assert model.budget.failover(sound).commit_ms == 0


def test_the_limit_is_asserted(changed: Callable[..., model.Loaded]) -> None:
    assert changed({"cluster.failover_budget_ms": 309}).errors == ()
    (found,) = changed({"cluster.failover_budget_ms": 300}).errors
    assert "306" in found.reason
    assert "Detection dominates" in found.remedy
    slow = {"cluster.failover_budget_ms": 400, "cluster.conntrackd": {"immediate": False}}
    (found,) = changed(slow).errors
    assert "immediate" in found.remedy


def test_lines_add_up(sound: model.Cluster) -> None:
    assert [line.split()[0] for line in model.budget.failover(sound).lines] == [
        "detection",
        "announcement",
        "commit",
        "total",
    ]
