# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The decisions of the takeover worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
import pytest

from tests.unit.node_programs import load

core = load("takeover", "takeover_core")
load("takeover", "takeover_links")
load("takeover", "takeover_controller")
takeover = load("takeover", "takeover")


def events(*lines: str) -> list[object]:
    parsed = [core.parse_line(f"INSTANCE {line}") for line in lines]
    assert None not in parsed
    return parsed


def names(plan: object) -> list[str] | None:
    return None if plan.steps is None else [step.name for step in plan.steps]


BOTH_MASTER = ('"ha0" MASTER 250', '"ha1" MASTER 250')
BOTH_BACKUP = ('"ha0" BACKUP 250', '"ha1" BACKUP 250')
TAKEOVER = {
    "none": ["open_gate"],
    "immediate": ["open_gate", "resync_kernel"],
    "cache": ["commit", "open_gate", "flush_caches", "resync_kernel", "bulk"],
}
RELEASE = {"none": ["open_gate"], "immediate": ["request"], "cache": ["request", "close_gate"]}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('INSTANCE "ha0" MASTER 250', ("INSTANCE", "ha0", "MASTER", 250)),
        ('GROUP "edge" FAULT 0\n', ("GROUP", "edge", "FAULT", 0)),
        ('INSTANCE "a b" MASTER_RX_LOWER_PRI 1', ("INSTANCE", "a b", "MASTER_RX_LOWER_PRI", 1)),
        ('INSTANCE "ha0" WHATEVER 1', None),
        ("VS [192.0.2.1]:tcp:80 UP", None),
        ("", None),
    ],
)
def test_parse(line: str, wanted: tuple[str, str, str, int] | None) -> None:
    event = core.parse_line(line)
    assert (None if event is None else (event.kind, event.name, event.state, event.priority)) == wanted


def test_a_line_may_arrive_in_two_reads() -> None:
    lines, rest = core.split_lines(b'GROUP "e" MASTER 0\nINSTANCE "ha0" MAS')
    assert lines == ['GROUP "e" MASTER 0']
    assert core.split_lines(rest + b"TER 250\n") == (['INSTANCE "ha0" MASTER 250'], b"")


@pytest.mark.parametrize("mode", core.MODES)
def test_one_takeover_and_one_release_per_group_transition(mode: str) -> None:
    worker = core.Core(mode, gate=True)
    assert names(worker.batch(events(BOTH_MASTER[0]))) == TAKEOVER[mode]
    assert names(worker.batch(events(BOTH_MASTER[1]))) is None
    assert names(worker.batch(events(BOTH_BACKUP[0]))) is None
    assert names(worker.batch(events(BOTH_BACKUP[1]))) == RELEASE[mode]


@pytest.mark.parametrize("mode", core.MODES)
def test_without_a_gate_nobody_touches_it(mode: str) -> None:
    worker = core.Core(mode, gate=False)
    plans = [worker.start(False), worker.batch(events(*BOTH_MASTER)), worker.in_step(True)]
    plans.append(worker.batch(events(*BOTH_BACKUP)))
    assert not {"open_gate", "close_gate"} & {name for plan in plans for name in names(plan) or []}


def test_the_gate_of_the_old_node_closes_late() -> None:
    worker = core.Core("cache", gate=True, grace=7.0)
    worker.batch(events(*BOTH_MASTER))
    plan = worker.batch(events(*BOTH_BACKUP))
    assert [(step.name, step.delay) for step in plan.steps] == [("request", core.ASK_AFTER), ("close_gate", 7.0)]


def test_stale_events_in_one_batch_act_once() -> None:
    worker = core.Core("immediate", gate=True)
    assert names(worker.batch(events(*BOTH_MASTER, *BOTH_BACKUP, *BOTH_MASTER))) == TAKEOVER["immediate"]
    # Away and back while nobody read: the peer may have served, so the cache has to be committed again.
    cached = core.Core("cache", gate=True)
    cached.batch(events(*BOTH_MASTER))
    assert names(cached.batch(events(*BOTH_BACKUP, *BOTH_MASTER))) == TAKEOVER["cache"]


def test_fault_is_a_release_and_coming_back_asks_again() -> None:
    worker = core.Core("immediate", gate=True)
    worker.batch(events('"ha0" MASTER 250'))
    assert names(worker.batch(events('"ha0" FAULT 250'))) == RELEASE["immediate"]
    assert names(worker.batch(events('"ha0" BACKUP 250'))) == RELEASE["immediate"]
    assert names(worker.batch(events('"ha0" BACKUP 250'))) is None
    worker.batch(events('"ha0" STOP 250'))
    assert names(worker.batch(events('"ha0" BACKUP 250'))) == RELEASE["immediate"]


def test_who_gave_way_asks_late_and_who_returns_at_once() -> None:
    worker = core.Core("immediate", gate=True)
    worker.batch(events('"ha0" MASTER 250'))
    assert [step.delay for step in worker.batch(events('"ha0" FAULT 250')).steps] == [core.ASK_AFTER]
    assert [step.delay for step in worker.batch(events('"ha0" BACKUP 250')).steps] == [0.0]


@pytest.mark.parametrize("last", ["STOP", "DELETED"])
def test_stopping_or_removing_the_last_master_is_a_release(last: str) -> None:
    worker = core.Core("cache", gate=True)
    worker.batch(events('"ha0" MASTER 250'))
    assert names(worker.batch(events(f'"ha0" {last} 250'))) == RELEASE["cache"]


def test_a_healed_split_sends_our_states() -> None:
    worker = core.Core("immediate", gate=True)
    worker.batch(events(*BOTH_MASTER))
    assert names(worker.batch(events('"ha0" MASTER_RX_LOWER_PRI 250'))) == ["open_gate", "resync_kernel", "bulk"]
    worker.batch(events(*BOTH_BACKUP))
    assert names(worker.batch(events('"ha0" MASTER_RX_LOWER_PRI 250'))) is None


def test_after_a_reload_the_line_of_the_group_tells_its_members() -> None:
    worker = core.Core("immediate", gate=True, groups={"edge": ["ha0", "ha1"]})
    worker.start(True, {"ha0": ("MASTER", 250), "ha1": ("MASTER", 250)})
    assert names(worker.batch([core.parse_line('GROUP "edge" MASTER 0')])) is None
    assert worker.instances == {"ha0": ("MASTER", 250), "ha1": ("MASTER", 250)}
    assert names(worker.batch([core.parse_line('GROUP "edge" BACKUP 0')])) == RELEASE["immediate"]


OFFICE, SHOP = '"vips-office" {} 100', '"vips-shop" {} 100'


def test_where_groups_have_nodes_of_their_own_each_tells_of_its_own() -> None:
    worker = core.Core("immediate", gate=True, apart=True)
    worker.batch(events('"states" BACKUP 100', OFFICE.format("BACKUP"), SHOP.format("BACKUP")))
    # Never the kernel's whole table, in which the states of others are, too.
    assert names(worker.batch(events(OFFICE.format("MASTER")))) == ["open_gate", "offer"]
    more = worker.batch(events(SHOP.format("MASTER")))
    assert (names(more), more.after) == (["offer"], True)
    assert names(worker.batch(events(SHOP.format("MASTER")))) is None
    assert worker.served() == {"office", "shop"}
    assert names(worker.batch(events(OFFICE.format("BACKUP"), SHOP.format("STOP")))) == RELEASE["immediate"]
    assert worker.served() == frozenset()


@pytest.mark.parametrize("third", ["BACKUP", "MASTER"])
def test_who_gives_a_group_away_forgets_later_what_still_passes_here(third: str) -> None:
    worker = core.Core("immediate", gate=True, apart=True, grace=5.0)
    worker.batch(events(OFFICE.format("MASTER"), SHOP.format("MASTER"), f'"vips-third" {third} 100'))
    plan = worker.batch(events(OFFICE.format("BACKUP"), '"vips-third" MASTER 100'))
    assert [(step.name, step.delay) for step in plan.steps] == [("offer", 0.0), ("offer", 5.0)]
    # The same after a moment in which it served nothing.
    plan = worker.batch(events(SHOP.format("BACKUP"), '"vips-third" BACKUP 100', OFFICE.format("MASTER")))
    assert [(step.name, step.delay) for step in plan.steps] == [("open_gate", 0.0), ("offer", 0.0), ("offer", 5.0)]


def test_what_conntrackd_read_from_the_kernel_is_sorted_again() -> None:
    filled = '"conntrackd" FILLED 0'
    worker = core.Core("immediate", gate=True, apart=True)
    assert names(worker.batch(events(filled))) is None
    worker.batch(events(OFFICE.format("MASTER")))
    plan = worker.batch(events(filled))
    assert (names(plan), plan.after) == (["offer"], True)
    together = core.Core("immediate", gate=True)
    together.batch(events('"states" MASTER 100'))
    assert names(together.batch(events(filled))) is None


def test_a_worker_that_starts_where_groups_are_served_tells_of_them_again() -> None:
    known = {"vips-office": ("MASTER", 100), "vips-shop": ("BACKUP", 100)}
    assert names(core.Core("immediate", gate=True, apart=True).start(True, known)) == ["open_gate", "offer"]
    assert names(core.Core("immediate", gate=True, apart=True).start(False, {})) == ["await_states"]
    # A group may have been given away a moment ago.
    worker = core.Core("immediate", gate=True, apart=True, groups={"office": [], "shop": []}, grace=5.0)
    assert worker.start(True, known).steps[-1] == core.Step(core.OFFER, 5.0)


@pytest.mark.parametrize(
    ("mode", "groups", "wanted"),
    [
        ("immediate", [{"name": "office", "addresses": []}, {"name": "shop", "addresses": []}], True),
        ("immediate", [{"name": "office", "addresses": []}], False),
        ("immediate", [{"name": "edge"}, {"name": "other"}], False),
        ("immediate", [{"name": "edge", "addresses": []}, {"name": "other"}], False),
        ("cache", [{"name": "office", "addresses": []}, {"name": "shop", "addresses": []}], False),
    ],
)
def test_which_groups_are_apart(mode: str, groups: list[dict[str, object]], wanted: bool) -> None:
    assert core.apart(mode, groups) == wanted


def test_what_an_earlier_worker_knew_must_agree_with_the_addresses() -> None:
    worker = core.Core("immediate", gate=True)
    worker.start(False, {"ha0": ("MASTER", 250)})
    assert worker.instances == {} and not worker.active


@pytest.mark.parametrize("mode", core.MODES)
def test_lines_of_unknown_groups_and_priorities_decide_nothing(mode: str) -> None:
    worker = core.Core(mode, gate=True)
    assert names(worker.batch([core.parse_line('GROUP "edge" MASTER 0')])) is None
    assert names(worker.batch(events('"ha0" BACKUP_PRIORITY 10'))) is None
    assert not worker.active


def test_start() -> None:
    assert names(core.Core("cache", gate=True).start(True)) == ["open_gate"]
    # The unit of conntrackd has asked the peers already: a second answer would replace every state.
    assert names(core.Core("cache", gate=True).start(False)) == ["await_states", "close_gate"]
    assert names(core.Core("immediate", gate=True).start(False)) == ["await_states"]


@pytest.mark.parametrize("mode", core.MODES)
def test_a_start_where_nobody_was_asked_asks_as_late_as_who_gave_way(mode: str) -> None:
    plan = core.Core(mode, gate=True).start(False, asked=False)
    assert names(plan) == RELEASE[mode]
    assert [step.delay for step in plan.steps if step.name == "request"] == [core.ASK_AFTER] * (mode != "none")
    assert names(core.Core(mode, gate=True).start(True, asked=False)) == ["open_gate"]


@pytest.mark.parametrize(
    ("mode", "arrived", "given_up"),
    [("immediate", ["open_gate", "forget"], ["open_gate"]), ("cache", ["forget"], []), ("none", [], [])],
)
def test_only_who_has_the_states_of_an_active_node_forgets_its_own(
    mode: str, arrived: list[str], given_up: list[str]
) -> None:
    assert names(core.Core(mode, gate=True).in_step(True)) == arrived
    assert names(core.Core(mode, gate=True).in_step(False)) == given_up


def test_nothing_ever_flushes_the_kernel_table() -> None:
    options = {"-c", "-f", "-R", "-B"}
    asked: set[str] = set()

    def runner(argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        if argv[0] == "conntrackd":
            asked.add(argv[1])
        return 0, ""

    worker = takeover.Worker(CONFIG, runner)
    for mode in ("immediate", "cache"):
        worker.core = core.Core(mode, gate=True)
        worker.apply(worker.core.batch(events(*BOTH_MASTER)))
        while worker.queue:
            worker.step()
    assert asked == options


CONFIG = {
    "groups": [],
    "mode": "cache",
    "gate": True,
    "grace_s": 5,
    "gate_sets": ["linuxha_gate4", "linuxha_gate6"],
    "conntrackd": ["conntrackd"],
    "commit_timeout_s": 30,
    "request": ["conntrackd", "-n"],
    "await": ["true"],
    "links": [],
    "links_attribute": "linuxha-links",
    "vips": [{"address": "192.0.2.1/24", "interface": "eth1"}],
}


def test_the_gate_opens_even_when_the_commit_fails() -> None:
    calls = []

    def runner(argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        calls.append((argv, stdin))
        return (1 if argv[0] == "conntrackd" else 0), "no"

    worker = takeover.Worker(CONFIG, runner)
    worker.apply(worker.core.batch(events(*BOTH_MASTER)))
    worker.step()
    worker.step()
    assert calls[0][0] == ["conntrackd", "-c"]
    assert calls[1] == (
        ["ipset", "restore"],
        "add linuxha_gate4 0.0.0.0/1 -exist\nadd linuxha_gate4 128.0.0.0/1 -exist\n"
        "add linuxha_gate6 ::/1 -exist\nadd linuxha_gate6 8000::/1 -exist\n",
    )
    assert worker.gate == "open"
    assert [entry.get("step") for entry in worker.history if entry["kind"] == "step"] == ["commit", "open_gate"]


def test_a_gate_that_does_not_open_is_tried_again() -> None:
    now = [0.0]
    answers = [(1, "no such set"), (0, "")]
    worker = takeover.Worker(CONFIG, lambda argv, stdin, timeout: answers.pop(0), lambda: now[0])
    worker.queue.append(core.Step(core.OPEN_GATE))
    worker.step()
    assert worker.gate == "unknown"
    assert worker.timers == [(takeover.GATE_RETRY_S, core.Step(core.OPEN_GATE))]
    assert worker.timeout() == takeover.GATE_RETRY_S
    worker.queue.append(worker.timers.pop()[1])
    worker.step()
    assert (worker.gate, worker.timers) == ("open", [])


def test_signs_of_life_are_due_in_time() -> None:
    now = [100.0]
    worker = takeover.Worker(CONFIG, lambda argv, stdin, timeout: (0, ""), lambda: now[0])
    assert worker.timeout() is None
    worker.beat, worker.beaten = 35.0, 90.0
    assert worker.timeout() == 25.0


def test_what_is_forgotten_is_what_was_told_and_nothing_else() -> None:
    calls = []

    def runner(argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        calls.append(argv)
        return 0, ""

    worker = takeover.Worker(CONFIG, runner)
    worker.do_forget()
    assert calls == [["conntrackd", "-f", "internal"]]


def test_a_newer_event_replaces_pending_steps_and_timers() -> None:
    worker = takeover.Worker(CONFIG, lambda argv, stdin, timeout: (0, ""))
    worker.apply(worker.core.batch(events(*BOTH_MASTER)))
    worker.apply(worker.core.batch(events(*BOTH_BACKUP)))
    assert not worker.queue
    assert worker.states == "resyncing"
    assert [step.name for _unused, step in worker.timers] == ["request", "close_gate"]
    worker.apply(worker.core.batch(events(*BOTH_MASTER)))
    assert worker.timers == []


def test_holding_a_vip_counts_only_on_its_interface() -> None:
    answer = '[{"ifname": "eth1", "addr_info": [{"local": "192.0.2.1"}]}, {"ifname": "eth2", "addr_info": []}]'
    assert takeover.Worker(CONFIG, lambda *_unused: (0, answer)).holds_vip()
    assert not takeover.Worker(CONFIG, lambda *_unused: (0, answer.replace("eth1", "eth9"))).holds_vip()
    assert not takeover.Worker(CONFIG, lambda *_unused: (1, "")).holds_vip()


@pytest.mark.parametrize(("code", "again"), [(2, "await_states"), (3, "request"), (1, "request")])
def test_states_that_are_still_coming_are_not_asked_for_again(code: int, again: str) -> None:
    worker = takeover.Worker(CONFIG, lambda argv, stdin, timeout: (0, ""))
    worker.request = subprocess.Popen(["sh", "-c", f"exit {code}"])
    worker.request.wait()
    worker.check_request()
    assert worker.states == "unknown"
    assert [step.name for _unused, step in worker.timers] == [again]


def test_a_request_that_cannot_be_made_is_made_again() -> None:
    worker = takeover.Worker({**CONFIG, "request": ["/nonexistent"]}, lambda argv, stdin, timeout: (0, ""), lambda: 5.0)
    assert "nonexistent" in worker.do_request()
    assert worker.timers == [(5.0 + takeover.RETRY_S, core.Step(core.REQUEST))]


APART = {
    "mode": "immediate",
    "groups": [
        {"name": "office", "instances": [], "addresses": [{"address": "192.0.2.1/24", "interface": "eth1"}]},
        {"name": "shop", "instances": [], "addresses": [{"address": "192.0.2.11/24", "interface": "eth1"}]},
    ],
}


@pytest.mark.parametrize(("code", "again"), [("0", []), ("1", ["offer"])])
def test_the_program_that_tells_the_peers_reads_whose_groups_they_are(
    code: str, again: list[str], tmp_path: Path
) -> None:
    seen, state = tmp_path / "seen", tmp_path / "state.json"
    offer = ["sh", "-c", f"cp {state} {seen}; exit {code}"]
    worker = takeover.Worker({**CONFIG, **APART, "offer": offer, "state_file": str(state)}, lambda *_unused: (0, ""))
    worker.apply(worker.core.batch(events(OFFICE.format("MASTER"))))
    while worker.queue:
        worker.step()
    worker.request.wait()
    worker.check_request()
    assert json.loads(seen.read_text())["offers"] == ["office"]
    assert worker.states == core.IN_STEP
    assert [step.name for _unused, step in worker.timers] == again
    worker.publish()
    assert bool(json.loads(state.read_text())["untold"]) == bool(again)


def test_one_group_more_leaves_alone_what_is_under_way(tmp_path: Path) -> None:
    config = {**CONFIG, **APART, "offer": ["true"], "state_file": str(tmp_path / "state.json")}
    ran: list[str] = []

    def runner(argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        ran.append(argv[0])
        return 1, "no"

    worker = takeover.Worker(config, runner, lambda: 0.0)
    worker.apply(worker.core.batch(events(OFFICE.format("MASTER"))))
    worker.step()
    # A gate that did not open is tried again, whatever comes.
    worker.apply(worker.core.batch(events(SHOP.format("MASTER"))))
    worker.apply(worker.core.batch(events(OFFICE.format("BACKUP"))))
    assert [step.name for step in worker.queue] == ["offer", "offer", "offer"]
    assert worker.timers == [
        (takeover.GATE_RETRY_S, core.Step(core.OPEN_GATE)),
        (5.0, core.Step(core.OFFER, 5.0)),
    ]
    # Nor does the gate stand in the way of a node that serves already.
    assert ran == ["ipset"]


def test_a_worker_that_starts_knows_which_groups_were_given_away_meanwhile(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    instance = {"state": "MASTER", "since": 0, "priority": 100}
    state.write_text(json.dumps({"instances": {"vips-office": instance, "vips-shop": instance}, "states": "in-step"}))
    answer = '[{"ifname": "eth1", "addr_info": [{"local": "192.0.2.11"}]}]'
    vips = [vip for group in APART["groups"] for vip in group["addresses"]]
    config = {**CONFIG, **APART, "gate": False, "vips": vips, "offer": ["true"], "state_file": str(state)}
    worker = takeover.Worker({**config, "fifo": str(tmp_path / "fifo")}, lambda *_unused: (0, answer))
    worker.start()
    os.close(worker.fd)
    assert worker.core.served() == {"shop"}
    assert worker.core.instances["vips-office"] == ("BACKUP", 100)
    changed = [(change["group"], change["old"], change["new"]) for change in worker.changes]
    assert changed == [("office", "MASTER", "BACKUP")]
    assert worker.since["vips-office"] > worker.since["vips-shop"] == 0


def test_what_could_not_be_told_stands_until_it_is_and_is_repeated_once(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    config = {**CONFIG, **APART, "state_file": str(state), "offer": ["false"]}
    worker = takeover.Worker(config, lambda *_unused: (0, ""), lambda: 0.0)
    worker.core.instances["vips-office"], worker.core.active = ("MASTER", 100), True
    later = (5.0, core.Step(core.OFFER, 5.0))
    worker.timers = [later]
    for _attempt in range(3):
        worker.do_offer()
        worker.request.wait()
        worker.check_request()
    assert worker.timers == [later, (takeover.RETRY_S, core.Step(core.OFFER))]
    worker.config = {**config, "offer": ["sleep", "0.2"]}
    worker.do_offer()
    worker.publish()
    assert "false: exit 1" in json.loads(state.read_text())["untold"]
    worker.request.wait()
    worker.check_request()
    worker.publish()
    assert json.loads(state.read_text())["untold"] == ""
    assert worker.timers == [later]


def test_a_node_of_one_group_tells_of_all_that_it_has(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    worker = takeover.Worker({**CONFIG, "state_file": str(state)}, lambda *_unused: (0, ""))
    worker.publish()
    assert json.loads(state.read_text())["offers"] is None


def test_a_newer_plan_ends_the_program_that_tells_the_peers(tmp_path: Path) -> None:
    config = {**CONFIG, **APART, "offer": ["sleep", "60"], "state_file": str(tmp_path / "state.json")}
    worker = takeover.Worker(config, lambda *_unused: (0, ""))
    worker.core.instances["vips-office"] = ("MASTER", 100)
    worker.core.active = True
    assert worker.do_offer() == ""
    running = worker.request
    worker.apply(worker.core.batch(events(SHOP.format("MASTER"))))
    worker.step()
    assert running.poll() is not None
    worker.apply(worker.core.batch(events(OFFICE.format("BACKUP"), SHOP.format("BACKUP"))))
    assert worker.request is None


def test_addresses_stand_by_only_while_their_node_takes_part() -> None:
    worker = core.Core("immediate", gate=True)
    worker.batch(events('"states" BACKUP 100', '"vips-office" MASTER 100', '"vips-shop" BACKUP 100'))
    worker.batch(events('"vips-office" BACKUP 100'))
    worker.batch(events('"states" STOP 100'))
    assert {state for state, _unused in worker.instances.values()} == {"STOP"}
    worker.batch(events('"states" BACKUP 100'))
    assert {state for state, _unused in worker.instances.values()} == {"BACKUP"}


def test_addresses_that_are_served_do_not_follow_their_node() -> None:
    worker = core.Core("immediate", gate=True)
    worker.batch(events('"states" BACKUP 100', '"vips-office" MASTER 100', '"states" STOP 100'))
    assert worker.instances["vips-office"][0] == "MASTER"
    assert worker.active


def changes(worker: object, *lines: str) -> list[tuple[str, str, str]]:
    before = dict(worker.instances)
    worker.batch(events(*lines))
    found: list[tuple[str, str, str]] = worker.changes(before)
    return found


def test_members_of_a_sync_group_are_one_change() -> None:
    worker = core.Core("immediate", gate=True, groups={"edge": ["ha0", "ha1"]})
    assert changes(worker, '"ha0" BACKUP 250') == [("edge", "NONE", "BACKUP")]
    assert changes(worker, '"ha1" BACKUP 250') == []
    assert changes(worker, *BOTH_MASTER) == [("edge", "BACKUP", "MASTER")]
    # The first that goes does not take the group with it.
    assert changes(worker, '"ha0" FAULT 250') == []
    assert changes(worker, '"ha1" FAULT 250') == [("edge", "MASTER", "FAULT")]
    assert changes(worker, '"ha0" BACKUP 250') == []
    assert changes(worker, '"ha1" BACKUP 250') == [("edge", "FAULT", "BACKUP")]


def test_groups_of_pacemaker_have_the_names_of_the_model() -> None:
    worker = core.Core("immediate", gate=True)
    assert changes(worker, '"states" BACKUP 100') == [("", "NONE", "BACKUP")]
    assert changes(worker, '"vips-shop" MASTER 100') == [("shop", "NONE", "MASTER")]
    assert changes(worker, '"vips-shop" DELETED 100') == [("shop", "MASTER", "DELETED")]


def test_the_journal_hears_of_a_change_when_it_is_done_and_holds_nobody_up(tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    now = [100.0]
    worker = takeover.Worker(CONFIG, lambda argv, stdin, timeout: (0, ""), lambda: now[0])
    worker.journal_fd = takeover.open_fifo(fifo)
    worker.changes = [{"group": "edge", "old": "BACKUP", "new": "MASTER", "at": 1.0, "mono": 100.0}]
    now[0] = 100.025
    worker.tell_journal()
    told = json.loads(os.read(worker.journal_fd, 4096))
    assert (told["group"], told["new"], told["served_ms"]) == ("edge", "MASTER", 25.0)
    # Nobody reads: what does not fit is left out at once.
    began = time.monotonic()
    worker.changes = [{"group": "edge", "old": "MASTER", "new": "BACKUP", "at": 1.0, "mono": 1.0}] * 5000
    worker.tell_journal()
    assert time.monotonic() - began < 5
    assert worker.changes == []
    os.close(worker.journal_fd)


class Returning:
    """A worker of a cluster with `preempt`, whose conntrackd is a script and whose clock is set by hand."""

    def __init__(self, root: Path, **config: object) -> None:
        self.now = 100.0
        self.file = root / "behind"
        self.ran: list[str] = []
        given = {**CONFIG, "mode": "immediate", "behind_file": str(self.file), "state_file": str(root / "state.json")}
        given.update(fifo=str(root / "fifo"), journal_fifo=str(root / "journal"), **config)
        self.vips = ""
        self.worker = takeover.Worker(given, self.run, lambda: self.now)
        self.state = root / "state.json"

    def run(self, argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        self.ran.append(" ".join(argv[:2]))
        return 0, self.vips if argv[0] == "ip" else ""

    def says(self, *lines: str) -> None:
        """keepalived writes its states; the worker does what there is to do."""
        for line in lines:
            os.write(self.worker.fd, f"INSTANCE {line}\n".encode())
        self.works()

    def works(self) -> None:
        self.worker.beat, self.worker.beaten = 0.001, 0.0
        for _turn in range(8):
            self.worker.turn()

    def answers(self, code: int) -> None:
        """The request for the states ends."""
        if self.worker.request is None:
            self.now += core.ASK_AFTER
            self.works()
        self.worker.request = subprocess.Popen(["sh", "-c", f"exit {code}"])
        self.worker.request.wait()
        self.works()

    @property
    def told(self) -> str:
        return self.file.read_text().strip()

    def journal(self) -> list[dict[str, object]]:
        try:
            return [json.loads(line) for line in os.read(self.worker.journal_fd, 65536).splitlines()]
        except BlockingIOError:
            return []


EMPTY = "[]"
SERVING = '[{"ifname": "eth1", "addr_info": [{"local": "192.0.2.1"}]}]'


@pytest.fixture
def returning(tmp_path: Path) -> Iterator[Returning]:
    node = Returning(tmp_path, **{"await": ["sleep", "60"], "request": ["sleep", "60"]})
    node.vips = EMPTY
    yield node
    node.worker.stop_request()
    for fd in (node.worker.fd, node.worker.journal_fd):
        if fd >= 0:
            os.close(fd)


def test_a_node_that_boots_takes_nothing_back_before_it_has_the_states(returning: Returning) -> None:
    returning.worker.start()
    # keepalived starts after this.
    assert returning.told == str(core.LEAST)
    returning.says(*BOTH_BACKUP)
    assert returning.told == str(core.LEAST)
    assert json.loads(returning.state.read_text())["behind"] == {"late": False}
    returning.answers(2)
    assert returning.told == str(core.LEAST)
    returning.answers(0)
    assert returning.told == "0"
    assert json.loads(returning.state.read_text())["behind"] is None
    returning.journal()
    returning.now += 0.4
    returning.says(*BOTH_MASTER)
    # Not a peer that fell silent: it took back what it is preferred for.
    assert [line["lifted"] for line in returning.journal()] == [returning.worker.lifted, returning.worker.lifted]


def test_where_nobody_else_serves_it_does_not_wait(returning: Returning) -> None:
    returning.worker.start()
    returning.says(*BOTH_BACKUP)
    returning.says(*BOTH_MASTER)
    assert returning.told == "0"
    assert returning.worker.lifted is None


def test_who_gives_way_needs_new_states(returning: Returning) -> None:
    returning.vips = SERVING
    returning.worker.start()
    assert returning.told == "0"
    returning.says(*BOTH_MASTER)
    returning.says('"ha0" FAULT 250', '"ha1" FAULT 250')
    assert returning.told == str(core.LEAST)
    returning.says(*BOTH_BACKUP)
    assert returning.told == str(core.LEAST)
    returning.answers(0)
    assert returning.told == "0"


def test_states_that_never_come_are_told_once_and_the_node_goes_on_waiting(returning: Returning) -> None:
    returning.worker.start()
    returning.says(*BOTH_BACKUP)
    returning.answers(3)
    returning.journal()
    for _minute in range(3):
        returning.now += takeover.LATE_S
        returning.works()
    assert [line for line in returning.journal() if "order" in line] == [
        {"order": "behind", "seconds": takeover.LATE_S}
    ]
    assert returning.told == str(core.LEAST)
    assert json.loads(returning.state.read_text())["behind"] == {"late": True}


@pytest.mark.parametrize("changed", [{"behind_file": ""}, {"mode": "none"}])
def test_who_has_nothing_to_wait_for_does_not(tmp_path: Path, changed: dict[str, object]) -> None:
    node = Returning(tmp_path, **changed)
    node.vips = EMPTY
    node.worker.start()
    assert not node.file.exists() or node.told == "0"
    node.worker.stop_request()


@pytest.mark.parametrize(("was", "role", "asks"), [
    ("in-step", "BACKUP", False),
    # It asked, and the answer is on its way; or none came; or it has just given way.
    ("resyncing", "BACKUP", True),
    ("unknown", "FAULT", True),
    # Its own states, of the time in which it served.
    ("in-step", "MASTER", True),
])  # fmt: skip
@pytest.mark.parametrize("instance", ["ha0", "vips-office"])
def test_a_worker_that_restarts_asks_for_what_is_missing(
    returning: Returning, was: str, role: str, asks: bool, instance: str
) -> None:
    known = {instance: {"state": role, "since": 1.0, "priority": 100}}
    returning.state.write_text(json.dumps({"instances": known, "active": role == "MASTER", "states": was}))
    returning.worker.start()
    assert returning.told == str(core.LEAST)
    assert [step.name for step in returning.worker.queue] == ([] if asks else ["await_states"])
    assert [step for _unused, step in returning.worker.timers] == [core.Step("request", core.ASK_AFTER)] * asks
    returning.works()
    # Hearing the peer is no answer.
    assert (returning.worker.request is None) == asks
    assert returning.told == str(core.LEAST)
    returning.answers(0)
    assert returning.told == "0"


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b'{"instances": {}}', b'{"states": null, "instances": {}}'])
def test_after_a_worker_that_left_no_whole_record_the_states_are_asked_for(returning: Returning, text: bytes) -> None:
    returning.state.write_bytes(text)
    returning.worker.start()
    assert [step.name for _unused, step in returning.worker.timers] == ["request"]


@pytest.mark.parametrize("commit", [30, 200])
def test_a_worker_that_is_stopped_has_the_time_to_end_a_takeover(commit: int) -> None:
    """And its programs live so long: systemd tells the worker alone."""
    unit = (Path(takeover.__file__).parents[1] / "templates" / "linuxha-takeover.service.j2").read_text()
    assert "\nKillMode=mixed\n" in unit
    waited: list[float] = []

    def runner(argv: list[str], stdin: str, timeout: float) -> tuple[int, str]:
        waited.append(timeout)
        return 0, ""

    worker = takeover.Worker({**CONFIG, "commit_timeout_s": commit}, runner)
    worker.apply(worker.core.batch(events(*BOTH_MASTER)))
    while worker.queue:
        worker.step()
    text = jinja2.Template(unit).render(takeover_commit_timeout=commit, takeover_after=[], takeover_before=[])
    assert int(text.split("TimeoutStopSec=")[1].split("s")[0]) >= sum(waited) > commit


def test_a_worker_that_is_stopped_in_a_takeover_ends_it(returning: Returning) -> None:
    """The next one finds the addresses, and takes the rest for done."""
    returning.worker.start()
    returning.says(*BOTH_BACKUP)
    for line in BOTH_MASTER:
        os.write(returning.worker.fd, f"INSTANCE {line}\n".encode())
    returning.ran.clear()
    returning.worker.leaving = True
    returning.worker.stop_request()
    returning.worker.last_words()
    assert returning.ran == ["ipset restore", "conntrackd -R"]
    assert json.loads(returning.state.read_text())["gate"] == "open"


def test_a_signal_does_not_cut_a_step_in_half(tmp_path: Path) -> None:
    """The worker as a process: SIGTERM arrives while it commits the states of its peer."""
    program = tmp_path / "conntrackd"
    commit = f"touch {tmp_path}/begun && sleep 1 && touch {tmp_path}/ended"
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/ran\n[ "$3" = -c ] && {commit}\n')
    program.chmod(0o755)
    ipset = tmp_path / "ipset"
    ipset.write_text(f"#!/bin/sh\ncat >> {tmp_path}/gate\n")
    ipset.chmod(0o755)
    config = {**CONFIG, "conntrackd": ["conntrackd", "-C", "x"], "await": ["true"], "request": ["true"], "realtime": 0}
    config.update(fifo=str(tmp_path / "fifo"), state_file=str(tmp_path / "state.json"), wake_controller=False)
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = f"{tmp_path}:{os.environ['PATH']}"
    with subprocess.Popen(
        [sys.executable, takeover.__file__, str(tmp_path / "config.json")], env={**os.environ, "PATH": path}
    ) as child:
        _until((tmp_path / "state.json").exists)
        with (tmp_path / "fifo").open("w", encoding="utf-8") as fifo:
            fifo.write("".join(f"INSTANCE {line}\n" for line in BOTH_MASTER))
        _until((tmp_path / "begun").exists)
        child.terminate()
        assert child.wait(20) == 0
    ran = [line.split()[2] for line in (tmp_path / "ran").read_text().splitlines()]
    assert (tmp_path / "ended").exists()
    assert ran[-4:] == ["-c", "-f", "-R", "-B"]
    assert "add linuxha_gate4" in (tmp_path / "gate").read_text()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
