# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""ruleset_trial: what the answers of the nodes mean, and over which connections they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.linuxha.firewall.plugins.action import ruleset_trial
from ansible_collections.linuxha.firewall.plugins.module_utils._host import trial

TRIAL = {"token": "0123", "seconds": 60}
SHARED = "-o ControlMaster=auto -o ControlPersist=120s"


def status(state: str, fresh: bool = True, reason: str | None = None) -> str:
    return json.dumps({"state": state, "fresh": fresh, "reason": reason})


@pytest.mark.parametrize(
    ("rc", "stdout", "ok", "wait", "words"),
    [
        (0, status("trial"), True, False, ""),
        (0, "a banner\n" + status("trial"), True, False, ""),
        (0, status("confirmed", fresh=False), True, False, ""),
        (0, status("trial", fresh=False), False, True, "older than the rules"),
        (0, status("loading"), False, True, "not loaded the rules yet"),
        (0, status("unknown"), False, True, "not loaded the rules yet"),
        (0, status("rolled-back", reason="too late"), False, False, "too late"),
        (0, status("failed", reason="line 3"), False, False, "line 3"),
        (0, "", False, True, "no answer"),
        (0, "[]", False, True, "no answer"),
        (127, "not found", False, True, "not found"),
        (255, "", False, True, "cannot be reached over a new connection: ssh: timed out"),
    ],
)
def test_answers(rc: int, stdout: str, ok: bool, wait: bool, words: str) -> None:
    answer = trial.read(rc, stdout, "noise of a proxy\nssh: timed out\n" if rc == 255 else "")
    assert (answer.ok, answer.wait) == (ok, wait)
    assert words in answer.reason
    assert bool(answer.remedy) == (not ok)


class Shell:
    no_tty = False


class Connection:
    """Knows its options, as the ssh plugin does."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {"ssh_args": SHARED, "timeout": 10}

    def has_option(self, name: str) -> bool:
        return name in self.options

    def get_option(self, name: str) -> Any:
        return self.options[name]

    def set_option(self, name: str, value: Any) -> None:
        self.options[name] = value


class Node:
    """One node of a cluster: answers from a list, and remembers what it was told, over which kind of connection."""

    def __init__(self, *answers: tuple[int, str] | Exception) -> None:
        self.answers = iter(answers)
        self.told: list[str] = []
        self.connection = Connection()

    def execute(self, command: str) -> dict[str, Any]:
        words = str(self.connection.options["ssh_args"]).split()
        # ssh takes the first value.
        assert [word for word in words if word.startswith("Control")][:2] == ["ControlMaster=no", "ControlPath=none"]
        assert self.connection.options["timeout"] == 5
        self.told.append(command.split()[1])
        answer = next(self.answers, (0, ""))
        if isinstance(answer, Exception):
            raise answer
        return {"rc": answer[0], "stdout": answer[1], "stderr": answer[1]}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [0.0]
    monkeypatch.setattr(ruleset_trial.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ruleset_trial.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    yield now


def step(
    monkeypatch: pytest.MonkeyPatch, node: Node, name: str, answers: dict[str, Any] | None = None, **given: Any
) -> dict[str, Any]:
    monkeypatch.setattr(ruleset_trial.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = ruleset_trial.ActionModule.__new__(ruleset_trial.ActionModule)
    action._connection = node.connection
    action._display = type("Display", (), {"vv": staticmethod(print)})()
    args = {"step": name, "trial": TRIAL, "nodes": list(answers or {}), "answers": "before", "patience": 15.0}
    args.update(loader="loader", **given)
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, args), raising=False)
    monkeypatch.setattr(action, "_low_level_execute_command", node.execute, raising=False)
    hostvars = {host: {"before": answer} for host, answer in (answers or {}).items()}
    result: dict[str, Any] = action.run(None, {"inventory_hostname": "fw1", "hostvars": hostvars})
    assert node.connection.options == {"ssh_args": SHARED, "timeout": 10}, "the options are as they were"
    return result


GOOD, BAD = {"ok": True}, {"ok": False, "reason": "cannot be reached", "remedy": "Look"}
LOST = AnsibleConnectionFailure("timed out")


def test_without_a_trial_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reach", "ask", "confirm", "settle"):
        node = Node()
        result = step(monkeypatch, node, name, {"fw1": GOOD}, trial={"token": "", "seconds": 60})
        assert result["ok"]
        assert not result["changed"]
        assert node.told == []


def test_asks_until_the_rules_are_loaded_and_the_connection_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(LOST, (255, "ssh: x"), (0, status("loading")), (0, status("trial", False)), (0, status("trial")))
    assert step(monkeypatch, node, "reach")["ok"]
    assert node.told == ["trial"] * 5


def test_a_node_that_is_cut_off_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(*[LOST] * 100)
    result = step(monkeypatch, node, "reach")
    assert result["failed"]
    assert "fw1: cannot be reached over a new connection: timed out. Look at the management" in result["msg"]
    assert "back 60 s after loading at the latest" in result["msg"]
    assert "rollback" not in node.told


def test_a_node_that_answers_but_did_not_load_is_told_to_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node((0, status("failed", reason="line 3")))
    result = step(monkeypatch, node, "reach")
    assert "fw1: did not load the rules: line 3" in result["msg"]
    assert node.told == ["trial", "rollback"]


def test_to_ask_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    result = step(monkeypatch, Node(*[LOST] * 100), "ask")
    assert (result["ok"], result.get("failed")) == (False, None)
    assert "timed out" in result["reason"]


def test_all_answered_so_each_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node((0, "confirmed"))
    result = step(monkeypatch, node, "confirm", {"fw1": GOOD, "fw2": GOOD})
    assert (result["ok"], result["changed"], node.told) == (True, True, ["confirm"])


@pytest.mark.parametrize("other", [BAD, None, {"unreachable": True, "msg": "x"}])
def test_one_did_not_answer_so_nobody_confirms(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    node = Node()
    result = step(monkeypatch, node, "confirm", {"fw1": GOOD, "fw2": other})
    assert (result["ok"], result["changed"], node.told) == (False, False, ["rollback"])
    assert result["lines"][0].startswith("fw2: ")


@pytest.mark.parametrize("answer", [LOST, (255, "ssh: x"), (1, "linuxha-rules: the time is over")])
def test_a_confirmation_that_fails_is_an_answer(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    result = step(monkeypatch, Node(answer), "confirm", {"fw1": GOOD, "fw2": GOOD})
    assert not result["ok"]
    assert result["reason"]
    assert "failed" not in result


def test_one_did_not_confirm_so_all_go_back_and_the_play_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    result = step(monkeypatch, node, "settle", {"fw1": GOOD, "fw2": {**BAD, "reason": "did not confirm: too late"}})
    assert result["failed"]
    assert node.told == ["rollback"]
    assert "fw2: did not confirm: too late. Look" in result["msg"]
    assert "On fw1, fw2 the previous ones are back" in result["msg"]


@pytest.mark.parametrize("answer", [LOST, (255, "ssh: x")])
def test_a_node_lost_while_it_confirmed_may_have_kept_the_rules(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    lost = step(monkeypatch, Node(answer), "confirm", {"fw1": GOOD, "fw2": GOOD})
    result = step(monkeypatch, Node((0, "")), "settle", {"fw1": GOOD, "fw2": lost})
    assert "The new rules are not kept. On fw1 the previous ones are back" in result["msg"]
    assert "fw2 may have kept the new rules: linuxha-rules trial tells there." in result["msg"]

    # The lost node itself: not heard again, or gone back after all.
    result = step(monkeypatch, Node(answer), "settle", {"fw1": lost, "fw2": GOOD})
    assert "fw1 may have kept the new rules" in result["msg"]
    result = step(monkeypatch, Node((0, "")), "settle", {"fw1": lost, "fw2": GOOD})
    assert "may have kept" not in result["msg"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (LOST, "cannot be reached"),
        ((255, "ssh: x"), "cannot be reached"),
        ((1, "linuxha-rules: these are the first rules of this node"), "these are the first rules of this node"),
    ],
)
def test_a_confirmed_node_that_does_not_go_back_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: Any, words: str
) -> None:
    result = step(monkeypatch, Node(answer), "settle", {"fw1": GOOD, "fw2": BAD})
    assert "On fw2 the previous ones are back" in result["msg"]
    assert "fw1 may have kept the new rules" in result["msg"]
    told = [line for line in result["msg"].splitlines() if line.startswith("fw1: was told to go back, but: ")]
    assert len(told) == 1
    assert words in told[0]


def test_a_way_back_that_failed_is_told_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (1, "linuxha-rules: not everything went back")
    reached = step(monkeypatch, Node((0, status("failed", reason="line 3")), broken), "reach")
    assert "fw1: was told to go back, but: linuxha-rules: not everything went back" in reached["msg"]
    confirmed = step(monkeypatch, Node(broken), "confirm", {"fw1": GOOD, "fw2": BAD})
    assert any("not everything went back" in line for line in confirmed["lines"])


def test_the_first_reason_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken_back = {"ok": False, "reason": "taken back", "lines": ["fw2: cannot be reached. Look"]}
    result = step(monkeypatch, Node(), "settle", {"fw1": taken_back, "fw2": taken_back})
    assert result["msg"].splitlines()[1:] == ["fw2: cannot be reached. Look"]


def test_all_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    assert step(monkeypatch, node, "settle", {"fw1": GOOD, "fw2": GOOD})["ok"]
    assert node.told == []
