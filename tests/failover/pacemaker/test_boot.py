# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A node whose rules cannot be loaded boots, and Pacemaker does not give it anything to do.

tests/failover/test_boot.py has the packets of it, under keepalived. The nodes run Debian 12, whose systemd starts what
requires a masked unit.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair
from tests.failover.live import INVENTORIES, NAME, deployed, heal
from tests.failover.test_boot import MASK, UNMASK

pytestmark = pytest.mark.full

DROP_IN = "/etc/systemd/system/pacemaker.service.d/linuxha.conf"


@pytest.fixture(scope="module")
def older() -> Iterator[Pair]:
    with deployed(f"{NAME}-debian12", INVENTORIES / "pacemaker", "debian12") as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def unruled(older: Pair) -> Iterator[NodeHost]:
    """The standby boots without its rules."""
    node = older.standby()
    yield node
    node.exec("sh", "-e", "-c", UNMASK)
    Faults(older.lab).power_return(node)
    heal(older)


def boots(node: NodeHost, prepare: str) -> str:
    """What systemd says of Pacemaker after a boot."""
    node.exec("sh", "-e", "-c", prepare)
    node.power_off()
    node.boot()
    node.wait_booted()
    return node.exec("systemctl", "is-active", "pacemaker", check=False).strip()


def test_without_rules_there_is_no_pacemaker(older: Pair, unruled: NodeHost) -> None:
    serving = older.active()

    assert boots(unruled, MASK) == "inactive"
    assert older.held(serving) == older.vips


def test_pacemaker_that_merely_requires_them_starts(older: Pair, unruled: NodeHost) -> None:
    """The control."""
    loose = f"cp {DROP_IN} /root/drop-in && sed -i s/^BindsTo=/Requires=/ {DROP_IN}"
    try:
        assert boots(unruled, f"{MASK} && {loose}") == "active"
    finally:
        unruled.exec("mv", "/root/drop-in", DROP_IN)
