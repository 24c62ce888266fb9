# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Drift on a pair under Pacemaker: the same, and the configuration that only the daemons have."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover import drifting

pytestmark = pytest.mark.full
COROSYNC = "/etc/corosync/corosync.conf"


def in_the_cib(pair: Pair) -> drifting.Change:
    """A value that site has set. The CIB is that of all nodes, and compared on the first."""
    order = "crm_attribute --type rsc_defaults --name migration-threshold"
    first = next(iter(pair.nodes))
    return drifting.Change(
        "a value in the CIB",
        [f"{order} --quiet --query > /run/threshold", f"{order} --update 7"],
        [f"{order} --update $(cat /run/threshold)", "rm /run/threshold"],
        lambda node: {("daemon", first, "CIB")},
    )


def test_a_pair_as_deployed_has_no_drift_and_is_not_touched(pair: Pair, tmp_path: Path) -> None:
    drifting.none_as_deployed(pair, tmp_path)


def test_each_change_is_found_in_its_layer_and_fails_the_run(pair: Pair, tmp_path: Path) -> None:
    own = [drifting.edited(COROSYNC), drifting.written("/etc/corosync/authkey", "corosync.service"), in_the_cib(pair)]
    drifting.each_is_found(pair, tmp_path, [*own, *drifting.COMMON])


def test_an_inventory_that_was_not_deployed(pair: Pair, tmp_path: Path) -> None:
    drifting.an_inventory_that_was_not_deployed(pair, tmp_path, COROSYNC)


def test_a_dead_node_is_in_the_report_and_the_other_is_compared(pair: Pair, tmp_path: Path) -> None:
    drifting.a_dead_node_is_told(pair, tmp_path)
