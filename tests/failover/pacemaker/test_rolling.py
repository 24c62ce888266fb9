# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rolling updates of a live pair under Pacemaker, under traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover import rolling

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("calmed", "no_flag_stays")]

PACKAGES = ("corosync", "conntrackd")


def constraints(pair: Pair) -> str:
    return next(iter(pair.nodes.values())).exec("cibadmin", "--query", "--scope", "constraints")


def test_both_nodes_are_upgraded_and_rebooted_and_nobody_notices(pair: Pair, record_property: rolling.Record) -> None:
    rolling.offer(pair, "lab1", *PACKAGES)
    before = {name: rolling.traces(node, *PACKAGES) for name, node in pair.nodes.items()}
    standby = pair.standby()

    measured, run = rolling.under_traffic(pair, moves=True, reboot="always")

    record_property("seconds", round(run.seconds))
    rolling.nobody_noticed(measured, 1, record_property)
    for name, node in pair.nodes.items():
        boot, versions, _unused = rolling.traces(node, *PACKAGES)
        assert boot != before[name][0]
        assert versions.count("+lab1") == len(PACKAGES)
        assert rolling.maintenance(node) is None
    assert pair.active().name == standby.name
    assert "cli-" not in constraints(pair)
    assert rolling.play(pair).changed == 0


def test_without_reboot_the_daemons_restart_and_the_service_returns(
    pair: Pair, record_property: rolling.Record
) -> None:
    rolling.offer(pair, "lab2", *PACKAGES)
    active = pair.active()

    measured, run = rolling.under_traffic(pair, moves=False, packages="firewall", reboot="never", back=True)

    record_property("seconds", round(run.seconds))
    rolling.nobody_noticed(measured, 2, record_property)
    assert pair.active().name == active.name
    assert all(rolling.traces(node, *PACKAGES)[1].count("+lab2") == len(PACKAGES) for node in pair.nodes.values())
    assert "cli-" not in constraints(pair)


def test_the_configuration_comes_with_the_turns(pair: Pair, tmp_path: Path, record_property: rolling.Record) -> None:
    rolling.configuration_too(pair, tmp_path, "pacemaker", record_property)


def test_a_gate_that_fails_leaves_the_service_and_the_other_node_alone(pair: Pair, tmp_path: Path) -> None:
    active, standby = pair.active(), pair.standby()
    before = rolling.traces(active, *PACKAGES)
    tasks = rolling.breaking(tmp_path, "conntrackd.service")

    said = rolling.stopped(pair, tasks=tasks, packages="none", reboot="never", attempts=2)

    assert f"{standby.name} did not pass its gate" in said
    assert pair.held(active) == pair.vips
    assert rolling.traces(active, *PACKAGES) == before
    flag = rolling.maintenance(standby)
    assert flag is not None and flag["reason"].startswith("rolling update stopped")

    rolling.mend(standby, "conntrackd.service")
    assert "left in maintenance by an earlier run" in rolling.play(pair, packages="none", reboot="never").output
    assert rolling.maintenance(standby) is None
    assert pair.wait_steady().name == active.name
