# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Changes of a live pair under keepalived: addresses and networks come and go, and nobody notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failover.changing import DMZ_VIPS, VIPS, Changing, changing, last_owners, restart
from tests.failover.live import NAME, fault, heal

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def deployed_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    with changing(f"{NAME}-change", "keepalived", tmp_path_factory.mktemp("change")) as found:
        yield found


@pytest.fixture
def live(deployed_pair: Changing) -> Iterator[Changing]:
    deployed_pair.pair.wait_steady()
    yield deployed_pair
    heal(deployed_pair.pair)


def test_virtual_addresses_come_and_go(live: Changing) -> None:
    there, back = live.unnoticed(live.site("vips"), live.site())
    assert last_owners(there, VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, VIPS) == {()}


def test_a_network_comes_and_goes(live: Changing) -> None:
    there, back = live.unnoticed(live.site("network"), live.site())
    assert last_owners(there, DMZ_VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, DMZ_VIPS) == {()}


def test_a_restart_instead_of_a_reload_is_noticed(live: Changing) -> None:
    """The control: what the roles do not do moves the addresses, and the instruments of this file see it."""
    before, active = live.moves(), live.pair.active().name
    (measured,) = live.observe(fault("restart", restart("keepalived"), moves=True))
    assert measured.owners.changes > 0
    assert live.pair.wait_steady().name != active
    assert live.moves() != before
