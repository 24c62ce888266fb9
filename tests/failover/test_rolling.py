# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rolling updates of a live pair of Debian 12 and Debian 13, under traffic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover.live import calm
from tests.failover.rolling import (
    MAINTENANCE,
    Record,
    breaking,
    maintenance,
    mend,
    nobody_noticed,
    offer,
    rolling,
    stopped,
    traces,
    under_traffic,
)

pytestmark = pytest.mark.full

PACKAGES = ("keepalived", "conntrackd")


@pytest.fixture(autouse=True)
def no_flag_stays(pair: Pair) -> Iterator[None]:
    calm(pair)
    yield
    for node in pair.nodes.values():
        if node.powered():
            node.exec(MAINTENANCE, "off")


def test_both_nodes_are_upgraded_and_rebooted_and_nobody_notices(pair: Pair, record_property: Record) -> None:
    offer(pair, "lab1", *PACKAGES)
    before = {name: traces(node, *PACKAGES) for name, node in pair.nodes.items()}
    active, standby = pair.active(), pair.standby()

    measured, run = under_traffic(pair, moves=True, reboot="always")

    record_property("seconds", round(run.seconds))
    nobody_noticed(measured, 1, record_property)
    assert f"order: {standby.name}, {active.name}" in run.output
    for name, node in pair.nodes.items():
        boot, versions, _unused = traces(node, *PACKAGES)
        assert boot != before[name][0]
        assert versions.count("+lab1") == len(PACKAGES)
        assert maintenance(node) is None
    assert pair.active().name == standby.name

    again = rolling(pair)
    assert again.changed == 0, again.output
    assert "nothing to do" in again.output
    assert pair.active().name == standby.name


def test_without_reboot_the_daemons_restart_and_the_service_returns(pair: Pair, record_property: Record) -> None:
    offer(pair, "lab2", *PACKAGES)
    active = pair.active()
    before = {name: traces(node) for name, node in pair.nodes.items()}

    # It begins and ends on the same node.
    measured, run = under_traffic(pair, moves=False, packages="firewall", reboot="never", back=True)

    record_property("seconds", round(run.seconds))
    nobody_noticed(measured, 2, record_property)
    assert pair.active().name == active.name
    for name, node in pair.nodes.items():
        boot, versions, processes = traces(node, *PACKAGES)
        assert boot == before[name][0]
        assert versions.count("+lab2") == len(PACKAGES)
        assert processes != before[name][2]


def test_check_mode_says_it_and_changes_nothing(pair: Pair) -> None:
    offer(pair, "lab3", *PACKAGES)
    for node in pair.nodes.values():
        node.exec("apt-get", "update")
    active, standby = pair.active(), pair.standby()
    before = {name: traces(node, *PACKAGES) for name, node in pair.nodes.items()}

    run = rolling(pair, "--check", reboot="always")

    assert f"order: {standby.name}, {active.name}" in run.output
    assert "packages: conntrackd, keepalived" in run.output
    assert {name: traces(node, *PACKAGES) for name, node in pair.nodes.items()} == before
    assert pair.active().name == active.name
    assert [maintenance(node) for node in pair.nodes.values()] == [None, None]


def test_a_gate_that_fails_leaves_the_service_and_the_other_node_alone(pair: Pair, tmp_path: Path) -> None:
    active, standby = pair.active(), pair.standby()
    before = traces(active, *PACKAGES)
    tasks = breaking(tmp_path, "keepalived.service")

    said = stopped(pair, tasks=tasks, packages="none", reboot="never", attempts=2)

    assert f"{standby.name} did not pass its gate" in said
    assert "keepalived.service" in said
    assert pair.held(active) == pair.vips
    assert traces(active, *PACKAGES) == before
    assert maintenance(active) is None
    flag = maintenance(standby)
    assert flag is not None and flag["reason"].startswith("rolling update stopped") and flag["until"] is None
    assert "no node of any cluster: fw9" in stopped(pair, nodes=["fw9"])

    # Mended, the next run goes on with it, and brings it back.
    mend(standby, "keepalived.service")
    run = rolling(pair, packages="none", reboot="never")
    assert "left in maintenance by an earlier run" in run.output
    assert f"order: {standby.name}\n" in run.output
    assert maintenance(standby) is None
    assert pair.wait_steady().name == active.name


def test_nothing_begins_when_nobody_could_take_over(pair: Pair) -> None:
    standby = pair.standby()
    before = {name: traces(node) for name, node in pair.nodes.items()}
    standby.exec("systemctl", "stop", "keepalived")
    try:
        assert "keepalived.service" in stopped(pair, reboot="always")
        assert {name: traces(node) for name, node in pair.nodes.items()} == before
    finally:
        standby.exec("systemctl", "start", "keepalived")
    standby.exec(MAINTENANCE, "on", "--reason", "new disk")
    assert "in maintenance: new disk" in stopped(pair, reboot="always")
    assert maintenance(standby) is not None
