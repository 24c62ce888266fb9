# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lab as labs
from lab.faults import Faults
from tests.sync.live import HERE, NAME, Sync


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.full)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip("needs root"))


@pytest.fixture(scope="session")
def deployed() -> Iterator[Sync]:
    """Three nodes with the role alone: fw1 runs Debian 12, the others Debian 13."""
    lab = labs.up(NAME, HERE / "three.yml", fresh=not os.environ.get("HAFW_KEEP"))
    try:
        found = Sync(lab)
        found.deploy()
        yield found
    finally:
        if not os.environ.get("HAFW_KEEP"):
            labs.down(NAME)


@pytest.fixture
def sync(deployed: Sync) -> Iterator[Sync]:
    """In step before the test, and mended after it."""
    deployed.wait_in_step()
    yield deployed
    Faults(deployed.lab).mend()
