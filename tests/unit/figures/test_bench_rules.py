# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The benchmark of the rules: the same rules for every tool, and figures that follow from the runs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from lab import bench_rules, figures
from lab.bench_rules import figures as summaries
from lab.bench_rules import others, policy
from lab.bench_rules.apply import Run
from lab.bench_rules.packets import FIRST_PORT, frame, source_port
from lab.bench_rules.path import Traffic
from lab.bench_rules.scaling import Work
from lab.report import loglog_svg

RULES = policy.with_probe(policy.realistic(300))
VERSIONS = {"debian": "13.1", "ferm": "2.7-1", "shorewall": "5.2.8-4", "iptables": "1.8.11-2"}
FRAME = 6


def test_the_role_takes_every_rule_and_names_each_line_by_it() -> None:
    ruleset, problems = parse(policy.variables(RULES, "203.0.113.0/26"))
    assert problems == ()
    texts = render(ruleset)
    for rule in RULES:
        for family in (4, 6):
            # A list of addresses is a set: every rule is one line in its chain.
            assert texts[f"rules.v{family}"].count(f'--comment "{rule.name}" ') == int(family in rule.families)


@pytest.mark.parametrize("count", [20, 300])
def test_every_tool_gets_every_rule(count: int) -> None:
    rules = policy.realistic(count)
    lines = sum(len(rule.families) for rule in rules)
    assert len(others.each(rules)) == lines + FRAME
    assert len(others.tasks(rules)) == lines
    assert others.ferm(rules).count("mod comment") == lines
    assert sum(others.flat(rules, family).count("--comment") for family in (4, 6)) == lines
    texts = [others.shorewall(rules, family)["rules"] for family in (4, 6)]
    assert sum(len(text.splitlines()) - 1 for text in texts) == lines


def test_one_rule_is_changed() -> None:
    other = policy.changed(RULES)
    assert len(other) == len(RULES)
    assert sum(one != two for one, two in zip(RULES, other, strict=True)) == 1


def test_packets_are_of_both_kinds_and_the_probe_is_decided_by_the_last_rule() -> None:
    packets = policy.packets(RULES, 200)
    assert 40 < sum(policy.accepted(RULES, packet) for packet in packets) < 160
    probe = policy.Packet("wan", "dmz", policy.host("wan", 4, 1), policy.host("dmz", 4, 1), "tcp", policy.PROBE_PORT)
    assert policy.accepted(RULES, probe)
    assert not policy.accepted(RULES[:-1], probe)


@pytest.mark.parametrize("number", range(20))
def test_a_frame_is_known_by_its_source_port(number: int) -> None:
    packet = policy.packets(RULES, 20)[number]
    assert source_port(frame(packet, FIRST_PORT + number)) == FIRST_PORT + number


def runs() -> list[Run]:
    return [
        Run(0, "raw", "fill", 1000, 1000, 1200, 0.5, 0.4, 0.1),
        Run(0, "loader", "fill", 1000, 1000, 1200, 0.6, 0.5, 0.1),
        Run(0, "each", "fill", 1000, 100, 126, 3.0, 1.0, 0.1),
        Run(1, "raw", "fill", 1000, 1000, 1200, 0.4, 0.4, 0.1),
        Run(1, "loader", "fill", 1000, 1000, 1200, 0.5, 0.5, 0.1),
        Run(1, "each", "fill", 1000, 100, 126, 4.0, 1.0, 0.1),
    ]


def test_what_a_play_takes_before_it_does_anything_is_not_scaled() -> None:
    assert Run(0, "tasks", "fill", 1000, 100, 126, 42.0, 0.0, 0.1, 2.0).whole == 402.0


def data() -> dict[str, Any]:
    traffic = [
        Traffic(ruleset, kind, 1000, 0, rates)
        for ruleset, rates in (
            ("nothing", (200.0, 100.0, 400.0)),
            ("states", (160.0, 80.0, 320.0)),
            ("probe", (150.0, 75.0, 300.0)),
            ("zones", (150.0, 90.0, 100.0)),
        )
        for kind in ("stream", "connect")
    ]
    return {
        "kind": "rules",
        "node": VERSIONS,
        "apply": summaries.apply_summary(runs()),
        "traffic": summaries.traffic_summary(traffic),
        "work": summaries.work_summary([Work(0, 1000, 0.5, 2.0, {}), Work(1, 1000, 0.7, 4.0, {})]),
    }


def test_a_sample_is_scaled_and_ratios_are_taken_within_each_repetition() -> None:
    each = next(item for item in data()["apply"] if item["tool"] == "each")
    assert (each["n"], each["measured"], each["minimum"], each["maximum"]) == (2, 100, 30.0, 40.0)
    assert (each["ratios"]["loader"]["minimum"], each["ratios"]["loader"]["maximum"]) == (50.0, 80.0)
    loader = next(item for item in data()["apply"] if item["tool"] == "loader")
    assert (loader["ratios"]["raw"]["minimum"], loader["ratios"]["raw"]["maximum"]) == (1.2, 1.25)


def test_the_tables_say_what_was_measured() -> None:
    text = bench_rules.tables(data(), "rules.json")
    assert "| 1 000 | `iptables -A` for each rule | into an empty node (measured with 100) | 2 | 30.0 s |" in text
    assert "| 1.20, 1.23, 1.25 × raw |" in text
    assert "| 1 000 rules between all pairs of zones | 0 | new TCP connections | 3 | 95 /s | 100 /s | 125 /s |" in text
    # 75, 90 and 25 %: each of the same round, whatever the machine gave in it.
    assert "| 50.0%, 75.0%, 82.5% | 93.8% | 100.0% |" in text
    assert "| 1 000 | 2 | 0.600 s | 3.000 s | 3.00 ms |" in text


def test_its_raw_results_are_not_taken_for_a_drill(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(data()))
    assert figures.rows(tmp_path, "") == []


def test_the_plot_has_a_line_for_every_tool_and_dashes_what_was_scaled() -> None:
    root = ElementTree.fromstring(bench_rules.plot(data()))
    lines = [item.get("class", "") for item in root.iter() if item.tag.endswith("polyline")]
    assert len(lines) == 3
    assert sum("dashed" in css for css in lines) == 1


def test_names_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    series = {name: [(1.0, 1.0), (10.0, value)] for name, value in (("a", 5.0), ("b", 5.01), ("c", 5.02))}
    root = ElementTree.fromstring(loglog_svg("title", series, "x", "y"))
    places = sorted(float(item.get("y", 0)) for item in root.iter() if "name" in item.get("class", "").split())
    assert len(places) == 3
    assert all(below - above >= 14 for above, below in pairwise(places))
