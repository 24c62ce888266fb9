# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Single faults under live traffic. `sound` stands for all invariants of lab/judge.py."""

from __future__ import annotations

import pytest

from lab.faults import Faults
from lab.monitors.leaks import Leaks
from lab.pair import Pair, wait
from lab.traffic import plans
from tests.failover.live import measure, sound

pytestmark = pytest.mark.full


def test_planned_switchover_loses_nothing_in_either_direction(pair: Pair) -> None:
    verdicts = measure(pair, "planned")

    sound(verdicts)
    # of four streams: both directions, both families
    assert len(verdicts["planned"].details["streams"]) == 4
    assert verdicts["planned"].lost_packets == 0


def test_power_cut_moves_everything_and_the_return_moves_nothing(pair: Pair) -> None:
    verdicts = measure(pair, "power_cut")

    sound(verdicts)
    assert set(verdicts) == {"power_cut", "return"}


def test_reboot_is_a_planned_switchover(pair: Pair) -> None:
    verdicts = measure(pair, "reboot")

    sound(verdicts)
    assert verdicts["reboot"].lost_packets == 0


def test_cable_of_a_network_moves_all_networks(pair: Pair) -> None:
    sound(measure(pair, "cable:wan", "cable:lan"))


def test_one_lost_sync_link_moves_nothing(pair: Pair) -> None:
    sound(measure(pair, "cut:sync0", "cut:sync1", "cable:sync0", "cable:sync1"))


def test_killed_daemons(pair: Pair) -> None:
    """keepalived leaves no address behind; conntrackd and the takeover worker come back without a trace."""
    verdicts = measure(pair, "kill:keepalived", "kill:conntrackd", "kill:linuxha-takeover")

    sound(verdicts)
    # The other node may take over, for the killed daemon held the role: never both for more than a hand-over.
    assert verdicts["kill:keepalived"].dual_owner_ms == 0


def test_a_worker_that_hangs_is_started_anew(pair: Pair) -> None:
    node = pair.standby()
    show = ("systemctl", "show", "--property=MainPID,NRestarts", "linuxha-takeover")
    before = node.exec(*show)
    Faults(pair.lab).freeze(node, "linuxha-takeover")
    # the watchdog's time, and what systemd grants for the abort
    wait(lambda: node.exec(*show) != before and "MainPID=0" not in node.exec(*show), 90, interval=1)

    pair.wait_steady()
    sound(measure(pair, "planned"))


def test_the_whole_site_comes_back(pair: Pair) -> None:
    """All nodes lose their power and boot together: one owner of everything within a minute, and nothing leaks."""
    leaks = Leaks(pair.probes, plans(pair.lab.clusters)[pair.cluster.name].canaries)
    for node in pair.nodes.values():
        node.power_off()
    leaks.start()
    try:
        for node in pair.nodes.values():
            node.boot()
        pair.wait_steady(60)
        result = leaks.stop()
    finally:
        leaks.close()

    assert result.leaked == 0
    assert result.void is None
