# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Established connections over a takeover: every byte is compared."""

from __future__ import annotations

import re

import pytest

from lab.faults import Faults
from lab.hosts import NodeHost
from lab.monitors.flows import mix
from lab.pair import Pair, wait
from lab.traffic import plans
from tests.failover.live import fault, measure, sound

MANY = 2000
CLIENT = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def established(node: NodeHost) -> set[tuple[str, ...]]:
    """The established TCP connections in a node's table, as their clients see them."""
    found: set[tuple[str, ...]] = set()
    for family in ("ipv4", "ipv6"):
        text = node.exec("conntrack", "-L", "-f", family, "-p", "tcp", "--state", "ESTABLISHED")
        found |= {match.groups() for match in map(CLIENT.search, text.splitlines()) if match}
    return found


def test_many_connections_survive_a_power_cut(pair: Pair) -> None:
    plan = plans(pair.lab.clusters)[pair.cluster.name]
    kinds = {(spec.path.kind, spec.path.family) for spec in mix(plan.flows, MANY)}
    assert kinds == {(kind, family) for kind in ("routed", "snat", "dnat") for family in (4, 6)}

    verdicts = measure(pair, "power_cut", flows=MANY)

    sound(verdicts)
    cut = verdicts["power_cut"]
    assert (cut.flows_survived, cut.flows_total, cut.resets) == (MANY, MANY, 0)


@pytest.mark.parametrize("where", ["active", "standby"])
def test_connections_opened_without_conntrackd_are_made_good(pair: Pair, where: str) -> None:
    """They are opened while one node's daemon is down. Once it runs again, the standby node gets them all."""
    faults = Faults(pair.lab)
    flows = 500

    def prepare() -> None:
        (pair.active() if where == "active" else pair.standby()).exec("systemctl", "stop", "conntrackd")

    def start_then_cut(active: NodeHost) -> None:
        standby = pair.standby()
        assert len(established(active) - established(standby)) >= flows
        for node in (active, standby):
            node.exec("systemctl", "start", "conntrackd")
        wait(lambda: established(active) <= established(standby), 10, interval=0.5)
        faults.power_cut(active)

    case = fault("opened before conntrackd", start_then_cut, faults.power_return, moves=True)
    verdicts = measure(pair, case, flows=flows, prepare=prepare)

    sound(verdicts)
    assert verdicts[case.name].flows_survived == flows
