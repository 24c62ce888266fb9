# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from dataclasses import replace

from lab.monitors.leaks import Leak, LeakRecords, analyse
from lab.monitors.paths import Canary

CANARY = Canary(4, "udp", "wan", "192.0.2.9", "lan", "198.51.100.9", 7301)
LEAK = Leak("lan", 150, 4, "udp", "192.0.2.9", "198.51.100.9", 7301)
RECORDS = LeakRecords((CANARY,), ((100, 0), (200, 0)), (LEAK,), 0, 0)


def test_one_arrival_is_a_leak() -> None:
    result = analyse(RECORDS)
    assert (result.void, result.leaked, result.sent, result.examples) == (None, 1, 2, (LEAK,))


def test_windows() -> None:
    assert analyse(RECORDS, 160).leaked == 0
    assert analyse(RECORDS, 100, 160).leaked == 1


def test_what_was_not_sent_proves_nothing() -> None:
    assert "no udp canary left wan" in str(analyse(RECORDS, 201).void)
    assert "3 attempts failed" in str(analyse(replace(RECORDS, errors=3), 201).void)
    assert analyse(LeakRecords((), (), (), 0, 0)).void == "there was no canary to send"


def test_arrivals_beyond_the_record_count() -> None:
    assert analyse(replace(RECORDS, uncounted=7)).leaked == 8
