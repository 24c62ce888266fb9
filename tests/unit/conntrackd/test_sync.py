# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The pure parts of conntrackd_sync.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.node_programs import load

sync = load("conntrackd", "conntrackd_sync")
core = load("takeover", "takeover_core")

RUNTIME = """daemon uptime: 3 min 24 s

netlink stats:
\tevents received:\t                1234
\tevents filtered:\t                   7
\tnetlink overrun:\t\t           2
\tcurrent buffer size (in bytes):\t    33554432

runtime stats:
\tchild process failed:\t\t           0
\t\tchild process segfault:\t           0
\tlocal read failed:\t\t           0
"""
IMMEDIATE = """cache internal:
current active connections:\t           5
connections created:\t\t           9\tfailed:\t           1
connections updated:\t\t           4\tfailed:\t           0
connections destroyed:\t\t           4\tfailed:\t           0

external inject:
connections created:\t\t          11\tfailed:\t           3
connections updated:\t\t          12\tfailed:\t           0
connections destroyed:\t\t          13\tfailed:\t           0

traffic processed:
                   0 Bytes                         0 Pckts

UDP traffic (active device=sync0):
              144000 Bytes sent                 72000 Bytes recv
                1000 Pckts sent                   500 Pckts recv
                   0 Error send                     0 Error recv
"""


def test_runtime() -> None:
    parsed = sync.parse_stats(RUNTIME)
    assert parsed["netlink stats"] == {
        "events received": 1234,
        "events filtered": 7,
        "netlink overrun": 2,
        "current buffer size (in bytes)": 33554432,
    }
    assert parsed["runtime stats"]["child process segfault"] == 0


def test_caches_keep_their_sections_apart() -> None:
    parsed = sync.parse_stats(IMMEDIATE)
    assert parsed["cache internal"]["connections created"] == 9
    assert parsed["cache internal"]["connections created failed"] == 1
    assert parsed["external inject"]["connections updated"] == 12
    assert sync.received(parsed) == (11, 3, 12, 0)
    assert sync.received(sync.parse_stats(IMMEDIATE.replace("external inject", "cache external"))) == (11, 3, 12, 0)


@pytest.mark.parametrize(
    "text", ["", "can't connect: is conntrackd running? appropriate permissions?", ": 5\n::\n\t\n"]
)
def test_other_text_is_no_statistics(text: str) -> None:
    assert sync.received(sync.parse_stats(text)) is None


def test_settled_only_after_a_pause_in_which_the_peer_was_heard() -> None:
    settled = sync.Settled(1.0)
    told = [(0.0, 1, 5), (0.75, 2, 6), (1.5, 2, 7), (1.75, 2, 7), (2.0, 3, 8)]
    assert [settled.see(*each) for each in told] == [False, False, False, True, False]


def test_the_states_of_new_connections_are_not_waited_for() -> None:
    settled = sync.Settled(1.0, slow=100)
    # A table of 40 000, then 50 new states in a second for ever.
    told = [(0.0, 0, 1), (0.5, 20000, 2), (1.0, 40000, 3), (1.5, 40025, 4), (2.0, 40050, 5), (2.5, 40075, 6)]
    assert [settled.see(*each) for each in told] == [False, False, False, False, True, True]


def test_after_the_time_of_a_full_table_what_comes_is_new() -> None:
    settled = sync.Settled(1.0, slow=100, limit=3.0)
    told = [(float(second), 5000 * second, second) for second in range(5)]
    assert [settled.see(*each) for each in told] == [False, False, False, True, True]


def test_silence_is_not_settled() -> None:
    silent = [(0.0, 1, 5), (9.0, 1, 5), (9.5, 1, 6)]
    settled = sync.Settled(1.0)
    assert [settled.see(*each) for each in silent] == [False, False, True]
    # In alarm mode a peer without states sends nothing at all.
    settled = sync.Settled(1.0, beats=False)
    assert [settled.see(*each) for each in silent] == [False, True, True]


def test_a_peer_that_was_cut_off_is_noticed_once() -> None:
    silence = sync.Silence(3.0)
    told = [(0.0, 5), (1.0, 6), (3.5, 7), (5.0, 7), (6.6, 8), (7.0, 9), (12.0, 10)]
    assert [silence.see(*each) for each in told] == [False, False, False, False, True, False, False]


@pytest.mark.parametrize(("outage", "asked"), [(0.0, []), (8.0, [("-n",)])])
def test_what_a_peer_has_sent_while_it_was_cut_off_is_asked_for_again(
    outage: float, asked: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a node would take itself for complete that has nothing."""
    now = [0.0]
    orders: list[tuple[str, ...]] = []

    def conntrackd(*options: str, **_more: object) -> tuple[int, str]:
        if options != ("-s",):
            orders.append(options)
            return 0, ""
        heard = max(0, int(now[0] - outage))
        return 0, IMMEDIATE.replace("500 Pckts recv", f"{heard} Pckts recv")

    (tmp_path / "conf").write_text("Mode FTFW {\n")
    monkeypatch.setattr(sync, "CONFIG", str(tmp_path / "conf"))
    monkeypatch.setattr(sync, "conntrackd", conntrackd)
    monkeypatch.setattr(sync.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sync.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert sync.arrived(15.0) == 0
    assert orders == asked
    # Counted from the new question on.
    assert now[0] >= outage + sync.SETTLED_S


def test_packets_of_all_links_count() -> None:
    link = "UDP traffic (active device=eth3):\n   960 Bytes sent   944 Bytes recv\n    60 Pckts sent   59 Pckts recv\n"
    assert sync.heard(link + link.replace("59", "1")) == 60
    assert sync.heard("") == 0


@pytest.mark.parametrize(
    ("values", "wanted", "total"),
    [
        ([0, 0, 1, 1, 3], [False, False, True, False, True], 3),
        ([2, 2], [True, False], 2),  # the watcher came late
        ([5, 0, 0, 1], [True, False, False, True], 6),  # the daemon was restarted
    ],
)
def test_overruns(values: list[int], wanted: list[bool], total: int) -> None:
    overruns = sync.Overruns()
    assert [overruns.see(value) for value in values] == wanted
    assert overruns.total == total


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ('{"active": false, "states": "in-step"}', [("-f", "internal"), ("-n",)]),
        ('{"active": false, "states": "unknown"}', [("-B",), ("-n",)]),
        ('{"active": true, "states": "in-step"}', [("-B",), ("-n",)]),
        ('{"active": true, "states": "in-step", "offers": null}', [("-B",), ("-n",)]),
        ('{"active": true, "states": "in-step", "offers": ["office"]}', [("filled",), ("-n",)]),
        ('{"active": false, "states": "in-step", "offers": []}', [("-f", "internal"), ("-n",)]),
        ('{"active": false, "states": "unknown", "offers": []}', [("-B",), ("-n",)]),
        (None, [("-B",), ("-n",)]),
    ],
)
def test_copies_are_not_told_after_a_start(
    role: str | None, wanted: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(sync, "ROLE_FILE", str(tmp_path / "state.json"))
    monkeypatch.setattr(sync, "conntrackd", lambda *options, timeout: (calls.append(options), (0, ""))[1])
    monkeypatch.setattr(sync, "filled", lambda: (calls.append(("filled",)), "")[1])
    if role is not None:
        (tmp_path / "state.json").write_text(role)

    assert sync.started() == 0
    assert calls == wanted


def test_all_that_fails_after_a_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.json").write_text('{"active": true, "states": "in-step", "offers": ["office"]}')
    monkeypatch.setattr(sync, "ROLE_FILE", str(tmp_path / "state.json"))
    monkeypatch.setattr(sync, "TAKEOVER", str(tmp_path / "takeover.json"))
    monkeypatch.setattr(sync, "conntrackd", lambda *options, timeout: (1, f"no {options[0]}"))

    assert sync.started() == 1
    told = capsys.readouterr().out
    assert all(text in told for text in ("the takeover worker is not told", "no -n"))


def test_the_worker_reads_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, config = tmp_path / "fifo", tmp_path / "takeover.json"
    monkeypatch.setattr(sync, "TAKEOVER", str(config))
    config.write_text(json.dumps({"fifo": str(fifo)}))
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    assert sync.filled() == ""

    event = core.parse_line(os.read(reader, 100).decode())
    os.close(reader)
    assert event is not None and event.state == core.FILLED
    assert "No such device" in sync.filled()  # nobody reads


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"active": False, "states": "in-step", "offers": None}, []),
        ({"active": True, "states": "in-step", "offers": None}, [("-R",), ("-B",)]),
        ({"active": False, "states": "unknown", "offers": None}, [("-R",), ("-B",)]),
        # conntrackd -R would offer what others serve.
        ({"active": True, "states": "in-step", "offers": ["office"]}, [("filled",)]),
        ({}, [("-R",), ("-B",)]),
    ],
)
def test_who_tells_anew_what_was_lost(
    said: dict[str, object], wanted: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(sync, "conntrackd", lambda *options, timeout: (calls.append(options), (0, ""))[1])
    monkeypatch.setattr(sync, "filled", lambda: (calls.append(("filled",)), "")[1])
    assert sync.mend(said) == ""
    assert calls == wanted
