# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The example pair under Pacemaker with a fence device for each node, under live traffic.

The negative control of the split is in test_pacemaker.py: without fencing both nodes serve, and it is seen.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from lab import lab as labs
from lab import playbook
from lab.cases import UNITS
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.monitors.owners import OwnersResult
from lab.pair import Pair, wait
from lab.power.client import Request, Switched
from lab.run import LabError
from lab.session import Measured
from tests.cluster.live import Cluster
from tests.failover.live import INVENTORIES, NAME, fault, heal, measure, observe, sound
from tests.failover.pacemaker.status import controller, status, unclean

pytestmark = pytest.mark.full

FLOWS = 200
# What the guide says: longer than the nodes differ in noticing the loss, with the time that the device takes.
DELAY_S = 2
# Short, so that a fencer that hangs is given up within the patience of a test.
PATIENCE = "6s"
ANSWER_S = 30.0
# From the power to a member in step.
RETURN_S = 90.0
# Of Pacemaker (stonith-max-attempts): then it stops trying at once.
ATTEMPTS = 10
# How long it then takes at most until it tries again.
AGAIN_S = 60.0

Record = Callable[[str, object], None]


def with_devices(directory: Path, address: str) -> Path:
    """The example inventory with one device of the lab for each node."""
    shutil.copytree(INVENTORIES / "pacemaker", directory, dirs_exist_ok=True)
    file = directory / "group_vars" / "firewalls" / "cluster.yml"
    text = yaml.safe_load(file.read_text())
    text["firewall_cluster"]["pacemaker"]["fencing"] = {
        "devices": [
            {
                "name": f"power-{node}",
                "agent": "fence_lab",
                "nodes": [node],
                "parameters": {"ip": address, "pcmk_reboot_timeout": PATIENCE},
            }
            for node in ("fw1", "fw2")
        ],
        "priority_delay_s": DELAY_S,
    }
    # The order of the networks is that of the interfaces: the machines have to stay the same.
    file.write_text(yaml.safe_dump(text, sort_keys=False))
    return directory


@pytest.fixture(scope="module")
def deployed() -> Iterator[Pair]:
    name, keep = f"{NAME}-fencing", bool(os.environ.get("HAFW_KEEP"))
    bare = labs.up(name, INVENTORIES / "pacemaker", fresh=not keep)
    try:
        lab = labs.up(name, with_devices(bare.runtime / "fenced", bare.power.address))
        assert lab.holder == bare.holder
        playbook.play(lab, "site", show=None)
        playbook.play(lab, "verify", show=None)
        yield Pair(lab, lab.clusters[0])
    finally:
        if not keep:
            labs.down(name)


@pytest.fixture
def pair(deployed: Pair) -> Iterator[Pair]:
    """The pair, steady before the test and whole again after it."""
    deployed.wait_steady(RETURN_S)
    yield deployed
    deployed.lab.power.mode("normal")
    Faults(deployed.lab).mend()
    nodes = [*deployed.nodes.values()]
    for node in nodes:
        deployed.lab.power.on(node.name)
        node.wait_booted()
    heal(deployed)
    # What a broken fencer leaves behind: failures of the devices.
    nodes[0].exec("crm_resource", "--cleanup")


def links(pair: Pair) -> list[str]:
    return [link.name for link in pair.cluster.sync_links]


def other(pair: Pair, node: NodeHost) -> NodeHost:
    return next(item for name, item in pair.nodes.items() if name != node.name)


def offs(pair: Pair, since: int) -> list[Switched]:
    return [event for event in pair.lab.power.switched(since) if event.state == "off"]


def asked(pair: Pair, since: int) -> list[Request]:
    return [request for request in pair.lab.power.requests(since) if request.text.startswith("reboot ")]


def monotonic(ns: int) -> int:
    """The clock of the monitors for a time of the power service."""
    return ns - time.time_ns() + time.monotonic_ns()


def first_answer(owners: OwnersResult, node: str) -> int:
    """When the first virtual address was answered for by this node."""
    return min(span.start_ns for vip in owners.vips for span in vip.timeline if node in span.owners)


def answered_by(owners: OwnersResult) -> set[str]:
    return {owner for vip in owners.vips for span in vip.timeline for owner in span.owners}


def one_at_a_time(measured: Measured) -> None:
    """Nothing leaked, never two owners, and each address was moved once if this was a takeover, else never."""
    window, owners = measured.window, measured.owners
    assert window.problems == []
    assert (owners.void, owners.dual_owner_ms) == (None, 0), owners.vips
    # A node that is cut off at once may not have answered any more: then there is no change to be seen.
    assert owners.changes <= (window.before != window.after)
    for vip in owners.vips:
        assert [span.owners for span in vip.timeline if span.owners][-1] == (window.after,)
    assert (measured.leaks.void, measured.leaks.leaked) == (None, 0)


def nothing_lost(measured: Measured) -> None:
    """No connection was cut, broken or slower than the takeover."""
    flows = measured.window.flows
    assert flows is not None
    assert (flows.survived, flows.resets) == (flows.total, 0), flows.failures[:3]


def off_before_served(pair: Pair, measured: Measured, cut: int) -> int:
    """The lost node was switched off before the other answered for any address; returns when it was off."""
    before, after = measured.window.before, measured.window.after
    (off,) = offs(pair, cut)
    assert off.node == before
    assert monotonic(off.ns) < first_answer(measured.owners, after)
    return off.ns


def rejoined(pair: Pair, serving: NodeHost) -> None:
    """The fenced node is a member again and stands by, without an order of anybody."""
    assert pair.wait_steady(RETURN_S).name == serving.name
    assert unclean(status(pair, serving)) == set()


def test_a_dead_node_is_off_before_its_peer_serves(pair: Pair, record_property: Record) -> None:
    """And returns by itself as the standby node: the device restarts it."""
    cut: list[int] = []

    def power_cut(node: NodeHost) -> None:
        cut[:] = [time.time_ns()]
        Faults(pair.lab).power_cut(node)
        survivor = other(pair, node)
        wait(lambda: pair.held(survivor) == pair.vips, ANSWER_S)
        rejoined(pair, survivor)

    (measured,) = observe(pair, [fault("power_cut", power_cut, moves=True)], FLOWS)

    one_at_a_time(measured)
    nothing_lost(measured)
    off = off_before_served(pair, measured, cut[0])
    (request,) = asked(pair, cut[0])
    record_property("asked_ms", (request.asked_ns - cut[0]) // 1_000_000)
    record_property("off_ms", (off - cut[0]) // 1_000_000)
    record_property("blackout_ms", round(measured.blackout.blackout_ms))


def controlled_by(pair: Pair, active: bool) -> None:
    """The designated controller is the node that serves, or the other one."""
    node = pair.wait_steady()
    if (controller(status(pair))[0] == node.name) != active:
        pair.drain(node, True)
        wait(lambda: pair.held(other(pair, node)) == pair.vips, ANSWER_S)
        pair.drain(node, False)
        node = pair.wait_steady()
    assert (controller(status(pair))[0] == node.name) == active


@pytest.mark.parametrize("controls", [True, False], ids=["serving node controls", "standby node controls"])
def test_of_a_split_the_node_that_serves_survives(pair: Pair, controls: bool, record_property: Record) -> None:
    """The designated controller mostly asks a second later than the other node would: both places are tried."""
    controlled_by(pair, active=controls)
    cut: list[int] = []

    def split(node: NodeHost) -> None:
        loser = other(pair, node)
        cut[:] = [time.time_ns()]
        Faults(pair.lab).cut(node, links(pair))
        wait(lambda: bool(offs(pair, cut[0])), ANSWER_S)
        loser.wait_booted()
        # It comes back into the split: alone, it may neither serve nor fence.
        wait(lambda: alone(pair, loser), RETURN_S)
        assert (pair.held(node), pair.held(loser)) == (pair.vips, frozenset())

    def join(node: NodeHost) -> None:
        Faults(pair.lab).mend()
        rejoined(pair, node)

    apart, together = observe(pair, [fault("split", split, join, undo_name="joined")], FLOWS)

    for measured in (apart, together):
        one_at_a_time(measured)
        nothing_lost(measured)
        assert measured.blackout.lost_packets == 0, measured.blackout
        assert answered_by(measured.owners) == {apart.window.before}
    assert [event.node for event in offs(pair, cut[0])] == [name for name in pair.nodes if name != apart.window.before]
    record_property("off_ms", (offs(pair, cut[0])[0].ns - cut[0]) // 1_000_000)


def alone(pair: Pair, node: NodeHost) -> bool:
    """Whether this node has a controller and no quorum."""
    text = node.exec("crm_mon", "--one-shot", "--output-as=xml", check=False)
    return "current_dc" in text and controller(status(pair, node)) == (node.name, False)


def test_a_frozen_node_is_switched_off(pair: Pair, record_property: Record) -> None:
    """Its kernel still answers for the addresses and forwards, until it has no power."""
    cut: list[int] = []

    def freeze(node: NodeHost) -> None:
        cut[:] = [time.time_ns()]
        for unit in UNITS["pacemaker"]:
            Faults(pair.lab).freeze(node, unit)
        wait(lambda: bool(offs(pair, cut[0])), 10)
        wait(lambda: pair.held(other(pair, node)) == pair.vips, ANSWER_S)
        rejoined(pair, other(pair, node))

    (measured,) = observe(pair, [fault("freeze", freeze, moves=True)], FLOWS)

    one_at_a_time(measured)
    nothing_lost(measured)
    off = off_before_served(pair, measured, cut[0])
    record_property("off_ms", (off - cut[0]) // 1_000_000)
    record_property("blackout_ms", round(measured.blackout.blackout_ms))


def vain(pair: Pair, since: int, mode: str) -> int:
    """How often the power of a node was asked for in vain."""
    return sum((request.answer is None) == (mode == "hang") for request in asked(pair, since))


def warned(pair: Pair, node: NodeHost) -> None:
    """What looks at the cluster says that a node waits to be fenced, and that the fencer fails."""
    info = Cluster(pair.lab).module("cluster_info", {}, node=node.name)
    assert not info.failed, info.output
    assert [item["name"] for item in info["nodes"] if item["unclean"]] == [other(pair, node).name]
    with pytest.raises(LabError) as error:
        playbook.play(pair.lab, "verify", ["-e", "firewall_verify_attempts=1"], show=None)
    assert other(pair, node).name in str(error.value)


@pytest.mark.parametrize("mode", ["fail", "hang"])
def test_without_a_fencer_that_confirms_nobody_takes_over(pair: Pair, mode: str, record_property: Record) -> None:
    """And when it works again somebody does, without a human."""
    cut: list[int] = []

    def power_cut(node: NodeHost) -> None:
        survivor = other(pair, node)
        cut[:] = [time.time_ns()]
        with pair.lab.power.broken(mode):
            Faults(pair.lab).power_cut(node)
            wait(lambda: vain(pair, cut[0], mode) >= 2, ANSWER_S)
            warned(pair, survivor)
            assert pair.held(survivor) == frozenset()
            assert offs(pair, cut[0]) == []
        repaired = time.time_ns()
        wait(lambda: pair.held(survivor) == pair.vips, AGAIN_S)
        record_property("takeover_after_repair_ms", (time.time_ns() - repaired) // 1_000_000)
        rejoined(pair, survivor)

    (measured,) = observe(pair, [fault("power_cut", power_cut, moves=True)], FLOWS)

    one_at_a_time(measured)
    off_before_served(pair, measured, cut[0])
    # After so long TCP tries only once in many seconds, and has not got round to all of them.
    flows = measured.window.flows
    assert flows is not None
    assert flows.resets == 0
    assert {item.outcome for item in flows.failures} <= {"stalled"}


def test_a_fencer_that_failed_for_long_is_asked_again(pair: Pair, record_property: Record) -> None:
    """Pacemaker stops trying at once after some failures. Nobody has to be there when the fencer works again."""
    node, cut = pair.wait_steady(), time.time_ns()
    survivor = other(pair, node)
    with pair.lab.power.broken("fail"):
        Faults(pair.lab).power_cut(node)
        wait(lambda: given_up(survivor, node), 120, interval=1)
    repaired = time.time_ns()
    wait(lambda: pair.held(survivor) == pair.vips, AGAIN_S + ANSWER_S)
    record_property("takeover_after_repair_ms", (time.time_ns() - repaired) // 1_000_000)
    (off,) = offs(pair, cut)
    assert off.ns > repaired
    rejoined(pair, survivor)


def given_up(survivor: NodeHost, lost: NodeHost) -> bool:
    """Whether Pacemaker says that it does not try again."""
    text = survivor.exec("grep", f"to fence {lost.name}, giving up", "/var/log/pacemaker/pacemaker.log", check=False)
    return bool(text.strip())


def test_a_broken_fencer_is_seen_before_it_is_needed(pair: Pair) -> None:
    """The monitor of each device finds it; nothing else happens."""
    info = Cluster(pair.lab)

    def failures(node: NodeHost) -> None:
        with pair.lab.power.broken("fail"):
            wait(lambda: told(info) == {"power-fw1", "power-fw2"}, 90, interval=2)

    since = time.time_ns()
    (measured,) = observe(pair, [fault("broken fencer", failures)], 0)

    one_at_a_time(measured)
    assert measured.blackout.lost_packets == 0
    assert offs(pair, since) == []


def told(info: Cluster) -> set[str]:
    """The devices whose failure cluster_info tells."""
    failures: Sequence[dict[str, str]] = info.module("cluster_info", {})["failures"]
    return {str(item["op_key"]).partition("_")[0] for item in failures}


def test_ordered_moves_fence_nobody_and_lose_nothing(pair: Pair) -> None:
    since = time.time_ns()
    for _way in ("there", "back"):
        sound(measure(pair, "planned", "move"))
    assert offs(pair, since) == []
    assert asked(pair, since) == []


def test_a_second_run_changes_nothing_and_fences_nobody(pair: Pair) -> None:
    since = time.time_ns()
    runs: list[playbook.Played] = []

    def site(node: NodeHost) -> None:
        runs[:] = [playbook.play(pair.lab, "site", show=None), playbook.play(pair.lab, "verify", show=None)]

    (measured,) = observe(pair, [fault("site", site)], FLOWS)

    assert [run.changed for run in runs] == [0, 0], runs[0].output
    assert "is kept off" not in runs[1].output, runs[1].output
    one_at_a_time(measured)
    nothing_lost(measured)
    assert measured.blackout.lost_packets == 0
    assert offs(pair, since) == []
    assert asked(pair, since) == []
