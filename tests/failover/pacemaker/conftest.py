# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.pair import Pair
from tests.failover.live import INVENTORIES, NAME, deployed


@pytest.fixture(scope="session")
def cluster() -> Iterator[Pair]:
    """The example pair with Pacemaker, deployed once for all tests. Both nodes run Debian 13."""
    with deployed(f"{NAME}-pacemaker", INVENTORIES / "pacemaker") as lab:
        yield Pair(lab, lab.clusters[0])


@pytest.fixture(scope="session")
def topology() -> str:
    return "pacemaker"
