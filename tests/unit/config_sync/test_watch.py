# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Whatever changes at a declared path has a run asked for, however quickly one thing follows another."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from linuxha_sync import main as program
from linuxha_sync import watch
from linuxha_sync.layout import SyncError
from linuxha_sync.watch import Watcher

from tests.unit.config_sync.nodes import Cluster

FILE, FOLDER = "/etc/one/plain", "/etc/two/folder"
QUIET_S = 0.3


ENTRIES = (
    {"name": "file", "path": FILE, "kind": "file"},
    {"name": "folder", "path": FOLDER, "kind": "directory", "exclude": ["left-out"]},
)


class Watched:
    def __init__(self, base: Path):
        node = Cluster(base, ("a",), ENTRIES)["a"]
        self.layout, self.settings = node.layout, program.read_settings(node.layout)
        self.layout.wanted.mkdir(parents=True)
        self.note = self.layout.wanted / "local"
        for path in (FILE, FOLDER):
            self.at(path).parent.mkdir(parents=True)
        self.at(FOLDER).mkdir()
        self.at(FILE).write_text("before")
        self.watcher = Watcher(self.layout, self.settings)

    def at(self, path: str) -> Path:
        return Path(self.layout.root + path)

    def asked(self) -> bool:
        """Whether a run is asked for before all is quiet."""
        while self.watcher.wait(QUIET_S):
            pass
        found = self.note.exists()
        self.note.unlink(missing_ok=True)
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.watcher.close()


def by_rename(path: Path, draft: Path) -> None:
    draft.write_text("new")
    draft.rename(path)


CHANGES: dict[str, Callable[[Watched], object]] = {
    "written in place": lambda it: it.at(FILE).write_text("new"),
    "replaced by one beside it": lambda it: by_rename(it.at(FILE), it.at(FILE + ".draft")),
    "replaced by one from above": lambda it: by_rename(it.at(FILE), it.at("/etc/draft")),
    "deleted": lambda it: it.at(FILE).unlink(),
    "rights": lambda it: it.at(FILE).chmod(0o600),
    "a new file": lambda it: it.at(FOLDER + "/a").write_text("new"),
    "a new file from beside the directory": lambda it: by_rename(it.at(FOLDER + "/a"), it.at("/etc/two/draft")),
    "a new file from far above": lambda it: by_rename(it.at(FOLDER + "/a"), it.at("/draft")),
    "a directory": lambda it: it.at(FOLDER + "/sub").mkdir(),
    "directories at once": lambda it: it.at(FOLDER + "/sub/below").mkdir(parents=True),
    "the directory goes": lambda it: it.at(FOLDER).rmdir(),
    "the way to it goes": lambda it: it.at("/etc/two").rename(it.at("/etc/three")),
    "all of it goes": lambda it: shutil.rmtree(it.at("/etc")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_seen(watched: Watched, change: Callable[[Watched], object]) -> None:
    change(watched)
    assert watched.asked()
    assert not watched.asked()


@pytest.mark.parametrize("path", ["/etc/other", "/etc/one/other", "/etc/two/other", "/other"])
def test_what_happens_beside_it_does_not_matter(watched: Watched, path: str) -> None:
    watched.at(path).write_text("new")
    watched.at(path).unlink()
    watched.at(path).mkdir()
    (watched.at(path) / "below").write_text("new")
    assert not watched.asked()


def test_what_is_left_out_is_not_watched(watched: Watched) -> None:
    watched.at(FOLDER + "/left-out").mkdir()
    watched.asked()
    watched.at(FOLDER + "/left-out/file").write_text("new")
    assert not watched.asked()


def test_a_link_below_is_not_followed(watched: Watched) -> None:
    watched.at("/elsewhere").mkdir()
    watched.at(FOLDER + "/link").symlink_to(watched.at("/elsewhere"))
    assert watched.asked()
    watched.at("/elsewhere/file").write_text("new")
    assert not watched.asked()


@pytest.mark.parametrize("atomic", [False, True])
def test_a_link_on_the_way_is_followed_to_where_it_leads_now(watched: Watched, atomic: bool) -> None:
    for name in ("old", "new"):
        watched.at(f"/releases/{name}/folder").mkdir(parents=True)
    way, draft = watched.at("/etc/two"), watched.at("/etc/draft")
    shutil.rmtree(way)
    way.symlink_to(watched.at("/releases/old"))
    assert watched.asked()
    if not atomic:
        way.unlink()
    draft.symlink_to(watched.at("/releases/new"))
    draft.rename(way)
    assert watched.asked()
    watched.at("/releases/new/folder/file").write_text("new")
    assert watched.asked()
    watched.at("/releases/old/folder/file").write_text("new")
    assert not watched.asked()


def test_nothing_is_missed_between_two_changes_above(watched: Watched) -> None:
    """What a path unit of systemd loses nearly always; see decision 0031."""
    for number in range(20):
        by_rename(watched.at(FOLDER + f"/{number}"), watched.at("/etc/two/draft"))
        watched.at(f"/etc/two/beside{number}").mkdir()
        assert watched.asked(), number


@pytest.mark.parametrize("depth", [1, 3])
def test_a_new_directory_is_watched_at_once(watched: Watched, depth: int) -> None:
    below = watched.at(FOLDER + "/sub" * depth)
    below.mkdir(parents=True)
    assert watched.asked()
    (below / "file").write_text("new")
    assert watched.asked()


def test_what_comes_with_a_new_directory_is_looked_at_after_it_is_watched(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    anew, ask, close = Watcher.anew, Watcher.ask, watch.Watches.close
    monkeypatch.setattr(Watcher, "anew", lambda self: (order.append("watches"), anew(self))[1])
    monkeypatch.setattr(Watcher, "ask", lambda self: (order.append("note"), ask(self))[1])
    monkeypatch.setattr(watch.Watches, "close", lambda self: (order.append("closed"), close(self))[1])
    watched.at(FOLDER + "/sub").mkdir()
    assert watched.asked()
    assert order == ["closed", "watches", "note"]


def test_a_way_that_comes_back_is_watched_again(watched: Watched) -> None:
    shutil.rmtree(watched.at("/etc"))
    assert watched.asked()
    watched.at(FOLDER).mkdir(parents=True)
    assert watched.asked()
    watched.at(FOLDER + "/a").write_text("new")
    assert watched.asked()


def test_more_events_than_the_kernel_keeps(watched: Watched) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    first, second = watched.at(FOLDER + "/a"), watched.at(FOLDER + "/b")
    first.write_text("new")
    for _number in range(limit // 2 + 10):
        first.rename(second)
        second.rename(first)
    assert watched.asked()
    first.write_text("newer")
    assert watched.asked()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: something is mounted")
def test_what_is_mounted_over_it_is_seen(watched: Watched) -> None:
    folder = str(watched.at(FOLDER))
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        assert watched.asked()
        watched.at(FOLDER + "/a").write_text("new")
        assert watched.asked()
    finally:
        subprocess.run(["umount", folder], check=True)
    assert watched.asked()


def test_no_room_in_the_kernel_is_told_once_with_its_remedy(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full:
        inotify_init1 = watch._LIBC.inotify_init1

        @staticmethod
        def inotify_add_watch(*_arguments: object) -> int:
            watch.ctypes.set_errno(28)
            return -1

    monkeypatch.setattr(watch, "_LIBC", Full)
    Watcher(watched.layout, watched.settings).close()
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "fs.inotify.max_user_watches" in said


def test_a_note_that_cannot_be_left_ends_it(watched: Watched) -> None:
    """systemd starts it again, which shows; a watch that tells nobody would not."""
    shutil.rmtree(watched.layout.run)
    watched.at(FILE).write_text("new")
    with pytest.raises(SyncError, match="wanted: No such file"):
        watched.watcher.wait(QUIET_S)
