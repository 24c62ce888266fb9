# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The connections that fill a table are all different, and as conntrack reads them."""

from __future__ import annotations

from lab.table import FLOWS_PER_PAIR, entries


def test_entry_has_both_directions() -> None:
    assert entries(1, "192.0.2.9", "198.51.100.9") == (
        "-A -t 86400 -u SEEN_REPLY,ASSURED -s 192.0.2.9 -d 198.51.100.9 -r 198.51.100.9 -q 192.0.2.9 -p tcp "
        "--sport 2000 --dport 20000 --reply-port-src 20000 --reply-port-dst 2000 --state ESTABLISHED\n"
    )


def test_many_entries_are_all_different_and_ports_stay_in_range() -> None:
    lines = entries(200_000, "192.0.2.9", "198.51.100.9").splitlines()
    assert len(set(lines)) == 200_000
    words = lines[FLOWS_PER_PAIR - 1].split()
    assert int(words[words.index("--sport") + 1]) < 65_536
