# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Carriers as a node attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.node_programs import load

links = load("takeover", "takeover_links")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, carrier in (("eth1", "1\n"), ("eth2", "1\n"), ("eth3", "0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "carrier").write_text(carrier)
    return tmp_path


@pytest.mark.parametrize(
    ("interfaces", "wanted"),
    [
        ([], 100_000),
        (["eth1"], 100_000),
        # One network more is no reason to move: the node that learns of it first is not the better one.
        (["eth1", "eth2"], 100_000),
        (["eth1", "eth3"], 90_000),
        (["eth3", "missing"], 80_000),
        (["eth1", *[f"missing{number}" for number in range(12)]], 0),
    ],
)
def test_score(root: Path, interfaces: list[str], wanted: int) -> None:
    assert links.score(interfaces, str(root)) == wanted


def watch(root: Path, monkeypatch: pytest.MonkeyPatch, *command: str) -> tuple[Any, list[int]]:
    watched = links.Links(["eth1", "eth2"], "x", str(root))
    told: list[int] = []

    def record() -> list[str]:
        told.append(watched.wanted)
        return list(command)

    monkeypatch.setattr(watched, "command", record)
    return watched, told


def settle(watched: Any, now: float) -> None:
    watched.turn(now)
    if watched.running is not None:
        watched.running.wait()
    watched.turn(now)


def test_only_a_change_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, told = watch(root, monkeypatch, "true")
    settle(watched, 0.0)
    settle(watched, 1.0)
    (root / "eth2" / "carrier").write_text("0\n")
    settle(watched, 2.0)
    assert told == [100_000, 90_000]
    assert watched.wait(2.0) is None
    watched.again()
    settle(watched, 3.0)
    assert told == [100_000, 90_000, 90_000]


def test_a_failure_is_tried_again_later(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, told = watch(root, monkeypatch, "false")
    watched.turn(0.0)
    watched.running.wait()
    assert watched.turn(0.1) == "attrd_updater: exit 1"
    assert watched.wait(0.1) == pytest.approx(links.RETRY_S)
    watched.turn(1.0)
    assert told == [100_000]
    watched.turn(0.2 + links.RETRY_S)
    assert told == [100_000, 100_000]
    watched.running.wait()


def test_nothing_to_watch(root: Path) -> None:
    watched = links.Links([], "x", str(root))
    assert watched.socket is None
    watched.drain()
    assert watched.turn(0.0) == ""
    assert watched.wait(0.0) is None
