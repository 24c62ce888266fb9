# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Faults and changes on a live pair under Pacemaker, with the monitors that judge keepalived."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from tests.failover.live import INVENTORIES, fault, measure, observe, sound, with_inventory
from tests.failover.pacemaker.status import status

# From the second owner to the monitors.
DETECTED_MS = 1000
UNITS = ("corosync", "pacemaker", "conntrackd", "linuxha-takeover", "linuxha-rules")

Record = Callable[[str, object], None]


def epoch(pair: Pair) -> str | None:
    node = next(iter(pair.nodes.values()))
    return ET.fromstring(node.exec("cibadmin", "--query", "--no-children")).get("epoch")


def daemons(pair: Pair) -> dict[str, str]:
    show = ("systemctl", "show", "--property=Id,MainPID,ActiveEnterTimestampMonotonic", *UNITS)
    return {name: node.exec(*show) for name, node in pair.nodes.items()}


def test_ordered_moves_lose_nothing(pair: Pair) -> None:
    """Standby, and a ban of the addresses; and back, where no connection may have aged."""
    for _way in ("there", "back"):
        sound(measure(pair, "planned", "move"))


def test_power_cut_moves_everything_and_the_return_moves_nothing(pair: Pair) -> None:
    verdicts = measure(pair, "power_cut")
    sound(verdicts)
    assert set(verdicts) == {"power_cut", "return"}


def test_a_pulled_cable_moves_all_addresses(pair: Pair) -> None:
    sound(measure(pair, "cable:wan", "cable:lan"))


def test_daemons_that_systemd_restarts_move_nothing(pair: Pair) -> None:
    sound(measure(pair, "kill:conntrackd", "kill:linuxha-takeover"))


def test_one_lost_sync_link_moves_nothing(pair: Pair) -> None:
    sound(measure(pair, "cut:sync0", "cut:sync1"))


@pytest.mark.full
def test_a_second_run_changes_nothing_and_nobody_notices(pair: Pair) -> None:
    """Every run asks for no changes in the molecule scenario pacemaker, and for traffic that nobody disturbs below.

    There site adds an address under the same traffic, which is more than to change nothing.
    """
    before = (daemons(pair), epoch(pair))
    runs: list[playbook.Played] = []
    site = fault("site", lambda node: runs.append(playbook.play(pair.lab, "site", show=None)))

    (measured,) = observe(pair, [site], 200)

    assert runs[0].changed == 0, runs[0].output
    assert (daemons(pair), epoch(pair)) == before
    assert measured.blackout.lost_packets == 0, measured.blackout
    assert measured.owners.changes == 0
    assert measured.leaks.leaked == 0
    assert measured.window.flows is not None
    assert measured.window.flows.survived == 200


def test_a_new_address_is_added_without_touching_the_others(pair: Pair, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(INVENTORIES / "pacemaker", inventory)
    file = inventory / "group_vars" / "firewalls" / "cluster.yml"
    text = yaml.safe_load(file.read_text())
    text["firewall_cluster"]["networks"]["wan"]["vips"] += ["192.0.2.9", "2001:db8:1::9"]
    file.write_text(yaml.safe_dump(text))
    changed = with_inventory(pair.lab, inventory)
    active = pair.active()
    added = fault("address added", lambda node: playbook.play(changed, "site", show=None))

    (measured,) = observe(pair, [added], 200)

    assert "192.0.2.9/24" in active.exec("ip", "address", "show")
    assert "2001:db8:1::9/64" in active.exec("ip", "address", "show")
    playbook.play(changed, "verify", show=None)
    assert measured.blackout.lost_packets == 0
    assert measured.owners.changes == 0
    assert measured.window.flows is not None
    assert measured.window.flows.survived == 200
    playbook.play(pair.lab, "site", show=None)
    assert "192.0.2.9/" not in active.exec("ip", "address", "show")
    assert pair.active().name == active.name


@pytest.mark.full
def test_what_an_operator_ordered_survives_the_site(pair: Pair) -> None:
    standby = pair.standby()
    pair.drain(standby, True)
    try:
        run = playbook.play(pair.lab, "site", show=None)
        assert run.changed == 0, run.output
        (node,) = (
            item for item in status(pair).iter("node") if item.get("name") == standby.name and item.get("standby")
        )
        assert node.get("standby") == "true"
    finally:
        pair.drain(standby, False)


@pytest.mark.full
def test_a_change_that_restarts_corosync_moves_the_addresses_at_most_once(pair: Pair) -> None:
    started = daemons(pair)
    renamed = ["-e", "corosync_cluster_name=renamed"]
    change = fault("restart of corosync", lambda node: playbook.play(pair.lab, "site", renamed, show=None))
    back = fault("and back", lambda node: playbook.play(pair.lab, "site", show=None))

    for measured in observe(pair, [change, back], 200):
        assert measured.window.flows is not None
        assert measured.window.flows.survived == 200
        assert measured.window.flows.resets == 0
        assert measured.owners.dual_owner_ms == 0
        # One move is a change for each of the addresses, in either family.
        assert measured.owners.changes <= len(pair.vips)
        assert measured.leaks.leaked == 0

    assert daemons(pair) != started
    playbook.play(pair.lab, "verify", show=None)


def test_without_fencing_a_split_makes_two_owners_and_it_is_seen(pair: Pair, record_property: Record) -> None:
    """The negative control of fencing: all links between the nodes are cut, and both serve."""
    faults = Faults(pair.lab)
    links = [link.name for link in pair.cluster.sync_links]
    cut: list[int] = []
    both: list[int] = []

    def split(node: NodeHost) -> None:
        cut[:] = [time.monotonic_ns()]
        faults.cut(node, links)
        wait(lambda: all(pair.held(item) == pair.vips for item in pair.nodes.values()), 20)
        both.append(time.monotonic_ns())
        time.sleep(1)

    def join(node: NodeHost) -> None:
        faults.mend()
        wait(lambda: sum(bool(pair.held(item)) for item in pair.nodes.values()) == 1, 30)

    apart, together = observe(pair, [fault("split", split, join, undo_name="joined")], 200)

    assert apart.owners.dual_owner_ms > 0
    doubled = [span.start_ns for vip in apart.owners.vips for span in vip.timeline if len(span.owners) > 1]
    record_property("two_owners_seen_ms", (min(doubled) - cut[0]) // 1_000_000)
    assert (min(doubled) - both[0]) / 1e6 <= DETECTED_MS
    assert together.window.flows is not None
    assert together.window.flows.resets == 0
    playbook.play(pair.lab, "verify", show=None)


@pytest.mark.full
def test_killed_cluster_daemons_recover(pair: Pair) -> None:
    """Without fencing a killed corosync is a lost node that returns: one owner in the end, and no connection lost."""
    for unit in ("corosync", "pacemaker"):
        (measured,) = observe(
            pair, [fault(f"kill {unit}", lambda node, unit=unit: Faults(pair.lab).kill(node, unit))], 200
        )
        assert measured.window.flows is not None
        assert measured.window.flows.resets == 0
        pair.wait_steady(90)
