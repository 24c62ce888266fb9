# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Planned switchover and maintenance of a live pair: what moves, what is refused, what is taken back, what ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from lab.run import LabError
from lab.table import fill
from tests.failover.live import MAINTENANCE, fault, observe

pytestmark = pytest.mark.usefixtures("no_flag_stays")

FLOWS = 200
SETTINGS = "/etc/linuxha/maintenance.json"


def switchover(pair: Pair, *words: str) -> playbook.Played:
    return playbook.play(pair.lab, "switchover", [part for word in words for part in ("-e", word)], show=None)


def maintenance(pair: Pair, node: NodeHost, state: str, **words: str) -> playbook.Played:
    given = {"firewall_source": node.name, "firewall_maintenance": state, **words}
    return playbook.play(pair.lab, "maintenance", ["-e", json.dumps(given)], show=None)


def refused(pair: Pair, *words: str) -> str:
    """What the playbook says when it refuses; nothing has changed then."""
    before = [(pair.held(node), drained(node)) for node in pair.nodes.values()]
    with pytest.raises(LabError) as error:
        switchover(pair, *words)
    assert [(pair.held(node), drained(node)) for node in pair.nodes.values()] == before
    assert "nothing was changed" in str(error.value)
    return str(error.value)


def drained(node: NodeHost) -> str:
    return node.exec("cat", "/run/linuxha/drain").strip()


def told(node: NodeHost) -> dict[str, object]:
    """What the node says of its maintenance."""
    answer: dict[str, object] = json.loads(node.exec(MAINTENANCE, "status"))
    return answer


def serves(pair: Pair, node: NodeHost) -> Callable[[], bool]:
    return lambda: pair.held(node) == pair.vips


def stays_away(pair: Pair, node: NodeHost, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not pair.held(node)
        time.sleep(0.5)


def test_take_and_drop_lose_nothing(pair: Pair) -> None:
    names = {node.name for node in pair.nodes.values()}

    def take(node: NodeHost) -> None:
        (other,) = names - {node.name}
        assert "moves" in switchover(pair, f"firewall_target={other}").output

    def drop(node: NodeHost) -> None:
        switchover(pair, f"firewall_source={node.name}", f"firewall_group={pair.cluster.name}")

    for measured in observe(pair, [fault("take", take, moves=True), fault("drop", drop, moves=True)], FLOWS):
        assert measured.window.problems == []
        assert measured.window.before != measured.window.after
        assert measured.window.flows is not None
        assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
        assert measured.owners.dual_owner_ms == 0
        assert measured.leaks.leaked == 0
    assert {drained(node) for node in pair.nodes.values()} == {"0"}
    wait(lambda: {gave_way(node) for node in pair.nodes.values()} == {"operator"}, 20)


def gave_way(node: NodeHost) -> str:
    """Why the node lost its role the last time, as its failover journal says some seconds later."""
    lines = [json.loads(line) for line in node.exec("linuxha-journal", "--json").splitlines()]
    return str([line["cause"] for line in lines if line["from"] == "MASTER" and line["to"] != "MASTER"][-1])


@pytest.mark.full
def test_where_it_is_nothing_happens_and_check_mode_only_says(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    assert switchover(pair, f"firewall_target={active.name}").changed == 0
    run = playbook.play(pair.lab, "switchover", ["--check", "-e", f"firewall_target={standby.name}"], show=None)
    assert f"would move {pair.cluster.name}: {active.name} -> {standby.name}" in run.output
    assert pair.active().name == active.name
    assert "no node of cluster" in refused(pair, "firewall_target=fw9")


def test_without_states_it_is_refused_with_every_reason_and_can_be_forced(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    standby.exec("systemctl", "stop", "conntrackd")
    standby.exec("iptables", "-A", "FORWARD", "-s", "192.0.2.77", "-j", "DROP")
    try:
        said = refused(pair, f"firewall_target={standby.name}", "firewall_force=true")
        for part in (f"{standby.name}/conntrackd", "other ipv4 rules", "conntrackd.service"):
            assert part in said, said
    finally:
        standby.exec("iptables", "-D", "FORWARD", "-s", "192.0.2.77", "-j", "DROP")
    try:
        said = refused(pair, f"firewall_source={active.name}")
        assert "firewall_force=true" in said
        run = switchover(pair, f"firewall_source={active.name}", "firewall_force=true")
        assert "forced in spite of" in run.output
        assert pair.active().name == standby.name
    finally:
        standby.exec("systemctl", "start", "conntrackd")
    pair.wait_steady()


@pytest.mark.full
def test_states_that_are_missing_are_counted(pair: Pair) -> None:
    standby = pair.standby()
    fill(pair, 2000)
    pair.wait_steady()
    # Nobody tells: the standby's table is emptied behind the back of its conntrackd.
    standby.exec("systemctl", "stop", "conntrackd")
    standby.exec("conntrack", "-F")
    standby.exec("systemctl", "kill", "--signal=SIGSTOP", "linuxha-takeover")
    try:
        said = refused(pair, f"firewall_target={standby.name}")
        assert "no statistics" in said
    finally:
        standby.exec("systemctl", "kill", "--signal=SIGCONT", "linuxha-takeover")
        standby.exec("systemctl", "start", "conntrackd")
    pair.wait_steady()
    standby.exec("conntrack", "-F")
    assert "states in the kernel" in refused(pair, f"firewall_target={standby.name}")
    standby.exec("conntrackd", "-n")
    wait(lambda: int(standby.exec("cat", "/proc/sys/net/netfilter/nf_conntrack_count")) > 1900, 20)
    switchover(pair, f"firewall_target={standby.name}")
    for node in pair.nodes.values():
        node.exec("conntrack", "-F")


@pytest.mark.full
def test_what_does_not_come_to_pass_is_taken_back(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    faults = Faults(pair.lab)
    # Nothing that is asked beforehand tells of it.
    faults.freeze(standby, "keepalived")
    try:
        with pytest.raises(LabError) as error:
            switchover(pair, f"firewall_target={standby.name}", "firewall_switchover_attempts=2")
        assert "It did not come to pass" in str(error.value)
        assert "who served before serves again" in str(error.value)
        assert drained(active) == "0"
        assert serves(pair, active)()
    finally:
        faults.thaw(standby, "keepalived")
    pair.wait_steady()


@pytest.mark.full
def test_an_order_that_nobody_takes_back_ends_by_itself(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    active.exec(MAINTENANCE, "drain", "6")
    wait(serves(pair, standby), 10)
    assert drained(active) == "1"
    wait(lambda: drained(active) == "0", 30)
    pair.wait_steady()


@pytest.mark.full
def test_maintenance_moves_the_service_outlives_a_reboot_and_keeps_the_node_away(pair: Pair) -> None:
    node, other = pair.active(), pair.standby()
    faults = Faults(pair.lab)
    maintenance(pair, node, "on", firewall_maintenance_for="1h", firewall_reason="new power supply")
    assert serves(pair, other)()
    output = playbook.play(pair.lab, "verify", show=None).output
    assert f"{node.name}/maintenance" in output
    assert "new power supply" in output
    assert "in maintenance" in refused(pair, f"firewall_target={node.name}", "firewall_force=true")

    node.shut_down()
    faults.power_return(node)
    assert drained(node) == "1"
    # The other node dies: whoever works on this one may have its links in the hand (decision 0023).
    faults.power_cut(other)
    try:
        stays_away(pair, node, 8)
        node.exec(MAINTENANCE, "off")
        wait(serves(pair, node), 20)
    finally:
        faults.power_return(other)
    pair.wait_steady()
    assert maintenance(pair, node, "off").changed == 0


@pytest.mark.full
def test_maintenance_ends_by_itself(pair: Pair) -> None:
    node = pair.standby()
    node.exec(MAINTENANCE, "on", "--for", "8", "--reason", "test")
    wait(lambda: drained(node) == "1", 5)
    wait(lambda: told(node)["maintenance"] is None, 40, interval=0.5)
    assert drained(node) == "0"
    pair.wait_steady()


@pytest.mark.full
def test_maintenance_ends_also_while_the_node_is_down(pair: Pair) -> None:
    node = pair.standby()
    node.exec(MAINTENANCE, "on", "--for", "30")
    end = time.monotonic() + 31
    node.shut_down()
    time.sleep(max(0.0, end - time.monotonic()))
    Faults(pair.lab).power_return(node)
    assert told(node)["maintenance"] is None
    pair.wait_steady()


@pytest.mark.full
def test_where_it_is_allowed_the_last_node_serves_in_spite_of_its_maintenance(pair: Pair) -> None:
    node, other = pair.standby(), pair.active()
    faults = Faults(pair.lab)
    before = node.exec("cat", SETTINGS)
    allowed = json.dumps({**json.loads(before), "takeover": "last_resort"})
    node.exec("sh", "-c", f"printf '%s' '{allowed}' > {SETTINGS}")
    try:
        node.exec(MAINTENANCE, "on", "--reason", "test")
        # It hears the other one.
        stays_away(pair, node, 15)
        faults.power_cut(other)
        wait(serves(pair, node), 40)
        assert told(node)["lifted"] is True
        faults.power_return(other)
        wait(lambda: pair.state(other).vrrp == {"BACKUP"}, 60)
        assert serves(pair, node)()
        node.exec(MAINTENANCE, "off")
    finally:
        node.exec("sh", "-c", f"printf '%s' '{before}' > {SETTINGS}")
    pair.wait_steady()
