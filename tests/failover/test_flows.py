# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Established connections over a takeover: every byte is compared."""

from __future__ import annotations

import pytest

from lab.hosts import NodeHost
from lab.monitors.flows import mix
from lab.pair import Pair, wait
from lab.traffic import plans
from tests.failover.live import fault, measure, sound

MANY = 2000


def test_many_connections_survive_a_power_cut(pair: Pair) -> None:
    plan = plans(pair.lab.clusters)[pair.cluster.name]
    kinds = {(spec.path.kind, spec.path.family) for spec in mix(plan.flows, MANY)}
    assert kinds == {(kind, family) for kind in ("routed", "snat", "dnat") for family in (4, 6)}

    verdicts = measure(pair, "power_cut", flows=MANY)

    sound(verdicts)
    cut = verdicts["power_cut"]
    assert (cut.flows_survived, cut.flows_total, cut.resets) == (MANY, MANY, 0)


@pytest.mark.parametrize("where", ["active", "standby"])
def test_connections_of_a_time_without_conntrackd_survive(pair: Pair, where: str) -> None:
    """What is opened while the daemon of one node is down is made good when it starts again."""
    node = pair.active() if where == "active" else pair.standby()
    node.exec("systemctl", "stop", "conntrackd")

    def start(_active: NodeHost) -> None:
        node.exec("systemctl", "start", "conntrackd")
        wait(lambda: node.exec("systemctl", "is-active", "conntrackd", check=False).strip() == "active", 20)

    # Its window ends a second after the daemon runs; the power is cut some seconds later.
    verdicts = measure(pair, fault("conntrackd starts", start), "power_cut", flows=500)

    sound(verdicts)
    assert verdicts["power_cut"].flows_survived == 500
