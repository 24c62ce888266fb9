# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lab as labs
from lab import options, playbook
from lab.lab import Lab
from tests.cluster.live import Cluster

HERE = Path(__file__).parent
NAME = os.environ.get("HAFW_LAB", "cluster")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip("needs root"))


@pytest.fixture(scope="session")
def live() -> Iterator[Cluster]:
    """A cluster without resources: fw1 runs Debian 12, fw2 Debian 13, unless HAFW_RELEASE names one for both.

    Both together speak what Pacemaker 2.1 knows; only a cluster of Debian 13 alone has the schema of 3.0.
    """
    release = os.environ.get("HAFW_RELEASE")
    lab = labs.up(NAME, options.INVENTORIES / "keepalived", release, fresh=not os.environ.get("HAFW_KEEP"))
    try:
        for node in lab.nodes.values():
            agent = (HERE / "fence_idle").read_text()
            node.container.exec(["install", "--mode=755", "/dev/stdin", "/usr/sbin/fence_idle"], stdin=agent)
        playbook.play(lab, str(HERE / "deploy.yml"), show=None)
        found = Cluster(lab)
        # As before every later test: no marks of what the deployment owns, and nothing that a kept lab has from before.
        found.wipe()
        yield found
    finally:
        if not os.environ.get("HAFW_KEEP"):
            labs.down(NAME)


@pytest.fixture(scope="session")
def two() -> Iterator[Lab]:
    """Machines of two clusters, and one beside them for quorum devices.

    All of one release: an older Pacemaker that lost its peer does not join a newer one ("feature set is incompatible").
    """
    release = os.environ.get("HAFW_RELEASE", "debian13")
    fresh = not os.environ.get("HAFW_KEEP")
    lab = labs.up(f"{NAME}-two", options.INVENTORIES / "two_clusters", release, fresh=fresh)
    try:
        yield lab
    finally:
        if not os.environ.get("HAFW_KEEP"):
            labs.down(f"{NAME}-two")


@pytest.fixture
def cluster(live: Cluster) -> Iterator[Cluster]:
    """The cluster, without resources before and after each test."""
    before = live.version()
    yield live
    # Whatever a test leaves behind is in the configuration, and each change of that raises the version.
    if live.version() != before:
        live.wipe()
