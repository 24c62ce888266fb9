# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What node_maintenance and node_drain tell the program of the role takeover, and what they make of its answer."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host import maintenance
from tests.unit.node_programs import load

program = load("takeover", "maintenance")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", None), (" ", None), ("90", 90), ("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1d", 86400)],
)
def test_durations(text: str, wanted: int | None) -> None:
    assert maintenance.seconds(text) == wanted


@pytest.mark.parametrize("text", ["soon", "2 h", "0", "-1h", "1.5h", "h", "2hours"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="write 90m, 2h or 1d"):
        maintenance.seconds(text)


@pytest.mark.parametrize(
    "words",
    [
        maintenance.maintenance("on", 60, "--check it", "alice"),
        maintenance.maintenance("on", None, "", ""),
        maintenance.maintenance("off", 60, "x", ""),
        maintenance.drain("drained", 120),
        maintenance.drain("ready", 120),
    ],
)
def test_the_program_takes_the_words(words: list[str]) -> None:
    given = program.parse([*words, "--check"])
    assert given.check
    assert given.order == words[0]
    assert given.reason in ("", "--check it")


def answering(rc: int, stdout: str, stderr: str = "") -> Any:
    return lambda argv: (rc, stdout, stderr)


def test_an_answer() -> None:
    said = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        said.append(argv)
        return 0, '{"changed": true}', ""

    assert maintenance.order(run, ["off"], check=True) == {"changed": True}
    assert said == [[maintenance.PROGRAM, "off", "--check"]]


@pytest.mark.parametrize(("answer", "part"), [
    (answering(2, "", "No such file"), "No such file. Is the role takeover deployed"),
    (answering(0, "[]"), "Is the role takeover deployed"),
    (answering(1, '{"failed": true, "msg": "Is Pacemaker running?"}'), "Is Pacemaker running"),
    (answering(3, "{}"), "exit status 3"),
])  # fmt: skip
def test_failures(answer: Any, part: str) -> None:
    with pytest.raises(maintenance.OrderFailed, match=part):
        maintenance.order(answer, ["off"], check=False)
