# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two and three nodes: what one changes arrives on the others, and what must not happen does not."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from .nodes import ENTRIES, FILE, FOLDER, GROUP, USER, Cluster


def entries(**more: Any) -> list[dict[str, Any]]:
    return [{**entry, **more} for entry in ENTRIES]


def one(**more: Any) -> list[dict[str, Any]]:
    return [{**ENTRIES[0], **more}]


@pytest.mark.parametrize("real", [False, True], ids=["near", "rsync"])
def test_a_change_arrives_and_a_second_run_writes_nothing(tmp_path: Path, real: bool) -> None:
    cluster = Cluster(tmp_path, real=real)
    cluster["a"].write(FILE, "first\n")
    cluster["a"].write(f"{FOLDER}/inner/x", "x\n")
    cluster.round(2)
    assert cluster.contents(FILE) == ["first\n", "first\n"]
    assert cluster.contents(f"{FOLDER}/inner/x") == ["x\n", "x\n"]
    cluster["b"].write(FILE, "second\n")
    assert cluster["b"].run() == 0
    assert list(cluster["a"].layout.told.iterdir())  # it was told
    assert cluster["a"].run() == 0
    assert cluster.contents(FILE) == ["second\n", "second\n"]
    assert [item["by"] for item in cluster["a"].history(FILE)] == ["b"]
    time.sleep(0.15)  # what was changed just now is read again: its time stamp is too young
    cluster.round()
    before = {name: node.everything() for name, node in cluster.nodes.items()}
    cluster.round()
    assert {name: node.everything() for name, node in cluster.nodes.items()} == before
    assert all(node.status()["in_step"] for node in cluster.nodes.values())


def test_three_nodes_in_a_row(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc", links=[("a", "b"), ("b", "c")])
    cluster["a"].write(FILE, "far\n")
    cluster.round(3)
    assert cluster.contents(FILE) == ["far\n"] * 3
    cluster["c"].write(FILE, "back\n")
    cluster.round(3)
    assert cluster.contents(FILE) == ["back\n"] * 3


def test_rights_and_time_arrive(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "text", mtime=1_600_000_000)
    cluster.round(2)
    cluster["a"].path(FILE).chmod(0o600)
    cluster.round(2)
    status = cluster["b"].path(FILE).stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o600, 1_600_000_000)


@pytest.mark.parametrize("mode", [0o4755, 0o666])
def test_dangerous_rights_stay_where_they_are(tmp_path: Path, mode: int) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "text")
    cluster["a"].path(FILE).chmod(mode)
    cluster.round(2)
    assert cluster["b"].read(FILE) is None
    assert "mode" in cluster["a"].status()["files"][FILE]["reason"]


def test_a_bare_node_takes_what_the_cluster_has(tmp_path: Path) -> None:
    """The file of the distribution is younger than that of the cluster, and must not win all the same."""
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "distribution", mtime=1_000)
    cluster.round(2)
    cluster["a"].write(FILE, "ours", mtime=2_000)
    cluster.round(2)
    for name in ("root", "state", "run"):
        shutil.rmtree(cluster["a"].base / name)
    cluster["a"].configure()
    cluster["a"].write(FILE, "distribution")
    cluster.round(2)
    assert cluster.contents(FILE) == ["ours", "ours"]
    cluster["a"].write(FILE, "edited on the new box")
    cluster.round(2)
    assert cluster.contents(FILE) == ["edited on the new box"] * 2


# --- deletions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delete", [True, False])
def test_a_deletion_spreads_only_when_declared(tmp_path: Path, delete: bool) -> None:
    cluster = Cluster(tmp_path, "abc", entries(delete=delete))
    path = f"{FOLDER}/x"
    cluster["a"].write(path, "x")
    cluster["a"].write(f"{FOLDER}/stays", "y")
    cluster.round(2)
    cluster["b"].path(path).unlink()
    cluster["b"].run()
    cluster.round(2)
    assert cluster.contents(path) == ([None] * 3 if delete else ["x"] * 3)
    assert len(cluster["c"].history(path)) == (1 if delete else 0)
    if delete:
        assert cluster["c"].restore(path, cluster["c"].history(path)[0]["id"]) == 0
        cluster.round(2)
        assert cluster.contents(path) == ["x"] * 3


def test_a_directory_that_is_not_there_deletes_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, entries=entries(delete=True))
    cluster["a"].write(f"{FOLDER}/x", "x")
    cluster.round(2)
    shutil.rmtree(cluster["b"].path(FOLDER))
    cluster["b"].run()
    cluster.round(2)
    assert cluster.contents(f"{FOLDER}/x") == ["x", "x"]


def test_a_file_missing_everywhere_stays_missing_and_is_reported(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    cluster.connect()
    for node in cluster.nodes.values():
        node.path(FILE).unlink()
        node.run()
    cluster.connect("a", "b")
    cluster.round(2)
    assert cluster.contents(FILE) == [None, None]
    assert cluster["a"].state(FILE) == "waiting"


def test_the_newest_comes_back_although_the_peer_has_an_older_one(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "old")
    cluster.round(2)
    cluster.connect("a")
    cluster["a"].write(FILE, "new")
    cluster["a"].run()
    cluster["a"].path(FILE).unlink()
    cluster.connect("a", "b")
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "new"


# --- conflicts -------------------------------------------------------------------------------------------------------


def apart(cluster: Cluster, a: tuple[str, float], b: tuple[str, float]) -> None:
    """Both edit while they cannot see each other."""
    cluster["a"].write(FILE, "common", mtime=1_000)
    cluster.round(3)
    assert cluster.contents(FILE) == ["common", "common"]
    for name, (text, mtime) in {"a": a, "b": b}.items():
        cluster.connect()
        cluster[name].write(FILE, text, mtime)
        cluster[name].run()
    cluster.connect("a", "b")


def test_newest_wins_and_the_other_is_kept(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    apart(cluster, ("from a", 2_000), ("from b", 3_000))
    cluster.round(3)
    assert cluster.contents(FILE) == ["from b", "from b"]
    identity = cluster["a"].history(FILE)[0]["id"]
    assert cluster["a"].restore(FILE, identity) == 0
    cluster.round(2)
    assert cluster.contents(FILE) == ["from a", "from a"]


@pytest.mark.parametrize(
    ("ahead", "b_time", "reason"),
    [
        (60.0, 3_000, "the clock of b is"),
        (1.0, 2_000.5, "the clocks agree to"),
        (0.0, 2_000, "the clocks agree to"),
        (0.0, time.time() + 86_400, "dated in the future"),
    ],
    ids=["skew", "closer than the skew", "same time", "future"],
)
def test_a_clock_that_cannot_be_trusted_stops_the_newest(
    tmp_path: Path, ahead: float, b_time: float, reason: str
) -> None:
    cluster = Cluster(tmp_path)
    apart(cluster, ("from a", 2_000), ("from b", b_time))
    cluster.ahead = {"b": ahead}
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "from a"
    item = cluster["a"].status()["files"][FILE]
    assert item["state"] == "conflict" and reason in item["reason"]


def test_the_primary_wins(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, conflict="primary")
    apart(cluster, ("from a", 2_000), ("from b", 3_000))
    cluster["b"].run()
    cluster.round(2)
    assert cluster.contents(FILE) == ["from a", "from a"]
    assert len(cluster["b"].history(FILE)) == 1


@pytest.mark.parametrize(("choice", "outcome"), [("edit", "both"), ("current", "from a")])
def test_refused_until_somebody_edits_or_chooses(tmp_path: Path, choice: str, outcome: str) -> None:
    cluster = Cluster(tmp_path, conflict="refuse")
    apart(cluster, ("from a", 2_000), ("from b", 3_000))
    cluster.round(2)
    assert cluster.contents(FILE) == ["from a", "from b"]
    assert [node.state(FILE) for node in cluster.nodes.values()] == ["conflict"] * 2
    if choice == "edit":
        cluster["a"].write(FILE, outcome)
        cluster["a"].run()
    else:
        assert cluster["a"].restore(FILE, "current") == 0
    cluster.round(2)
    assert cluster.contents(FILE) == [outcome, outcome]
    assert all(node.status()["in_step"] for node in cluster.nodes.values())


def test_files_that_differed_before_anybody_counted_stay_as_well(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc", conflict="refuse")
    for name in "abc":
        cluster[name].write(FILE, f"from {name}")
    cluster.round(2)
    assert cluster.contents(FILE) == ["from a", "from b", "from c"]
    for node in cluster.nodes.values():
        assert node.state(FILE) == "conflict" and not node.status()["problems"]
    cluster["b"].write(FILE, "chosen")
    cluster["b"].run()
    cluster.round(2)
    assert cluster.contents(FILE) == ["chosen"] * 3


def test_a_conflict_among_peers_of_which_one_is_refused_ends_the_run(tmp_path: Path) -> None:
    check = ["/bin/sh", "-c", '! grep -q bad "$0"', "{file}"]
    cluster = Cluster(tmp_path, "abc", one(check=check), conflict="refuse")
    cluster["a"].write(FILE, "common")
    cluster.round(2)
    for name in "ab":
        cluster.connect()
        cluster[name].write(FILE, f"bad {name}")
        cluster[name].run()
    cluster.connect("a", "b", "c")
    assert cluster["c"].run() == 0
    assert cluster["c"].read(FILE) == "common" and not cluster["c"].status()["problems"]


def test_equal_edits_are_no_conflict(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, conflict="refuse")
    apart(cluster, ("same", 2_000), ("same", 3_000))
    cluster.round(3)
    manifests = [node.manifest()[FILE] for node in cluster.nodes.values()]
    assert manifests[0] == manifests[1]
    assert all(node.status()["in_step"] for node in cluster.nodes.values())


# --- checks and actions ----------------------------------------------------------------------------------------------


def test_a_file_that_its_checker_refuses_stays_out_until_it_changes(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    check = ["/bin/sh", "-c", f'echo x >> {asked}; grep -q good "$0" || {{ echo "line 1: bad"; exit 1; }}', "{file}"]
    cluster = Cluster(tmp_path, entries=one(check=check))
    cluster["a"].write(FILE, "good 1")
    cluster.round(2)
    cluster["a"].write(FILE, "broken")
    cluster.round(3)
    assert cluster.contents(FILE) == ["broken", "good 1"]
    item = cluster["b"].status()["files"][FILE]
    assert item["state"] == "refused" and "line 1: bad" in item["reason"]
    assert len(asked.read_text().splitlines()) == 2  # not again for the same content
    cluster["a"].write(FILE, "good 2")
    cluster.round(2)
    assert cluster.contents(FILE) == ["good 2", "good 2"]


def test_a_directory_is_checked_as_it_will_be(tmp_path: Path) -> None:
    check = ["/bin/sh", "-c", 'test "$(cat "$0"/* | tr -d "\\n")" != 12', "{directory}"]
    cluster = Cluster(tmp_path, entries=[{**ENTRIES[1], "check": check}])
    cluster["a"].write(f"{FOLDER}/1", "1")
    cluster.round(2)
    cluster["a"].write(f"{FOLDER}/2", "2")
    cluster.round(2)
    assert cluster.contents(f"{FOLDER}/2") == ["2", None]
    cluster["a"].write(f"{FOLDER}/3", "3")
    cluster.round(2)
    assert cluster.contents(f"{FOLDER}/3") == ["3", "3"] and cluster.contents(f"{FOLDER}/2") == ["2", "2"]


def test_a_file_that_is_there_is_replaced_in_the_copy_for_the_checker(tmp_path: Path) -> None:
    entry = {**ENTRIES[1], "check": ["/bin/grep", "-q", "new", "{directory}/x"]}
    cluster = Cluster(tmp_path, entries=[entry])
    for text in ("new 1\n", "new 2\n"):
        cluster["a"].write(f"{FOLDER}/x", text)
        cluster.round(2)
        assert cluster["b"].read(f"{FOLDER}/x") == text


def test_the_action_runs_once_after_all_files_and_again_while_it_fails(tmp_path: Path) -> None:
    log = tmp_path / "log"
    action = ["/bin/sh", "-c", f"ls {tmp_path}/b/root{FOLDER} | wc -l >> {log}; test -e {tmp_path}/works"]
    cluster = Cluster(tmp_path, entries=[{**ENTRIES[1], "action": action}])
    for number in range(5):
        cluster["a"].write(f"{FOLDER}/{number}", "x")
    cluster.round(1)
    assert log.read_text().split() == ["5"]
    assert not cluster["b"].status()["in_step"]
    (tmp_path / "works").touch()
    cluster.round(3)
    assert log.read_text().split() == ["5", "5"]
    assert cluster["b"].status()["in_step"]


# --- peers and what does not belong ----------------------------------------------------------------------------------


def test_a_peer_that_is_down_stops_nobody(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "abc")
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    cluster.connect("a", "b")
    cluster["a"].write(FILE, "y")
    cluster["a"].run()
    cluster["b"].run()
    assert cluster.contents(FILE) == ["y", "y", "x"]
    status = cluster["b"].status()
    assert not status["peers"]["c"]["reached"] and not status["in_step"] and status["files"][FILE]["state"] == "in_step"
    cluster.connect("a", "b", "c")
    cluster["c"].run()
    assert cluster.contents(FILE) == ["y", "y", "y"]


def test_links_excluded_and_managed_files_are_left_alone(tmp_path: Path) -> None:
    cluster = Cluster(
        tmp_path,
        entries=[{**ENTRIES[1], "exclude": ["*.swp", "sub/secret"]}],
        managed=["/etc/other"],
    )
    node = cluster["a"]
    node.write(f"{FOLDER}/x", "x")
    node.write(f"{FOLDER}/x.swp", "x")
    node.write(f"{FOLDER}/sub/secret", "x")
    node.path(f"{FOLDER}/link").symlink_to("/etc/passwd")
    cluster.round(2)
    assert sorted(node.manifest()) == [f"{FOLDER}/x"]
    assert "symbolic link" in node.status()["files"][f"{FOLDER}/link"]["reason"]
    assert sorted(path.name for path in cluster["b"].path(FOLDER).iterdir()) == ["x"]


@pytest.mark.parametrize("check", [None, ["/bin/test", "-d", "{directory}"]], ids=["unchecked", "checked"])
def test_a_link_in_the_way_is_not_followed(tmp_path: Path, check: list[str] | None) -> None:
    cluster = Cluster(tmp_path, entries=[{**ENTRIES[1], "check": check}])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("theirs")
    cluster["b"].write(f"{FOLDER}/own", "")
    cluster["b"].path(f"{FOLDER}/sub").symlink_to(outside)
    cluster["a"].write(f"{FOLDER}/sub/x", "x")
    cluster.round(2)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("x", "theirs")]
    assert cluster["b"].state(f"{FOLDER}/sub/x") == ("refused" if check else "failed")
    cluster["b"].path(f"{FOLDER}/sub").unlink()
    cluster.round(2)
    assert cluster["b"].read(f"{FOLDER}/sub/x") == "x"


def test_owners_are_declared(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["b"].settings["entries"][0].update(owners=["nobody"], groups=[GROUP])
    cluster["b"].configure()
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    assert cluster["b"].read(FILE) is None
    assert f"belongs to {USER}" in cluster["b"].status()["files"][FILE]["reason"]


def test_a_thousand_files_in_step_take_less_than_a_second(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    for node in cluster.nodes.values():
        for number in range(1000):
            node.write(f"{FOLDER}/{number}", str(number), mtime=1_000)
    cluster.round(2)
    time.sleep(0.15)
    cluster.round()
    before = cluster["b"].everything()
    began = time.process_time()
    assert cluster["b"].run() == 0
    assert time.process_time() - began < 1
    assert cluster["b"].everything() == before and len(cluster["b"].manifest()) == 1000
