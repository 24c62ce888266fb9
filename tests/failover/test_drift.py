# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Drift on a pair that works: none where nothing was changed, each change in its layer, nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.pair import Pair
from tests.failover import drifting

pytestmark = pytest.mark.full
KEEPALIVED = "/etc/keepalived/keepalived.conf"


def test_a_pair_as_deployed_has_no_drift_and_is_not_touched(pair: Pair, tmp_path: Path) -> None:
    drifting.none_as_deployed(pair, tmp_path)


def test_each_change_is_found_in_its_layer_and_fails_the_run(pair: Pair, tmp_path: Path) -> None:
    own = drifting.edited(KEEPALIVED, ("daemon", "keepalived.service"))
    drifting.each_is_found(pair, tmp_path, [own, *drifting.COMMON])


def test_an_inventory_that_was_not_deployed(pair: Pair, tmp_path: Path) -> None:
    drifting.an_inventory_that_was_not_deployed(pair, tmp_path, KEEPALIVED)


def test_a_dead_node_is_in_the_report_and_the_other_is_compared(pair: Pair, tmp_path: Path) -> None:
    drifting.a_dead_node_is_told(pair, tmp_path)
