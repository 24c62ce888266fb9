# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The journal on disk, its service and its command."""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.node_programs import load

for name in ("takeover_core", "takeover_links", "takeover_controller", "takeover"):
    load("takeover", name)
core = load("takeover", "journal_core")
damping = load("takeover", "journal_damping")
evidence = load("takeover", "journal_evidence")
store = load("takeover", "journal_store")
journal = load("takeover", "journal")
show = load("takeover", "journal_show")


def entry(number: int, **values: Any) -> dict[str, Any]:
    found = core.Entry(1_000_000.0 + number, "edge", "BACKUP", "MASTER", "link", f"number {number}").plain()
    return {**found, **values}


def numbers(where: Any) -> list[str]:
    return [item["detail"] for item in where.read()]


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    where = store.Store(tmp_path / "new" / "journal.jsonl")
    assert [where.append(entry(n)) for n in range(3)] == [""] * 3
    assert list(where.read()) == [entry(n) for n in range(3)]


def test_a_journal_is_bounded(tmp_path: Path) -> None:
    where = store.Store(tmp_path / "journal.jsonl", bytes_max=1000, files=3)
    for number in range(200):
        assert where.append(entry(number, detail=f"number {number} " + "x" * 5000 * (number % 2))) == ""
    sizes = sorted(path.stat().st_size for path in tmp_path.iterdir())
    # One line alone may be longer than a file should be.
    assert len(sizes) == 3
    assert sizes[-1] <= 1000 + store.LINE_MAX + 300
    assert numbers(where)[-1].startswith("number 199")


def test_what_is_left_is_the_newest(tmp_path: Path) -> None:
    where = store.Store(tmp_path / "journal.jsonl", bytes_max=1000, files=2)
    for number in range(50):
        where.append(entry(number))
    kept = numbers(where)
    assert kept == [f"number {number}" for number in range(50 - len(kept), 50)]
    assert len(kept) >= 5


def test_a_torn_line_costs_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    where = store.Store(path)
    where.append(entry(0))
    path.write_bytes(path.read_bytes() + b'{"at": "2026-')
    assert where.append(entry(1)) == ""
    assert numbers(where) == ["number 0", "number 1"]


def test_a_disk_that_takes_nothing_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in store.Store(tmp_path / "file" / "journal.jsonl").append(entry(0))
    assert store.publish(tmp_path / "file" / "x.json", {}) != ""
    (tmp_path / "target").write_text("")
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "target")
    assert store.Store(tmp_path / "journal.jsonl").append(entry(0)) != ""
    assert (tmp_path / "target").read_text() == ""


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = store.Store(tmp_path / "journal.jsonl")
    where.append(entry(0))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    assert "no room" in where.append(entry(1))
    monkeypatch.undo()
    assert where.append(entry(2)) == ""
    assert numbers(where) == ["number 0", "number 2"]


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (bytes([0x31, 51, 0, 1, 0, 10, 0, 0]), 51),
        (bytes([0x21, 7, 0, 1, 0, 1, 0, 0]), 7),
        (bytes([0x31, 51, 100, 1, 0, 10, 0, 0]), None),
        (bytes([0x32, 51, 0, 1, 0, 10, 0, 0]), None),
        (b"\x31\x33", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("headed", [True, False])
def test_farewell(header: bytes, wanted: int | None, headed: bool) -> None:
    packet = b"\x45" + bytes(19) + header if headed and header else header
    assert evidence.farewell(packet, headed) == wanted


def test_only_farewells_wake_the_journal() -> None:
    """The program for the kernel, run by hand: four instructions of classic BPF."""

    def verdict(family: int, packet: bytes) -> int:
        a = x = line = 0
        program = evidence.FILTERS[family]
        while True:
            code, yes, no, constant = program[line]
            line += 1
            if code == 0xB1:
                x = 4 * (packet[constant] & 15)
            elif code == 0x50:
                a = packet[x + constant]
            elif code == 0x30:
                a = packet[constant]
            elif code == 0x15:
                line += yes if a == constant else no
            else:
                return constant

    for family, before in ((evidence.socket.AF_INET, b"\x46" + bytes(23)), (evidence.socket.AF_INET6, b"")):
        assert verdict(family, before + bytes([0x31, 51, 0, 1])) == 0xFFFF
        assert verdict(family, before + bytes([0x31, 51, 250, 1])) == 0
        assert all(len(struct.pack("=HBBI", *item)) == 8 for item in evidence.FILTERS[family])


def test_a_carrier_that_came_back_was_away(tmp_path: Path) -> None:
    (tmp_path / "eth1").mkdir()
    (tmp_path / "eth1" / "carrier").write_text("0\n")
    carriers = evidence.Carriers([])
    carriers.interfaces, carriers.root = ["eth1"], str(tmp_path)
    carriers.look(10.0)
    (tmp_path / "eth1" / "carrier").write_text("1\n")
    carriers.look(12.0)
    assert carriers.down(9.0) == ("eth1",)
    assert carriers.down(11.0) == ()


@pytest.mark.parametrize(("content", "wanted"), [("0\n", False), ("1\n", True), ("", False), (None, False)])
def test_drained(tmp_path: Path, content: str | None, wanted: bool) -> None:
    path = tmp_path / "drain"
    if content is not None:
        path.write_text(content)
    assert evidence.drained(str(path)) == wanted


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "topology": "none",
        "node": "fw1",
        "fifo": str(tmp_path / "journal.fifo"),
        "path": str(tmp_path / "journal.jsonl"),
        "bytes_max": 100_000,
        "files": 2,
        "tracked": [],
        "scripts": [],
        "vrids": [],
        "preempt": True,
        "down_s": 0.4,
        "units": [],
        "limits": {"moves": 4, "window_s": 600, "hold_s": 1800, "damp_s": 30},
        "alarm_command": [],
        "attribute": "linuxha-held",
        "drain_file": str(tmp_path / "drain"),
        "hold_file": str(tmp_path / "hold"),
        "maintenance_file": str(tmp_path / "maintenance.json"),
        "damping_file": str(tmp_path / "damping.json"),
    }


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine that shuts down, whatever this one does."""
    monkeypatch.setattr(evidence, "stopping", lambda: False)


def tell(service: Any, old: str, new: str) -> None:
    line = {"group": "edge", "old": old, "new": new, "at": time.time(), "mono": time.monotonic(), "served_ms": None}
    service.take(json.dumps(line).encode())
    service.work(float("inf"))


def document(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(config["damping_file"]).read_text())
    return found


@pytest.mark.usefixtures("quiet")
def test_flapping_ends_in_a_hold_with_an_alarm_that_a_boot_does_not_end(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config["alarm_command"] = ["sh", "-c", f'cat > {tmp_path}/alarm; echo "$LINUXHA_ALARM" > {tmp_path}/said']
    service = journal.Journal(config)
    service.start()
    assert document(config)["held"] is False
    hold = Path(config["hold_file"])
    assert hold.read_text() == "0\n"
    service.carriers.down = lambda since: ("eth1",)
    for _flap in range(2):
        tell(service, "MASTER", "FAULT")
        tell(service, "FAULT", "BACKUP")
        tell(service, "BACKUP", "MASTER")
    assert document(config)["level"] == "damped"
    # It would forget a command that has ended already.
    watch, service.watch_alarm = service.watch_alarm, lambda: None
    tell(service, "MASTER", "FAULT")
    assert hold.read_text() == "253\n"
    assert document(config)["held"] is True
    last = list(service.store.read())[-1]
    assert (last["cause"], last["held"]) == ("link", True)
    assert "<2>ALARM" in capsys.readouterr().out
    _deadline, child = service.alarm
    assert child.wait(10) == 0
    watch()
    assert service.alarm is None
    assert json.loads((tmp_path / "alarm").read_text()) == last
    assert "ALARM" in (tmp_path / "said").read_text()

    os.close(service.fd)
    booted = journal.Journal(config)
    booted.start()
    assert (hold.read_text(), document(config)["held"]) == ("253\n", True)

    booted.release("somebody")
    assert (hold.read_text(), document(config)["held"]) == ("0\n", False)
    assert list(booted.store.read())[-1]["cause"] == "operator"
    os.close(booted.fd)
    again = journal.Journal(config)
    again.start()
    assert document(config)["held"] is False
    os.close(again.fd)


@pytest.mark.usefixtures("quiet")
def test_a_journal_that_cannot_be_written_stops_nothing(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    config["path"] = str(tmp_path / "file" / "journal.jsonl")
    service = journal.Journal(config)
    service.start()
    tell(service, "BACKUP", "MASTER")
    assert "could not be written" in capsys.readouterr().out
    assert service.damping.last == {"edge": "MASTER"}
    os.close(service.fd)


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"group": "edge"}', b"\xff", b'{"order": "obey"}'])
def test_lines_that_are_no_change_are_left_out(config: dict[str, Any], line: bytes) -> None:
    service = journal.Journal(config)
    service.take(line)
    assert not service.waiting


def test_the_table_shows_what_is_there() -> None:
    lines = show.table([entry(1, blackout_ms=412.5, detail="a \x1b[31m trick"), entry(2, held=True)])
    assert lines[0].split() == ["when", "group", "change", "cause", "blackout", "held", "why"]
    assert "412.5 ms" in lines[1] and "a ?[31m trick" in lines[1]
    assert "HELD" in lines[2]
    assert show.table([])[0].startswith("when")


def test_the_command(config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    where = store.Store(Path(config["path"]))
    for number in range(3):
        where.append(entry(number))
    assert show.main(["linuxha-journal", "--config", str(path), "--json", "--last", "2"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [entry(1), entry(2)]
    assert show.main(["linuxha-journal", "release", "--config", str(path)]) == 1
    assert "linuxha-journal" in capsys.readouterr().err


@pytest.fixture
def released(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Callable[[], None]], tuple[int, str, str]]:
    """The command, while the service does something: exit status and what was printed."""

    def run(serve: Callable[[], None]) -> tuple[int, str, str]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        monkeypatch.setattr(show, "ANSWER_S", 0.3)
        monkeypatch.setattr(show.time, "sleep", lambda seconds: serve())
        code = show.main(["linuxha-journal", "release", "--config", str(path)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.usefixtures("quiet")
def test_a_release_is_over_when_the_service_says_so(config: dict[str, Any], released: Any) -> None:
    service = journal.Journal(config)
    service.start()
    held = journal.damping.Damping(level="held", since=time.time(), until=time.time() + 60)
    service.damping = held
    service.hold_back()
    code, out, err = released(service.read)
    assert (code, out.splitlines()[-1], err) == (0, "fw1 takes part as usual", "")
    assert document(config)["level"] == "free"
    # The same for a node that nobody holds.
    assert released(service.read)[0] == 0
    # It was held again by what waited in the same FIFO.
    service.damping = held

    def flaps() -> None:
        service.hold_back()

    code, _out, err = released(flaps)
    assert code == 1
    assert "fw1 is held:" in err
    os.close(service.fd)


@pytest.mark.usefixtures("quiet")
def test_a_release_that_is_not_in_force_yet_is_not_over(
    config: dict[str, Any], released: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = journal.Journal(config)
    service.start()
    service.damping = journal.damping.Damping(level="held", since=time.time(), until=time.time() + 60)
    service.hold_back()
    assert document(config)["holds"]
    monkeypatch.setattr(journal.Journal, "tell", lambda self, wanted: "Pacemaker does not run")
    code, _out, err = released(service.read)
    assert code == 1
    assert "fw1 is not yet free:" in err
    os.close(service.fd)


@pytest.mark.usefixtures("quiet")
def test_a_service_that_does_not_answer_is_told(config: dict[str, Any], released: Any) -> None:
    service = journal.Journal(config)
    service.start()
    code, _out, err = released(lambda: None)
    assert code == 1
    assert "fw1 does not answer, and may still be held back" in err
    assert json.loads(os.read(service.fd, 1000))["order"] == "release"
    code, _out, err = released(lambda: Path(config["damping_file"]).unlink(missing_ok=True))
    assert code == 1 and "does not answer" in err
    os.close(service.fd)


def test_a_node_that_waits_for_its_states_is_written_down(config: dict[str, Any]) -> None:
    service = journal.Journal(config)
    service.start()
    service.take(b'{"order": "behind", "seconds": 60.0}')
    (line,) = service.store.read()
    assert (line["cause"], line["from"]) == ("fault", line["to"])
    assert "takes nothing back" in line["detail"]
    os.close(service.fd)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("lifted", "cause"), [(0.4, "priority"), (None, "peer_silent")])
def test_who_waited_for_its_states_took_back(config: dict[str, Any], lifted: float | None, cause: str) -> None:
    service = journal.Journal({**config, "topology": "keepalived"})
    service.start()
    now = time.monotonic()
    line = {"group": "edge", "at": time.time(), "served_ms": 1.0, "old": "BACKUP", "new": "MASTER", "mono": now}
    service.since["edge"] = now - 20
    service.take(json.dumps({**line, "lifted": None if lifted is None else now - lifted}).encode())
    service.work(float("inf"))
    assert [item["cause"] for item in service.store.read()] == [cause]
    os.close(service.fd)


def test_a_pacemaker_that_hangs_does_not_keep_the_journal_from_its_start(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(argv: list[str], timeout: float) -> tuple[int, str]:
        asked.append(argv[0])
        return 124, ""

    monkeypatch.setattr(evidence, "run", run)
    service = journal.Journal({**config, "topology": "pacemaker"})
    service.start()
    assert asked == []
    service.work(time.monotonic())
    assert asked == ["attrd_updater"]
    os.close(service.fd)


class Endless:
    """A socket on which something always waits."""

    family = evidence.socket.AF_INET6

    def __init__(self) -> None:
        self.taken = 0

    def recv(self, size: int) -> bytes:
        self.taken += 1
        return bytes([0x31, 51, 0, 1, 0, 10, 0, 0])


def test_what_comes_without_an_end_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence.select, "select", lambda *_unused: ([True], [], []))
    flood = Endless()
    farewells = evidence.Farewells([])
    farewells.sockets, farewells.vrids = [flood], frozenset([51])
    farewells.listen(7.0)
    assert (flood.taken, farewells.heard_at) == (evidence.AT_ONCE, 7.0)
    for watched in (evidence.Carriers([]), evidence.takeover_links.Links([], "")):
        watched.socket = flood = Endless()
        getattr(watched, "look", lambda now, links=watched: links.drain())(7.0)
        assert flood.taken == evidence.AT_ONCE


@pytest.mark.usefixtures("quiet")
def test_without_preempt_nothing_is_held(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    service = journal.Journal({**config, "preempt": False})
    service.start()
    service.carriers.down = lambda since: ("eth1",)
    for _flap in range(5):
        tell(service, "MASTER", "FAULT")
        tell(service, "FAULT", "BACKUP")
        tell(service, "BACKUP", "MASTER")
    said = capsys.readouterr().out
    assert "ALARM" in said and "find out why" in said
    assert "held until" not in said and "holds back" not in said
    os.close(service.fd)
