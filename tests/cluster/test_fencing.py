# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Fencing that really cuts the power: who is lost is off before another serves, and of a split one side survives.

Both nodes run one release, debian13 unless HAFW_RELEASE says otherwise: an older Pacemaker that was fenced does not get
back into a cluster that only newer ones have kept alive.
"""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import lab as labs
from lab import options, playbook
from lab.faults import Faults
from lab.namespace import inside
from lab.pair import wait
from lab.power.client import Switched
from tests.cluster.live import Cluster

pytestmark = pytest.mark.full

HERE = Path(__file__).parent
NAME = os.environ.get("HAFW_LAB", "cluster")
RELEASE = os.environ.get("HAFW_RELEASE", "debian13")
LINKS = ("sync0", "sync1")
TAKEOVER_S = 60.0
NODES = ("fw1", "fw2")


class Fenced:
    """The cluster of fencing.yml, and what can be done to it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.lab = cluster.lab
        self.power = cluster.lab.power
        self.faults = Faults(cluster.lab)

    def deploy(self, *arguments: str) -> playbook.Played:
        address = f"power_address={self.power.address}"
        return playbook.play(self.lab, str(HERE / "fencing.yml"), ["-e", address, *arguments], show=None)

    def status(self, node: str) -> ET.Element | None:
        """The state of the cluster as this node sees it, or None when it cannot say."""
        if self.power.status(node) == "off":
            # A program on a frozen node would never end.
            return None
        text = self.cluster.run("crm_mon", "--one-shot", "--output-as=xml", node=node, check=False)
        found = ET.fromstring(text) if text.strip() else None
        return None if found is None or found.find("nodes") is None else found

    def on(self, node: str) -> bool:
        """Whether the service runs on a node that has power."""
        return self.power.status(node) == "on" and bool(
            self.cluster.run("find", "/run", "-maxdepth", "1", "-name", "witness", node=node, check=False).strip()
        )

    def starts(self, node: str) -> list[int]:
        """When the service was started on this node, also a node without power (nanoseconds of the common clock)."""
        disk = self.lab.nodes[node].container.root
        text = inside(self.lab.holder, ["sh", "-c", f'cat "{disk}/var/lib/witness" || :'])
        return [int(line) for line in text.split()]

    def sound(self) -> bool:
        """Both nodes are members, each device runs, and the service runs once."""
        seen = self.status("fw1")
        if seen is None:
            return False
        nodes = [
            (node.get("online"), node.get("pending"), node.get("unclean"))
            for node in seen.iterfind("nodes/node")
        ]  # fmt: skip
        roles = [
            (r.get("role"), r.get("nodes_running_on"), r.get("failed")) for r in seen.iterfind("resources/resource")
        ]
        return (
            nodes == [("true", "false", "false")] * 2
            and roles == [("Started", "1", "false")] * 3
            and sum(self.on(node) for node in NODES) == 1
        )

    def heal(self, active: str) -> None:
        """Every node has power and every link, the cluster is whole, and `active` serves."""
        self.power.mode("normal")
        self.faults.mend()
        for node in self.lab.nodes.values():
            self.power.on(node.name)
            node.wait_booted()
        until(lambda: self.status("fw1") is not None, "fw1 has no Pacemaker")
        until(self._cleaned, "the cluster does not become whole")
        if not self.on(active):
            self.cluster.run("crm_resource", "--resource", "service", "--move", "--node", active)
            until(lambda: self.on(active) and self.sound(), f"the service does not move to {active}")
            self.cluster.run("crm_resource", "--resource", "service", "--clear")
        self.cluster.run("crm_resource", "--wait", "--timeout=60")

    def _cleaned(self) -> bool:
        if self.sound():
            return True
        self.cluster.run("crm_resource", "--cleanup", check=False)
        return False

    def cib(self, **given: Any) -> None:
        self.cluster.cib({**given, "owner": "site", "wait": 60})


def until(condition: Callable[[], bool], otherwise: str, timeout: float = 90) -> None:
    try:
        wait(condition, timeout, interval=0.25)
    except TimeoutError:
        pytest.fail(f"{otherwise} within {timeout:.0f} s")


def other(node: str) -> str:
    return next(name for name in NODES if name != node)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Fenced]:
    name, keep = f"{NAME}-power", bool(os.environ.get("HAFW_KEEP"))
    lab = labs.up(name, options.INVENTORIES / "keepalived", RELEASE, fresh=not keep)
    try:
        playbook.play(lab, str(HERE / "fencing.yml"), ["-e", f"power_address={lab.power.address}"], show=None)
        yield Fenced(Cluster(lab))
    finally:
        if not keep:
            labs.down(name)


@pytest.fixture(params=NODES)
def active(request: pytest.FixtureRequest) -> str:
    """The node that serves when the test begins."""
    return str(request.param)


@pytest.fixture
def fenced(deployed: Fenced) -> Iterator[Fenced]:
    yield deployed
    deployed.heal("fw1")


def offs(fenced: Fenced, since: int) -> list[Switched]:
    return [event for event in fenced.power.switched(since) if event.state == "off"]


def test_a_second_run_changes_nothing(fenced: Fenced) -> None:
    assert fenced.deploy().changed == 0
    assert fenced.deploy("--check", "--diff").changed == 0


def test_no_device_runs_on_its_target(fenced: Fenced) -> None:
    seen = fenced.status("fw1")
    assert seen is not None
    places = {r.get("id"): [n.get("name") for n in r.iterfind("node")] for r in seen.iterfind("resources/resource")}
    assert {places["power-fw1"][0], places["power-fw2"][0]} == {"fw1", "fw2"}
    assert places["power-fw1"] == ["fw2"]


def test_an_order_cuts_the_power_and_the_node_returns(fenced: Fenced) -> None:
    """What the guide asks every administrator to try before production."""
    since = time.time_ns()
    fenced.cluster.run("stonith_admin", "--reboot", "fw2", "--timeout", "30")
    assert [event.node for event in offs(fenced, since)] == ["fw2"]
    until(fenced.sound, "fw2 does not return")


def test_who_is_lost_is_off_before_another_serves(
    fenced: Fenced, active: str, record_property: Callable[[str, object], None]
) -> None:
    fenced.heal(active)
    survivor, cut = other(active), time.time_ns()
    fenced.faults.power_cut(fenced.lab.nodes[active])
    until(lambda: fenced.on(survivor), f"{survivor} does not take over", TAKEOVER_S)
    started = fenced.starts(survivor)[-1]
    (off,) = offs(fenced, cut)
    assert off.node == active
    asked = next(request for request in fenced.power.requests(cut) if request.text == f"reboot {active}")
    assert asked.answered_ns is not None
    assert cut < asked.asked_ns < off.ns <= asked.answered_ns < started
    for name, moment in (("asked", asked.asked_ns), ("confirmed", asked.answered_ns), ("served", started)):
        record_property(f"{name}_ms", (moment - cut) // 1_000_000)
    until(fenced.sound, f"{active} does not return by itself")
    assert fenced.on(survivor), "the service moved back"


def test_of_a_split_the_side_that_serves_survives(
    fenced: Fenced, active: str, record_property: Callable[[str, object], None]
) -> None:
    fenced.heal(active)
    loser, before = other(active), {node: fenced.starts(node) for node in NODES}
    cut = time.time_ns()
    fenced.faults.cut(fenced.lab.nodes["fw1"], LINKS)
    until(lambda: bool(offs(fenced, cut)), "nobody is fenced", TAKEOVER_S)
    record_property("fenced_ms", (offs(fenced, cut)[0].ns - cut) // 1_000_000)
    # It comes back into a split that still is: alone, it must wait for its peer and neither serve nor fence.
    until(lambda: fenced.status(loser) is not None, f"{loser} does not start again")
    until(lambda: quorate(fenced, loser) == "false", f"{loser} does not see that it is alone")
    assert [event.node for event in offs(fenced, cut)] == [loser]
    assert {node: fenced.starts(node) for node in NODES} == before, "somebody started the service"
    assert (fenced.on(active), fenced.on(loser)) == (True, False)
    fenced.faults.mend()
    until(fenced.sound, f"{loser} does not return")
    assert [event.node for event in offs(fenced, cut)] == [loser]
    assert {node: fenced.starts(node) for node in NODES} == before


def quorate(fenced: Fenced, node: str) -> str | None:
    seen = fenced.status(node)
    dc = None if seen is None else seen.find("summary/current_dc")
    return None if dc is None else dc.get("with_quorum")


def test_a_delay_of_a_device_does_not_know_who_serves(fenced: Fenced) -> None:
    """The negative control of priority-fencing-delay: with a delay of the device alone the wrong side survives."""
    device = {"ip": fenced.power.address, "pcmk_reboot_timeout": "15s"}
    fenced.cib(
        properties={"priority-fencing-delay": None},
        resources=[
            {
                "id": "power-fw2",
                "agent": "stonith:fence_lab",
                "params": {**device, "pcmk_host_list": "fw2", "pcmk_delay_base": "8s"},
                "operations": [{"name": "monitor", "interval": "60s", "timeout": "20s"}],
            }
        ],
        allow=["restart:power-fw2"],
    )
    try:
        fenced.heal("fw1")
        cut = time.time_ns()
        fenced.faults.cut(fenced.lab.nodes["fw1"], LINKS)
        until(lambda: fenced.on("fw2"), "fw2 does not take over", TAKEOVER_S)
        assert [event.node for event in offs(fenced, cut)] == ["fw1"]
    finally:
        fenced.heal("fw1")
        fenced.deploy("-e", '{"pacemaker_allow": ["restart:power-fw2"]}')


def hopeless(fenced: Fenced, since: int, mode: str) -> bool:
    """The survivor has asked for the power of the lost node more than once, in vain."""
    asked = [request for request in fenced.power.requests(since) if request.text.startswith("reboot ")]
    return sum((request.answer is None) == (mode == "hang") for request in asked) >= 2


@pytest.mark.parametrize("mode", ["fail", "hang"])
@pytest.mark.parametrize("way_out", ["works again", "operator"])
def test_nobody_takes_over_while_the_fencer_is_broken(fenced: Fenced, mode: str, way_out: str) -> None:
    fenced.heal("fw1")
    before, cut = fenced.starts("fw2"), time.time_ns()
    with fenced.power.broken(mode):
        fenced.faults.power_cut(fenced.lab.nodes["fw1"])
        until(lambda: hopeless(fenced, cut, mode), "nobody asks for the power of fw1", TAKEOVER_S)
        assert fenced.starts("fw2") == before
        seen = fenced.status("fw2")
        assert seen is not None
        assert [n.get("unclean") for n in seen.iterfind("nodes/node") if n.get("name") == "fw1"] == ["true"]
        assert offs(fenced, cut) == []
        if way_out == "operator":
            confirmed = time.time_ns()
            fenced.cluster.run("stonith_admin", "--confirm", "fw1", node="fw2")
            until(lambda: fenced.on("fw2"), "fw2 does not take over", TAKEOVER_S)
            assert fenced.starts("fw2")[-1] > confirmed
            assert offs(fenced, cut) == []
    if way_out == "works again":
        until(lambda: fenced.on("fw2"), "fw2 does not take over", TAKEOVER_S)
        assert offs(fenced, cut)[0].node == "fw1"
        assert offs(fenced, cut)[0].ns < fenced.starts("fw2")[-1]


def test_without_fencing_both_sides_of_a_split_serve(fenced: Fenced) -> None:
    """The negative control of everything above."""
    fenced.heal("fw1")
    fenced.cib(properties={"stonith-enabled": False})
    try:
        cut = time.time_ns()
        fenced.faults.cut(fenced.lab.nodes["fw1"], LINKS)
        until(lambda: fenced.on("fw1") and fenced.on("fw2"), "the service does not run twice", TAKEOVER_S)
        assert offs(fenced, cut) == []
    finally:
        fenced.faults.mend()
        until(fenced.sound, "the cluster does not become whole")
        fenced.cib(properties={"stonith-enabled": True})
