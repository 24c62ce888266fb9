# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which process is woken, and when."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.unit.node_programs import load

controller = load("takeover", "takeover_controller")

# as a running pacemaker-controld has it: 5, 10, 12, 13, 15, 17
CAUGHT = "0000000000015a10"


def process(root: Path, pid: str, comm: str, wchan: str, caught: str = CAUGHT, namespace: str = "pid:[1]") -> None:
    folder = root / pid
    (folder / "ns").mkdir(parents=True)
    (folder / "comm").write_text(comm + "\n")
    (folder / "wchan").write_text(wchan)
    (folder / "status").write_text(f"Name:\t{comm}\nSigIgn:\t0000000000001000\nSigCgt:\t{caught}\n")
    (folder / "ns" / "pid").symlink_to(namespace)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    process(tmp_path, "self", "python3", "0")
    process(tmp_path, "7", "pacemakerd", "poll_schedule_timeout")
    process(tmp_path, "8", "pacemaker-contr", "hrtimer_nanosleep", namespace="pid:[2]")
    (tmp_path / "uptime").write_text("1 1\n")
    return tmp_path


def woken(root: Path) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []
    found = controller.Controller(str(root), lambda pid, number: sent.append((pid, number)))
    assert found.attach()
    assert found.wake() == bool(sent)
    return sent


def test_the_controller_of_this_node_is_found_and_woken(root: Path) -> None:
    process(root, "9", "pacemaker-contr", "hrtimer_nanosleep")
    assert woken(root) == [(9, signal.SIGUSR2)]


def test_who_does_not_sleep_is_left_alone(root: Path) -> None:
    process(root, "9", "pacemaker-contr", "poll_schedule_timeout.constprop.0")
    assert woken(root) == []


def test_whom_the_signal_would_end_is_left_alone(root: Path) -> None:
    process(root, "9", "pacemaker-contr", "hrtimer_nanosleep", caught="0000000000015210")
    assert woken(root) == []


def test_a_number_that_is_used_by_another_program_is_left_alone(root: Path) -> None:
    process(root, "9", "pacemaker-contr", "hrtimer_nanosleep")
    sent: list[int] = []
    found = controller.Controller(str(root), lambda pid, number: sent.append(pid))
    assert found.attach()
    (root / "9" / "comm").write_text("sleep\n")
    assert not found.wake()
    assert sent == []


def test_where_none_runs_none_is_found(root: Path) -> None:
    found = controller.Controller(str(root))
    assert not found.attach()
    assert found.pid == 0
