# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._cib import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20", 20_000), ("20s", 20_000), ("500ms", 500), ("2min", 120_000), ("1h", 3_600_000), ("20 s", 20_000)],
)
def test_a_time_without_a_unit_is_seconds(text: str, expected: int) -> None:
    assert values.milliseconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "20x", "-5", "P1D"])
def test_no_time(text: str) -> None:
    assert values.milliseconds(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100", 100), ("+5", 5), ("-5", -5), ("INFINITY", 1_000_000), ("-infinity", -1_000_000), ("9999999", 1_000_000)],
)
def test_a_score_is_bounded_by_infinity(text: str, expected: int) -> None:
    assert values.score(text) == expected


@pytest.mark.parametrize("text", ["", "-", "high", "1.5"])
def test_no_score(text: str) -> None:
    assert values.score(text) is None


def test_old_names_of_roles_are_the_new_ones() -> None:
    assert (values.role("Master"), values.role("Slave"), values.role("Started")) == (
        "Promoted",
        "Unpromoted",
        "Started",
    )


@pytest.mark.parametrize(("value", "expected"), [(True, "true"), (False, "false"), (5, "5"), ("x", "x")])
def test_scalars_are_written_as_pacemaker_writes_them(value: object, expected: str) -> None:
    assert values.scalar(value) == expected
