# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Parts that the tests with whole nodes would not notice: the cache of checksums, ssh's options, texts for people."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from linuxha_sync import fetch, run, status
from linuxha_sync import main as program
from linuxha_sync.fetch import PeerError, Peers, ssh
from linuxha_sync.layout import Layout, SyncError, locked
from linuxha_sync.scan import RACY_NS, Cache, Key
from linuxha_sync.settings import Peer

from .nodes import FILE, FOLDER, Cluster, Near

KEY: Key = (1, 2, 3, 1_000_000_000, 1_000_000_000, 0o100644, 0)


@pytest.mark.parametrize(("age_ns", "known"), [(RACY_NS + 1, True), (RACY_NS, False), (0, False), (-5, False)])
def test_a_file_that_changed_just_now_is_read_again(age_ns: int, known: bool) -> None:
    """It could change once more without a new time stamp."""
    cache = Cache()
    cache.put("/etc/x", KEY, "sum", KEY[3] + age_ns)
    assert (Cache(cache.fresh).get("/etc/x", KEY) == "sum") is known


@pytest.mark.parametrize("place", range(len(KEY)))
def test_whatever_changes_of_a_file_it_is_read_again(place: int) -> None:
    other = tuple(value + (number == place) for number, value in enumerate(KEY))
    assert Cache({"/etc/x": (KEY, "sum")}).get("/etc/x", (*other[:5], other[5], other[6])) is None


def test_ssh_takes_nothing_from_elsewhere(tmp_path: Path) -> None:
    settings = program.read_settings(Cluster(tmp_path)["a"].layout)
    argv = ssh(settings)
    assert argv[:3] == ["ssh", "-F", "/dev/null"]
    for option in (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "GlobalKnownHostsFile=/dev/null",
        f"UserKnownHostsFile={settings.known_hosts}",
    ):
        assert option in argv


def test_the_second_address_is_tried(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    for peer in cluster["a"].settings["peers"]:
        peer["addresses"].insert(0, "2001:db8::dead")
    cluster["a"].configure()
    cluster["b"].write(FILE, "x")
    cluster["b"].run()
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "x"


@pytest.mark.parametrize("said", ["", "now\n", "1 2 3\n", "-1 x\n", "9" * 21 + " x\n", "1 x\n2 x\nnow\n", "1 x\n" * 9])
def test_an_answer_that_makes_no_sense(tmp_path: Path, said: str) -> None:
    node = Cluster(tmp_path)["a"]
    peers = Peers(program.read_settings(node.layout), node.store(), ["printf", f"{said}%.0s%.0s"])
    with pytest.raises(PeerError, match="makes no sense"):
        peers.greet(Peer("b", ("192.0.2.2",)))


class Time:
    """Stands still but for what is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 1_800_000_000.0
        clock = SimpleNamespace(monotonic_ns=lambda: int(self.now * 1e9) - 5, time_ns=lambda: int(self.now * 1e9))
        monkeypatch.setattr(fetch, "time", clock)

    def measured(self, ahead: float, trips: Sequence[tuple[float, float]]) -> tuple[fetch.Meter, int]:
        """What is known after questions that took so long there and back, and how many were asked."""
        meter = fetch.Meter()
        for number, (there, back) in enumerate(trips, start=1):
            self.now += there
            said = f"{int((self.now + ahead) * 1e9)} {number}"
            self.now += back
            if not meter(said):
                return meter, number
        return meter, len(trips)


@pytest.mark.parametrize(
    ("trips", "asked", "uncertainty"),
    [
        ([(0.004, 0.002), (0.0, 0.0)], 1, 0.003),  # well known by the connection alone
        ([(6.0, 0.0)], 1, 3.0),  # a peer with an earlier version does not answer again
        ([(6.0, 0.0), (0.001, 0.003)], 2, 0.002),
        ([(6.0, 0.1), (0.2, 0.0), (0.0, 0.1), (0.5, 0.5), (0.1, 0.1), (9.0, 9.0)], 5, 0.05),
    ],
)
@pytest.mark.parametrize("ahead", [0.0, -300.0, 0.5])
def test_the_clock_is_known_as_well_as_the_quickest_answer_tells(
    monkeypatch: pytest.MonkeyPatch, trips: list[tuple[float, float]], asked: int, uncertainty: float, ahead: float
) -> None:
    meter, questions = Time(monkeypatch).measured(ahead, trips)
    assert questions == asked and meter.digest == "1" and meter.clock is not None
    assert meter.clock.uncertainty_s == pytest.approx(uncertainty, abs=1e-5)
    # However the time was spent, the truth lies within.
    assert abs(meter.clock.skew_s - ahead) <= meter.clock.uncertainty_s + 1e-5


def test_a_slow_connection_does_not_keep_the_newest_from_winning(tmp_path: Path) -> None:
    """On a loaded node a connection takes seconds; the program at its other end answers in less."""
    cluster = Cluster(tmp_path, real=True, skew_limit_s=0.4)
    slow = 'case "$*" in *" time") sleep 1;; esac; exec "$@"'
    cluster.shell = ["/bin/sh", "-c", slow, "sh", *cluster.shell]
    for name, mtime in {"a": 1_000, "b": 2_000}.items():
        cluster[name].write(FILE, f"from {name}", mtime)
    cluster.round(2)
    assert cluster["a"].status()["peers"]["b"]["uncertainty_s"] < 0.4
    assert cluster.contents(FILE) == ["from b", "from b"]


def test_a_peer_that_answers_once_is_heard(tmp_path: Path) -> None:
    """One with an earlier version of the program: it is known as well as its connection was quick."""
    node = Cluster(tmp_path)["a"]
    once = ["/bin/sh", "-c", "sleep 0.1; echo $(date +%s%N) -"]
    peers = Peers(program.read_settings(node.layout), node.store(), once)
    address, clock, digest = peers.greet(Peer("b", ("192.0.2.2",)))
    assert (address, digest) == ("192.0.2.2", "-") and clock.uncertainty_s >= 0.05


def test_a_peer_that_does_not_answer_again_has_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "CONNECT_S", 3)
    monkeypatch.setattr(fetch, "ANSWER_S", 0)
    node = Cluster(tmp_path)["a"]
    peers = Peers(program.read_settings(node.layout), node.store(), ["/bin/sh", "-c", "sleep 0.1; echo 1 x; sleep 60"])
    assert peers.greet(Peer("b", ("192.0.2.2",)))[2] == "x"
    monkeypatch.setattr(fetch, "CONNECT_S", 0.3)
    silent = Peers(program.read_settings(node.layout), node.store(), ["/bin/sh", "-c", "sleep 60"])
    with pytest.raises(PeerError, match="no answer within"):
        silent.greet(Peer("b", ("192.0.2.2",)))


def test_a_program_that_is_not_there_is_a_problem_of_the_peer(tmp_path: Path) -> None:
    node = Cluster(tmp_path)["a"]
    peers = Peers(program.read_settings(node.layout), node.store(), ["/nonexistent/ssh"])
    with pytest.raises(PeerError):
        peers.command("192.0.2.2", "time")


def test_one_at_a_time(tmp_path: Path) -> None:
    layout = Cluster(tmp_path)["a"].layout
    with locked(layout, 0), pytest.raises(SyncError, match="another run"), locked(layout, 0.1):
        pass
    with locked(layout, 0):
        pass


def test_an_account_that_is_missing_is_named(tmp_path: Path) -> None:
    node = Cluster(tmp_path, user="nosuchaccount")["a"]
    with pytest.raises(SyncError, match="nosuchaccount"):
        node.store()


def test_a_damaged_state_is_not_overwritten(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "x")
    cluster.round()
    damaged = cluster["a"].layout.state / "manifest.json"
    damaged.write_text("{")
    assert cluster["a"].run() == 1
    assert damaged.read_text() == "{" and "move it away" in cluster["a"].status()["problems"][0]


def test_a_damaged_object_is_fetched_again(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "x")
    cluster.round(2)
    cluster["b"].path(FILE).unlink()
    (cluster["b"].layout.objects / cluster["b"].manifest()[FILE]["sha256"]).write_text("rotten")
    cluster["b"].run()
    cluster["b"].run()
    assert cluster["b"].read(FILE) == "x"


def test_directories_are_made_with_the_rights_of_the_one_above(tmp_path: Path) -> None:
    os.umask(0o077)  # as the program itself does
    cluster = Cluster(tmp_path)
    cluster["a"].write(f"{FOLDER}/in/ner/x", "x")
    cluster.round(2)
    modes = [cluster["b"].path(path).stat().st_mode & 0o7777 for path in (FOLDER, f"{FOLDER}/in", f"{FOLDER}/in/ner")]
    assert modes == [0o755] * 3


def test_the_status_for_people(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster["a"].write(FILE, "x")
    cluster["a"].path(FILE).chmod(0o666)
    cluster.connect("a")
    cluster["a"].run()
    text = "\n".join(status.lines(cluster["a"].status()))
    assert "a: NOT in step" in text and "peer b: not reached" in text and f"refused: {FILE}: has the mode 0666" in text


def test_the_status_before_the_first_run(tmp_path: Path) -> None:
    content = Cluster(tmp_path)["a"].status()
    assert content["in_step"] is False and "last run: never" in status.lines(content)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run", "now"], ["restore", "/etc/x"], ["status", "x"]])
def test_a_wrong_call_says_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(arguments) == 2
    assert "linuxha-sync run" in capsys.readouterr().err


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(tmp_path, entries=[{"name": "x", "path": f"{tmp_path}/x", "kind": "file"}], links=[])
    layout = cluster["a"].layout
    for name, value in (("STATE", layout.state), ("RUN", layout.run), ("SETTINGS", layout.settings)):
        monkeypatch.setenv(f"LINUXHA_SYNC_{name}", str(value))
    (tmp_path / "x").write_text("1")
    (tmp_path / "x").chmod(0o644)
    assert program.main(["check"]) == 0
    assert program.main(["run", "--cause", "test"]) == 0
    capsys.readouterr()
    assert program.main(["status", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["cause"] == "test" and content["files"][f"{tmp_path}/x"]["state"] == "in_step"
    assert program.main(["history", "--json", f"{tmp_path}/x"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert program.main(["restore", f"{tmp_path}/x", "nosuch"]) == 1
    layout.settings.write_text('{"node": 1}')
    assert program.main(["check"]) == 2
    assert "node: 1 is no name" in capsys.readouterr().err


def test_who_answers_does_not_wait_for_who_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PATIENCE_S", 0.3)
    cluster = Cluster(tmp_path, "abc")
    cluster["b"].write(FILE, "x")
    cluster["b"].run()
    placed, real, in_time = threading.Event(), Near.there, list[bool]()

    def there(self: Near, address: str) -> Layout:
        if address == cluster.addresses["c"]:
            in_time.append(placed.wait(30))
        return real(self, address)

    monkeypatch.setattr(Near, "there", there)
    assert cluster["a"].run(lambda what, where: placed.set() if what == "swap" else None) == 0
    assert in_time and all(in_time)
    assert cluster["a"].status()["peers"]["c"]["reached"]  # it was heard all the same


def test_a_file_that_is_being_written_is_published_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So long that no load makes the file older than that; nobody really sleeps.
    monkeypatch.setattr(run, "QUIET_S", 60.0)
    cluster = Cluster(tmp_path, links=[])
    node = cluster["a"]
    node.write(FILE, "first ")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        if not slept:
            with node.path(FILE).open("a") as file:
                file.write("half")
        slept.append(seconds)

    monkeypatch.setattr(run.time, "sleep", sleep)
    published: list[str] = []
    node.run(lambda what, where: published.append(where) if what == "rename" and "export/manifest" in where else None)
    assert node.manifest()[FILE]["size"] == len("first half")
    assert slept and len(published) == 1


def test_a_peer_that_was_away_is_asked_in_a_hurry(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.connect("a")
    cluster["a"].run()
    peers = Peers(program.read_settings(cluster["a"].layout), cluster["a"].store())
    assert json.loads((cluster["a"].layout.run / "last.json").read_text())["away"] == ["b"]
    assert "ConnectTimeout=1" in peers.hurried and "ConnectTimeout=3" in peers.shell
