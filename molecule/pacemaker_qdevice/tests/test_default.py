# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What only a pair with a quorum device has; the rest is in molecule/shared/tests and in the scenario pacemaker."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from lab import lab as labs
from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.lab import Lab
from lab.pair import Pair, wait

testinfra_hosts = ["ansible://firewalls"]

WITNESS = "witness"
SETTLE_S = 90.0


def quorum(node: NodeHost) -> str:
    return node.exec("corosync-quorumtool", "-s", check=False)


def voting(node: NodeHost) -> bool:
    return re.search(r"A,V,\S+ \S+ \(local\)", quorum(node)) is not None


def quorate(node: NodeHost) -> bool:
    return re.search(r"^Quorate: +Yes", quorum(node), re.MULTILINE) is not None


@pytest.fixture(scope="module")
def lab() -> Lab:
    return labs.get(os.environ["HAFW_LAB"])


@pytest.fixture
def pair(lab: Lab) -> Iterator[Pair]:
    """Whole before each test, and after it: all machines run, the device votes, one node is active."""
    found = Pair(lab, lab.clusters[0])

    def whole() -> None:
        wait(lambda: all(voting(node) for node in found.nodes.values()), SETTLE_S, interval=0.5)
        found.wait_steady(SETTLE_S)

    whole()
    yield found
    whole()


# --- every node


def test_the_client_of_the_device_runs_and_starts_at_boot(host: Host) -> None:
    client = host.service("corosync-qdevice")
    assert client.is_running
    assert client.is_enabled


def test_two_nodes_and_the_device_have_three_votes(host: Host) -> None:
    said = host.check_output("corosync-quorumtool -s")
    assert re.search(r"^Expected votes: +3$", said, re.MULTILINE)
    assert re.search(r"^Total votes: +3$", said, re.MULTILINE)
    assert re.search(r"^Quorum: +2\b", said, re.MULTILINE)
    assert "2Node" not in said
    assert host.check_output("corosync-cmapctl -g runtime.votequorum.two_node").endswith("= 0")


def test_the_key_of_the_node_is_for_root_only(host: Host) -> None:
    database = host.file("/etc/corosync/qdevice/net/nssdb")
    assert database.user == "root"
    assert database.mode & 0o007 == 0


# --- the device


def test_the_device_knows_both_nodes(pair: Pair) -> None:
    listed = pair.lab.nodes[WITNESS].exec("corosync-qnetd-tool", "-l")
    assert f'Cluster "{pair.cluster.name}"' in listed
    assert listed.count("Node ID ") == len(pair.nodes)


def test_the_device_goes_away_and_nothing_moves(pair: Pair) -> None:
    """Quorum stays, a run of site changes nothing and waits for nobody, verify tells; the vote comes back by itself."""
    active, device = pair.active(), pair.lab.nodes[WITNESS]
    faults = Faults(pair.lab)
    faults.power_cut(device)
    try:
        wait(lambda: not any(voting(node) for node in pair.nodes.values()), SETTLE_S)
        assert all(quorate(node) for node in pair.nodes.values())
        assert pair.wait_steady().name == active.name
        assert playbook.play(pair.lab, "site", show=None).changed == 0
        told = playbook.play(pair.lab, "verify", show=None).output
        for name in pair.nodes:
            assert f"WARNING  {pair.cluster.name}/{name}/corosync" in told
        assert "the quorum device does not vote" in told
    finally:
        faults.power_return(device)
    wait(lambda: all(voting(node) for node in pair.nodes.values()), SETTLE_S)
    assert pair.wait_steady().name == active.name
    assert "does not vote" not in playbook.play(pair.lab, "verify", show=None).output


def test_the_active_node_loses_power_and_the_other_goes_on_by_the_vote_of_the_device(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    faults = Faults(pair.lab)
    faults.power_cut(active)
    try:
        wait(lambda: pair.held(standby) == pair.vips, SETTLE_S)
        assert quorate(standby)
        assert voting(standby)
    finally:
        faults.power_return(active)
    assert pair.wait_steady(SETTLE_S).name == standby.name


def test_of_two_halves_one_goes_on(pair: Pair) -> None:
    """Without the device both serve: tests/failover/pacemaker, and tests/cluster/test_qdevice.py."""
    active, standby = pair.active(), pair.standby()
    faults = Faults(pair.lab)
    faults.cut(standby, [link.name for link in pair.cluster.sync_links])
    try:
        wait(lambda: sorted(quorate(node) for node in pair.nodes.values()) == [False, True], SETTLE_S)
        (winner,) = (node for node in pair.nodes.values() if quorate(node))
        (loser,) = (node for node in pair.nodes.values() if node is not winner)
        wait(lambda: pair.held(winner) == pair.vips and not pair.held(loser), SETTLE_S)
    finally:
        faults.mend()
    assert pair.wait_steady(SETTLE_S).name in (active.name, standby.name)
