# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Changes of a live pair under Pacemaker: addresses, rules and networks come and go, and nobody notices."""

from __future__ import annotations

import pytest

from tests.failover.changing import DMZ_VIPS, VIPS, Changing, kinds, last_owners
from tests.failover.live import fault

pytestmark = pytest.mark.full


def test_virtual_addresses_come_and_go(live: Changing) -> None:
    said = live.said("vips")
    assert ("cib", "live") in {found[1:] for found in kinds(said)}, said
    there, back = live.unnoticed(live.site("vips"), live.site())
    assert last_owners(there, VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, VIPS) == {()}


def test_a_network_comes_and_goes(live: Changing) -> None:
    there, back = live.unnoticed(live.site("network"), live.site())
    assert last_owners(there, DMZ_VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, DMZ_VIPS) == {()}


def test_a_rule_comes_and_goes(live: Changing) -> None:
    live.unnoticed(live.site("rule"), live.site())


def test_a_restart_instead_of_a_reload_is_noticed(live: Changing) -> None:
    """The control: addresses that are taken away and added again lose packets, and the instruments see it."""
    (group,) = live.pair.groups

    def again(node: object) -> None:
        live.pair.active().exec("crm_resource", "--restart", "--resource", f"vips-{group}")

    (measured,) = live.observe(fault("restart", again))
    assert measured.blackout.lost_packets > 0
