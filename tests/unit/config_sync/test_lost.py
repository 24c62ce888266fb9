# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What looks like a deletion and is none, and what would get past a check: where a mistake loses or spreads a file."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from linuxha_sync import checks
from linuxha_sync.layout import SyncError
from linuxha_sync.manifest import as_json
from linuxha_sync.settings import DRAFT, Peer

from .nodes import ENTRIES, FILE, FOLDER, Cluster, Near, Node
from .test_bounds import GONE, publish
from .test_crash import position

BELOW = f"{FOLDER}/sub/x"


def folder(**more: Any) -> list[dict[str, Any]]:
    return [{**ENTRIES[1], **more}]


def one(**more: Any) -> list[dict[str, Any]]:
    return [{**ENTRIES[0], **more}]


# --- deletions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sub", "x"])
def test_what_cannot_be_read_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster["a"].write(BELOW, "x")
    cluster.round(2)
    cluster["b"].path(BELOW).chmod(0o600)  # it is read anew
    real = os.open

    def broken(path: Any, *arguments: Any, **more: Any) -> int:
        if path == name:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", broken)
        assert cluster["b"].run() == 0
    refused = {path: item["reason"] for path, item in cluster["b"].status()["files"].items() if item["reason"]}
    assert [path.endswith(f"/{name}") and "Input/output" in reason for path, reason in refused.items()] == [True]
    assert cluster["a"].run() == 0
    assert cluster.contents(BELOW) == ["x", "x"] and not cluster["a"].history(BELOW)


def test_a_file_whose_directory_is_not_there_was_not_deleted(tmp_path: Path) -> None:
    path = "/etc/app/one.conf"
    cluster = Cluster(tmp_path, entries=one(path=path, delete=True))
    for node in cluster.nodes.values():
        node.path("/etc/app").mkdir()
    cluster["a"].write(path, "x")
    cluster.round(2)
    cluster["b"].path("/etc/app").rename(tmp_path / "away")
    cluster["b"].run()
    cluster["a"].run()
    assert cluster["a"].read(path) == "x"
    (tmp_path / "away").rename(cluster["b"].path("/etc/app"))
    cluster.round(2)
    assert cluster.contents(path) == ["x", "x"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_stands_in_place_of_a_directory_deletes_nothing_below_it(tmp_path: Path, kind: str) -> None:
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster["a"].write(BELOW, "x")
    cluster.round(2)
    cluster["b"].path(f"{FOLDER}/sub").rename(tmp_path / "elsewhere")
    if kind == "link":
        cluster["b"].path(f"{FOLDER}/sub").symlink_to(tmp_path / "elsewhere")
    else:
        cluster["b"].write(f"{FOLDER}/sub", "")
        cluster["b"].path(f"{FOLDER}/sub").chmod(0o666)
    cluster["b"].run()
    cluster.round(2)
    assert cluster["a"].read(BELOW) == "x"
    assert (tmp_path / "elsewhere/x").read_text() == "x"


def test_a_link_in_place_of_the_declared_directory_is_not_followed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster["a"].write(f"{FOLDER}/x", "x")
    cluster.round(2)
    elsewhere = tmp_path / "elsewhere"
    cluster["b"].path(FOLDER).rename(elsewhere)
    cluster["b"].path(FOLDER).symlink_to(elsewhere)
    cluster["a"].write(f"{FOLDER}/x", "new")
    cluster.round(2)
    assert (elsewhere / "x").read_text() == "x" and cluster["a"].read(f"{FOLDER}/x") == "new"
    assert cluster["b"].state(FOLDER) == "refused"


def test_a_link_that_appears_in_its_place_during_the_run_is_not_followed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, entries=folder())
    cluster["a"].write(f"{FOLDER}/x", "x")
    cluster.round(2)
    cluster["a"].write(f"{FOLDER}/x", "new")
    cluster["a"].run()
    elsewhere = tmp_path / "elsewhere"

    def link(what: str, where: str) -> None:
        if what == "write" and "journal.json" in where and not elsewhere.exists():
            cluster["b"].path(FOLDER).rename(elsewhere)
            cluster["b"].path(FOLDER).symlink_to(elsewhere)

    cluster["b"].run(link)
    assert elsewhere.is_dir() and [path.name for path in elsewhere.iterdir()] == ["x"]
    assert (elsewhere / "x").read_text() == "x"


def test_a_deletion_that_is_not_declared_here_is_not_taken(tmp_path: Path) -> None:
    """Whatever is declared where it was made."""
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    cluster["b"].settings["entries"][0]["delete"] = True
    cluster["b"].configure()
    cluster.connect("b")
    cluster["b"].path(FILE).unlink()
    cluster["b"].run()
    assert cluster["b"].manifest()[FILE]["sha256"] == ""
    cluster.connect("a", "b")
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "x" and cluster["a"].manifest()[FILE]["sha256"]


def test_an_old_deletion_is_not_heard_of_again(tmp_path: Path) -> None:
    """Else two nodes would keep it alive for each other."""
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster.round(2)
    gone = {**as_json(replace(GONE, mtime_ns=time.time_ns())), "vector": {"b": int(time.time())}}
    publish(cluster["b"], {f"{FOLDER}/old": {**gone, "mtime_ns": 5}, f"{FOLDER}/young": gone})
    cluster["a"].run()
    assert list(cluster["a"].manifest()) == [f"{FOLDER}/young"]


def test_only_what_is_old_is_forgotten(tmp_path: Path) -> None:
    """Also after the clock was set back: the mark of the last time then is one of the future."""
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    node, old = cluster["a"], time.time() - 40 * 86400
    for path in ("x", "gone", "unchanged"):
        cluster["b"].write(f"{FOLDER}/{path}", "1", mtime=old)
    cluster.round(2)
    for text in ("2", "3"):
        cluster["b"].write(f"{FOLDER}/x", text)
        cluster["b"].path(f"{FOLDER}/gone").unlink(missing_ok=True)
        cluster.round(2)
    assert len(node.history(f"{FOLDER}/x")) == 2
    assert [item["sha256"] for item in node.history(f"{FOLDER}/x")] == [
        hashlib.sha256(text).hexdigest() for text in (b"2", b"1")
    ]
    shelf = node.store().shelf(f"{FOLDER}/x")
    first = shelf / f"{node.history(f'{FOLDER}/x')[-1]['id']}.json"
    first.write_text(first.read_text().replace('"replaced": "2', '"replaced": "1'))
    before = node.manifest()
    late = time.time() + 90 * 86400
    os.utime(node.layout.run / "pruned", (late, late))
    node.run()
    assert len(node.history(f"{FOLDER}/x")) == 1 and len(list(shelf.iterdir())) == 2
    assert node.manifest() == before and set(before) == {f"{FOLDER}/{name}" for name in ("x", "gone", "unchanged")}
    assert not before[f"{FOLDER}/gone"]["sha256"]


def test_objects_go_when_nobody_has_named_them_for_a_while(tmp_path: Path) -> None:
    node = Cluster(tmp_path, links=[])["a"]
    node.write(FILE, "used")
    node.run()
    used = node.layout.objects / node.manifest()[FILE]["sha256"]
    old, young = node.layout.objects / ("0" * 64), node.layout.objects / ("1" * 64)
    for path in (old, young):
        path.write_text("x")
    for path in (used, old):
        os.utime(path, (1_000, 1_000))
    node.run()
    assert used.exists() and young.exists() and not old.exists()


def test_what_comes_with_a_directory_that_was_not_there_has_no_history(tmp_path: Path) -> None:
    """A package makes it after the first run; else its files would be edits, and win against those of the cluster."""
    node = Cluster(tmp_path, links=[])["a"]
    node.run()
    node.write(f"{FOLDER}/x", "of the distribution")
    node.run()
    assert node.manifest()[f"{FOLDER}/x"]["vector"] == {}
    node.write(f"{FOLDER}/y", "of the administrator")
    node.run()
    assert set(node.manifest()[f"{FOLDER}/y"]["vector"]) == {"a"}


def test_an_edit_in_a_conflict_of_three_ends_it(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc", conflict="refuse")
    cluster["a"].write(FILE, "common")
    cluster.round(3)
    for name in "abc":
        cluster.connect()
        cluster[name].write(FILE, f"from {name}")
        cluster[name].run()
    cluster.connect(*"abc")
    cluster.round()
    assert [node.state(FILE) for node in cluster.nodes.values()] == ["conflict"] * 3
    cluster["a"].write(FILE, "chosen")
    cluster.round(2)
    assert cluster.contents(FILE) == ["chosen"] * 3


# --- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (["/bin/sh", "-c", "sleep 60", "{file}"], "no answer within"),
        (["/nonexistent/check", "{file}"], "No such file"),
        (["/bin/false", "{file}"], "exit status 1"),
        (["/bin/sh", "-c", "kill -9 $$", "{file}"], "exit status -9"),
    ],
    ids=["late", "not there", "no", "killed"],
)
def test_a_checker_that_does_not_say_yes_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: list[str], reason: str
) -> None:
    if "sleep 60" in check:
        monkeypatch.setattr(checks, "CHECK_S", 0.3)
    cluster = Cluster(tmp_path, entries=one(check=check))
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    assert cluster["b"].read(FILE) is None and cluster["b"].state(FILE) == "refused"
    assert reason in cluster["b"].status()["files"][FILE]["reason"]
    assert not list(cluster["b"].layout.staging.glob("check*"))
    # Another checker is asked anew.
    monkeypatch.setattr(checks, "CHECK_S", 30)
    cluster["b"].settings["entries"][0]["check"] = ["/bin/true", "{file}"]
    cluster["b"].configure()
    cluster.round(2)
    assert cluster["b"].read(FILE) == "x"


@pytest.mark.parametrize("error", [SyncError("damaged"), OSError(errno.ENOSPC, "No space left on device")])
def test_what_could_not_be_checked_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    cluster = Cluster(tmp_path, entries=one(check=["/bin/true", "{file}"]))
    cluster["a"].write(FILE, "x")
    cluster["a"].run()

    def ask(*arguments: Any) -> dict[str, str]:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(checks.Checker, "ask", ask)
        cluster["b"].run()
    assert cluster["b"].read(FILE) is None and "was not checked" in cluster["b"].status()["files"][FILE]["reason"]
    cluster["b"].run()
    assert cluster["b"].read(FILE) == "x"


def test_a_directory_that_is_refused_is_refused_as_a_whole(tmp_path: Path) -> None:
    check = ["/bin/sh", "-c", '! grep -rq bad "$0"', "{directory}"]
    cluster = Cluster(tmp_path, entries=folder(check=check, delete=True))
    for name, text in {"1": "x", "gone": "x"}.items():
        cluster["a"].write(f"{FOLDER}/{name}", text)
    cluster["a"].path(f"{FOLDER}/link").symlink_to("/nonexistent")
    cluster["b"].write(f"{FOLDER}/own", "x")
    cluster["b"].path(f"{FOLDER}/link").symlink_to("/nonexistent")  # no reason to refuse the others
    cluster.round(3)
    assert cluster["b"].read(f"{FOLDER}/1") == cluster["b"].read(f"{FOLDER}/gone") == "x"
    cluster["a"].write(f"{FOLDER}/1", "bad")
    cluster["a"].write(f"{FOLDER}/2", "good")
    cluster["a"].path(f"{FOLDER}/gone").unlink()
    cluster.round(2)
    assert [cluster["b"].read(f"{FOLDER}/{name}") for name in ("1", "2", "gone")] == ["x", None, "x"]
    cluster["a"].write(f"{FOLDER}/1", "mended")
    cluster.round(2)
    assert [cluster["b"].read(f"{FOLDER}/{name}") for name in ("1", "2", "gone")] == ["mended", "good", None]


def test_a_deletion_is_no_question_for_a_checker_of_files(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, entries=one(check=["/bin/test", "-s", "{file}"], delete=True))
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    cluster["a"].path(FILE).unlink()
    cluster.round(2)
    assert cluster.contents(FILE) == [None, None] and cluster["b"].status()["in_step"]


# --- putting into place ----------------------------------------------------------------------------------------------


def test_the_steps_of_a_run_are_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each of them relies on is on the disk before: the history, the plan to act, and the own count."""
    cluster = Cluster(tmp_path, entries=one(action=["/bin/true"]))
    cluster["a"].write(FILE, "old")
    cluster.round(2)
    cluster["a"].write(FILE, "new")
    cluster["a"].run()
    seen: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(f"disk {Path(f'/proc/self/fd/{handle}').readlink()}"))
    assert cluster["b"].run(lambda what, where: seen.append(f"{what} {where}")) == 0
    steps = [
        "disk .*/objects/.*", "rename .*/journal.json", "disk .*/b/state", "link .*/history/.*", f"draft {FILE}",
        "disk .*/root/etc/.linuxha-sync-.*new", "disk .*/.pending.json.new", "rename .*/pending.json",
        "disk .*/objects", "disk .*/history", "disk .*/history/one.*", f"aside {FILE}", f"swap {FILE}",
        f"settle {FILE}", "disk .*/root/etc", "disk .*/b/state/.manifest.json.new", "rename .*/b/state/manifest.json",
        "disk .*/b/state", "rename .*/export/manifest.json", "unlink .*/journal.json",
    ]  # fmt: skip
    assert in_order(seen, steps), "\n".join(seen)


def in_order(seen: Sequence[str], steps: Sequence[str]) -> bool:
    """Whether each of these steps comes somewhere after the one before."""
    rest = iter(seen)
    return all(any(re.fullmatch(step, text) for text in rest) for step in steps)


def with_news(base: Path, name: str) -> Cluster:
    """All have the old content; this node has the new one, and the others have not heard of it."""
    cluster = Cluster(base)
    cluster[name].write(FILE, "old")
    cluster.round(2)
    cluster[name].write(FILE, "new")
    cluster[name].run()
    return cluster


def killed_at(node: Node, step: str) -> None:
    child = os.fork()
    if child == 0:
        node.run(lambda what, where: os.kill(os.getpid(), signal.SIGKILL) if what == step else None)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_what_is_healed_is_known_before_the_journal_goes(tmp_path: Path) -> None:
    cluster = with_news(tmp_path, "b")
    killed_at(cluster["a"], "settle")
    seen: list[str] = []
    assert cluster["a"].run(lambda what, where: seen.append(f"{what} {where}")) == 0
    assert position(seen, "rename .*/state/manifest.json") < position(seen, "unlink .*/journal.json"), seen


def test_a_journal_of_what_is_no_longer_declared_is_passed_over(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["b"].write(FILE, "x")
    cluster["b"].run()
    killed_at(cluster["a"], "swap")
    for node in cluster.nodes.values():
        node.settings["entries"] = node.settings["entries"][1:]
        node.configure()
    cluster.round(2)
    assert cluster["a"].read(FILE) is None and cluster["a"].status()["in_step"]


def test_what_an_earlier_run_left_beside_it_is_in_nobodys_way(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "old")
    cluster.round(2)
    cluster["a"].write(FILE, "new")
    cluster["a"].run()
    left = DRAFT + hashlib.sha256(FILE.encode()).hexdigest()[:16]
    for end in (".new", ".old"):
        cluster["b"].path(f"/etc/{left}{end}").write_text("left")
    cluster["b"].run()
    assert cluster["b"].read(FILE) == "new" and not list(cluster["b"].path("/etc").glob(f"{DRAFT}*"))


def test_a_former_version_that_cannot_be_linked_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "old")
    cluster.round(2)
    cluster["a"].write(FILE, "new")
    cluster["a"].run()
    real, code = os.link, [errno.EIO, errno.EMLINK]

    def link(source: Any, target: Any, **more: Any) -> None:
        if "history" in str(target):
            raise OSError(code[0], os.strerror(code[0]))
        real(source, target, **more)

    monkeypatch.setattr(os, "link", link)
    cluster["b"].run()
    assert cluster["b"].read(FILE) == "old" and cluster["b"].state(FILE) == "failed"
    code.pop(0)
    cluster["b"].run()
    (kept,) = cluster["b"].history(FILE)
    assert cluster["b"].read(FILE) == "new" and cluster["b"].store().former(FILE, kept["id"])[1] == b"old"


def test_nothing_is_done_about_what_was_not_put_into_place(tmp_path: Path) -> None:
    log = tmp_path / "log"
    cluster = Cluster(tmp_path, entries=one(action=["/bin/sh", "-c", f"echo ran >>{log}"]))
    cluster["a"].write(FILE, "x")
    cluster["a"].run()

    def busy(what: str, where: str) -> None:
        if what == "swap":
            raise OSError(errno.EBUSY, "Device or resource busy", where)

    cluster["b"].run(busy)
    cluster["b"].run(busy)
    assert not log.exists() and not (cluster["b"].layout.state / "pending.json").exists()
    cluster["b"].run()
    assert log.read_text() == "ran\n"


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, entries=folder())
    cluster["a"].write(f"{FOLDER}/x", "x")
    os.mkfifo(cluster["a"].path(f"{FOLDER}/pipe"))
    cluster.round(2)
    assert list(cluster["a"].manifest()) == [f"{FOLDER}/x"]
    assert "no regular file" in cluster["a"].status()["files"][f"{FOLDER}/pipe"]["reason"]


def test_a_file_that_changes_while_it_is_read_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Cluster(tmp_path, links=[])["a"]
    node.write(FILE, "whole")
    node.run()
    node.write(FILE, "begun")
    real = os.open

    def written(path: Any, *arguments: Any, **more: Any) -> int:
        handle = real(path, *arguments, **more)
        if path == "one.conf":
            with node.path(FILE).open("a") as file:
                file.write(" and more")
        return handle

    before = node.manifest()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", written)
        node.run()
    assert "changes while it is read" in node.status()["files"][FILE]["reason"] and node.manifest() == before


def test_an_action_that_was_cut_off_is_made_up_for_whatever_starts_the_next_run(tmp_path: Path) -> None:
    """Only one that has failed waits for the timer; this one has succeeded the last time."""
    log = tmp_path / "log"
    cluster = Cluster(tmp_path, entries=one(action=["/bin/sh", "-c", f"echo ran >>{log}"]))
    for text in ("1", "2"):
        cluster["a"].write(FILE, text)
        cluster["a"].run()
        if text == "1":
            cluster["b"].run()
    killed_at(cluster["b"], "settle")
    assert log.read_text() == "ran\n"
    cluster["b"].run(patient=True)
    assert log.read_text() == "ran\nran\n" and cluster["b"].status()["in_step"]


def test_what_one_peer_does_not_have_any_more_comes_from_the_next(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc")
    cluster.connect("a", "b")
    cluster["a"].write(FILE, "x")
    cluster["a"].run()
    cluster["b"].run()
    (cluster["a"].layout.objects / cluster["a"].manifest()[FILE]["sha256"]).unlink()
    cluster.connect("a", "b", "c")
    cluster["c"].run()
    assert cluster["c"].read(FILE) == "x"


def test_peers_are_told_of_what_they_can_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(tmp_path)
    cluster.round()
    offered: list[bool] = []

    def notify(self: Near, peer: Peer) -> str:
        offered.append(FILE in cluster["a"].manifest())
        return ""

    monkeypatch.setattr(Near, "notify", notify)
    cluster["a"].write(FILE, "x")
    cluster["a"].run()
    assert offered[0]


def test_a_run_that_was_killed_before_the_rename_brings_nothing_old_back(tmp_path: Path) -> None:
    cluster = with_news(tmp_path, "a")
    killed_at(cluster["b"], "swap")
    assert cluster["b"].read(FILE) == "old"
    cluster["b"].run()
    cluster.round()
    assert cluster.contents(FILE) == ["new", "new"]
