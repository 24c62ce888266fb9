# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How often the demo measures again, and which attempt it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from lab import demo
from lab.pair import Pair
from lab.report import Case

Show = Callable[..., list[Case]]


def case(void: str | None = None, *problems: str) -> Case:
    return Case("power_cut", 200.0, 0, 9, 9, 0, 0.0, 0, void=void, problems=problems)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    def shown(*attempts: list[Case]) -> list[Case]:
        waiting = list(attempts)

        def measure(*_given: Any, exact: bool) -> tuple[list[Case], None]:
            assert not exact
            return waiting.pop(0), None

        monkeypatch.setattr(demo, "measure", measure)
        found, _recording = demo._cases(cast(Pair, None), 9, 1)
        assert not waiting
        return found

    return shown


def test_a_valid_attempt_is_shown(show: Show) -> None:
    assert show([case()]) == [case()]


def test_a_void_attempt_is_measured_again(show: Show) -> None:
    assert show([case("noise")], [case()]) == [case()]


def test_what_broke_is_not_measured_away(show: Show) -> None:
    assert show([case("noise", "leak")]) == [case("noise", "leak")]


def test_the_attempt_with_the_fewest_void_cases_is_shown_at_last(show: Show) -> None:
    most = [case("noise"), case("noise")]
    least = [case("other"), case()]
    assert show(most, most, least, most, most) == least
