# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""How much a peer can cost: of the own manifest, of memory, disk and runs. And who may write where root looks."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from linuxha_sync import decide, fetch, gate, manifest
from linuxha_sync import main as program
from linuxha_sync.fetch import PeerError, Peers, batches
from linuxha_sync.layout import Layout
from linuxha_sync.manifest import HORIZON_S, Bounds, ManifestError, Room, Version, as_json, parse, render
from linuxha_sync.run import Run
from linuxha_sync.store import Store
from linuxha_sync.versions import bump

from .nodes import FILE, FOLDER, USER, Cluster, Near, Node

SHA = "a" * 64
NOW = 1_800_000_000
GOOD = Version(SHA, 3, 0o644, "root", "root", 5, "b", {"b": 1})
GONE = Version("", 0, 0, "", "", 5, "b", {"b": 1})


def bounds(now_s: int = NOW) -> Bounds:
    return Bounds(frozenset("ab"), now_s * 10**9)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = Cluster(tmp_path, entries=[{"name": "many", "path": FOLDER, "kind": "directory", "delete": True}])
    made["a"].write(f"{FOLDER}/x", "good")
    made.round(3)
    return made


def publish(node: Node, files: dict[str, dict[str, Any]]) -> None:
    """What a node says beside what it has, whatever its own program would say to it."""
    known = node.manifest()
    document = {"format": 1, "node": node.name, "files": {**known, **files}}
    (node.layout.export / "manifest.json").write_text(json.dumps(document))


def item(version: Version, **more: Any) -> dict[str, Any]:
    return {**as_json(version), **more}


# --- the own manifest ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"vector": {f"n{number}": 1 for number in range(64)}}, "no node in the settings"),
        ({"vector": {"a": 2**62 - 1}}, "is more than"),
        ({"vector": {"b": 2**62 - 1}}, "is more than"),
    ],
)
def test_what_a_peer_invents_never_gets_into_the_own_manifest(
    cluster: Cluster, more: dict[str, Any], words: str
) -> None:
    node = cluster["a"]
    before = node.manifest()
    publish(cluster["b"], {f"{FOLDER}/x": {**before[f"{FOLDER}/x"], **more}})
    assert node.run() == 0
    assert words in node.status()["peers"]["b"]["problem"] and not node.status()["in_step"]
    assert node.manifest() == before
    # And goes on with its own files.
    node.write(f"{FOLDER}/y", "mine")
    assert node.run() == 0 and f"{FOLDER}/y" in node.manifest()


def test_the_own_manifest_is_read_whatever_it_has(cluster: Cluster) -> None:
    """It came before there was a bound, or from a program that had a fault: it is all that the node knows."""
    path = cluster["a"].layout.state / "manifest.json"
    document = json.loads(path.read_text())
    vector = document["files"][f"{FOLDER}/x"]["vector"]
    vector.update({f"n{number}": 2**63 for number in range(100)}, a=2**63)
    document["rivals"] = {f"{FOLDER}/x": dict.fromkeys(vector, 1)}
    path.write_text(json.dumps(document) + " " * (3 * manifest.MAX_BYTES))
    state = cluster["a"].store().load()
    # Nodes that are none are forgotten with it.
    assert state.files[f"{FOLDER}/x"].vector == {"a": 2**63} and state.rivals == {f"{FOLDER}/x": {"a": 1}}


def test_a_counter_driven_to_its_limit_can_be_counted_on() -> None:
    """Else a peer could stop another one: what that one counts next would be refused by everybody."""
    most = bounds().count
    assert most == NOW + HORIZON_S
    worst = {"a": most}
    parse(render("b", {"/x": replace(GOOD, vector=worst)}), "b", bounds())
    after = render("b", {"/x": replace(GOOD, vector=bump(worst, "a", NOW))})
    with pytest.raises(ManifestError):
        parse(after, "b", bounds())
    parse(after, "b", bounds(NOW + 1))


def test_a_node_whose_clock_starts_in_1970_believes_its_peers() -> None:
    parse(render("b", {"/x": replace(GOOD, vector={"b": NOW})}), "b", bounds(5))


def test_too_many_files_or_deletions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_FILES", 6)
    monkeypatch.setattr(manifest, "MAX_DELETIONS", 3)
    parse(render("b", {f"/{n}": GONE for n in range(3)}), "b", bounds())
    with pytest.raises(ManifestError, match="4 of them are deletions, more than 3"):
        parse(render("b", {f"/{n}": GONE for n in range(4)}), "b", bounds())
    with pytest.raises(ManifestError, match="are 10, more than 9"):
        parse(render("b", {f"/{n}": GOOD for n in range(10)}), "b", bounds())
    monkeypatch.setattr(manifest, "MAX_BYTES", 100)
    with pytest.raises(ManifestError, match="larger than 100 bytes"):
        parse(render("b", {"/x": GOOD}), "b", bounds())


def test_a_manifest_of_empty_objects_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take 35 times its size of memory."""

    def loads(data: str) -> None:
        raise AssertionError("was read")

    monkeypatch.setattr(manifest, "json", SimpleNamespace(loads=loads))
    for piece in (b'{"":{"":{}}},', b"[[[]]],"):
        data = b'{"a":[' + piece * (manifest.MAX_BYTES // len(piece) - 2) + b"0]}"
        with pytest.raises(ManifestError, match=r"too many objects: [0-9]+, more than 100000"):
            parse(data, "b", bounds())


def test_as_many_files_and_deletions_as_are_allowed_are_not_too_many_objects() -> None:
    files = {f"/etc/many/[{n}]": GOOD for n in range(manifest.MAX_FILES)}
    files.update({f"/etc/many/{{{n}": GONE for n in range(manifest.MAX_DELETIONS)})
    assert parse(render("b", files), "b", bounds()) == files


def test_a_deletion_of_tomorrow_is_one_of_today() -> None:
    """Else it would never be forgotten."""
    (found,) = parse(render("b", {"/x": replace(GONE, mtime_ns=2**61)}), "b", bounds()).values()
    assert found.mtime_ns == NOW * 10**9


def test_of_a_deletion_nothing_counts_but_that_it_is_one() -> None:
    """Else two deletions of one file could differ, and be a conflict."""
    dressed = replace(GONE, size=5, mode=0o644, owner="root", group="daemon")
    assert parse(render("b", {"/x": dressed}), "b", bounds()) == {"/x": GONE}


def test_deletions_of_files_that_were_never_here_leave_room_for_the_own(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "MAX_DELETIONS", 20)
    now_ns = time.time_ns()
    publish(cluster["b"], {f"{FOLDER}/never-{n:02}": item(GONE, mtime_ns=now_ns) for n in range(20)})
    for _time in range(2):  # another turn adds nothing
        assert cluster["a"].run() == 0
        dead = [path for path, version in cluster["a"].manifest().items() if not version["sha256"]]
        assert len(dead) == 10
        assert any("10 deletions are remembered" in problem for problem in cluster["a"].status()["problems"])
    cluster["a"].path(f"{FOLDER}/x").unlink()
    assert cluster["a"].run() == 0
    assert cluster["a"].manifest()[f"{FOLDER}/x"]["sha256"] == ""


@pytest.mark.parametrize(("bound", "value"), [("MAX_FILES", 8), ("MAX_BYTES", 3000)])
def test_what_is_taken_leaves_the_own_manifest_acceptable(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    cluster["a"].run()
    text = "made"
    digest = hashlib.sha256(text.encode()).hexdigest()
    (cluster["b"].layout.objects / digest).write_text(text)
    like = cluster["a"].manifest()[f"{FOLDER}/x"]
    made = {**like, "sha256": digest, "size": len(text), "vector": {"b": int(time.time())}}
    monkeypatch.setattr(manifest, bound, value)
    for turn in "yz":  # each manifest alone is within the bounds
        publish(cluster["b"], {f"{FOLDER}/{turn}{n}": made for n in range(6)})
        assert cluster["a"].run() == 0
    assert 7 <= len(cluster["a"].manifest()) <= 10
    assert any("is not taken" in problem for problem in cluster["a"].status()["problems"]), cluster["a"].status()
    parse((cluster["a"].layout.export / "manifest.json").read_bytes(), "a", Bounds(frozenset("ab"), time.time_ns()))


def test_room_is_what_is_left() -> None:
    full = {f"/{n}": GONE for n in range(manifest.MAX_DELETIONS // 2)}
    assert "deletions are remembered" in Room(full).refusal("/new", GONE)
    assert Room(full).refusal("/new", GOOD) == ""


def test_the_oldest_deletions_are_forgotten_first() -> None:
    files = {f"/{n}": replace(GONE, mtime_ns=n) for n in range(5)} | {"/live": GOOD}
    assert set(decide.remembered(files, 3)) == {"/2", "/3", "/4", "/live"}
    assert decide.remembered(files, 5) is files


def test_too_many_own_deletions_are_forgotten_in_a_run(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    real = decide.remembered
    monkeypatch.setattr(decide, "remembered", lambda files: real(files, 2))
    for number in range(4):
        cluster["a"].write(f"{FOLDER}/{number}", "x")
    cluster["a"].run()
    for number in range(4):
        cluster["a"].path(f"{FOLDER}/{number}").unlink()
    for _time in range(2):
        cluster["a"].run()
    assert len([version for version in cluster["a"].manifest().values() if not version["sha256"]]) == 2


def test_a_node_that_left_is_forgotten_and_the_others_go_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc")
    cluster.round(2)
    cluster["c"].write(FILE, "from c")
    cluster.round(2)
    assert "c" in cluster["a"].manifest()[FILE]["vector"]
    del cluster.nodes["c"]
    for node in cluster.nodes.values():
        node.settings["peers"] = [peer for peer in node.settings["peers"] if peer["name"] != "c"]
        node.configure()
    cluster.connect("a", "b")
    cluster.round(3)
    assert all(node.status()["in_step"] for node in cluster.nodes.values()), cluster["a"].status()
    assert "c" not in cluster["a"].manifest()[FILE]["vector"]
    cluster["b"].write(FILE, "from b")
    cluster.round(2)
    assert cluster.contents(FILE) == ["from b", "from b"]


@pytest.mark.parametrize("policy", ["primary", "newest", "refuse"])
def test_what_only_a_node_that_left_had_counted_is_not_that_of_a_bare_machine(tmp_path: Path, policy: str) -> None:
    """Neither its edits nor its deletions: else what a new node has from its distribution could win."""
    entries = [{"name": "many", "path": FOLDER, "kind": "directory", "delete": True}]
    cluster = Cluster(tmp_path, "abc", entries, primary="c", conflict=policy)
    text, gone = f"{FOLDER}/x", f"{FOLDER}/gone"
    peers = cluster["a"].settings["peers"] + cluster["b"].settings["peers"]

    def members(*names: str) -> None:
        for name in names:
            known = {peer["name"]: peer for peer in peers if peer["name"] in names and peer["name"] != name}
            cluster[name].settings["peers"] = list(known.values())
            cluster[name].configure()
        cluster.connect(*names)

    members("a", "b")
    bare = cluster.nodes.pop("c")
    for path in (text, gone):
        cluster["a"].write(path, "what was there before")
    cluster.round(2)
    cluster["a"].write(text, "of the cluster")
    cluster["a"].path(gone).unlink()
    cluster.round(2)
    assert set(cluster["b"].manifest()[text]["vector"]) == set(cluster["b"].manifest()[gone]["vector"]) == {"a"}
    cluster.nodes = {"c": bare, "b": cluster["b"]}
    members("b", "c")
    for path in (text, gone):
        bare.write(path, "of the distribution", mtime=time.time() + 1)
    cluster.round(4)
    assert cluster.contents(text) == ["of the cluster"] * 2 and cluster.contents(gone) == [None] * 2
    assert all(node.status()["in_step"] for node in cluster.nodes.values()), cluster["b"].status()


# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    node = Cluster(tmp_path)["a"]
    return Peers(program.read_settings(node.layout), node.store())


@pytest.mark.parametrize("script", ["yes", "yes >&2", "yes x | head -c 70000; sleep 60"])
def test_an_answer_without_an_end(peers: Peers, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(PeerError, match="more than 65536 bytes"):
        peers.run(["sh", "-c", script], 20, 1000)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("script", ["sleep 60", "echo begun; sleep 60", "exec >&- 2>&-; sleep 60"])
def test_an_answer_that_does_not_come(peers: Peers, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(PeerError, match="no answer within"):
        peers.run(["sh", "-c", script], 0.3, 1000)
    assert time.monotonic() - began < 5


def test_an_answer_and_a_complaint(peers: Peers) -> None:
    assert peers.run(["sh", "-c", "echo yes; echo no >&2"], 5, 1000) == "yes\n"
    with pytest.raises(PeerError, match=r"^no more$"):
        peers.run(["sh", "-c", "echo no more >&2; exit 3"], 5, 1000)
    with pytest.raises(PeerError, match="exit status 3"):
        peers.run(["sh", "-c", "exit 3"], 5, 1000)


def test_no_file_grows_beyond_its_limit(peers: Peers, tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        peers.run(["sh", "-c", f"head -c 5000 /dev/zero >{tmp_path}/got"], 5, 1000)
    assert (tmp_path / "got").stat().st_size <= 1000


# --- what it sends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ({}, 10, []),
        ({"a": 3, "b": 3, "c": 3}, 10, [["a", "b", "c"]]),
        ({"a": 4, "b": 4, "c": 4}, 10, [["a", "b"], ["c"]]),
        # Small files claimed beside a large one: each of them could be as large.
        ({"a": 1, "b": 1, "c": 9}, 10, [["a", "b"], ["c"]]),
        ({"a": 50}, 10, [["a"]]),
        ({"a": 0, "b": 0}, 10, [["a", "b"]]),
    ],
)
def test_batches(sizes: dict[str, int], limit: int, expected: list[list[str]]) -> None:
    assert batches(sizes, limit) == expected


def test_a_batch_fits_into_one_command() -> None:
    assert [len(batch) for batch in batches({f"{n:04}": 1 for n in range(450)}, 10**9)] == [200, 200, 50]


def test_a_transfer_is_bounded_by_what_was_announced(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []
    real = Near.copy

    def copy(self: Near, address: str, names: Sequence[str], into: Path, limit: int, timeout: float) -> None:
        if "objects" in names[0]:
            limits.append(limit)
        real(self, address, names, into, limit, timeout)

    monkeypatch.setattr(Near, "copy", copy)
    cluster["b"].write(f"{FOLDER}/new", "x" * 77)
    cluster["b"].run()
    cluster["a"].run()
    assert limits == [77]


class Slow:
    """Time that goes on only while something is transferred."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: float):
        self.now, self.allowed = 0.0, list[float]()
        real = Near.copy

        def copy(near: Near, address: str, names: Sequence[str], into: Path, limit: int, timeout: float) -> None:
            if "objects" in names[0]:
                self.allowed.append(timeout)
                self.now += min(takes, timeout)
                if takes > timeout:
                    raise PeerError(f"no answer within {timeout:g} s")
            real(near, address, names, into, limit, timeout)

        monkeypatch.setattr(Near, "copy", copy)
        clock = SimpleNamespace(monotonic=lambda: self.now, monotonic_ns=time.monotonic_ns, time_ns=time.time_ns)
        monkeypatch.setattr(fetch, "time", clock)


def test_a_slow_peer_does_not_take_the_time_of_all_others(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd ends the run after 300 s, and nothing of what came would be in place."""
    for node in cluster.nodes.values():
        node.settings["batch_limit_bytes"] = 1024
        node.configure()
    for number in range(5):
        cluster["b"].write(f"{FOLDER}/new-{number}", str(number) * 1000)
    cluster["b"].run()
    slow = Slow(monkeypatch, 50)
    assert cluster["a"].run() == 0
    assert slow.allowed == [120, 70, 20] and slow.now == 120
    files = cluster["a"].status()["files"]
    reasons = [files[f"{FOLDER}/new-{number}"]["reason"] for number in range(5)]
    assert len([reason for reason in reasons if fetch.TOO_SLOW in reason]) == 2, reasons
    assert len([reason for reason in reasons if not reason]) == 2, reasons
    # What came is in place, and the next run brings the rest.
    assert cluster["a"].run() == 0
    cluster["a"].run()
    assert all(cluster["a"].read(f"{FOLDER}/new-{number}") == str(number) * 1000 for number in range(5))


def test_all_slow_peers_together_leave_time_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(
        tmp_path, "abcd", [{"name": "many", "path": FOLDER, "kind": "directory"}], [("a", n) for n in "bcd"]
    )
    cluster.round()
    for name in "bcd":
        cluster[name].write(f"{FOLDER}/{name}", name * 10)
        cluster[name].run()
    slow = Slow(monkeypatch, 1000)
    assert cluster["a"].run() == 0
    assert slow.now == sum(slow.allowed) <= fetch.TRANSFERS_S and len(slow.allowed) == 2
    assert fetch.TOO_SLOW in cluster["a"].status()["files"][f"{FOLDER}/d"]["reason"]


def test_a_reserve_of_the_disk_stays_free(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster["a"].settings["reserve_percent"] = 10
    cluster["a"].configure()
    cluster["b"].write(f"{FOLDER}/new", "x" * 100)
    cluster["b"].run()
    # What is kept for root is free, and the percent are of a whole that has it in it.
    disk = SimpleNamespace(f_bavail=249, f_bfree=299, f_frsize=1, f_blocks=1000)
    monkeypatch.setattr(fetch.os, "statvfs", lambda path: disk)
    cluster["a"].run()
    assert cluster["a"].read(f"{FOLDER}/new") is None
    assert "reserve_percent 10" in cluster["a"].status()["files"][f"{FOLDER}/new"]["reason"]
    disk.f_bfree, disk.f_bavail = 300, 250
    cluster["a"].run()
    assert cluster["a"].read(f"{FOLDER}/new") == "x" * 100


# --- who may write where root looks ----------------------------------------------------------------------------------


def test_names_below_incoming_are_made_by_root_alone(tmp_path: Path) -> None:
    """Else the account of the peers could put a link there that root would follow."""
    user = "nobody" if os.geteuid() == 0 else USER
    node = Cluster(tmp_path, user=user)["a"]
    store = node.store()
    store.layout.incoming.mkdir(parents=True)
    if os.geteuid() == 0:  # as an earlier version left it
        os.chown(store.layout.incoming, store.uid, store.gid)
    store.ensure()
    for path in (store.layout.incoming, store.layout.wanted):
        status = path.stat()
        assert status.st_uid == os.geteuid() and not status.st_mode & 0o022, path
    assert store.layout.told.stat().st_uid == pwd.getpwnam(user).pw_uid
    with store.room("b") as room:
        assert room.stat().st_uid == pwd.getpwnam(user).pw_uid and room.stat().st_mode & 0o777 == 0o700
        (room / "x").write_text("x")
    assert not room.exists()


def test_a_link_in_place_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    node = Cluster(tmp_path)["a"]
    store = node.store()
    store.ensure()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    for path in (store.layout.told, store.layout.incoming):
        path.rmdir()
        path.symlink_to(elsewhere)
        with pytest.raises(OSError):
            store.ensure()
        path.unlink()
        path.mkdir()
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_a_peer_leaves_one_note_however_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(state=tmp_path, run=tmp_path)
    layout.told.mkdir()
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "notify")
    for _time in range(3):
        monkeypatch.setattr(os, "getpid", time.monotonic_ns)
        assert gate.main(layout, []) == 0
    assert len(list(layout.told.iterdir())) == 1


# --- what cannot be done is not tried again by what it leaves ---------------------------------------------------------


def test_an_unknown_owner_is_noticed_before_anything_is_made(tmp_path: Path) -> None:
    owners = [USER, "nosuchowner"]
    cluster = Cluster(tmp_path, entries=[{"name": "many", "path": FOLDER, "kind": "directory", "owners": owners}])
    cluster["a"].write(f"{FOLDER}/x", "x")
    cluster.round(2)
    later = int(time.time()) + 9
    known = cluster["b"].manifest()[f"{FOLDER}/x"]
    publish(cluster["b"], {f"{FOLDER}/x": {**known, "owner": "nosuchowner", "vector": {"a": later, "b": later}}})
    before = cluster["a"].path(FOLDER).stat().st_mtime_ns
    cluster["a"].run()
    assert "nosuchowner" in cluster["a"].status()["files"][f"{FOLDER}/x"]["reason"]
    assert cluster["a"].path(FOLDER).stat().st_mtime_ns == before


@pytest.mark.parametrize("step", ["draft", "swap"])
def test_what_failed_waits_for_the_timer(cluster: Cluster, step: str) -> None:
    node, path = cluster["a"], f"{FOLDER}/x"
    cluster["b"].write(path, "new")
    cluster["b"].run()
    tried: list[str] = []

    def full(what: str, where: str) -> None:
        if what == step and where == path:
            tried.append(where)
            raise OSError(errno.ENOSPC, "No space left on device", where)

    node.run(full)
    assert tried == [path] and node.state(path) == "failed"
    # Its trace in the directory has started this one.
    node.run(full, patient=True)
    assert tried == [path] and node.state(path) == "failed"
    assert "No space left" in node.status()["files"][path]["reason"] and not node.status()["in_step"]
    node.run(full)
    assert len(tried) == 2
    # Another content is another matter.
    cluster["b"].write(path, "newer")
    cluster["b"].run()
    node.run(patient=True)
    assert node.read(path) == "newer" and node.status()["in_step"]


def test_what_failed_waits_for_the_timer_also_after_a_run_that_was_cut_off(tmp_path: Path) -> None:
    """By a full disk, the case for which it is kept in memory."""
    cluster = Cluster(tmp_path)
    node, path, older = cluster["a"], f"{FOLDER}/x", "0" * 64
    cluster["b"].write(path, "new")
    cluster["b"].write(FILE, "new")
    cluster["b"].run()
    tried: list[str] = []

    def full(what: str, where: str) -> None:
        if what == "draft" and where == path:
            tried.append(where)
        if (what == "draft" and where == path) or (tried and what == "write" and "manifest" in where):
            raise OSError(errno.ENOSPC, "No space left on device", where)

    node.layout.run.mkdir()
    (node.layout.run / "failed.json").write_text(json.dumps({older: "of the run before"}))
    assert node.run(full) == 1 and tried == [path]
    kept = json.loads((node.layout.run / "failed.json").read_text())
    assert kept.pop(older) == "of the run before" and "No space left" in "".join(kept.values())
    node.run(full, patient=True)
    assert tried == [path]
    assert node.run() == 0 and node.read(path) == node.read(FILE) == "new"


def test_an_action_that_failed_waits_for_the_timer(tmp_path: Path) -> None:
    """It may itself be what changes a watched directory."""
    said, good = tmp_path / "said", tmp_path / "good"
    action = ["/bin/sh", "-c", f"echo ran >>{said}; test -e {good}"]
    cluster = Cluster(tmp_path, entries=[{"name": "one", "path": FILE, "kind": "file", "action": action}])
    cluster["b"].write(FILE, "x")
    cluster["b"].run()
    node = cluster["a"]
    node.run()
    assert said.read_text() == "ran\n"
    node.run(patient=True)
    assert said.read_text() == "ran\n" and not node.status()["in_step"]
    good.touch()
    node.run()
    assert said.read_text() == "ran\nran\n" and node.status()["in_step"]


@pytest.mark.parametrize(
    ("unit", "patient"), [("linuxha-sync.path", True), ("linuxha-sync.timer", False), (None, False)]
)
def test_what_started_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str | None, patient: bool
) -> None:
    found: list[bool] = []

    def whole(self: Run, cause: str) -> int:
        found.append(self.patient)
        return 0

    monkeypatch.setattr(Run, "whole", whole)
    monkeypatch.delenv("TRIGGER_UNIT", raising=False)
    if unit:
        monkeypatch.setenv("TRIGGER_UNIT", unit)
    assert program.run(Cluster(tmp_path)["a"].layout, "test") == 0
    assert found == [patient]


def test_stores_are_apart(tmp_path: Path) -> None:
    """The rooms of two peers are two: they are asked at the same time."""
    node = Cluster(tmp_path)["a"]
    store = Store(node.layout, program.read_settings(node.layout))
    store.ensure()
    with store.room("b") as one, store.room("c") as other:
        assert one != other and one.exists() and other.exists()
