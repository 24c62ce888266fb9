# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What a node has noted, and who answers it: absent, whole, cut by a crash, and not what it should be."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer
from ansible_collections.linuxha.firewall.plugins.module_utils._node import parse, pings, records

MOVE = {"at": "2026-01-01T11:00:00.123Z", "cluster_group": "", "from": "BACKUP", "to": "MASTER", "cause": "peer_silent"}


def test_a_node_without_any_of_it() -> None:
    assert records.collect(lambda path: None, 5) == {"journal": [], "damping": None, "sync": None}
    assert parse.maintenance(None) is None


def test_the_last_lines_of_the_journal() -> None:
    lines = [json.dumps({**MOVE, "states": number, "secret": "x"}) for number in range(9)]
    found = records.journal("\n".join([*lines, '{"at": "2026-01-01T11:', "[]", '"at"', ""]), 3)
    assert [move["states"] for move in found] == [6, 7, 8]
    assert set(found[0]) == set(records.MOVE)
    assert records.journal("\n".join(lines), 0) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"moves": 2, "window_s": 600, "held": false, "since": null}', None),
        ("{", "the state of the damping is no JSON"),
        ("[]", "the state of the damping is no object"),
    ],
)
def test_damping(text: str, problem: str | None) -> None:
    found = records.collect({records.DAMPING: text}.get, 1)["damping"]
    assert set(found) == {"moves", "window_s", "held", "since", "level", "until", "problem"}
    assert problem is found["problem"] or problem in found["problem"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"since": "s", "until": null, "reason": "new disk", "by": "ann", "more": 1}', "new disk"),
        ("{", "the flag of the maintenance is no JSON"),
        ("[]", None),
    ],
)
def test_maintenance(text: str, reason: str | None) -> None:
    found = parse.maintenance(text)
    assert found is not None
    assert set(found) == {"since", "until", "reason", "by"}
    assert found["reason"] == reason or reason in found["reason"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"in_step": True, "changed_at": "x", "problems": [], "files": {"/a": {"state": "in_step"}}},
            {"in_step": True, "changed_at": "x", "problems": [], "behind": [], "problem": None, "last_run": None},
        ),
        (
            {"in_step": False, "problems": ["p"], "files": {"/b": {"state": "refused"}, "/a": {"state": "waiting"}}},
            {
                "in_step": False,
                "changed_at": None,
                "problems": ["p"],
                "behind": ["/a", "/b"],
                "problem": None,
                "last_run": None,
            },
        ),
        (
            {"in_step": "yes", "problems": "none", "files": [1]},
            {"in_step": False, "changed_at": None, "problems": [], "behind": [], "problem": None, "last_run": None},
        ),
    ],
)
def test_config_sync(content: Any, expected: dict[str, Any]) -> None:
    assert records.sync(json.dumps(content)) == expected


RUN = "2026-11-21T20:00:00.123Z"


@pytest.mark.parametrize(
    ("last", "in_step", "problems"),
    [
        ({"last_run": RUN, "error": ""}, True, []),
        # On a full disk status.json still says what was true before.
        ({"last_run": RUN, "error": "No space left"}, False, ["No space left"]),
    ],
)
def test_the_last_run_of_config_sync(last: dict[str, str], in_step: bool, problems: list[str]) -> None:
    content = {"in_step": True, "problems": [], "files": {}}
    found = records.collect({records.SYNC: json.dumps(content), records.SYNC_RUN: json.dumps(last)}.get, 0)["sync"]
    assert (found["last_run"], found["in_step"], found["problems"]) == (RUN, in_step, problems)
    alone = records.sync(None, json.dumps(last))
    assert alone is not None and alone["last_run"] == RUN and not alone["in_step"]


def test_config_sync_that_cannot_be_read() -> None:
    assert "no JSON" in (records.sync("{") or {})["problem"]


def test_ping_targets_are_asked_at_once_and_each_once() -> None:
    together = threading.Barrier(3, timeout=10)
    asked = []
    codes = {"192.0.2.1": 0, "192.0.2.2": 1, "2001:db8::3": 2}

    def run(argv: Sequence[str]) -> Answer:
        asked.append(argv[-1])
        together.wait()
        return Answer(codes[argv[-1]])

    found = pings.ask({"outside": ["192.0.2.1", "192.0.2.2"], "inside": ["2001:db8::3", "192.0.2.1"]}, run)

    assert found == {
        "outside": {"192.0.2.1": True, "192.0.2.2": False},
        "inside": {"2001:db8::3": None, "192.0.2.1": True},
    }
    assert sorted(asked) == sorted(codes)


def test_nobody_is_asked_without_targets() -> None:
    assert pings.ask({"none": []}, lambda argv: pytest.fail("nobody")) == {"none": {}}
