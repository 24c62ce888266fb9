# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A node leaves and comes back as a new machine: it has nothing left to serve with; the others learn its new keys."""

from __future__ import annotations

from lab import playbook
from tests.sync.live import HERE, Sync, path

KEY = "/etc/linuxha/sync/id_ed25519.pub"


def remove(sync: Sync) -> int:
    return playbook.play(sync.lab, str(HERE / "remove.yml"), [], show=None).changed


def test_a_node_that_leaves_keeps_its_files_and_nothing_else(sync: Sync) -> None:
    where = path("tree", "left")
    sync.write("fw1", where, "before\n")
    sync.wait_text(where, "before\n")
    old = sync.read("fw3", KEY)
    try:
        assert remove(sync) > 0
        assert sync.exec("fw3", "systemctl", "list-units", "--plain", "--no-legend", "linuxha-sync*").strip() == ""
        assert sync.exec("fw3", "find", "/etc", "-path", "*linuxha*sync*").strip() == ""
        assert "8730" not in sync.exec("fw3", "ss", "-Hltn")
        assert sync.read("fw3", where) == "before\n"
        assert remove(sync) == 0
        sync.run("fw1")
        assert not sync.status("fw1")["peers"]["fw3"]["reached"]
    finally:
        sync.deploy()
    assert sync.read("fw3", KEY) != old
    sync.wait_in_step()
    sync.write("fw3", where, "after\n")
    sync.wait_text(where, "after\n")
