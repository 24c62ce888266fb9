# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Other clusters than the simplest: many addresses, several clusters."""

from __future__ import annotations

import pytest

from lab.pair import Pair
from tests.failover.live import INVENTORIES, NAME, deployed, measure, sound

pytestmark = pytest.mark.full


def test_250_virtual_addresses_move_as_fast_as_four(pair: Pair) -> None:
    few = measure(pair, "power_cut", flows=100)
    with deployed(f"{NAME}-vips", INVENTORIES / "vips250") as lab:
        large = Pair(lab, lab.clusters[0])
        assert len(large.vips) == 250

        many = measure(large, "power_cut", flows=100)

    sound(few)
    sound(many)
    assert many["power_cut"].blackout_ms <= 2 * few["power_cut"].blackout_ms


def test_two_clusters_are_deployed_in_one_run_and_fail_apart(cluster: Pair) -> None:
    """They share a network, but not a fault."""
    with deployed(f"{NAME}-two", INVENTORIES / "two_clusters") as lab:
        first, second = (Pair(lab, item) for item in lab.clusters)
        owner = second.wait_steady().name
        states = {name: second.state(node) for name, node in second.nodes.items()}

        sound(measure(first, "power_cut", flows=100))

        assert second.wait_steady().name == owner
        assert {name: second.state(node) for name, node in second.nodes.items()} == states

        sound(measure(second, "power_cut", flows=100))
    # A third cluster ran on the same machine all the time, with the same addresses in another lab.
    cluster.wait_steady()
