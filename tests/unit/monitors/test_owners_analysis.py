# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.monitors.owners import OwnerRecord, VipResult, analyse
from lab.monitors.owners.records import ANNOUNCED, ANSWERED, ASKED

MS = 1_000_000
VIP = "192.0.2.1"


def records(answers: Sequence[Sequence[str]]) -> list[OwnerRecord]:
    """One question each 50 ms, and who answers it."""
    found = []
    for number, owners in enumerate(answers):
        t = number * 50 * MS
        found.append(OwnerRecord(t, t, VIP, ASKED, ""))
        found += [OwnerRecord(t + 100_000, t, VIP, ANSWERED, owner) for owner in owners]
    return found


def judge(answers: Sequence[Sequence[str]], names: Mapping[str, str] | None = None) -> VipResult:
    return analyse({"wan": records(answers)}, names=names).vips[0]


def test_a_clean_hand_over() -> None:
    found = judge([["a"]] * 10 + [["b"]] * 11)
    assert (found.changes, found.dual_ms, found.no_owner_ms) == (1, 0, 0)
    assert [span.owners for span in found.timeline] == [("a",), ("b",)]


def test_a_time_without_owner() -> None:
    found = judge([["a"]] * 10 + [[]] * 4 + [["b"]] * 11)
    assert (found.changes, found.longest_no_owner_ms) == (1, 200)


def test_a_long_dual_owner() -> None:
    found = judge([["a"]] * 10 + [["a", "b"]] * 20 + [["b"]] * 11)
    assert (found.dual_ms, found.dual_owner_ms, found.changes) == (1000, 800, 1)


def test_a_short_dual_owner_is_a_hand_over() -> None:
    found = judge([["a"]] * 10 + [["a", "b"]] * 3 + [["b"]] * 11)
    assert (found.dual_ms, found.dual_owner_ms) == (150, 0)


def test_taking_turns_is_dual() -> None:
    found = judge([["a"], ["b"]] * 20)
    assert found.dual_owner_ms > 1500


def test_one_node_with_two_interfaces_is_one_owner() -> None:
    found = judge([["a", "b"]] * 20, names={"a": "fw1", "b": "fw1"})
    assert (found.dual_ms, found.changes) == (0, 0)


def test_two_nodes_with_one_virtual_mac_address() -> None:
    virtual = "00:00:5e:00:01:33"
    assert judge([[virtual]] * 20).dual_ms == 0
    assert judge([[virtual, virtual]] * 20).dual_owner_ms == 750


def test_an_owner_that_comes_back_changed_nothing() -> None:
    assert judge([["a"]] * 5 + [[]] * 10 + [["a"]] * 5).changes == 0


def test_windows_and_announcements() -> None:
    items = [*records([["a", "b"]] * 20 + [["b"]] * 20), OwnerRecord(1500 * MS, 0, VIP, ANNOUNCED, "b")]
    assert analyse({"wan": items}).dual_owner_ms == 800
    later = analyse({"wan": items}, fault_ns=1000 * MS)
    assert (later.dual_ms, later.vips[0].announcements) == (0, 1)


def test_silence_is_void() -> None:
    assert "ever answered" in str(analyse({"wan": records([[]] * 20)}).void)
    assert "nothing was asked" in str(analyse({"wan": []}).void)
