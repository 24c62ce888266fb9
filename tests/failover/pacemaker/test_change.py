# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Changes of a live pair under Pacemaker: addresses, rules and networks come and go, and nobody notices."""

from __future__ import annotations

import pytest

from tests.failover.changing import DMZ_VIPS, VIPS, Changing, kinds, last_owners, restarting_is_noticed

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
    restarting_is_noticed(live, "pacemaker")
