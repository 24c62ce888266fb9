# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Nodes of a live Pacemaker cluster that are replaced, added and removed, under live traffic."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import lab as labs
from lab import playbook
from lab.hosts import NodeHost
from lab.inventory import read
from lab.pair import Pair
from lab.run import LabError
from tests.failover.live import INVENTORIES, NAME, heal, measure, sound, with_inventory
from tests.failover.pacemaker.status import status
from tests.failover.replacing import FLOWS, Record, during, nobody_notices, the_living_are_refused

pytestmark = pytest.mark.full

UNITS = ("corosync", "pacemaker", "conntrackd", "linuxha-takeover", "linuxha-journal", "linuxha-rules")
THIRD = {
    "mgmt": ["203.0.113.4"],
    "wan": ["192.0.2.4", "2001:db8:1::4"],
    "lan": ["198.51.100.4", "2001:db8:2::4"],
    "sync0": ["203.0.113.67"],
    "sync1": ["203.0.113.75"],
}


def of_three(directory: Path) -> Path:
    """The example inventory with a third node."""
    shutil.copytree(INVENTORIES / "pacemaker", directory, dirs_exist_ok=True)
    (directory / "host_vars" / "fw3.yml").write_text(
        yaml.safe_dump({"firewall_node": {"addresses": THIRD}, "firewall_lab": {"release": "debian13"}})
    )
    hosts = directory / "hosts.yml"
    text = yaml.safe_load(hosts.read_text())
    text["firewalls"]["hosts"]["fw3"] = {"ansible_host": THIRD["mgmt"][0]}
    hosts.write_text(yaml.safe_dump(text))
    return directory


def renumbered(directory: Path) -> Path:
    """The example inventory with another number for its second node."""
    shutil.copytree(INVENTORIES / "pacemaker", directory)
    path = directory / "host_vars" / "fw2.yml"
    variables = yaml.safe_load(path.read_text())
    variables["firewall_node"]["id"] = 9
    path.write_text(yaml.safe_dump(variables))
    return directory


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, Pair]]:
    """Three machines. Two of them are the example pair, described without the third, which is bare, and with it."""
    name = f"{NAME}-replace"
    try:
        lab = labs.up(name, of_three(tmp_path_factory.mktemp("three") / "inventory"), fresh=True)
        fewer = with_inventory(lab, INVENTORIES / "pacemaker")
        playbook.play(fewer, "site", show=None)
        playbook.play(fewer, "verify", show=None)
        yield Pair(fewer, read(INVENTORIES / "pacemaker").clusters[0]), Pair(lab, lab.clusters[0])
    finally:
        labs.down(name)


@pytest.fixture
def pair(machines: tuple[Pair, Pair]) -> Iterator[Pair]:
    """The pair, steady before the test and whole again after it."""
    machines[0].wait_steady()
    yield machines[0]
    heal(machines[0])


def known(pair: Pair, node: NodeHost | None = None) -> set[str | None]:
    """The nodes of which Pacemaker knows."""
    return {item.get("name") for item in status(pair, node).iterfind("nodes/node")}


def listed(node: NodeHost) -> set[str]:
    """The nodes of which corosync knows."""
    lines = node.exec("corosync-cmapctl", "nodelist.").splitlines()
    return {line.rpartition(" = ")[2] for line in lines if ".name " in line}


def test_nobody_notices_and_the_new_node_can_take_over(pair: Pair, record_property: Record) -> None:
    nobody_notices(pair, UNITS, record_property)


def test_a_node_that_lives_is_not_replaced(pair: Pair) -> None:
    the_living_are_refused(pair)


def test_two_nodes_become_three_and_two_again(
    pair: Pair, machines: tuple[Pair, Pair], record_property: Record, tmp_path: Path
) -> None:
    three, active, third = machines[1], pair.active(), "fw3"

    during(pair, lambda: playbook.play(three.lab, "site", show=None), record_property, "grow")

    playbook.play(three.lab, "verify", show=None)
    assert three.wait_steady().name == active.name
    assert known(three) == {"fw1", "fw2", third}
    assert all(listed(node) == {"fw1", "fw2", third} for node in three.nodes.values())
    assert "2Node" not in active.exec("corosync-quorumtool", "-s")
    assert playbook.play(three.lab, "site", show=None).changed == 0

    with pytest.raises(LabError, match="firewall_remove"):
        playbook.play(three.lab, "remove_node", ["-e", f"firewall_remove={third}"], show=None)
    leave = ["-e", f"firewall_remove={third}"]
    other = with_inventory(three.lab, renumbered(tmp_path / "renumbered"))
    for name, options in (("site", []), ("remove_node", leave)):
        with pytest.raises(LabError, match=r"Refuse what the corosync[\s\S]*fw2 2 -> 9"):
            playbook.play(other, name, options, show=None)
    assert {item.get("standby") for item in status(pair).iterfind("nodes/node")} == {"false"}
    assert all(listed(node) == {"fw1", "fw2", third} for node in three.nodes.values())
    during(pair, lambda: playbook.play(pair.lab, "remove_node", leave, show=None), record_property, "shrink")

    gone = three.nodes[third]
    units = ("linuxha-journal.service", "linuxha-maintenance.timer", "linuxha-takeover.service", "conntrackd.service")
    assert "active" not in gone.exec("systemctl", "is-active", *units, check=False).split()
    assert "enabled" not in gone.exec("systemctl", "is-enabled", "linuxha-maintenance.service", check=False).split()
    assert pair.wait_steady().name == active.name
    assert known(pair) == {"fw1", "fw2"}
    assert all(listed(node) == {"fw1", "fw2"} for node in pair.nodes.values())
    assert "2Node" in active.exec("corosync-quorumtool", "-s")
    assert playbook.play(pair.lab, "site", show=None).changed == 0
    sound(measure(pair, "planned", flows=FLOWS))
