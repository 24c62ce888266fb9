# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The benchmark of the CIB: the same objects for every tool, and figures that follow from the runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from lab import bench_cib, figures
from lab.bench_cib import Run

VERSIONS = {"debian": "12.1", "pacemaker": "2.1.5-1", "pcs": "0.11-1", "crmsh": "4.4-1"}


def test_the_module_gets_what_it_understands() -> None:
    checker = cib.Checker()
    state = checker.state(bench_cib.wanted(200))
    assert checker.problems == []
    assert (len(state.objects["resources"]), len(state.objects["constraints"])) == (200, 200)


@pytest.mark.parametrize("tool", ["pcs", "crm"])
def test_the_others_get_the_same_objects(tool: str) -> None:
    wanted = bench_cib.wanted(20)
    text = [" ".join(argv) for argv in bench_cib.commands(tool, 20)]
    assert len(text) == 40
    for line, item in zip(text, [*wanted["resources"], *wanted["constraints"]], strict=True):
        for word in ("id", "resource", "with", "first", "then", "kind", "node", "score"):
            assert str(item.get(word, "")) in line


def runs() -> list[Run]:
    return [
        Run("fw1", 0, "cib", "create", 400, 1.0, 2, 0.1),
        Run("fw1", 0, "cib", "again", 400, 0.25, 0, 0.1),
        Run("fw1", 0, "pcs", "create", 40, 16.0, 40, 0.1),
        Run("fw1", 1, "cib", "create", 400, 2.0, 2, 0.1),
        Run("fw1", 1, "cib", "again", 400, 0.35, 0, 0.1),
        Run("fw1", 1, "pcs", "create", 40, 20.0, 40, 0.1),
    ]


def found(tool: str, what: str) -> dict[str, Any]:
    return next(item for item in bench_cib.summary(runs()) if (item["tool"], item["what"]) == (tool, what))


def test_a_sample_is_scaled_and_its_ratio_taken_within_each_repetition() -> None:
    pcs = found("pcs", "create")
    assert (pcs["n"], pcs["measured"], pcs["objects"]) == (2, 40, 400)
    assert (pcs["minimum"], pcs["maximum"]) == (160.0, 200.0)
    assert (pcs["ratio"]["minimum"], pcs["ratio"]["maximum"]) == (100.0, 160.0)
    assert found("cib", "create")["median"] == 1.5
    assert found("cib", "again")["ratio"] is None


def test_its_raw_results_are_not_taken_for_a_drill(tmp_path: Path) -> None:
    data = {"kind": "cib", "summary": bench_cib.summary(runs()), "nodes": {"fw1": VERSIONS}}
    (tmp_path / "cib.json").write_text(json.dumps(data))
    assert figures.rows(tmp_path, "") == []
    rows = figures.cib_table(tmp_path).splitlines()[2:]
    assert rows[0].startswith(
        "| fw1, Debian 12 | module `cib`, Pacemaker 2.1.5 | 400 objects into an empty cluster | 2 |"
    )
    assert "| pcs 0.11 | 400 objects into an empty cluster (measured with 40) | 2 | 160.00 s |" in rows[2]
    assert "| 100, 130, 160 | [cib.json](cib.json) |" in rows[2]
