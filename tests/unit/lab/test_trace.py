# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""`./hafw trace`, as a user types it."""

from __future__ import annotations

import sys

import pytest

from lab import options
from lab.__main__ import main


def ask(monkeypatch: pytest.MonkeyPatch, *argv: str, inventory: str = "keepalived") -> int:
    monkeypatch.setattr(sys, "argv", ["hafw", "trace", "-i", str(options.INVENTORIES / inventory), *argv])
    return main()


@pytest.mark.parametrize(
    ("argv", "said", "end"),
    [
        (
            ("wan", "203.0.113.10", "192.0.2.1", "tcp/443"),
            "'web4'",
            "accept, as tcp 203.0.113.10:40000 -> 198.51.100.80:8443",
        ),
        (("wan", "2001:db8:9::1", "2001:db8:2::77", "tcp/22"), "No rule decides", "drop."),
        (("lan", "198.51.100.200", "203.0.113.200", "udp/53"), "'snat4'", "accept, as udp 192.0.2.1:40000"),
        (("wan", "203.0.113.10", "192.0.2.1", "icmp/8"), "'ping'", "accept"),
        (("--to", "lan", "wan", "203.0.113.10", "203.0.113.77", "icmp/3/4"), "type 3 code 4", "drop."),
    ],
)
def test_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str, end: str
) -> None:
    assert ask(monkeypatch, *argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(said in line for line in lines)
    assert lines[-1].startswith("In the end: " + end)


@pytest.mark.parametrize(
    ("argv", "inventory", "said"),
    [
        (("wann", "203.0.113.10", "192.0.2.1", "tcp/443"), "keepalived", "packet.from"),
        (("wan", "203.0.113.10", "192.0.2.1", "tcp/443/1"), "keepalived", "is no service"),
        (("wan", "203.0.113.10", "192.0.2.1", "tcp/443"), "two_clusters", "name one of edge, branch"),
        (("--cluster", "nowhere", "wan", "203.0.113.10", "192.0.2.1", "tcp/443"), "keepalived", "name one of edge"),
    ],
)
def test_a_question_that_is_none(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: tuple[str, ...],
    inventory: str,
    said: str,
) -> None:
    assert ask(monkeypatch, *argv, inventory=inventory) == 1
    assert said in capsys.readouterr().err
