# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""With `preempt` a preferred node that returns takes nothing back before it has the states (decision 0029)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from lab import playbook
from lab.cases import Case
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import STATE, Pair, wait
from lab.session import Measured
from tests.failover.live import NAME, calm, deployed, described, heal, observe

pytestmark = pytest.mark.full

FLOWS = 200
BEHIND = "/run/linuxha/behind"
SETTINGS = "/etc/linuxha/takeover.json"
TMPFILES = "/etc/tmpfiles.d/linuxha-keepalived.conf"
STATES_PORT = "3780"
# Many times what keepalived needs to take a role back.
WATCHED_S = 8.0


@pytest.fixture(scope="module")
def preferring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with deployed(f"{NAME}-preempt", described(tmp_path_factory.mktemp("preempt"), "keepalived", preempt=True)) as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(preferring: Pair) -> Iterator[Pair]:
    """The pair with its first node active, as it prefers, and nothing that its damping counts."""
    preferred_serves(preferring)
    yield preferring
    heal(preferring)


def preferred_serves(pair: Pair) -> None:
    first = next(iter(pair.nodes.values()))
    calm(pair)
    wait(lambda: pair.wait_steady().name == first.name, 60, interval=0.5)


@contextmanager
def silent(node: NodeHost) -> Iterator[None]:
    """The node tells its peers nothing of its connections."""
    rule = ("OUTPUT", "-p", "udp", "--dport", STATES_PORT, "-j", "DROP")
    node.exec("iptables", "-I", *rule)
    try:
        yield
    finally:
        # It is gone where the node has booted since.
        if f"--dport {STATES_PORT} -j DROP" in node.exec("iptables", "-S", "OUTPUT"):
            node.exec("iptables", "-D", *rule)


def said(node: NodeHost) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.exec("cat", STATE))
    return found


def returning(pair: Pair, waits: bool) -> tuple[Measured, Measured]:
    """The preferred node loses its power under traffic, and returns while its peer tells it nothing for a while.

    Args:
        pair: the cluster.
        waits: whether the node is expected to wait for the states.
    """

    def undo(pair: Pair, faults: Faults, node: NodeHost) -> None:
        (other,) = (item for item in pair.nodes.values() if item.name != node.name)
        with silent(other):
            faults.power_return(node)
            if waits:
                stays_away(pair, node, other)
            else:
                wait(lambda: pair.held(node) == pair.vips, 30)
                time.sleep(2)
        wait(lambda: pair.held(node) == pair.vips, 90, interval=0.2)

    case = Case("power cut", lambda pair, faults, node: faults.power_cut(node), undo, undo_name="returned")
    cut, returned = observe(pair, [case], FLOWS)
    assert cut.window.problems == []
    assert cut.window.flows is not None
    assert (cut.window.flows.survived, cut.window.flows.resets) == (FLOWS, 0)
    return cut, returned


def stays_away(pair: Pair, node: NodeHost, other: NodeHost) -> None:
    end = time.monotonic() + WATCHED_S
    while time.monotonic() < end:
        assert not pair.held(node)
        assert pair.held(other) == pair.vips
        assert pair.state(node).states != "in-step"
        time.sleep(0.2)


def test_a_second_run_of_site_changes_nothing(pair: Pair) -> None:
    assert playbook.play(pair.lab, "site", show=None).changed == 0


def test_a_preferred_node_takes_back_when_it_has_the_states_and_loses_no_connection(pair: Pair) -> None:
    first = next(iter(pair.nodes.values()))
    assert first.exec("cat", BEHIND).strip() == "0"
    assert pair.standby().exec("cat", BEHIND).strip() == "0"

    _cut, returned = returning(pair, waits=True)

    assert pair.active().name == first.name
    assert returned.window.flows is not None
    assert (returned.window.flows.survived, returned.window.flows.resets) == (FLOWS, 0)
    assert returned.owners.dual_owner_ms == 0
    assert returned.leaks.leaked == 0
    # Why it took over is in its journal, some seconds later.
    wait(lambda: "took back" in first.exec("linuxha-journal", "--last", "1"), 20, interval=1)


def test_without_the_wait_the_connections_die(pair: Pair) -> None:
    """Negative control: the same node, whose worker tells keepalived nothing."""
    first = next(iter(pair.nodes.values()))
    before = {path: first.exec("cat", path) for path in (SETTINGS, TMPFILES)}
    settings = json.dumps({**json.loads(before[SETTINGS]), "behind_file": ""})
    try:
        write(first, SETTINGS, settings)
        write(first, TMPFILES, before[TMPFILES].replace("- 253", "- 0"))
        _cut, returned = returning(pair, waits=False)
        assert returned.window.flows is not None
        assert returned.window.flows.survived < FLOWS
    finally:
        for path, text in before.items():
            write(first, path, text)
        first.exec("systemctl", "restart", "linuxha-takeover")


def write(node: NodeHost, path: str, text: str) -> None:
    assert "'" not in text
    node.exec("sh", "-c", f"printf '%s' '{text}' > {path}")


def test_a_node_that_waits_still_serves_when_the_other_dies(pair: Pair) -> None:
    first, second = pair.nodes.values()
    faults = Faults(pair.lab)
    faults.power_cut(first)
    wait(lambda: pair.held(second) == pair.vips, 10)
    with silent(second):
        faults.power_return(first)
        stays_away(pair, first, second)
        assert first.exec("cat", BEHIND).strip() == "253"
        assert said(first)["behind"] == {"late": False}
        faults.power_cut(second)
        wait(lambda: pair.held(first) == pair.vips, 5)
        wait(lambda: first.exec("cat", BEHIND).strip() == "0", 5)
        faults.power_return(second)
    assert pair.wait_steady().name == first.name


def test_when_all_boot_at_once_one_serves_and_in_the_end_the_preferred_one(pair: Pair) -> None:
    first = next(iter(pair.nodes.values()))
    faults = Faults(pair.lab)
    for node in pair.nodes.values():
        faults.power_cut(node)
    with ThreadPoolExecutor() as pool:
        list(pool.map(faults.power_return, pair.nodes.values()))
    wait(lambda: any(pair.held(node) == pair.vips for node in pair.nodes.values()), 10)
    preferred_serves(pair)
    assert pair.active().name == first.name


def test_a_cable_that_comes_back_costs_no_connection(pair: Pair) -> None:
    """The node has been up all the time: its states are old."""
    first = next(iter(pair.nodes.values()))

    def plug(pair: Pair, faults: Faults, node: NodeHost) -> None:
        faults.plug_cable(node, "lan")
        wait(lambda: pair.held(first) == pair.vips, 60, interval=0.2)

    case = Case("cable", lambda pair, faults, node: faults.pull_cable(node, "lan"), plug, undo_name="plugged")
    for measured in observe(pair, [case], FLOWS):
        assert measured.window.problems == []
        assert measured.window.flows is not None
        assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
