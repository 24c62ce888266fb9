# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Negative controls. What protects the pair is taken away, and the monitor that watches for it must notice.

Without them the other tests would prove nothing: a monitor that never fires passes everything.
"""

from __future__ import annotations

import json
import time

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from lab.run import LabError
from tests.failover.live import fault, observe

FLOWS = 200


def test_without_conntrackd_the_connections_die(pair: Pair) -> None:
    faults = Faults(pair.lab)
    for node in pair.nodes.values():
        node.exec("systemctl", "stop", "conntrackd")

    def undo(victim: NodeHost) -> None:
        faults.power_return(victim)
        for node in pair.nodes.values():
            node.exec("systemctl", "start", "conntrackd")

    (measured,) = observe(pair, [fault("no conntrackd", faults.power_cut, undo, moves=True)], FLOWS)

    flows = measured.window.flows
    assert flows is not None
    assert measured.window.before != measured.window.after
    # The rules are strict: a packet from the middle of an unknown connection goes nowhere, whatever kind it is.
    assert (flows.survived, flows.total) == (0, FLOWS)
    # And silently so: a reset would take away the chance that the states still arrive.
    assert flows.resets == 0
    playbook.play(pair.lab, "verify", show=None)


def test_without_rules_the_canaries_come_through(pair: Pair) -> None:
    def flush(node: NodeHost) -> None:
        for tool in ("iptables", "ip6tables"):
            node.exec(tool, "--policy", "FORWARD", "ACCEPT")
            node.exec(tool, "--flush")
        time.sleep(1)
        with pytest.raises(LabError):
            playbook.play(pair.lab, "verify", ["-e", "firewall_verify_attempts=1"], show=None)

    def load(node: NodeHost) -> None:
        node.exec("systemctl", "reload", "linuxha-rules")

    broken, after = observe(pair, [fault("no rules", flush, load), fault("rules again", lambda node: None)], FLOWS)

    assert broken.leaks.leaked > 0
    assert {item.family for item in broken.leaks.examples} == {4, 6}
    assert {item.protocol for item in broken.leaks.examples} == {"udp", "tcp"}
    assert after.leaks.leaked == 0
    playbook.play(pair.lab, "verify", show=None)


def test_two_masters_are_seen_and_become_one(pair: Pair) -> None:
    """All links between the nodes are cut: both hold every address. Joined again, one gives way within a hand-over."""
    faults = Faults(pair.lab)
    links = [link.name for link in pair.cluster.sync_links]

    def split(node: NodeHost) -> None:
        faults.cut(node, links)
        wait(lambda: all(pair.held(item) == pair.vips for item in pair.nodes.values()), 10)
        time.sleep(0.5)

    def join(node: NodeHost) -> None:
        faults.mend()
        wait(lambda: sum(bool(pair.held(item)) for item in pair.nodes.values()) == 1, 10)

    apart, together = observe(pair, [fault("split", split, join, undo_name="joined")], FLOWS)

    assert apart.owners.dual_owner_ms > 0
    assert together.owners.dual_owner_ms == 0
    assert together.window.flows is not None
    assert together.window.flows.resets == 0
    playbook.play(pair.lab, "verify", show=None)


def test_a_second_holder_of_one_address_is_seen(pair: Pair) -> None:
    """One virtual address, put on the standby node by hand."""
    standby = pair.standby()
    network = next(iter(pair.cluster.networks))
    vip = network.vips[0]
    interface = next(port.interface for port in standby.plan.ports if port.key == network.name)
    address = [f"{vip.address}/{vip.prefixlen}", "dev", interface]

    def add(_active: NodeHost) -> None:
        standby.exec("ip", "address", "add", *address)

    def remove(_active: NodeHost) -> None:
        standby.exec("ip", "address", "del", *address)

    (measured,) = observe(pair, [fault("second holder", add, remove)], 0)

    dual = {item.vip for item in measured.owners.vips if item.dual_owner_ms > 0}
    assert dual == {str(vip.address)}, json.dumps([item.vip for item in measured.owners.vips])
