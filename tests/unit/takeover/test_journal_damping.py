# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""When a node whose role moves too often holds back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.node_programs import load

load("takeover", "takeover_core")
core = load("takeover", "journal_core")
damping = load("takeover", "journal_damping")

LIMITS = damping.Limits(moves=4, window_s=600.0, hold_s=1800.0, damp_s=30.0)
LINK = ("MASTER", "FAULT", "link")
BACK = ("FAULT", "BACKUP", "link")
TAKES = ("BACKUP", "MASTER", "priority")
FLAP = (LINK, BACK, TAKES)


def after(*steps: tuple[str, str, str], every: float = 10.0, limits: Any = LIMITS) -> Any:
    found = damping.Damping()
    for number, (old, new, cause) in enumerate(steps):
        found = damping.after(found, core.Change("edge", old, new, 1000.0 + number * every, 0.0), cause, limits)
    return found


def test_one_fault_holds_nobody_back() -> None:
    assert after(*FLAP).level == damping.FREE


def test_the_second_loss_damps_and_the_third_holds() -> None:
    second = after(*FLAP, LINK)
    assert (second.level, second.until) == (damping.DAMPED, 1030.0 + 30.0)
    third = after(*FLAP, *FLAP, LINK)
    assert (third.level, third.since, third.until) == (damping.HELD, 1060.0, 1060.0 + 1800.0)
    assert len(third.moves) == 5


def test_each_further_loss_doubles_the_wait_up_to_the_hold() -> None:
    patient = damping.Limits(moves=100, window_s=6000.0, hold_s=100.0, damp_s=30.0)
    waits = []
    for losses in range(2, 6):
        found = after(*FLAP * losses, limits=patient)
        waits.append(found.until - found.moves[-2][0])
    assert waits == [30.0, 60.0, 100.0, 100.0]


def test_slow_moves_are_no_flapping() -> None:
    assert after(*FLAP * 10, every=400.0).level == damping.FREE


@pytest.mark.parametrize(
    "steps",
    [
        # The peer of a node that flaps, which gains and loses as often.
        (("BACKUP", "MASTER", "priority"), ("MASTER", "BACKUP", "priority")),
        # An operator who tries something.
        (("MASTER", "FAULT", "operator"), ("FAULT", "BACKUP", "operator"), ("BACKUP", "MASTER", "priority")),
        # A peer that dies again and again: somebody has to serve.
        (("BACKUP", "MASTER", "peer_silent"), ("MASTER", "BACKUP", "priority")),
        (("MASTER", "STOP", "stop"), ("STOP", "BACKUP", "start"), ("BACKUP", "MASTER", "priority")),
        (("BACKUP", "FAULT", "link"), ("FAULT", "BACKUP", "link")),
    ],
)
def test_what_is_not_the_fault_of_the_node_counts_for_nothing(steps: tuple[tuple[str, str, str], ...]) -> None:
    found = after(*steps * 10)
    assert (found.level, found.moves) == (damping.FREE, ())


def test_a_machine_that_crashes_again_and_again_flaps() -> None:
    crash = (("NONE", "BACKUP", "start"), ("BACKUP", "MASTER", "priority"))
    assert after(*crash).moves == ()
    assert after(*crash * 2).losses == 1
    assert after(*crash * 4).level == damping.HELD
    # Shut down in order it does not.
    assert after(*(*crash, ("MASTER", "STOP", "stop")) * 4).moves == ()


def test_a_hold_ends_by_time_and_starts_anew() -> None:
    held = after(*FLAP, *FLAP, LINK)
    assert damping.passed(held, held.until - 1, LIMITS).level == damping.HELD
    free = damping.passed(held, held.until, LIMITS)
    assert (free.level, free.since, free.until, free.moves) == (damping.FREE, None, None, ())


def test_a_damped_node_is_free_after_its_wait_and_its_moves_still_count() -> None:
    damped = after(*FLAP, LINK)
    free = damping.passed(damped, damped.until, LIMITS)
    assert (free.level, len(free.moves)) == (damping.FREE, 3)


def test_more_moves_prolong_a_hold() -> None:
    held = after(*FLAP, *FLAP, LINK)
    again = damping.after(held, core.Change("edge", *LINK[:2], 1500.0, 0.0), "link", LIMITS)
    assert (again.since, again.until) == (held.since, 1500.0 + 1800.0)


def test_a_clock_that_is_set_back_holds_nobody_for_ever() -> None:
    held = after(*FLAP, *FLAP, LINK)
    assert damping.passed(held, held.until - 86_400, LIMITS).level == damping.FREE


def test_an_operator_lets_a_node_go() -> None:
    found = after(*FLAP, *FLAP, LINK, ("FAULT", "FAULT", "operator"))
    assert (found.level, found.moves, found.until) == (damping.FREE, (), None)


def test_nobody_is_held_where_it_is_switched_off() -> None:
    off = damping.Limits(moves=0)
    assert after(*FLAP * 20, limits=off).level == damping.FREE


def test_a_boot_forgets_nothing() -> None:
    steps = (*FLAP, *FLAP, LINK)
    entries = [(core.Change("edge", old, new, 1000.0 + 10.0 * n, 0.0), why) for n, (old, new, why) in enumerate(steps)]
    assert damping.replay(entries, 1070.0, LIMITS) == after(*steps)
    assert damping.replay(entries, 1060.0 + 1800.0, LIMITS).level == damping.FREE
    # Lines from the future are of a clock that was wrong.
    assert damping.replay(entries, 500.0, LIMITS).level == damping.FREE
