# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The failover journal of a live pair under keepalived, and the damping of a node that flaps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from tests.failover.live import NAME, calm, damping, deployed, described

pytestmark = pytest.mark.full

ALARM = "/run/linuxha-test-alarm"
# A node that flaps in seconds, and has to be let go by an operator.
DAMPING = {"moves": 4, "window_s": 600, "wait_s": 8, "hold_s": 3600, "alarm_command": ["/usr/bin/tee", ALARM]}


@pytest.fixture(scope="module")
def flapping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    inventory = described(tmp_path_factory.mktemp("journal"), "keepalived", preempt=True, damping=DAMPING)
    with deployed(f"{NAME}-journal", inventory) as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(flapping: Pair) -> Pair:
    """The pair with its first node active, as it prefers, and nothing that still counts."""
    settled(flapping)
    return flapping


def settled(pair: Pair) -> None:
    first = next(iter(pair.nodes.values()))
    calm(pair)
    wait(lambda: pair.wait_steady().name == first.name, 60, interval=0.5)
    # Lines that are a moment late count as well.
    wait(lambda: calm(pair), 30, interval=3)
    wait(lambda: calm(pair), 30, interval=3)


def entries(node: NodeHost) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in node.exec("linuxha-journal", "--json").splitlines()]


class Since:
    """What a node has written since now."""

    def __init__(self, node: NodeHost) -> None:
        self.node = node
        self.known = len(entries(node))

    def all(self) -> list[Mapping[str, Any]]:
        return entries(self.node)[self.known :]

    def one(self, old: str, new: str, timeout: float = 20) -> Mapping[str, Any]:
        """The first change of this kind."""

        def found() -> list[Mapping[str, Any]]:
            return [entry for entry in self.all() if (entry["from"], entry["to"]) == (old, new)]

        try:
            wait(lambda: bool(found()), timeout, interval=0.2)
        except TimeoutError:
            pytest.fail(f"{self.node.name} has not written {old} -> {new}: {self.all()}")
        return found()[0]


def both(pair: Pair) -> tuple[NodeHost, NodeHost]:
    """The node that is preferred and active, and the other."""
    first, second = pair.nodes.values()
    return first, second


def test_a_power_cut_is_a_silent_peer_and_a_boot_forgets_nothing(pair: Pair) -> None:
    active, standby = both(pair)
    before = entries(active)
    seen = Since(standby)
    faults = Faults(pair.lab)
    faults.power_cut(active)

    line = seen.one("BACKUP", "MASTER")
    faults.power_return(active)

    assert line["cause"] == "peer_silent"
    assert 300 < line["blackout_ms"] < 2000
    assert line["states"] is not None and line["held"] is False
    assert before and entries(active)[: len(before)] == before
    pair.wait_steady()
    assert entries(active)[len(before)]["cause"] == "start"


def test_a_pulled_cable_is_a_link(pair: Pair) -> None:
    active, standby = both(pair)
    here, there = Since(active), Since(standby)
    faults = Faults(pair.lab)
    faults.pull_cable(active, "lan")
    line = here.one("MASTER", "FAULT")
    faults.plug_cable(active, "lan")

    assert line["cause"] == "link", line
    # The peer said that it gives way, and only the peer knows why.
    assert there.one("BACKUP", "MASTER")["cause"] == "priority"
    assert here.one("FAULT", "BACKUP")["cause"] == "link"
    assert here.one("BACKUP", "MASTER")["cause"] == "priority"


def test_a_drained_node_is_the_work_of_an_operator(pair: Pair) -> None:
    active, standby = both(pair)
    here, there = Since(active), Since(standby)
    pair.drain(active, True)
    lost = here.one("MASTER", "FAULT")
    gained = there.one("BACKUP", "MASTER")
    pair.drain(active, False)

    assert (lost["cause"], gained["cause"]) == ("operator", "priority")
    assert here.one("FAULT", "BACKUP")["cause"] == "operator"
    pair.wait_steady()
    assert damping(active)["moves"] == 0


def test_a_killed_keepalived_is_a_fault_of_keepalived(pair: Pair) -> None:
    active, standby = both(pair)
    here, there = Since(active), Since(standby)
    faults = Faults(pair.lab)
    # A child of keepalived that outlives its parent by a moment would give way in order (PR_SET_PDEATHSIG).
    faults.freeze(active, "keepalived")
    faults.kill(active, "keepalived")

    assert there.one("BACKUP", "MASTER")["cause"] == "peer_silent"
    line = here.one("MASTER", "BACKUP")
    assert line["cause"] == "fault" and "keepalived" in line["detail"], line


def flap(pair: Pair, node: NodeHost) -> None:
    faults = Faults(pair.lab)
    seen = Since(node)
    faults.pull_cable(node, "lan")
    seen.one("MASTER", "FAULT")
    faults.plug_cable(node, "lan")
    seen.one("FAULT", "BACKUP")


def test_a_node_that_flaps_is_damped_then_held_and_still_serves_when_the_peer_dies(pair: Pair) -> None:
    active, standby = both(pair)
    seen = Since(active)
    active.exec("rm", "-f", ALARM)
    levels = []
    for number in range(3):
        if number:
            wait(lambda: pair.held(active) == pair.vips, 30)
        flap(pair, active)
        levels.append(damping(active)["level"])
    assert levels == ["free", "damped", "held"]
    assert damping(active)["held"] is True and damping(active)["since"]
    held = [entry for entry in seen.all() if entry["held"]]
    assert (held[0]["to"], held[0]["cause"]) == ("FAULT", "link")
    wait(lambda: bool(active.exec("cat", ALARM, check=False).strip()), 10)
    assert json.loads(active.exec("cat", ALARM)) == held[0]
    crit = active.exec("journalctl", "--unit=linuxha-journal", "--priority=crit", "--output=cat", "--boot")
    assert "ALARM" in crit
    # It is whole again, and stays away: longer than keepalived needs to take over, or than the wait of a damped node.
    with pytest.raises(TimeoutError):
        wait(lambda: bool(pair.held(active)), 10)
    assert pair.wait_steady().name == standby.name

    faults = Faults(pair.lab)
    gained = Since(active)
    faults.power_cut(standby)
    line = gained.one("BACKUP", "MASTER")
    assert (line["cause"], line["held"]) == ("peer_silent", True)
    assert pair.held(active) == pair.vips
    faults.power_return(standby)

    # The other is preferred now, although its own priority is the lower one.
    wait(lambda: pair.wait_steady().name == standby.name, 60)
    active.exec("linuxha-journal", "release")
    wait(lambda: pair.wait_steady().name == active.name, 60)
    assert damping(active)["held"] is False


def test_a_disk_that_takes_nothing_delays_nothing(pair: Pair) -> None:
    active, standby = both(pair)
    folder = "/var/lib/linuxha"
    standby.exec("mount", "-t", "tmpfs", "-o", "size=4k", "full", folder)
    try:
        standby.exec("sh", "-c", f"head -c 8k /dev/zero > {folder}/fill 2>/dev/null; test -s {folder}/fill")
        pair.drain(active, True)
        wait(lambda: pair.held(standby) == pair.vips, 5)
        said = ("journalctl", "--unit=linuxha-journal", "--output=cat", "--boot")
        wait(lambda: "could not be written" in standby.exec(*said), 10, interval=0.5)
    finally:
        standby.exec("umount", folder)
        pair.drain(active, False)
    seen = Since(standby)
    assert seen.one("MASTER", "BACKUP")["cause"] == "priority"
