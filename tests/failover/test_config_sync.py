# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A firewall whose nodes keep files the same: deployed by one run of site, under traffic, and with a node replaced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import playbook
from lab.pair import Pair
from tests.failover.live import INVENTORIES, NAME, deployed, fault, observe
from tests.failover.replacing import FLOWS, Record, nobody_notices
from tests.sync.live import Sync

pytestmark = pytest.mark.full

HOOKS = "/etc/firewall.d"
UNITS = ("keepalived", "conntrackd", "linuxha-takeover", "linuxha-journal", "linuxha-rules", "linuxha-sync-watch")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Pair]:
    with deployed(f"{NAME}-hooks", INVENTORIES / "config_sync") as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture
def sync(pair: Pair) -> Sync:
    return Sync(pair.lab)


def test_a_second_run_changes_nothing_and_check_mode_neither(pair: Pair) -> None:
    assert playbook.play(pair.lab, "site", show=None).changed == 0
    assert playbook.play(pair.lab, "site", ["--check", "--diff"], show=None).changed == 0


def test_a_file_is_edited_under_traffic(pair: Pair, sync: Sync, record_property: Record) -> None:
    active, standby = pair.active().name, pair.standby().name
    where, took = f"{HOOKS}/edited.sh", []

    def edit(source: str, text: str) -> None:
        sync.write(source, where, text)
        took.append(round(sync.wait_text(where, text), 1))

    def act() -> None:
        edit(active, "echo from the active node\n")
        edit(standby, "echo from the standby node\n")

    (measured,) = observe(pair, [fault("edits", lambda node: act())], FLOWS)
    record_property("seconds", took)
    flows = measured.window.flows
    assert flows is not None
    assert (flows.survived, flows.resets) == (FLOWS, 0)
    assert (measured.owners.changes, measured.blackout.lost_packets, measured.leaks.leaked) == (0, 0, 0)
    sync.wait_in_step()
    playbook.play(pair.lab, "verify", show=None)


def test_what_is_no_script_stays_on_its_node(pair: Pair, sync: Sync) -> None:
    active, standby = pair.active().name, pair.standby().name
    where = f"{HOOKS}/broken.sh"
    sync.write(active, where, "if\n")
    sync.wait(lambda: where in str(sync.status(standby)))
    assert sync.read(standby, where) is None
    sync.shell(active, f"rm {where}")
    sync.wait_in_step()


def test_a_replaced_node_has_the_files_and_takes_part(pair: Pair, sync: Sync, record_property: Record) -> None:
    living, lost = pair.active().name, pair.standby().name
    sync.write(lost, f"{HOOKS}/before.sh", "echo before\n")
    sync.wait_text(f"{HOOKS}/before.sh", "echo before\n")

    nobody_notices(pair, UNITS, record_property)

    assert sync.read(lost, f"{HOOKS}/before.sh") == "echo before\n"
    for source in (living, lost):
        sync.write(source, f"{HOOKS}/after.sh", f"echo {source}\n")
        sync.wait_text(f"{HOOKS}/after.sh", f"echo {source}\n")
    sync.wait_in_step()
    playbook.play(pair.lab, "verify", show=None)
