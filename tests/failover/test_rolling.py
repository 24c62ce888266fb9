# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rolling updates of a live pair of Debian 12 and Debian 13, under traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover import rolling
from tests.failover.live import MAINTENANCE

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("calmed", "no_flag_stays")]

PACKAGES = ("keepalived", "conntrackd")


def test_both_nodes_are_upgraded_and_rebooted_and_nobody_notices(pair: Pair, record_property: rolling.Record) -> None:
    rolling.offer(pair, "lab1", *PACKAGES)
    before = {name: rolling.traces(node, *PACKAGES) for name, node in pair.nodes.items()}
    active, standby = pair.active(), pair.standby()

    measured, run = rolling.under_traffic(pair, moves=True, reboot="always")

    record_property("seconds", round(run.seconds))
    rolling.nobody_noticed(measured, 1, record_property)
    assert f"order: {standby.name}, {active.name}" in run.output
    for name, node in pair.nodes.items():
        boot, versions, _unused = rolling.traces(node, *PACKAGES)
        assert boot != before[name][0]
        assert versions.count("+lab1") == len(PACKAGES)
        assert rolling.maintenance(node) is None
    assert pair.active().name == standby.name

    again = rolling.play(pair)
    assert again.changed == 0, again.output
    assert "nothing to do" in again.output
    assert pair.active().name == standby.name


def test_without_reboot_the_daemons_restart_and_the_service_returns(
    pair: Pair, record_property: rolling.Record
) -> None:
    rolling.offer(pair, "lab2", *PACKAGES)
    active = pair.active()
    before = {name: rolling.traces(node) for name, node in pair.nodes.items()}

    # It begins and ends on the same node.
    measured, run = rolling.under_traffic(pair, moves=False, packages="firewall", reboot="never", back=True)

    record_property("seconds", round(run.seconds))
    rolling.nobody_noticed(measured, 2, record_property)
    assert pair.active().name == active.name
    for name, node in pair.nodes.items():
        boot, versions, processes = rolling.traces(node, *PACKAGES)
        assert boot == before[name][0]
        assert versions.count("+lab2") == len(PACKAGES)
        assert processes != before[name][2]


def test_check_mode_says_it_and_changes_nothing(pair: Pair) -> None:
    rolling.offer(pair, "lab3", *PACKAGES)
    for node in pair.nodes.values():
        node.exec("apt-get", "update")
    active, standby = pair.active(), pair.standby()
    before = {name: rolling.traces(node, *PACKAGES) for name, node in pair.nodes.items()}

    run = rolling.play(pair, "--check", reboot="always")

    assert f"order: {standby.name}, {active.name}" in run.output
    assert "packages: conntrackd, keepalived" in run.output
    assert {name: rolling.traces(node, *PACKAGES) for name, node in pair.nodes.items()} == before
    assert pair.active().name == active.name
    assert [rolling.maintenance(node) for node in pair.nodes.values()] == [None, None]


def test_the_configuration_comes_with_the_turns(pair: Pair, tmp_path: Path, record_property: rolling.Record) -> None:
    rolling.configuration_too(pair, tmp_path, "keepalived", record_property)


def test_a_gate_that_fails_leaves_the_service_and_the_other_node_alone(pair: Pair, tmp_path: Path) -> None:
    active, standby = pair.active(), pair.standby()
    before = rolling.traces(active, *PACKAGES)
    tasks = rolling.breaking(tmp_path, "keepalived.service")

    said = rolling.stopped(pair, tasks=tasks, packages="none", reboot="never", attempts=2)

    assert f"{standby.name} did not pass its gate" in said
    assert "keepalived.service" in said
    assert pair.held(active) == pair.vips
    assert rolling.traces(active, *PACKAGES) == before
    assert rolling.maintenance(active) is None
    flag = rolling.maintenance(standby)
    assert flag is not None and flag["reason"].startswith("rolling update stopped") and flag["until"] is None
    assert "no node of any cluster: fw9" in rolling.stopped(pair, nodes=["fw9"])

    # Mended, the next run goes on with it, and brings it back.
    rolling.mend(standby, "keepalived.service")
    run = rolling.play(pair, packages="none", reboot="never")
    assert "left in maintenance by an earlier run" in run.output
    assert f"order: {standby.name}\n" in run.output
    assert rolling.maintenance(standby) is None
    assert pair.wait_steady().name == active.name


def test_nothing_begins_when_nobody_could_take_over(pair: Pair) -> None:
    standby = pair.standby()
    before = {name: rolling.traces(node) for name, node in pair.nodes.items()}
    standby.exec("systemctl", "stop", "keepalived")
    try:
        assert "keepalived.service" in rolling.stopped(pair, reboot="always")
        assert {name: rolling.traces(node) for name, node in pair.nodes.items()} == before
    finally:
        standby.exec("systemctl", "start", "keepalived")
    standby.exec(MAINTENANCE, "on", "--reason", "new disk")
    assert "in maintenance: new disk" in rolling.stopped(pair, reboot="always")
    assert rolling.maintenance(standby) is not None
