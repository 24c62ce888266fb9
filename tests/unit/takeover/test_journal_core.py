# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Why a role changed: one table for each topology."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.node_programs import load

load("takeover", "takeover_core")
core = load("takeover", "journal_core")

LOST = ("MASTER", "BACKUP")
FAULT = ("MASTER", "FAULT")
GAINED = ("BACKUP", "MASTER")
RETURNED = ("FAULT", "BACKUP")


def change(states: tuple[str, str], **values: Any) -> Any:
    return core.Change("edge", *states, at=1000.0, mono=50.0, **values)


@pytest.mark.parametrize(
    ("states", "seen", "wanted", "words"),
    [
        (GAINED, {"down_s": 0.4}, "peer_silent", "400 ms"),
        (GAINED, {"down_s": 0.4, "farewell_s": 0.1}, "priority", "gave way"),
        # It gave way to somebody else, minutes ago.
        (GAINED, {"down_s": 0.4, "farewell_s": 600.0}, "peer_silent", ""),
        (GAINED, {"down_s": 0.4, "preempt": True, "old_for_s": 0.5}, "priority", "took back"),
        (GAINED, {"down_s": 0.4, "preempt": True, "old_for_s": 900.0}, "peer_silent", ""),
        (GAINED, {"down_s": 0.4, "preempt": False, "old_for_s": 0.5}, "peer_silent", ""),
        (("NONE", "MASTER"), {}, "start", "nobody else"),
        (("NONE", "BACKUP"), {}, "start", "started"),
        (("STOP", "BACKUP"), {}, "start", "started"),
        (("NONE", "BACKUP"), {"crashed": ("keepalived",)}, "fault", "keepalived"),
        (LOST, {"crashed": ("keepalived",)}, "fault", "keepalived died"),
        (LOST, {}, "priority", "higher claim"),
        (LOST, {"held": True}, "priority", "holds back"),
        (FAULT, {"drained": True, "links_down": ("eth1",)}, "operator", "drained"),
        (FAULT, {"maintenance": True}, "operator", "maintenance"),
        (FAULT, {"links_down": ("eth1", "eth2")}, "link", "eth1, eth2"),
        (FAULT, {"scripts": ("gateway",)}, "ping", "gateway"),
        (FAULT, {}, "unknown", "nobody drained"),
        (("BACKUP", "FAULT"), {"links_down": ("eth1",)}, "link", "eth1"),
        (("MASTER", "STOP"), {"stopping": True, "drained": True}, "stop", "shutting down"),
        (("MASTER", "STOP"), {}, "stop", "stopped"),
        (("BACKUP", "DELETED"), {}, "operator", "configuration"),
        (RETURNED, {"before": "link"}, "link", "over"),
        (RETURNED, {"before": "operator"}, "operator", "over"),
        (RETURNED, {}, "unknown", "over"),
    ],
)
def test_cause_under_keepalived(states: tuple[str, str], seen: dict[str, Any], wanted: str, words: str) -> None:
    cause, detail = core.cause(change(states), core.Evidence(**seen))
    assert cause == wanted
    assert words in detail


def member(**values: Any) -> Any:
    return core.Member(**{"attributes": {"linuxha-links": "20000", "ping-outside": "1"}, **values})


def two(fw1: Any, fw2: Any = None) -> dict[str, Any]:
    return {"fw1": fw1, "fw2": fw2 or member()}


CUT = {"linuxha-links": "10000", "ping-outside": "1"}
BLIND = {"linuxha-links": "20000", "ping-outside": "0"}


@pytest.mark.parametrize(
    ("states", "members", "more", "wanted", "words"),
    [
        # fw2 takes over.
        (GAINED, two(member(online=False)), {}, "peer_silent", "fw1 is lost"),
        (GAINED, two(member(online=False, expected=False, fenced=True)), {}, "peer_silent", "cut off"),
        (GAINED, two(member(online=False, expected=False)), {}, "stop", "in order"),
        (GAINED, two(member(standby=True)), {}, "operator", "fw1 was put into standby"),
        (GAINED, two(member(banned=True)), {}, "operator", "moved away from fw1"),
        (GAINED, two(member(attributes=CUT)), {}, "link", "fw1"),
        (GAINED, two(member(attributes=BLIND)), {}, "ping", "outside"),
        # Both are blind: that is no reason to move.
        (GAINED, two(member(attributes=BLIND), member(attributes=BLIND)), {}, "priority", "preferred"),
        (GAINED, two(member(failures=("vips-edge",))), {}, "fault", "vips-edge"),
        (GAINED, two(member(failures=("power1",))), {}, "priority", "preferred"),
        (GAINED, two(member()), {}, "priority", "preferred"),
        (GAINED, {}, {}, "unknown", "did not tell"),
        (("NONE", "MASTER"), two(member()), {}, "start", "nobody else"),
        # fw2 gives way.
        (LOST, two(member(), member(standby=True)), {}, "operator", "standby"),
        (LOST, two(member(), member(banned=True)), {}, "operator", "moved away"),
        (LOST, two(member()), {"maintenance": True}, "operator", "maintenance"),
        (LOST, two(member()), {"links_down": ("eth1",)}, "link", "eth1"),
        (LOST, two(member(), member(attributes=BLIND)), {}, "ping", "outside"),
        (LOST, two(member(), member(failures=("states",))), {}, "fault", "states"),
        (LOST, two(member()), {}, "priority", "higher claim"),
        (("MASTER", "STOP"), two(member()), {"stopping": True}, "stop", "shutting down"),
        (("BACKUP", "STOP"), two(member()), {}, "stop", "stopped"),
        (("BACKUP", "STOP"), two(member(), member(standby=True)), {}, "operator", "standby"),
        (("STOP", "BACKUP"), two(member()), {"before": "operator"}, "operator", "over"),
        (("STOP", "BACKUP"), two(member()), {"before": "stop"}, "start", "started"),
        (LOST, two(member()), {"crashed": ("corosync", "pacemaker")}, "fault", "corosync and pacemaker"),
    ],
)
def test_cause_under_pacemaker(
    states: tuple[str, str], members: dict[str, Any], more: dict[str, Any], wanted: str, words: str
) -> None:
    seen = core.Evidence(topology="pacemaker", node="fw2", members=members, **more)
    cause, detail = core.cause(change(states), seen)
    assert (cause, words in detail) == (wanted, True), detail


def test_every_cause_is_one_that_readers_know() -> None:
    states = ("MASTER", "BACKUP", "FAULT", "STOP", "DELETED", "NONE")
    for topology in ("none", "keepalived", "pacemaker"):
        for old in states:
            for new in states:
                assert core.cause(change((old, new)), core.Evidence(topology=topology))[0] in core.CAUSES


@pytest.mark.parametrize(
    ("states", "served", "cause", "wanted"),
    [
        (GAINED, 12.0, "peer_silent", 412.0),
        (GAINED, 12.0, "operator", 12.0),
        (GAINED, 12.0, "start", None),
        (LOST, None, "link", None),
    ],
)
def test_blackout(states: tuple[str, str], served: float | None, cause: str, wanted: float | None) -> None:
    assert core.blackout(change(states, served_ms=served), cause, 0.4) == wanted


def test_a_line_of_the_journal() -> None:
    entry = core.Entry(1.5, "edge", "BACKUP", "MASTER", "link", "why", 12.0, 7, False)
    assert list(entry.plain().items()) == [
        ("at", "1970-01-01T00:00:01.500Z"),
        ("cluster_group", "edge"),
        ("from", "BACKUP"),
        ("to", "MASTER"),
        ("cause", "link"),
        ("detail", "why"),
        ("blackout_ms", 12.0),
        ("states", 7),
        ("held", False),
    ]
    assert core.parse_iso(entry.plain()["at"]) == 1.5
    assert core.parse_iso("yesterday") is None


CRM_MON = """<pacemaker-result><nodes>
<node name="fw1" online="false" unclean="false" standby="false" expected_up="true"/>
<node name="fw2" online="true" unclean="false" standby="true" expected_up="true"/>
</nodes><node_attributes><node name="fw2"><attribute name="linuxha-links" value="20000"/></node></node_attributes>
<failures><failure op_key="vips-edge_monitor_5000" node="fw2"/>
<failure op_key="vips-edge_start_0" node="fw2"/></failures>
<bans><ban id="cli-ban-vips-edge-on-fw1" node="fw1"/><ban id="location-power1" node="fw2"/></bans>
<fence_history><fence_event target="fw1" status="success"/></fence_history></pacemaker-result>"""


def test_what_pacemaker_says() -> None:
    assert core.read_members(CRM_MON) == {
        "fw1": core.Member(online=False, banned=True, fenced=True),
        "fw2": core.Member(standby=True, attributes={"linuxha-links": "20000"}, failures=("vips-edge",)),
    }
    assert core.read_members("Connection to cluster failed") == {}


def test_daemons_that_died() -> None:
    text = "Id=keepalived.service\nActiveState={}\nNRestarts={}\nExecMainStartTimestampMonotonic={}\n"
    before = core.read_daemons(text.format("active", 1, 100))
    assert before == {"keepalived": core.Daemon(True, 1, 100)}
    assert core.crashed(before, core.read_daemons(text.format("active", 2, 200))) == ("keepalived",)
    # An order starts the count anew.
    assert core.crashed(before, core.read_daemons(text.format("active", 0, 200))) == ()
    assert core.crashed(before, before) == ()
    assert core.crashed({}, before) == ()
