# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Each finding is made to fire by one change of a healthy pair, which itself has none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._verify import (
    Expectation,
    Report,
    judge,
    summary,
    table,
)

from .sample import VIPS, Nodes, expected, findings, node, pair


@pytest.mark.parametrize("immediate", [True, False])
def test_a_healthy_pair_has_no_finding(immediate: bool) -> None:
    assert findings(pair(immediate), expected(immediate)) == ()


def put(path: str, value: Any) -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        *steps, last = path.split("/")
        place = nodes
        for step in steps:
            place = place[step]
        assert last in place, path
        place[last] = value

    return change


def both(*changes: Callable[[Nodes], None]) -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        for one in changes:
            one(nodes)

    return change


INSTANCE = "worker/instances/edge/state"
STATUS = "rules/status"
UNIT = "fw2/units/keepalived.service"
# change, path of the finding, a part of its text, severity, whether it may settle
TABLE = {
    "split brain": (put("fw2/held", VIPS), "edge", "split brain: fw1, fw2", "error", False),
    "split brain of one address": (put("fw2/held", VIPS[1:]), "edge", "same addresses: 2001:db8:1::1", "error", False),
    "unowned": (put("fw1/held", []), "edge", "no node holds 192.0.2.1, 2001:db8:1::1", "error", True),
    "one address unowned": (put("fw1/held", VIPS[:1]), "edge", "no node holds 2001:db8:1::1", "error", True),
    "divided": (
        both(put("fw1/held", VIPS[:1]), put("fw2/held", VIPS[1:])),
        "edge",
        "addresses of edge are divided: fw1: 192.0.2.1; fw2:",
        "error",
        True,
    ),
    "duplicate address": (put("fw1/duplicate", VIPS[1:]), "edge/fw1", "another host answers", "error", False),
    "older settings": (
        put("fw2/units/keepalived.service/older", ["LimitRTPRIO: 0 -> infinity"]),
        "edge/fw2/keepalived.service",
        "older than its files",
        "warning",
        False,
    ),
    "worker dead": (put("fw2/worker/problem", "no state"), "edge/fw2/keepalived", "no state", "error", True),
    "worker restarted": (put("fw2/worker/instances", {}), "edge/fw2/keepalived", "not heard of edge", "info", False),
    "fault": (put(f"fw2/{INSTANCE}", "FAULT"), "edge/fw2/keepalived", "instance edge is in state FAULT", "error", True),
    "drained": (
        both(put(f"fw2/{INSTANCE}", "FAULT"), put("fw2/drained", True)),
        "edge/fw2/keepalived",
        "is drained",
        "warning",
        False,
    ),
    "addresses of a backup": (
        put(f"fw1/{INSTANCE}", "BACKUP"),
        "edge/fw1/keepalived",
        "is not MASTER of edge",
        "error",
        True,
    ),
    "master without addresses": (
        put(f"fw2/{INSTANCE}", "MASTER"),
        "edge/fw2/keepalived",
        "MASTER of edge and holds no",
        "error",
        True,
    ),
    "daemon failed": (put(f"{UNIT}/active", "failed"), "edge/fw2/keepalived.service", "failed", "error", False),
    "daemon starting": (
        put(f"{UNIT}/active", "activating"),
        "edge/fw2/keepalived.service",
        "activating",
        "error",
        True,
    ),
    "daemon disabled": (
        put(f"{UNIT}/enabled", "disabled"),
        "edge/fw2/keepalived.service",
        "disabled",
        "warning",
        False,
    ),
    "rules unreadable": (put("fw2/rules/problem", "exit status 2"), "edge/fw2/rules", "exit status 2", "error", False),
    "rules closed": (
        both(put(f"fw2/{STATUS}/state", "closed"), put(f"fw2/{STATUS}/reason", "rules.v4 is damaged")),
        "edge/fw2/rules",
        "closed: rules.v4 is damaged",
        "error",
        False,
    ),
    "drift": (put(f"fw1/{STATUS}/drift/ipv6", True), "edge/fw1/rules", "other ipv6 rules", "error", False),
    "files differ": (put(f"fw1/{STATUS}/files_differ", True), "edge/fw1/rules", "the files differ", "error", False),
    "policies differ": (
        put(f"fw2/{STATUS}/policy", "bb22"),
        "edge/rules",
        "different policies: fw1 aa11",
        "error",
        False,
    ),
    "rules differ": (put("fw2/rules/fingerprint/ipv4", "zz"), "edge/rules", "the ipv4 rules", "error", False),
    "rules printed differently": (
        both(
            put("fw2/rules/fingerprint/ipv4", "zz"),
            put("fw2/versions/release", "debian 12"),
            put("fw2/versions/iptables", "1.8.9-2"),
        ),
        "edge/rules",
        "the ipv4 rules",
        "info",
        False,
    ),
    "forwarding off": (
        put("fw2/forwarding/ipv6", False),
        "edge/fw2/forwarding",
        "ipv6 forwarding is off",
        "error",
        False,
    ),
    "table nearly full": (put("fw2/conntrack/max", 1010), "edge/fw2/conntrack", "1005 of 1010", "warning", False),
    "conntrackd dead": (
        put("fw2/conntrackd", {"problem": "can't connect"}),
        "edge/fw2/conntrackd",
        "can't",
        "error",
        True,
    ),
    "overrun": (
        both(put("fw1/conntrackd/overruns", 2), put("fw1/watch", {})),
        "edge/fw1/conntrackd",
        "2 netlink overruns",
        "error",
        True,
    ),
    "overrun that the watcher missed": (
        both(put("fw1/conntrackd/overruns", 2), put("fw1/conntrackd/kernel_resyncs", 9)),
        "edge/fw1/conntrackd",
        "2 netlink overruns",
        "error",
        True,
    ),
    "watcher in trouble": (put("fw1/watch/problem", "-R: exit 1"), "edge/fw1/conntrackd", "-R: exit 1", "error", True),
    "cache full": (put("fw1/conntrackd/no_space", 9), "edge/fw1/conntrackd", "refused 9 states", "warning", False),
    "no memory": (put("fw1/conntrackd/no_memory", 9), "edge/fw1/conntrackd", "refused 9 states", "warning", False),
    "malformed": (put("fw2/conntrackd/malformed", 4), "edge/fw2/conntrackd", "4 malformed", "warning", False),
    "lost": (put("fw2/conntrackd/lost", 4), "edge/fw2/conntrackd", "4 messages", "info", False),
    "resyncing": (put("fw2/worker/states", "resyncing"), "edge/fw2/conntrackd", "are resyncing", "error", True),
    "states unknown": (put("fw2/worker/states", "unknown"), "edge/fw2/conntrackd", "are unknown", "error", True),
    "behind": (put("fw2/conntrack/entries", 949), "edge/fw2/conntrackd", "949 states in the kernel", "error", True),
    "ahead": (put("fw2/conntrack/entries", 1051), "edge/fw2/conntrackd", "only 1000", "warning", True),
    "no count": (put("fw2/conntrack/entries", None), "edge/fw2/conntrackd", "does not tell", "error", False),
    "not offered": (put("fw1/conntrack/entries", 1051), "edge/fw1/conntrackd", "1000 of the 1051", "warning", True),
    "owner's gate closed": (
        both(put(f"fw1/{STATUS}/gate", {"ipv4": "closed", "ipv6": "closed"}), put("fw1/worker/gate", "closed")),
        "edge/fw1/gate",
        "nothing is forwarded",
        "error",
        True,
    ),
    "standby's gate closed": (
        both(put(f"fw2/{STATUS}/gate", {"ipv4": "closed", "ipv6": "closed"}), put("fw2/worker/gate", "closed")),
        "edge/fw2/gate",
        "closed on the standby",
        "error",
        True,
    ),
    "gate half open": (put(f"fw1/{STATUS}/gate/ipv6", "closed"), "edge/fw1/gate", "half open", "error", True),
    "gate absent": (put(f"fw1/{STATUS}/gate/ipv6", "absent"), "edge/fw1/gate", "does not exist", "error", False),
    "gate changed by hand": (
        put("fw1/worker/gate", "closed"),
        "edge/fw1/gate",
        "closed for the takeover worker",
        "error",
        True,
    ),
    "package differs": (
        put("fw2/versions/keepalived", "1:2.3.4-1"),
        "edge/versions",
        "keepalived differs",
        "warning",
        False,
    ),
    "kernel differs": (put("fw2/versions/kernel", "6.12.9"), "edge/versions", "kernel differs", "warning", False),
    "release differs": (put("fw2/versions/release", "debian 12"), "edge/versions", "different releases", "info", False),
}


@pytest.mark.parametrize(("change", "path", "what", "severity", "settles"), TABLE.values(), ids=TABLE)
def test_finding(change: Callable[[Nodes], None], path: str, what: str, severity: str, settles: bool) -> None:
    nodes = pair()
    change(nodes)
    found = findings(nodes)
    match = [finding for finding in found if finding.path == path and what in finding.what]
    assert len(match) == 1, found
    assert (match[0].severity, match[0].settles) == (severity, settles)
    assert match[0].expected
    assert match[0].remedy


# What follows from these on other parts is wanted too, so that the reader sees it: no owner means no more questions.
SINGLE = set(TABLE) - {
    "split brain",
    "split brain of one address",
    "unowned",
    "one address unowned",
    "divided",
    "rules printed differently",
}


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_one_cause_has_one_finding(name: str) -> None:
    nodes = pair()
    TABLE[name][0](nodes)
    assert len(findings(nodes)) == 1, findings(nodes)


@pytest.mark.parametrize("name", ["fw1", "fw2"])
def test_a_restarted_worker_that_is_wrong(name: str) -> None:
    nodes = pair()
    worker = nodes[name]["worker"]
    worker.update(instances={}, active=not worker["active"])
    found = [finding for finding in findings(nodes) if finding.severity == "error"]
    assert len(found) == 1
    assert "believes" in found[0].what


def test_split_brain_is_never_only_settling() -> None:
    """The settling of others must not hide it: an error that does not settle is among the findings."""
    nodes = pair()
    nodes["fw2"] = node(True)
    assert any(finding.severity == "error" and not finding.settles for finding in findings(nodes))


@pytest.mark.parametrize(
    ("entries", "copy", "fires"),
    [
        (0, 50, False),
        (0, 51, True),
        (1000, 950, False),
        (1000, 949, True),
        (200000, 198000, False),
        (200000, 197999, True),
    ],
)
@pytest.mark.parametrize("immediate", [True, False])
def test_tolerance(entries: int, copy: int, fires: bool, immediate: bool) -> None:
    nodes = pair(immediate)
    nodes["fw1"]["conntrackd"]["internal"] = entries
    nodes["fw1"]["conntrack"]["entries"] = entries
    if immediate:
        nodes["fw2"]["conntrack"]["entries"] = copy
    else:
        nodes["fw2"]["conntrackd"]["external"] = copy
    assert bool(findings(nodes, expected(immediate))) is fires


def test_an_overrun_that_was_mended_is_no_finding() -> None:
    nodes = pair()
    nodes["fw1"]["conntrackd"].update(overruns=2, kernel_resyncs=1)
    nodes["fw1"]["watch"].update(overruns=2, mended=1)
    assert findings(nodes) == ()
    nodes["fw1"]["watch"] = {}
    assert findings(nodes) == ()


def test_the_other_cache_mode_is_a_finding() -> None:
    nodes = pair(immediate=False)
    assert [f.what for f in findings(nodes) if "conntrackd" in f.path] == ["the daemon runs with an external cache"] * 2


def test_an_open_gate_on_the_standby_of_a_cache_mode() -> None:
    nodes = pair(immediate=False)
    nodes["fw2"]["rules"]["status"]["gate"] = {"ipv4": "open", "ipv6": "open"}
    nodes["fw2"]["worker"]["gate"] = "open"
    [finding] = findings(nodes, expected(False))
    assert (finding.path, finding.severity, finding.settles) == ("edge/fw2/gate", "warning", True)


def test_without_replication_and_gate_neither_is_asked_for() -> None:
    nodes = pair()
    for info in nodes.values():
        info["conntrackd"] = {"problem": "not installed"}
        info["rules"]["status"]["gate"] = {"ipv4": "absent", "ipv6": "absent"}
        info["worker"].update(gate="none", states="unknown")
    assert findings(nodes, expected(replicated=False, gate=False)) == ()


def test_a_node_that_does_not_answer() -> None:
    reports = [Report("fw1", node(True)), Report("fw2", None, "connection timed out")]
    [finding] = judge(expected(), reports)
    assert (finding.path, finding.settles) == ("edge/fw2", False)
    assert "connection timed out" in finding.what
    [finding] = judge(expected(), reports[:1])
    assert "--limit" in finding.what


def test_when_the_owner_does_not_answer_it_may_still_hold_the_addresses() -> None:
    found = judge(expected(), [Report("fw1", None, "timeout"), Report("fw2", node(False))])
    assert [f.path for f in found] == ["edge/fw1", "edge"]
    assert "a node did not answer and may hold them" in found[1].what


def test_nobody_answers() -> None:
    found = judge(expected(), [])
    assert {f.path for f in found} == {"edge/fw1", "edge/fw2", "edge"}


def test_hundreds_of_addresses_are_not_all_printed() -> None:
    vips = [f"192.0.2.{last}" for last in range(1, 251)]
    expectation = Expectation("edge", ["fw1"], vips, replicated=False, gate=False)
    info = copy.deepcopy(node(False))
    [finding] = judge(expectation, [Report("fw1", info)])
    assert finding.what.endswith("192.0.2.6 and 244 more")


def test_the_worst_comes_first() -> None:
    nodes = pair()
    nodes["fw1"]["conntrackd"].update(lost=1, malformed=1)
    nodes["fw2"]["forwarding"]["ipv4"] = False
    assert [finding.severity for finding in findings(nodes)] == ["error", "warning", "info"]


def test_summary_fits_on_a_screen() -> None:
    lines = summary(expected(), [Report("fw1", node(True)), Report("fw2", None, "dead")])
    assert lines[0] == "cluster edge: owner fw1 holds all 2 virtual addresses"
    assert "MASTER" in lines[2]
    assert "open" in lines[2]
    assert lines[3].split() == ["fw2", "no", "answer"]
    assert lines[4] == "  fw1: iptables 1.8.11-2, keepalived 1:2.3.3-1, kernel 6.12.0"
    assert max(map(len, lines)) <= 110
    nodes = pair()
    nodes["fw2"]["held"] = VIPS
    assert "no single owner" in summary(expected(), [Report(name, info) for name, info in nodes.items()])[0]


def test_table_has_everything_and_stays_narrow() -> None:
    nodes = pair()
    nodes["fw2"]["held"] = VIPS
    found = findings(nodes)
    text = table("edge", found)
    assert text[0].startswith("cluster edge: 2 errors, ")
    assert max(map(len, text)) <= 110
    words = " ".join(" ".join(text).split())
    for finding in found:
        assert finding.path in words
        assert finding.what in words
        assert finding.remedy in words


# --- Pacemaker


def cluster(**more: Any) -> dict[str, Any]:
    nodes = [
        {"name": name, "online": True, "standby": False, "maintenance": False, "unclean": False}
        for name in ("fw1", "fw2")
    ]
    found = {"problem": None, "dc": "fw1", "quorum": True, "maintenance": False, "nodes": nodes}
    return {**found, "failures": [], "bans": [], "unsettled": [], **more}


def pacemaker(change: Callable[[Nodes], None] | None = None) -> tuple[Any, ...]:
    nodes = {name: {**info, "cluster": cluster()} for name, info in pair().items()}
    if change is not None:
        change(nodes)
    return findings(nodes, expected(manager="pacemaker"))


def test_a_healthy_cluster_of_pacemaker_has_no_finding() -> None:
    assert pacemaker() == ()


CLUSTER = {
    "not running": (put("fw2/cluster", {"problem": "crm_mon: exit 102"}), "edge/fw2/pacemaker", "exit 102", "error"),
    "no quorum": (put("fw2/cluster/quorum", False), "edge/fw2/pacemaker", "without quorum", "error"),
    "two controllers": (put("fw2/cluster/dc", "fw2"), "edge/pacemaker", "different controllers: fw1, fw2", "error"),
    "offline": (put("fw1/cluster/nodes", cluster()["nodes"][:1]), "edge/fw1/pacemaker", "sees fw2 offline", "error"),
    "maintenance": (put("fw1/cluster/maintenance", True), "edge/pacemaker", "nothing would take over", "warning"),
    "standby": (
        put("fw1/cluster/nodes", [{**cluster()["nodes"][0], "standby": True}, cluster()["nodes"][1]]),
        "edge/pacemaker/fw1",
        "the node is standby",
        "warning",
    ),
    "failure": (
        put("fw1/cluster/failures", [{"op_key": "vips-edge_monitor_5000", "node": "fw1", "exitreason": "gone"}]),
        "edge/pacemaker",
        "vips-edge_monitor_5000 on fw1: gone",
        "warning",
    ),
    "ban": (
        put("fw1/cluster/bans", [{"id": "cli-ban-x", "resource": "x", "node": "fw2"}]),
        "edge/pacemaker",
        "x is kept off fw2 by cli-ban-x",
        "warning",
    ),
    "unsettled": (put("fw1/cluster/unsettled", ["x is starting"]), "edge/pacemaker", "x is starting", "error"),
}


@pytest.mark.parametrize(("change", "path", "what", "severity"), CLUSTER.values(), ids=CLUSTER)
def test_finding_about_pacemaker(change: Callable[[Nodes], None], path: str, what: str, severity: str) -> None:
    found = [item for item in pacemaker(change) if item.path == path and what in item.what]
    assert [item.severity for item in found] == [severity]


def test_a_device_kept_off_its_own_node_is_no_order_of_an_operator() -> None:
    ban = {"id": "location-power-fw1-fw1", "resource": "power-fw1", "node": "fw1"}
    assert pacemaker(put("fw1/cluster/bans", [ban])) == ()


VOTING = {"votes": True, "flags": "A,V,NMW", "problem": None}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"votes": False, "flags": "A,NV,NMW", "problem": None}, "flags A,NV,NMW"),
        ({"votes": False, "flags": "", "problem": None}, "flags of no device"),
        ({"votes": False, "flags": "", "problem": "no status: exit 1"}, "no status: exit 1"),
    ],
)
def test_a_quorum_device_that_does_not_vote_is_a_warning(answer: dict[str, Any], reason: str) -> None:
    """Of each node for itself: the device may reach one and not the other."""
    nodes = {name: {**info, "cluster": cluster(), "device": VOTING} for name, info in pair().items()}
    assert findings(nodes, expected(manager="pacemaker", device=True)) == ()
    nodes["fw2"]["device"] = answer
    (found,) = findings(nodes, expected(manager="pacemaker", device=True))
    assert (found.path, found.severity) == ("edge/fw2/corosync", "warning")
    assert reason in found.what


def test_groups_may_be_on_different_nodes_and_are_not_divided() -> None:
    nodes = pair()
    nodes["fw1"]["held"], nodes["fw2"]["held"] = VIPS[:1], VIPS[1:]
    for held_apart, groups in ((True, {"edge": VIPS}), (False, {"a": VIPS[:1], "b": VIPS[1:]})):
        found = findings(nodes, expected(groups=groups))
        assert any("are divided" in item.what for item in found) is held_apart


# --- several groups: two nodes serve, one is spare

GROUPS = {"left": VIPS[:1], "right": VIPS[1:]}


def instances(*groups: str) -> dict[str, dict[str, Any]]:
    """What the worker of a node knows: it is MASTER of these groups."""
    states = {"states": "BACKUP", **{f"vips-{name}": "MASTER" if name in groups else "BACKUP" for name in GROUPS}}
    return {name: {"state": state, "since": 0, "priority": 100} for name, state in states.items()}


def shared() -> tuple[Nodes, Expectation]:
    """fw1 serves 1000 connections, fw2 600, fw3 none; all three know all of them."""
    nodes = {"fw1": node(True), "fw2": node(True), "fw3": node(False)}
    for name, groups in (("fw1", ["left"]), ("fw2", ["right"]), ("fw3", [])):
        nodes[name]["worker"]["instances"] = instances(*groups)
    nodes["fw1"]["held"], nodes["fw2"]["held"] = VIPS[:1], VIPS[1:]
    nodes["fw2"]["conntrackd"]["internal"] = 600
    for info in nodes.values():
        info["conntrack"]["entries"] = 1605
        info["cluster"] = cluster(nodes=[{**cluster()["nodes"][0], "name": name} for name in nodes])
    wanted = Expectation("edge", list(nodes), VIPS, immediate=True, manager="pacemaker", groups=GROUPS)
    return nodes, wanted


def test_each_group_has_its_owner_and_all_know_all_states() -> None:
    nodes, wanted = shared()
    assert findings(nodes, wanted) == ()
    reports = [Report(name, info) for name, info in nodes.items()]
    assert summary(wanted, reports)[0] == "cluster edge: owners fw1 of left, fw2 of right"


@pytest.mark.parametrize("name", ["fw1", "fw2", "fw3"])
def test_a_node_that_lacks_states_of_another_group(name: str) -> None:
    nodes, wanted = shared()
    nodes[name]["conntrack"]["entries"] -= 100
    (found,) = findings(nodes, wanted)
    assert found.path == f"edge/{name}/conntrackd"
    assert "offered by fw1 and fw2" in found.what


def test_a_node_that_does_not_tell_its_peers_of_all() -> None:
    nodes, wanted = shared()
    nodes["fw2"]["worker"]["untold"] = "offer.py: exit 1"
    (found,) = findings(nodes, wanted)
    assert (found.path, found.severity) == ("edge/fw2/conntrackd", "error")
    assert "offer.py: exit 1" in found.what
    assert set(found.keeps) == {"fw1", "fw3"}


def test_the_remedy_does_not_offer_what_others_serve() -> None:
    """conntrackd -R fills the cache with all that the kernel has."""
    nodes, wanted = shared()
    nodes["fw1"]["conntrackd"]["overruns"], nodes["fw1"]["watch"] = 2, {}
    nodes["fw2"]["conntrack"]["entries"] += 100
    remedies = [found.remedy for found in findings(nodes, wanted)]
    together = pair()
    together["fw1"]["conntrackd"]["overruns"], together["fw1"]["watch"] = 2, {}
    (alone,) = findings(together)
    assert "conntrackd -R" in alone.remedy
    assert remedies and all("conntrackd -R" not in remedy for remedy in remedies)
    for unit in ("linuxha-takeover", "linuxha-conntrackd-watch"):
        assert any(f"restart {unit}" in remedy for remedy in remedies), unit


def test_both_groups_on_one_node_is_fine() -> None:
    nodes, wanted = shared()
    nodes["fw1"]["worker"]["instances"] = instances("left", "right")
    nodes["fw2"]["worker"]["instances"] = instances()
    nodes["fw1"]["held"], nodes["fw2"]["held"] = list(VIPS), []
    nodes["fw1"]["conntrackd"]["internal"], nodes["fw2"]["conntrackd"]["internal"] = 1600, 3
    nodes["fw2"]["worker"]["active"] = False
    assert findings(nodes, wanted) == ()


def test_a_group_without_an_owner_is_told_and_nothing_that_follows_from_it() -> None:
    nodes, wanted = shared()
    nodes["fw2"]["held"], nodes["fw2"]["worker"]["instances"] = [], instances()
    (found,) = findings(nodes, wanted)
    assert "no node holds 2001:db8:1::1" in found.what


def test_a_group_whose_node_does_not_know_that_it_serves_it() -> None:
    nodes, wanted = shared()
    nodes["fw2"]["worker"]["instances"] = instances("left")
    (found,) = findings(nodes, wanted)
    assert found.path == "edge/fw2/pacemaker"
    assert "is not MASTER of vips-right" in found.what


def test_the_gate_of_every_owner_has_to_be_open() -> None:
    nodes, wanted = shared()
    nodes["fw2"]["rules"]["status"]["gate"] = dict.fromkeys(("ipv4", "ipv6"), "closed")
    nodes["fw2"]["worker"]["gate"] = "closed"
    (found,) = findings(nodes, wanted)
    assert found.what == "closed on the owner: nothing is forwarded"


@pytest.mark.parametrize(("owner", "part"), [(False, "will not take over"), (True, "serves all the same")])
def test_a_maintenance_is_a_warning_and_says_why(owner: bool, part: str) -> None:
    nodes = pair()
    target = nodes["fw1" if owner else "fw2"]
    target["maintenance"] = {"since": "2026-11-21T20:00:00Z", "until": None, "reason": "new disk", "by": "alice"}
    if not owner:
        target["worker"]["instances"]["edge"]["state"] = "FAULT"
        target["worker"]["states"] = "resyncing"
    (found,) = findings(nodes)
    assert found.severity == "warning"
    for words in (part, "new disk", "by alice", "without an end"):
        assert words in found.what


SYNC = {"in_step": True, "changed_at": None, "problems": [], "behind": [], "problem": None}
CLOCK = 1_795_291_200.0  # 2026-11-21T20:00:00Z


@pytest.mark.parametrize(
    ("sync", "words"),
    [
        ({**SYNC, "last_run": "2026-11-21T19:59:30.123Z"}, ""),
        ({**SYNC, "last_run": "2026-11-21T19:00:00.000Z"}, "ran last 3600 s ago"),
        ({**SYNC, "last_run": None}, "has not run since the boot"),
        ({**SYNC, "last_run": "soon"}, "has not run since the boot"),
        (None, "has not run since the boot"),
        ({"problem": "no JSON"}, "no JSON"),
        ({**SYNC, "in_step": False, "behind": ["/etc/x"], "last_run": "2026-11-21T19:59:30Z"}, "/etc/x"),
    ],
)
def test_config_sync_has_to_run_and_to_be_in_step(sync: dict[str, Any] | None, words: str) -> None:
    nodes = pair()
    for info in nodes.values():
        info.update(clock=CLOCK, sync={**SYNC, "last_run": "2026-11-21T19:59:59Z"})
    assert findings(nodes, expected(sync_interval_s=60)) == ()
    nodes["fw2"]["sync"] = sync
    found = findings(nodes, expected(sync_interval_s=60))
    assert [(one.path, one.severity) for one in found] == [("edge/fw2/config_sync", "warning")] * bool(words)
    assert not words or words in found[0].what


def test_a_cluster_without_config_sync_is_not_asked_for_it() -> None:
    assert findings(pair(), expected()) == ()


def test_a_table_that_grows_while_it_is_counted_is_no_difference() -> None:
    """conntrackd counted between the two looks at the kernel's table."""
    nodes = pair()
    for before, after, fires in ((900, 2000, False), (2000, 900, False), (2000, 2100, True), (None, 2000, True)):
        nodes["fw1"]["conntrack"].update(entries_before=before, entries=after)
        assert any("are offered to the peers" in item.what for item in findings(nodes)) is fires


@pytest.mark.parametrize(("preempt", "what"), [
    (True, "held back after 5 moves in 600 s: it takes over only when no other can"),
    (False, "the role of the node moved too often: 5 moves in 600 s"),
])  # fmt: skip
def test_only_a_preference_can_be_given_up(preempt: bool, what: str) -> None:
    nodes = pair()
    nodes["fw2"]["damping"] = {"moves": 5, "window_s": 600, "held": True, "problem": None}
    (found,) = findings(nodes, expected(preempt=preempt))
    assert what in found.what


def test_a_node_that_waits_for_its_states_says_what_that_means() -> None:
    nodes = pair()
    nodes["fw2"]["worker"].update(states="unknown", behind=True)
    assert "takes nothing back by preference" in findings(nodes)[0].what
