# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The published figures are what the raw results say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import figures

CASE = {"name": "power_cut", "flows_total": 2000}
SUMMARY = {
    "name": "power_cut",
    "n": 20,
    "minimum": 12.34,
    "median": 17.0,
    "p95": 20.0,
    "maximum": 21.06,
    "lost_packets": 7,
    "void": 1,
}


def write(directory: Path, **more: object) -> None:
    data = {"profile": "instant", "cases": [CASE], "summary": [SUMMARY], **more}
    (directory / "a.json").write_text(json.dumps(data))


def test_row_says_what_was_measured(tmp_path: Path) -> None:
    write(tmp_path, table=50_000, vips=250)
    assert figures.rows(tmp_path, "raw/") == [
        "| power cut of the active node, 50 000 connections in the table, 250 VIPs, 2 000 live TCP connections "
        "| instant | 20 | 12.3 ms | 17.0 ms | 20.0 ms | 21.1 ms | 7 | 1 | [a.json](raw/a.json) |"
    ]


def test_case_with_an_argument_keeps_it(tmp_path: Path) -> None:
    write(tmp_path, summary=[{**SUMMARY, "name": "cable:wan"}], cases=[])
    assert figures.rows(tmp_path, "")[0].startswith("| cable of the active node pulled (wan) | instant |")


def test_replace_keeps_what_is_around() -> None:
    text = f"before {figures.BEGIN} old {figures.END} after"
    assert figures.replace(text, "new") == f"before {figures.BEGIN}\nnew\n{figures.END} after"


@pytest.mark.parametrize("text", ["", figures.BEGIN, figures.END])
def test_missing_mark_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="figures:begin"):
        figures.replace(text, "new")


def test_published_tables_are_the_raw_results() -> None:
    assert figures.outdated() == [], "run: python -m lab.figures"
