# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The program is killed, or the disk is full, at each single step of its I/O: nothing is half, nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from .nodes import FILE, FOLDER, Cluster, Node

FIRST = f"{FOLDER}/deep/first"
GONE = f"{FOLDER}/gone"
NEW = f"{FOLDER}/new/er"
OLD = {FILE: "one old\n", FIRST: "first old\n", GONE: "gone\n"}
LATER = {FILE: "one later\n" * 500, FIRST: "first later\n", NEW: "new\n"}


def prepared(base: Path, action: list[str] | None = None) -> Cluster:
    """Node b is to replace two files, add one and delete one."""
    entries = [
        {"name": "one", "path": FILE, "kind": "file", "action": action},
        {"name": "many", "path": FOLDER, "kind": "directory", "delete": True},
    ]
    cluster = Cluster(base, entries=entries)
    for path, text in OLD.items():
        cluster["a"].write(path, text)
    cluster.round(2)
    assert {path: cluster["b"].read(path) for path in OLD} == OLD
    for path, text in LATER.items():
        cluster["a"].write(path, text)
    cluster["a"].path(GONE).unlink()
    assert cluster["a"].run() == 0
    return cluster


class Counter:
    """Counts the steps, and does something at one of them."""

    def __init__(self, at: int = -1, act: Callable[[str, str], None] | None = None):
        self.count, self.at, self.act = 0, at, act
        self.seen: list[str] = []

    def __call__(self, what: str, where: str) -> None:
        self.seen.append(what)
        self.count += 1
        if self.count == self.at and self.act is not None:
            self.act(what, where)


def position(seen: Sequence[str], step: str) -> int:
    """Where the first of these steps is; each is what and where."""
    found = [number for number, text in enumerate(seen) if re.fullmatch(step, text)]
    assert found, f"{step}: {seen}"
    return found[0]


def whole(node: Node) -> None:
    """Every file is one of its two versions, and what was replaced is in the history or still here."""
    for path in {*OLD, *LATER}:
        assert node.read(path) in (OLD.get(path), LATER.get(path)), path
    for path, text in OLD.items():
        kept = [item["sha256"] for item in node.history(path)]
        assert node.read(path) == text or len(kept) == 1, path


def healed(cluster: Cluster) -> None:
    node = cluster["b"]
    assert node.run() == 0
    assert {path: node.read(path) for path in LATER} == LATER and node.read(GONE) is None
    whole(node)
    for path in OLD:
        assert len(node.history(path)) == 1
    cluster["a"].run()
    # What was put into place before the crash is not taken for an edit made here.
    manifests = [cluster[name].manifest() for name in "ab"]
    assert manifests[0] == manifests[1]
    assert not list(Path(node.layout.root).rglob(".linuxha-sync-*"))
    assert not (node.layout.state / "journal.json").exists()
    assert cluster["b"].status()["in_step"], cluster["b"].status()


def test_the_steps_are_all_there(tmp_path: Path) -> None:
    counter = Counter()
    assert prepared(tmp_path)["b"].run(counter) == 0
    assert {"write", "rename", "draft", "link", "aside", "swap", "settle", "sync", "unlink"} <= set(counter.seen)
    assert counter.count > 40


def steps() -> range:
    """More than there are; a step that is never reached is a plain run, see the test above for the number."""
    return range(1, 76)


@pytest.mark.parametrize("part", range(5))
def test_killed_at_every_step(tmp_path: Path, part: int) -> None:
    """A real SIGKILL in a process of its own: no handler and no finally runs."""
    died = 0
    for number in list(steps())[part::5]:
        base = tmp_path / str(number)
        base.mkdir()
        cluster = prepared(base)
        child = os.fork()
        if child == 0:
            cluster["b"].run(Counter(number, lambda what, where: os.kill(os.getpid(), signal.SIGKILL)))
            os._exit(0)
        _pid, status = os.waitpid(child, 0)
        died += os.WIFSIGNALED(status)
        whole(cluster["b"])
        healed(cluster)
    assert died >= 9


@pytest.mark.parametrize("part", range(5))
def test_the_disk_is_full_from_a_step_on(tmp_path: Path, part: int) -> None:
    class Full(Counter):
        def __call__(self, what: str, where: str) -> None:
            super().__call__(what, where)
            # Removing and renaming still work on a full disk; writing and new names do not.
            if self.count >= self.at and what in ("write", "draft", "link"):
                raise OSError(errno.ENOSPC, "No space left on device", where)

    for number in list(steps())[part::5]:
        base = tmp_path / str(number)
        base.mkdir()
        cluster = prepared(base)
        full = Full(number)
        code = cluster["b"].run(full)
        whole(cluster["b"])
        status = cluster["b"].status()
        complete = all(cluster["b"].read(path) == text for path, text in LATER.items())
        assert complete or not status["in_step"]
        if code:
            assert any("No space left" in problem for problem in status["problems"]), status
        healed(cluster)


def test_a_full_disk_replaces_no_part_of_an_entry(tmp_path: Path) -> None:
    """The second draft of a directory fails: the first is not put into place either."""
    cluster = prepared(tmp_path)

    def full(what: str, where: str) -> None:
        if what == "draft" and where == NEW:
            raise OSError(errno.ENOSPC, "No space left on device", where)

    assert cluster["b"].run(full) == 0
    assert (cluster["b"].read(FIRST), cluster["b"].read(NEW), cluster["b"].read(GONE)) == (OLD[FIRST], None, OLD[GONE])
    assert cluster["b"].read(FILE) == LATER[FILE]  # the other entry
    assert "No space left" in cluster["b"].status()["files"][FIRST]["reason"]
    healed(cluster)


def test_an_action_that_was_cut_off_is_made_up_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    cluster = prepared(tmp_path, ["/bin/sh", "-c", f"echo x >> {log}"])
    before = len(log.read_text().splitlines()) if log.exists() else 0
    child = os.fork()
    if child == 0:

        def die(what: str, where: str) -> None:
            if what == "write" and where.endswith(".status.json.new"):
                os._exit(0)  # not reached: the action comes before
            if what == "unlink" and where.endswith("journal.json"):
                os.kill(os.getpid(), signal.SIGKILL)

        cluster["b"].run(die)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert len((log.read_text() if log.exists() else "").splitlines()) == before
    healed(cluster)
    assert len(log.read_text().splitlines()) == before + 1


def test_an_edit_at_the_moment_of_the_swap_is_not_lost(tmp_path: Path) -> None:
    """Between the last look and the rename: what somebody saved there is in the history."""
    cluster = prepared(tmp_path)

    def edit(what: str, where: str) -> None:
        if what == "swap" and where == FILE:
            cluster["b"].path(FILE).write_text("saved just now")

    cluster["b"].run(edit)
    kept = [cluster["b"].store().former(FILE, item["id"])[1] for item in cluster["b"].history(FILE)]
    assert b"saved just now" in kept


def test_an_edit_during_the_run_is_seen_in_the_same_run(tmp_path: Path) -> None:
    cluster = prepared(tmp_path)

    def edit(what: str, where: str) -> None:
        if what == "draft" and where == FIRST:
            cluster["b"].write(f"{FOLDER}/mine", "mine")

    assert cluster["b"].run(edit) == 0
    assert f"{FOLDER}/mine" in cluster["b"].manifest()


def test_a_lock_of_a_dead_run_stops_nobody(tmp_path: Path) -> None:
    cluster = prepared(tmp_path)
    (cluster["b"].layout.run / "lock").write_text("4711")
    healed(cluster)


def test_history_ends_after_the_days(tmp_path: Path) -> None:
    cluster = prepared(tmp_path)
    cluster["b"].run()
    assert cluster["b"].history(FILE)
    for name in "ab":
        cluster[name].settings["keep_days"] = 1e-9
        cluster[name].configure()
        (cluster[name].layout.run / "pruned").unlink()
    cluster.round(2)
    assert not cluster["b"].history(FILE)
    assert GONE not in cluster["b"].manifest() and not list(cluster["b"].layout.history.iterdir())


def test_what_could_not_be_settled_is_settled_by_the_next_run(tmp_path: Path) -> None:
    cluster = prepared(tmp_path)

    def fail(what: str, where: str) -> None:
        if what == "settle":
            raise OSError(errno.EIO, "Input/output error", where)

    assert cluster["b"].run(fail) == 0
    assert not cluster["b"].status()["in_step"]
    assert {path: cluster["b"].read(path) for path in LATER} == LATER
    assert list(Path(cluster["b"].layout.root).rglob(".linuxha-sync-*"))
    assert cluster["b"].run() == 0
    assert not list(Path(cluster["b"].layout.root).rglob(".linuxha-sync-*"))
    assert cluster["b"].manifest() == cluster["a"].manifest()


def test_a_file_that_was_edited_since_the_scan_is_not_replaced(tmp_path: Path) -> None:
    """The version of the peer was chosen for another file; the next look finds a conflict and decides that one."""
    cluster = prepared(tmp_path)
    for node in cluster.nodes.values():
        node.settings["conflict"] = "refuse"
        node.configure()

    def edit(what: str, where: str) -> None:
        if what == "draft" and where == FILE:
            cluster["b"].write(FILE, "mine\n")

    assert cluster["b"].run(edit) == 0
    assert cluster["b"].read(FILE) == "mine\n" and cluster["b"].state(FILE) == "conflict"
    assert not list(Path(cluster["b"].layout.root).rglob(".linuxha-sync-*"))
    assert cluster["b"].read(FIRST) == LATER[FIRST]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Such as a mount point, which rename(2) refuses."""
    cluster = prepared(tmp_path)

    def busy(what: str, where: str) -> None:
        if what == "swap" and where == FILE:
            raise OSError(errno.EBUSY, "Device or resource busy", where)

    assert cluster["b"].run(busy) == 0
    assert cluster["b"].read(FILE) == OLD[FILE] and "busy" in cluster["b"].status()["files"][FILE]["reason"]
    assert not list(Path(cluster["b"].layout.root).rglob(".linuxha-sync-*"))
    assert cluster["b"].read(FIRST) == LATER[FIRST]
    assert cluster["b"].run() == 0 and cluster["b"].read(FILE) == LATER[FILE]


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    cluster = prepared(tmp_path)
    (cluster["b"].layout.state / "journal.json").write_text('{"items": [{"path": "/etc/x"}]}')
    assert cluster["b"].run() == 1
    assert "journal.json" in cluster["b"].status()["problems"][0]
