# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from lab.report import Case, Report, percentile, strip_svg, summary, summary_table, table

CASE = Case("power_cut", 200.0, 800, 9, 9, 0, 0.0, 0, owner_before="fw1", owner_after="fw2")
REPORT = Report("keepalived", "fast", {"fw1": {"debian": "12.1"}}, (CASE,), {"cpus": 2}, "now", 7, 300.0, 31.0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (0.0, 1), (1.0, 4)])
def test_percentile_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_summary_takes_figures_from_valid_runs_only() -> None:
    gaps = [100.0, 200.0, 300.0, 700.0]
    cases = [replace(CASE, blackout_ms=gap, lost_packets=1) for gap in gaps]
    (found,) = summary([*cases, replace(CASE, blackout_ms=9000.0, void="noise")])
    assert (found.n, found.void, found.minimum, found.median, found.maximum) == (4, 1, 100.0, 250.0, 700.0)
    assert (found.lost_packets, found.outliers, found.broken) == (4, 0, 0)


def test_an_outlier_is_over_three_times_the_median() -> None:
    (found,) = summary([replace(CASE, blackout_ms=gap) for gap in (100.0, 100.0, 301.0)])
    assert found.outliers == 1


def test_what_broke_in_a_void_run_is_broken() -> None:
    (found,) = summary([replace(CASE, void="noise", problems=("1 leak",))])
    assert (found.n, found.void, found.broken) == (0, 1, 1)
    assert math.isnan(found.median)


def test_kinds_of_faults_stay_apart_and_in_order() -> None:
    assert [item.name for item in summary([CASE, replace(CASE, name="planned"), CASE])] == ["power_cut", "planned"]


def test_json_says_void_and_why() -> None:
    plain = json.loads(json.dumps(replace(REPORT, cases=(replace(CASE, void="noise"),)).to_json()))
    assert (plain["cases"][0]["void"], plain["cases"][0]["void_reason"]) == (True, "noise")
    assert REPORT.to_json()["cases"][0]["void"] is False


@pytest.mark.parametrize(
    ("case", "verdict", "foot"),
    [
        (CASE, "ok", "every connection survived, no packet leaked, no address had two owners"),
        (replace(CASE, void="noise"), "void", "power_cut: noise"),
        (replace(CASE, problems=("1 leak",)), "BROKEN", "power_cut: 1 leak"),
        (replace(CASE, void="noise", problems=("1 leak",)), "BROKEN", "power_cut: 1 leak"),
    ],
)
def test_the_table_ends_with_the_verdict(case: Case, verdict: str, foot: str) -> None:
    lines = table(replace(REPORT, cases=(case,))).splitlines()
    assert lines[-1] == foot
    assert any(line.endswith(verdict) and "power_cut" in line and "fw1 -> fw2" in line for line in lines)


def test_the_table_says_on_what_it_was_measured() -> None:
    text = table(REPORT)
    for part in ("fw1: debian 12.1", "profile fast", "seed 7", "31 s"):
        assert part in text


def test_summary_table_has_a_line_per_fault() -> None:
    text = summary_table([CASE, replace(CASE, name="planned", blackout_ms=2.0)])
    assert [line.split()[0] for line in text.splitlines()[-2:]] == ["power_cut", "planned"]


def test_strip_draws_every_run() -> None:
    drawn = strip_svg("title", {"power_cut": [1.0, 2.0, 3.0]})
    assert drawn.startswith("<svg")
    assert drawn.count("<circle") == 3
