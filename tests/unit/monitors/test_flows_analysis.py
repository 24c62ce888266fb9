# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from typing import Any

import pytest

from lab.monitors.flows import FlowSpec, judge, mix
from lab.monitors.flows.stream import content, flow_of
from lab.monitors.paths import Path

PATH = Path("snat", 4, "tcp", "lan", "198.51.100.9", "wan", "192.0.2.9", 80, "192.0.2.9", 80, "192.0.2.1")
SPECS = [FlowSpec(PATH, "idle")]
GOOD = {"flow": 0, "error": "", "reset": False, "corrupted": False, "received": 8, "stall_ms": 3.0, "stall_start_ns": 5}
SERVED = {"flow": 0, "peer": "192.0.2.1", "error": "", "received": 8}


def test_every_position_of_every_flow_is_unique() -> None:
    whole = content(3, 0, 4096)
    assert content(3, 13, 1000) == whole[13:1013]
    words = {content(flow, 8 * k, 8) for flow in range(20) for k in range(100)}
    assert len(words) == 2000
    assert flow_of(whole) == 3


@pytest.mark.parametrize(
    ("client", "server", "outcome"),
    [
        ({}, {}, "survived"),
        ({"reset": True, "error": "Connection reset by peer"}, {}, "reset"),
        ({}, {"error": "Connection reset by peer"}, "reset"),
        ({"corrupted": True, "error": "wrong bytes"}, {}, "corrupted"),
        ({"error": "Connection timed out"}, {}, "stalled"),
        ({}, {"peer": "198.51.100.9"}, "misrouted"),
        ({"stall_ms": 900.0}, {}, "stalled"),
    ],
)
def test_outcomes(client: dict[str, Any], server: dict[str, Any], outcome: str) -> None:
    result = judge(SPECS, [{**GOOD, **client}], [{**SERVED, **server}], stall_limit_ms=500)
    assert result.flows[0].outcome == outcome
    assert result.survived == (outcome == "survived")


def test_missing_answers_and_reports_count_against_a_flow() -> None:
    assert judge(SPECS, [GOOD], [SERVED], unanswered=[0]).stalled == 1
    assert judge(SPECS, [], [SERVED]).stalled == 1
    assert judge(SPECS, [GOOD], []).misrouted == 1


def test_flows_lost_before_are_not_judged_again() -> None:
    result = judge(SPECS * 2, [GOOD, {**GOOD, "flow": 1}], [SERVED, {**SERVED, "flow": 1}], without={0})
    assert (result.total, result.survived, result.flows[0].number) == (1, 1, 1)


def test_no_flow_is_void() -> None:
    assert judge([], [], []).void == "there was no flow"


def test_the_mix() -> None:
    specs = mix([PATH, PATH], 100, interactive=0.25, bulk=4)
    kinds = [item.kind for item in specs]
    assert (kinds.count("bulk"), kinds.count("interactive"), kinds.count("idle")) == (4, 24, 72)
    assert mix([], 100) == ()
