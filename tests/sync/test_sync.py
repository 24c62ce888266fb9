# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Three live nodes: changes arrive, what is wrong stays out, conflicts follow their policy, nothing is lost."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Iterator

import pytest

from lab.faults import Faults
from tests.sync.live import ACTIONS, LINKS, Sync, path

ARRIVES_S = 5.0
RUNS_S = 1.0
MANY = 1000


def text() -> str:
    return f"# {uuid.uuid4()}\n"


def test_a_second_run_and_check_mode_change_nothing(sync: Sync) -> None:
    assert sync.deploy().changed == 0
    assert sync.deploy("--check", "--diff").changed == 0


def test_a_node_alone_keeps_the_keys_of_its_peers(sync: Sync) -> None:
    assert sync.deploy("--limit", "fw1").changed == 0


def test_a_node_learns_from_the_others_of_one_that_is_away(sync: Sync) -> None:
    known = "/etc/linuxha/sync/peers.json"
    before = sync.read("fw2", known)
    sync.exec("fw2", "rm", known)
    sync.deploy("--limit", "fw1,fw2")
    assert sync.read("fw2", known) == before


def test_a_change_is_on_all_nodes_within_seconds(sync: Sync) -> None:
    took = []
    for number in range(5):
        node = sync.nodes[number % len(sync.nodes)]
        new = text()
        sync.write(node, path("tree", "quick"), new)
        took.append(sync.wait_text(path("tree", "quick"), new))
        sync.wait_in_step()
    print(f"seconds until a change is on all nodes: {sorted(round(each, 2) for each in took)}")
    assert statistics.median(took) <= ARRIVES_S, took


def test_a_change_in_a_subdirectory_is_as_quick(sync: Sync) -> None:
    """Also in one that was not there: it is watched before the run that looks into it."""
    directory = f"sub{uuid.uuid4().hex[:8]}"
    where, new = path("tree", f"{directory}/first"), text()
    sync.write("fw1", where, new)
    sync.wait_text(where, new)
    took = []
    for node in sync.nodes:
        newer = text()
        sync.wait_in_step()
        sync.write(node, where, newer)
        took.append(sync.wait_text(where, newer))
    print(f"seconds until a change in a subdirectory is on all nodes: {sorted(round(each, 2) for each in took)}")
    assert statistics.median(took) <= ARRIVES_S, took


def test_the_action_runs_once_where_the_file_came_to(sync: Sync) -> None:
    for node in sync.nodes:
        sync.shell(node, f": >{ACTIONS}")
    new = text()
    sync.write("fw1", path("plain"), new)
    sync.wait_text(path("plain"), new)
    sync.run()
    counts = {node: len((sync.read(node, ACTIONS) or "").splitlines()) for node in sync.nodes}
    assert counts == {"fw1": 0, "fw2": 1, "fw3": 1}


def test_what_fails_its_check_stays_out_until_it_is_mended(sync: Sync) -> None:
    where, good, mended = path("tree", "script"), text(), text()
    sync.write("fw1", where, good)
    sync.wait_text(where, good)
    try:
        sync.write("fw1", where, "if then (\n")
        sync.wait(lambda: all(sync.file(node, where)["state"] == "refused" for node in ("fw2", "fw3")))
        assert [sync.read(node, where) for node in ("fw2", "fw3")] == [good, good]
        assert not sync.status("fw2")["in_step"]
    finally:
        sync.write("fw1", where, mended)
    sync.wait_text(where, mended)
    sync.wait_in_step()


def test_names_that_are_excluded_stay_where_they_are(sync: Sync) -> None:
    new = text()
    sync.write("fw1", path("tree", "draft.swp"), new)
    sync.write("fw1", path("tree", "beside"), new)
    sync.wait_text(path("tree", "beside"), new)
    assert sync.read("fw2", path("tree", "draft.swp")) is None


def test_a_link_is_neither_followed_nor_published(sync: Sync) -> None:
    new = text()
    sync.exec("fw1", "ln", "-sf", "/etc/shadow", path("tree", "link"))
    sync.write("fw1", path("tree", "beside-link"), new)
    sync.wait_text(path("tree", "beside-link"), new)
    assert sync.read("fw2", path("tree", "link")) is None
    sync.exec("fw1", "rm", path("tree", "link"))
    sync.run()


@pytest.mark.parametrize(("entry", "remains"), [("gone", False), ("tree", True)])
def test_deletions_spread_where_they_are_declared(sync: Sync, entry: str, remains: bool) -> None:
    where, new = path(entry, "deleted"), text()
    sync.write("fw1", where, new)
    sync.write("fw1", path(entry, "stays"), new)
    sync.wait_text(where, new)
    sync.wait_text(path(entry, "stays"), new)
    sync.wait_in_step()
    sync.exec("fw2", "rm", where)
    sync.wait_text(where, new if remains else None)
    sync.run()
    assert [sync.read(node, where) for node in sync.nodes] == [new if remains else None] * 3
    assert sync.read("fw3", path(entry, "stays")) == new


@pytest.fixture
def paused(sync: Sync) -> Iterator[Sync]:
    """Nothing runs by itself, so that two nodes can change the same file."""
    sync.pause()
    yield sync
    sync.resume()


def conflict(sync: Sync, where: str) -> tuple[str, str]:
    """fw1 changes a file, and later fw2 the same one."""
    base, old, new = text(), text(), text()
    sync.write("fw1", where, base)
    sync.converge_text(where, base)
    sync.write("fw1", where, old)
    sync.exec("fw1", "touch", "--date=-60 seconds", where)
    sync.write("fw2", where, new)
    return old, new


def test_the_later_of_two_changes_wins(paused: Sync) -> None:
    where = path("newest", "both")
    old, new = conflict(paused, where)
    paused.converge_text(where, new)
    # The other one is not lost.
    kept = paused.exec("fw1", "linuxha-sync", "history", where)
    version = next(line.split()[0] for line in kept.splitlines())
    paused.exec("fw1", "linuxha-sync", "restore", where, version)
    paused.converge_text(where, old)


def test_the_primary_wins(paused: Sync) -> None:
    where = path("primary", "both")
    old, _new = conflict(paused, where)
    paused.converge_text(where, old)


def test_two_changes_stay_until_an_operator_decides(paused: Sync) -> None:
    where = path("refuse", "both")
    old, new = conflict(paused, where)
    paused.converge(lambda: all(paused.file(node, where)["state"] == "conflict" for node in ("fw1", "fw2")))
    assert (paused.read("fw1", where), paused.read("fw2", where)) == (old, new)
    assert not paused.status("fw2")["in_step"]
    paused.exec("fw2", "linuxha-sync", "restore", where, "current")
    paused.converge_text(where, new)


@pytest.fixture
def wrong_clock(paused: Sync) -> Iterator[Sync]:
    """fw2 is five minutes ahead. Nodes of a lab share a clock, so what its program answers and measures is changed."""
    programs = " ".join(f"/usr/local/lib/linuxha-sync/linuxha_sync/{name}.py" for name in ("gate", "fetch"))
    ahead = f"sed -i.before 's/time.time_ns()/(time.time_ns() + 300 * 10**9)/' {programs}"
    paused.shell("fw2", f"{ahead}; for file in {programs}; do ! cmp --quiet $file $file.before || exit 1; done")
    yield paused
    paused.shell("fw2", f"for file in {programs}; do mv $file.before $file; done")


def test_a_wrong_clock_decides_nothing(wrong_clock: Sync) -> None:
    where = path("newest", "clock")
    old, new = conflict(wrong_clock, where)
    wrong_clock.converge(lambda: wrong_clock.file("fw1", where)["state"] == "conflict")
    assert (wrong_clock.read("fw1", where), wrong_clock.read("fw2", where)) == (old, new)
    assert wrong_clock.status("fw1")["peers"]["fw2"]["skew_s"] > 290
    wrong_clock.exec("fw2", "linuxha-sync", "restore", where, "current")
    wrong_clock.converge_text(where, new)


def test_a_peer_that_was_away_catches_up(sync: Sync) -> None:
    where, new = path("tree", "away"), text()
    faults = Faults(sync.lab)
    faults.cut(sync.lab.nodes["fw3"], LINKS)
    sync.write("fw1", where, new)
    sync.wait_text(where, new, ("fw1", "fw2"))
    sync.run("fw1")
    told = sync.status("fw1")
    assert not told["in_step"]
    assert (told["peers"]["fw2"]["reached"], told["peers"]["fw3"]["reached"]) == (True, False)
    assert sync.read("fw3", where) is None
    faults.mend()
    sync.run("fw3")
    assert sync.read("fw3", where) == new
    sync.wait_in_step()


def test_one_link_is_enough(sync: Sync) -> None:
    where, new = path("tree", "one-link"), text()
    Faults(sync.lab).cut(sync.lab.nodes["fw1"], ["sync0"])
    sync.write("fw1", where, new)
    sync.wait_text(where, new)


def test_a_run_in_step_is_quick_and_writes_nothing(sync: Sync) -> None:
    directory = path("many")
    script = f"mkdir -p {directory}; for n in $(seq {MANY}); do echo $n >{directory}/$n; done; chmod 644 {directory}/*"
    sync.shell("fw1", script)
    sync.wait(lambda: all(sync.shell(node, f"ls {directory} 2>&1 | wc -l").strip() == str(MANY) for node in sync.nodes))
    sync.wait_in_step()
    sync.pause()
    try:
        sync.run()
        sync.run()
        sync.shell("fw1", "touch /run/stamp")
        took = []
        for _time in range(5):
            sync.run("fw1")
            took.append(float(sync.status("fw1")["took_s"]))
        print(f"seconds of a run with {MANY} files in step: {sorted(took)}")
        written = sync.shell("fw1", "find /etc /var/lib /usr/local -xdev -newer /run/stamp -print")
        assert written == ""
        assert min(took) <= RUNS_S, took
    finally:
        sync.resume()


def test_what_cannot_be_put_into_place_is_not_tried_without_end(sync: Sync) -> None:
    """A try makes a draft in a directory that is watched."""
    directory, where, new = path("small"), path("small", "endless"), text()
    sync.write("fw1", where, new)
    sync.wait_text(where, new)
    sync.wait_in_step()
    mount = f"mount -t tmpfs -o size=64k,mode=755 tmpfs {directory}"
    sync.shell("fw2", f"cp -a {directory} /run/small && {mount} && cp -a /run/small/. {directory}/")
    try:
        sync.wait_in_step()
        sync.write("fw1", where, new * 5000)
        sync.wait(lambda: sync.file("fw2", where)["state"] == "failed")
        since = sync.now("fw2")
        sync.shell("fw2", "sleep 10")
        assert sync.starts("fw2", "linuxha-sync.service", since) <= 3
        assert sync.read("fw2", where) == new
        assert sync.file("fw2", where)["state"] == "failed"
    finally:
        sync.shell("fw2", f"umount {directory} && rm -r /run/small")
    sync.run()
    sync.wait_text(where, new * 5000)


def test_a_full_disk_replaces_nothing_and_is_told(sync: Sync) -> None:
    directory, where = path("small"), path("small", "file")
    first, new = text(), text()
    sync.write("fw1", where, first)
    sync.wait_text(where, first)
    sync.pause()
    try:
        sync.shell("fw2", f"mount -t tmpfs -o size=64k,mode=755 tmpfs {directory} && cp -a {directory} /run/before")
        sync.run("fw2")
        before = sync.read("fw2", where)
        sync.write("fw1", path("small", "large"), new * 5000)
        sync.run("fw1")
        sync.run("fw2")
        assert sync.read("fw2", path("small", "large")) is None
        assert sync.read("fw2", where) == before
        assert sync.exec("fw2", "find", directory, "-name", ".linuxha-sync-*") == ""
        assert sync.file("fw2", path("small", "large"))["state"] == "failed"
        sync.exec("fw2", "mount", "-o", "remount,size=4m", directory)
        sync.run("fw2")
        assert sync.read("fw2", path("small", "large")) == new * 5000
    finally:
        sync.exec("fw2", "umount", directory)
        sync.resume()
    sync.run()
