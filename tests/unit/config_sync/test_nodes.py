# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two and three nodes: what one changes arrives on the others, and what must not happen does not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from .nodes import ENTRIES, FILE, FOLDER, GROUP, USER, Cluster


def test_a_change_arrives_and_a_second_run_writes_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "first\n")
    cluster.round(3)
    assert cluster.contents(FILE) == ["first\n", "first\n"]
    cluster["b"].write(FILE, "second\n")
    cluster.round(3)
    assert cluster.contents(FILE) == ["second\n", "second\n"]
    assert [item["by"] for item in cluster["a"].history(FILE)] == ["b"]
    time.sleep(0.15)  # what was changed just now is read again: its time stamp is too young
    cluster.round()
    before = {name: node.everything() for name, node in cluster.nodes.items()}
    cluster.round()
    assert {name: node.everything() for name, node in cluster.nodes.items()} == before
    assert all(node.status()["in_step"] for node in cluster.nodes.values())
