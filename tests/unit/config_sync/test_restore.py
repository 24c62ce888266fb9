# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The way back to a former version, before any run that comes after it could make up for what it left out."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from linuxha_sync import main as program
from linuxha_sync import restore
from linuxha_sync.layout import Layout, Step, SyncError, locked, no_step
from linuxha_sync.store import Store
from linuxha_sync.versions import AFTER, compare

from .nodes import ENTRIES, FILE, FOLDER, Cluster, Node
from .test_crash import position

OTHER, GONE = f"{FOLDER}/other", f"{FOLDER}/gone"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Node a has taken "new" from b, and keeps "old"; OTHER is on both, GONE is missing on both."""
    action = ["/bin/sh", "-c", f"echo ran >>{tmp_path}/log"]
    made = Cluster(tmp_path, entries=[{**ENTRIES[0], "action": action}, ENTRIES[1]])
    for path, text in {FILE: "old", OTHER: "other", GONE: "gone"}.items():
        made["a"].write(path, text, mtime=1_000_000_000)
    made.round(2)
    made["b"].write(FILE, "new")
    made.round(2)
    made.connect()
    for node in made.nodes.values():
        node.path(GONE).unlink()
        node.run()
    made.connect("a", "b")
    (tmp_path / "log").unlink()
    return made


def configure(node: Node, **more: Any) -> None:
    node.settings["entries"][0].update(more)
    node.configure()


def old(node: Node) -> str:
    return str(node.history(FILE)[-1]["id"])


def back(node: Node, identity: str, step: Step = no_step) -> None:
    """Only this, without the run that the command starts after it."""
    settings = program.read_settings(node.layout)
    restore.restore(settings, Store(node.layout, settings, step), FILE, identity)


def test_it_is_an_edit_of_this_node(cluster: Cluster) -> None:
    node, began = cluster["a"], time.time()
    before = node.manifest()
    # As after OBJECT_GRACE_S: only the history has it.
    (node.layout.objects / str(node.history(FILE)[-1]["sha256"])).unlink()
    back(node, old(node))
    after = node.manifest()
    assert node.read(FILE) == "old" and node.path(FILE).stat().st_mtime >= began - 1
    assert compare(after[FILE]["vector"], before[FILE]["vector"]) == AFTER and after[FILE]["by"] == "a"
    # Nothing else has changed: what is missing was not deleted, and is not there either.
    assert after.pop(FILE) and before.pop(FILE) and after == before and GONE not in after
    assert node.store().load().missing == {GONE} and not node.store().load().rivals
    assert [item["reason"][:8] for item in node.history(FILE)] == ["restored", "replaced"]
    node.run()
    assert (cluster.map.parent / "log").read_text() == "ran\n"
    cluster.round(2)
    assert cluster.contents(FILE) == ["old", "old"] and cluster.contents(OTHER) == ["other", "other"]


def test_the_command_goes_back_and_tells_the_peers(cluster: Cluster) -> None:
    node = cluster["a"]
    assert program.go_back(node.layout, FILE, old(node), cluster.shell) == 0
    assert node.read(FILE) == "old" and list(cluster["b"].layout.told.iterdir())
    assert cluster["b"].run() == 0 and cluster["b"].read(FILE) == "old"


def test_its_steps_are_those_of_a_run(cluster: Cluster) -> None:
    node, seen = cluster["a"], list[str]()
    back(node, old(node), lambda what, where: seen.append(f"{what} {where}"))
    places = [
        position(seen, step)
        for step in (
            "rename .*/journal.json", "link .*/history/.*", f"draft {FILE}", "sync .*/history/one.*",
            "rename .*/pending.json", f"aside {FILE}", f"swap {FILE}", f"settle {FILE}", "sync .*/root/etc",
            "rename .*/state/manifest.json", "rename .*/export/manifest.json", "unlink .*/journal.json",
        )
    ]  # fmt: skip
    assert places == sorted(places), seen
    assert not (node.layout.state / "journal.json").exists()


def test_other_files_of_the_entry_are_not_deleted_by_it(cluster: Cluster) -> None:
    node = cluster["a"]
    node.settings["entries"][1]["delete"] = True
    node.configure()
    back(node, old(node))
    assert node.manifest()[OTHER]["sha256"]


def test_a_missing_file_is_there_again(cluster: Cluster) -> None:
    node, identity = cluster["a"], old(cluster["a"])
    cluster.connect()
    node.path(FILE).unlink()
    node.run()
    assert FILE not in node.manifest()
    back(node, identity)
    assert FILE in node.manifest() and node.store().load().missing == {GONE}


@pytest.mark.parametrize("choice", ["former", "current"])
def test_it_settles_a_conflict(cluster: Cluster, choice: str) -> None:
    for name, node in cluster.nodes.items():
        configure(node, conflict="refuse")
        cluster.connect()
        node.write(FILE, f"from {name}")
        node.run()
    cluster.connect("a", "b")
    cluster["a"].run()
    assert cluster["a"].state(FILE) == "conflict" and FILE in cluster["a"].store().load().rivals
    back(cluster["a"], old(cluster["a"]) if choice == "former" else "current")
    assert not cluster["a"].store().load().rivals
    cluster.round(2)
    assert cluster.contents(FILE) == ["old" if choice == "former" else "from a"] * 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"modes": ["0600"]}, "has the mode 0644"),
        ({"owners": ["nobody"]}, "belongs to"),
        ({"check": ["/bin/grep", "-q", "new", "{file}"]}, "exit status 1"),
        ({"check": ["/nonexistent", "{file}"]}, "No such file"),
    ],
)
def test_what_may_not_lie_there_any_more_stays_out(cluster: Cluster, more: dict[str, Any], reason: str) -> None:
    node, identity = cluster["a"], old(cluster["a"])
    if "check" not in more:  # else it is the file that is there which is refused
        cluster.connect()
        node.path(FILE).unlink()
        node.run()
    before = node.read(FILE)
    configure(node, **more)
    with pytest.raises(SyncError, match=reason):
        back(node, identity)
    assert node.read(FILE) == before and not (node.layout.state / "journal.json").exists()


def test_what_is_damaged_stays_out(cluster: Cluster) -> None:
    node = cluster["a"]
    (node.store().shelf(FILE) / old(node)).write_text("rotten")
    with pytest.raises(SyncError, match="the kept content is damaged"):
        back(node, old(node))
    assert node.read(FILE) == "new"


def test_a_link_is_not_replaced(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster["a"]
    (tmp_path / "own").write_text("own")
    node.path(FILE).unlink()
    node.path(FILE).symlink_to(tmp_path / "own")
    with pytest.raises(SyncError, match="symbolic link"):
        back(node, old(node))
    assert node.path(FILE).is_symlink() and (tmp_path / "own").read_text() == "own"


def test_an_edit_at_this_moment_wins(cluster: Cluster) -> None:
    node = cluster["a"]

    def edit(what: str, where: str) -> None:
        if what == "draft":
            node.write(FILE, "saved just now")

    with pytest.raises(SyncError, match="changed at this moment"):
        back(node, old(node), edit)
    assert node.read(FILE) == "saved just now"
    cluster.round(2)
    assert cluster.contents(FILE) == ["saved just now"] * 2
    assert not list(Path(node.layout.root).rglob(".linuxha-sync-*"))


def test_a_run_that_was_killed_is_ended_first(cluster: Cluster) -> None:
    """Else what it had put into place would be an edit made here, and in conflict with where it came from."""
    node = cluster["a"]
    for each in cluster.nodes.values():
        configure(each, conflict="refuse")
    cluster["b"].write(FILE, "newer")
    cluster["b"].run()
    child = os.fork()
    if child == 0:
        node.run(lambda what, where: os.kill(os.getpid(), signal.SIGKILL) if what == "settle" else None)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]) and node.read(FILE) == "newer"
    back(node, old(node))
    cluster.round(2)
    assert cluster.contents(FILE) == ["old", "old"] and node.state(FILE) == "in_step"


@pytest.mark.parametrize("command", [["run"], ["restore", FILE, "current"]])
def test_nothing_happens_while_a_run_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    layout = cluster["a"].layout
    before = cluster["a"].everything()
    monkeypatch.setattr(program, "LOCK_WAIT_S", 0.1)
    monkeypatch.setattr(Layout, "here", lambda: layout)
    with locked(layout, 0):
        assert program.main(command) == 1
    assert "another run" in capsys.readouterr().err and cluster["a"].everything() == before
