# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A node in maintenance: what is in force, when it ends, and what happens when nobody else is left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.node_programs import load

maintenance = load("takeover", "maintenance")

NOW = 1_800_000_000.0


class Node:
    """A node whose programs are recorded, and whose clock is set by hand."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.root = root
        self.now = NOW
        self.up = 100.0
        self.ran: list[str] = []
        self.answers: dict[str, tuple[int, str]] = {"crm_node": (0, "fw1"), "crm_attribute": (0, "off")}
        self.heard = True
        self.config = {
            "manager": "keepalived",
            "file": str(root / "lib" / "maintenance.json"),
            "runtime": str(root / "run"),
            "drain_file": str(root / "run" / "drain"),
            "takeover": "never",
            "links": ["eth3"],
            **config,
        }
        self.boot()

    def boot(self) -> None:
        run = self.root / "run"
        run.mkdir(exist_ok=True)
        for path in run.iterdir():
            path.unlink()
        (run / "drain").write_text("0\n")
        self.up = 1.0

    def order(self, name: str, *arguments: Any, check: bool = False) -> dict[str, Any]:
        program = maintenance.Maintenance(
            self.config, self.run, lambda: self.now, lambda: self.up, lambda links: self.heard, check
        )
        getattr(program, name)(*arguments)
        answer: dict[str, Any] = program.answer()
        return answer

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        self.ran.append(" ".join(argv))
        return self.answers.get(argv[0], (0, ""))

    def timer(self) -> str:
        return [line.split()[2] for line in self.ran if line.startswith("systemctl")][-1]

    def files(self) -> dict[str, str]:
        return {str(path): path.read_text() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_on_and_off(node: Node) -> None:
    answer = node.order("on", None, "new power supply", "alice")
    assert answer["changed"]
    assert answer["drained"]
    assert answer["maintenance"] == {
        "since": "2027-01-15T08:00:00Z",
        "until": None,
        "reason": "new power supply",
        "by": "alice",
    }
    assert node.timer() == "stop"
    assert not node.order("on", None, "new power supply", "bob")["changed"]
    answer = node.order("off")
    assert (answer["changed"], answer["drained"], answer["maintenance"]) == (True, False, None)
    assert not node.order("off")["changed"]


def test_it_survives_a_boot(node: Node) -> None:
    node.order("on", None, "", "")
    node.boot()
    assert node.order("apply")["drained"]


@pytest.mark.parametrize("booted", [False, True])
def test_it_ends_by_itself_also_when_the_node_was_down(node: Node, booted: bool) -> None:
    node.order("on", 7200, "", "")
    assert node.timer() == "start"
    node.now += 7199
    if booted:
        node.boot()
    assert node.order("apply")["drained"]
    assert node.timer() == "start"
    node.now += 1
    if booted:
        node.boot()
    answer = node.order("apply")
    assert (answer["drained"], answer["maintenance"]) == (False, None)
    assert node.timer() == "stop"


def test_another_end_keeps_its_beginning(node: Node) -> None:
    node.order("on", 60, "disk", "")
    node.now += 30
    found = node.order("on", 3600, "disk", "")["maintenance"]
    assert (found["since"], found["until"]) == ("2027-01-15T08:00:00Z", "2027-01-15T09:00:30Z")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"until": "tomorrow"}', '{"until": "2027-01-15T08:00:00"}'])
def test_a_flag_that_cannot_be_read_keeps_the_node_away(node: Node, text: str) -> None:
    path = Path(node.config["file"])
    path.parent.mkdir()
    path.write_text(text)
    answer = node.order("apply")
    assert answer["drained"]
    assert "cannot be read" in answer["maintenance"]["reason"]
    assert not node.order("off")["drained"]


def test_check_writes_nothing_and_says_the_same(node: Node) -> None:
    before = node.files()
    said = node.order("on", 60, "disk", "", check=True)["changes"]
    assert node.files() == before
    assert not any(line.startswith("systemctl") for line in node.ran)
    assert node.order("on", 60, "disk", "")["changes"] == said
    before = node.files()
    assert node.order("off", check=True)["changes"] == ["end of the maintenance", "keepalived takes part"]
    assert node.files() == before


def test_a_drain_of_somebody_else_outlives_a_switchover(node: Node) -> None:
    """Among three nodes a switchover has everybody give way who would take before its target."""
    drain = Path(node.config["drain_file"])
    drain.write_text("1\n")
    assert not node.order("drain", 60)["changed"]
    node.up += 61
    assert node.order("apply")["drained"]
    assert node.order("ready")["drained"]
    drain.write_text("0\n")
    node.order("drain", 60)
    assert not node.order("ready")["drained"]


def test_a_drain_of_a_node_that_serves_in_its_maintenance_ends(node: Node) -> None:
    node.config["takeover"] = "last_resort"
    node.order("on", None, "disk", "")
    node.heard = False
    node.up = 1000.0
    assert not node.order("apply")["drained"]
    assert node.order("drain", 60)["drained"]
    assert not node.order("ready")["drained"]


def test_a_switchover_that_died_leaves_no_node_away_that_serves_in_its_maintenance(node: Node) -> None:
    node.config["takeover"] = "last_resort"
    node.order("on", None, "disk", "")
    node.heard = False
    node.up = 1000.0
    assert node.order("apply")["lifted"]
    assert node.order("drain", 60)["drained"]
    assert node.timer() == "start"
    node.up += 59
    assert node.order("apply")["drained"]
    node.up += 1
    answer = node.order("apply")
    assert (answer["drained"], answer["lifted"]) == (False, True)
    assert "a switchover did not take back its order in time" in answer["changes"]
    assert node.timer() == "stop"


def test_a_switchover_that_died_ends_no_maintenance(node: Node) -> None:
    node.order("on", None, "disk", "")
    drain = Path(node.config["drain_file"])
    drain.write_text("0\n")
    node.order("drain", 60)
    node.up += 61
    drain.write_text("0\n")
    # It goes on to keep to the maintenance.
    answer = node.order("apply")
    assert (answer["drained"], answer["changes"]) == (True, ["keepalived gives way"])
    assert answer["maintenance"] is not None


def test_a_switchover_that_died_is_taken_back(node: Node) -> None:
    assert node.order("drain", 60)["drained"]
    assert node.timer() == "start"
    node.up += 59
    assert node.order("apply")["drained"]
    node.up += 1
    assert not node.order("apply")["drained"]
    assert node.timer() == "stop"


def test_the_end_of_a_switchover_does_not_end_a_maintenance(node: Node) -> None:
    node.order("drain", 60)
    node.order("on", None, "", "")
    assert node.order("ready")["drained"]
    node.up += 100
    assert node.order("apply")["drained"]


@pytest.mark.parametrize(("takeover", "heard", "up", "serves"), [
    ("never", False, 3600, False),
    ("last_resort", True, 3600, False),
    ("last_resort", False, 3600, True),
    # A switch forwards nothing yet, or the interface is not there.
    ("last_resort", False, 20, False),
])  # fmt: skip
def test_when_nobody_else_is_left(tmp_path: Path, takeover: str, heard: bool, up: float, serves: bool) -> None:
    node = Node(tmp_path, takeover=takeover)
    node.order("on", None, "", "")
    node.up = up
    node.heard = heard
    answer = node.order("apply")
    assert (answer["drained"], answer["lifted"]) == (not serves, serves)
    assert answer["maintenance"] is not None
    # The other node comes back: it finds a node that serves, and nothing moves for the flag.
    node.heard = True
    assert node.order("apply")["drained"] is not serves


class TestPacemaker:
    @pytest.fixture
    def node(self, tmp_path: Path) -> Node:
        return Node(tmp_path, manager="pacemaker")

    def test_standby(self, node: Node) -> None:
        node.order("on", 60, "", "")
        assert "crm_attribute --type nodes --node fw1 --name standby --update on" in node.ran
        node.answers["crm_attribute"] = (0, "on")
        node.now += 61
        assert node.order("apply")["maintenance"] is None
        assert "crm_attribute --type nodes --node fw1 --name standby --delete" in node.ran

    def test_what_cannot_be_ended_yet_is_tried_again(self, node: Node) -> None:
        """At boot the timer is earlier than Pacemaker."""
        node.order("on", 60, "", "")
        node.now += 61
        node.answers["crm_node"] = (102, "not connected")
        with pytest.raises(maintenance.Failed, match="Is Pacemaker running"):
            node.order("apply")
        assert Path(node.config["file"]).exists()
        assert node.timer() == "start"
        node.answers.update(crm_node=(0, "fw1"), crm_attribute=(0, "on"))
        assert node.order("apply")["maintenance"] is None

    def test_no_drain_file(self, node: Node) -> None:
        with pytest.raises(maintenance.Failed, match="only keepalived"):
            node.order("drain", 60)

    @pytest.mark.parametrize(("online", "standby", "serves"), [
        ("true", "false", False),
        ("true", "true", True),
        ("false", "false", True),
    ])  # fmt: skip
    def test_when_nobody_else_is_left(self, tmp_path: Path, online: str, standby: str, serves: bool) -> None:
        node = Node(tmp_path, manager="pacemaker", takeover="last_resort")
        node.order("on", None, "", "")
        node.up = 3600
        node.answers["crm_attribute"] = (0, "on")
        nodes = f'<node name="fw1" online="true"/><node name="fw2" online="{online}" standby="{standby}"/>'
        node.answers["crm_mon"] = (0, f"<pacemaker-result><nodes>{nodes}</nodes></pacemaker-result>")
        assert node.order("apply")["lifted"] is serves


def test_the_command_answers_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = Node(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(node.config))
    assert maintenance.main(["status", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["maintenance"] is None
    assert maintenance.main(["status", "--config", str(tmp_path / "none")]) == 1
    assert json.loads(capsys.readouterr().out)["failed"]


@pytest.mark.parametrize("argv", [["drain"], ["on", "60"], ["on", "--for", "0"], ["on", "--for", "-5"], ["drain", "0"]])
def test_mistakes_on_the_command_line(argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        maintenance.parse(argv)
