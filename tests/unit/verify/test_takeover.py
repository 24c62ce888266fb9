# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Can the other node take over: each reason against it is made to hold by one change of a pair that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._model.view_cib import LINKS
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import (
    Expectation,
    Report,
    Takeover,
    judge,
    takeovers,
)

from .sample import VIPS, Nodes, expected, node, pair
from .test_judge import CLUSTER, GROUPS, STATUS, TABLE, both, cluster, put, shared


def asked(nodes: Nodes, wanted: Expectation | None = None, group: str = "edge") -> Takeover:
    wanted = wanted or expected()
    reports = [Report(name, info) for name, info in nodes.items()]
    return takeovers(wanted, reports, judge(wanted, reports))[group]


def add(path: str, value: Any) -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        name, key = path.split("/")
        nodes[name][key] = value

    return change


@pytest.mark.parametrize("immediate", [True, False])
def test_a_healthy_pair(immediate: bool) -> None:
    found = asked(pair(immediate), expected(immediate))
    assert (found.owner, found.able, found.nodes) == ("fw1", True, {"fw2": []})
    assert found.why == ["fw2 is healthy and has the states"]


# By the name of the finding the reason that is told. What is not here is a remark and keeps nobody from anything.
REASONS = {
    "worker dead": "keepalived: no state",
    "fault": "keepalived: instance edge is in state FAULT",
    "drained": "keepalived: the node is drained and will not take over",
    "master without addresses": "keepalived: the node is MASTER of edge and holds no virtual address",
    "daemon failed": "keepalived.service: the unit is failed (running)",
    "daemon starting": "keepalived.service: the unit is activating (running)",
    "rules unreadable": "rules: exit status 2",
    "rules closed": "rules: the rules are closed: rules.v4 is damaged",
    "policies differ": "rules: the nodes enforce different policies: fw1 aa11, fw2 bb22",
    "rules differ": "rules: the ipv4 rules in the kernel differ: fw1 f4, fw2 zz",
    "forwarding off": "forwarding: ipv6 forwarding is off",
    "conntrackd dead": "conntrackd: no statistics: can't connect",
    "overrun": "fw1/conntrackd: 2 netlink overruns and no resync since: states were lost on the way to the peers",
    "overrun that the watcher missed": "fw1/conntrackd: 2 netlink overruns and no resync since: states were lost on the"
    " way to the peers",
    "resyncing": "conntrackd: the standby's states are resyncing",
    "states unknown": "conntrackd: the standby's states are unknown",
    "behind": "conntrackd: 949 states in the kernel, 1000 offered by fw1",
    "no count": "conntrackd: the kernel does not tell how many connections it has",
    "standby's gate closed": "gate: closed on the standby",
}
UNOWNED = {
    "split brain": "fw1 and fw2 hold addresses of this group at the same time",
    "split brain of one address": "fw1 and fw2 hold addresses of this group at the same time",
    "divided": "fw1 and fw2 hold addresses of this group at the same time",
    "unowned": "no node that answers holds the addresses now",
    "one address unowned": "fw1 holds only a part of the addresses",
}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_what_verify_finds_and_what_it_means_for_a_takeover(name: str) -> None:
    nodes = pair()
    TABLE[name][0](nodes)
    found = asked(nodes)
    if name in UNOWNED:
        assert (found.able, found.owner, found.why) == (False, None, [UNOWNED[name]])
    elif name in REASONS:
        assert (found.able, found.why) == (False, [f"fw2: {REASONS[name]}"])
    else:
        assert (found.able, found.why) == (True, ["fw2 is healthy and has the states"])


FLAG = {"since": "2026-01-01T10:00:00Z", "until": None, "reason": "new disk", "by": "ann"}
PINGS = {"outside": {"192.0.2.80": False, "2001:db8:1::80": False}}
SEEN = {"outside": {"192.0.2.80": False, "2001:db8:1::80": True}}
MORE = {
    "drift on the standby": (put(f"fw2/{STATUS}/drift/ipv6", True), "rules: the kernel holds other ipv6 rules than"),
    "gate of the standby half open": (put(f"fw2/{STATUS}/gate/ipv6", "closed"), "gate: half open"),
    "gate of the standby absent": (put(f"fw2/{STATUS}/gate/ipv6", "absent"), "gate: the ipv6 gate does not exist"),
    "gate of the standby changed by hand": (put("fw2/worker/gate", "closed"), "gate: open in the kernel, closed for"),
    "drained and still a backup": (put("fw2/drained", True), "keepalived: the node is drained"),
    "stopped": (put("fw2/worker/instances/edge/state", "STOP"), "keepalived: instance edge is in state STOP"),
    "the worker thinks it is active": (
        both(put("fw2/worker/instances", {}), put("fw2/worker/active", True)),
        "keepalived: the takeover worker believes that the node is active",
    ),
    "another cache mode": (
        both(put("fw2/conntrackd/immediate", False), put("fw2/conntrackd/external", 1000)),
        "conntrackd: the daemon runs with an external cache",
    ),
    "maintenance": (
        add("fw2/maintenance", FLAG),
        "maintenance: in maintenance since 2026-01-01T10:00:00Z by ann, without an end (new disk), and will not",
    ),
    "maintenance with an end": (
        add("fw2/maintenance", {**FLAG, "until": "2026-01-01T13:00:00Z"}),
        "maintenance: in maintenance since 2026-01-01T10:00:00Z by ann, until 2026-01-01T13:00:00Z",
    ),
    "neighbours": (
        both(add("fw1/pings", SEEN), add("fw2/pings", PINGS)),
        "ping: no host of the ping group outside answers this node; fw1 can reach it",
    ),
}


@pytest.mark.parametrize("name", sorted(MORE))
def test_more_reasons(name: str) -> None:
    nodes = pair()
    MORE[name][0](nodes)
    found = asked(nodes)
    assert not found.able
    assert len(found.why) >= 1
    assert found.why[0].startswith(f"fw2: {MORE[name][1]}")


FINE = {
    "neighbours that nobody sees": both(add("fw1/pings", PINGS), add("fw2/pings", PINGS)),
    "neighbours that could not be asked": both(add("fw1/pings", SEEN), add("fw2/pings", {"outside": {"x": None}})),
    "one neighbour of two": both(add("fw1/pings", SEEN), add("fw2/pings", SEEN)),
    "maintenance of the owner": add("fw1/maintenance", FLAG),
    "some moves": add("fw2/damping", {"moves": 2, "window_s": 600, "held": False, "problem": None}),
    "damping that cannot be read": add("fw2/damping", {"held": None, "problem": "no JSON"}),
    # Held back is not away: it still takes over when no other node can.
    "held": add("fw2/damping", {"moves": 5, "window_s": 600, "held": True, "problem": None}),
    "config sync behind": add("fw2/sync", {"in_step": False, "problems": [], "behind": ["/etc/x"], "problem": None}),
    "drift on the owner": put(f"fw1/{STATUS}/drift/ipv6", True),
    "watcher stopped": lambda nodes: nodes["fw2"]["units"].update(
        {"linuxha-conntrackd-watch.service": {**nodes["fw2"]["units"]["keepalived.service"], "active": "failed"}}
    ),
}


@pytest.mark.parametrize("name", sorted(FINE))
def test_what_is_no_reason(name: str) -> None:
    nodes = pair()
    FINE[name](nodes)
    assert asked(nodes).able


def test_an_owner_that_tells_nobody_of_new_connections() -> None:
    nodes = pair()
    nodes["fw1"]["conntrackd"] = {"problem": "not running"}
    assert asked(nodes).why == ["fw2: fw1/conntrackd: no statistics: not running"]


def test_a_node_that_does_not_answer() -> None:
    reports = [Report("fw1", None, "timed out"), Report("fw2", node(True))]
    found = takeovers(expected(), reports, judge(expected(), reports))["edge"]
    assert (found.owner, found.able) == ("fw2", False)
    assert found.why == ["fw1: no answer from the node: timed out"]


def test_all_reasons_at_once() -> None:
    nodes = pair()
    nodes["fw2"]["forwarding"]["ipv4"] = False
    nodes["fw2"]["worker"]["states"] = "resyncing"
    assert sorted(asked(nodes).why) == [
        "fw2: conntrackd: the standby's states are resyncing",
        "fw2: forwarding: ipv4 forwarding is off",
    ]


def test_a_single_node() -> None:
    wanted = Expectation("edge", ["fw1"], VIPS, instances={"fw1": ["edge"]})
    assert asked({"fw1": node(True)}, wanted).why == ["there is no other node"]


def test_states_that_nobody_replicates_are_not_promised() -> None:
    found = asked(pair(), expected(replicated=False))
    assert found.able
    assert found.why == ["fw2 is healthy and begins without states: they are not replicated"]


# --- Pacemaker


def pacemaker(change: Callable[[Nodes], None] | None = None) -> Takeover:
    nodes = {name: {**info, "cluster": cluster()} for name, info in pair().items()}
    if change is not None:
        change(nodes)
    return asked(nodes, expected(manager="pacemaker"))


ORDERS = {
    "not running": ["fw2: pacemaker: crm_mon: exit 102"],
    "no quorum": ["fw2: pacemaker: this node is in a partition without quorum"],
    "offline": ["fw2: fw1/pacemaker: sees fw2 offline"],
    "maintenance": ["fw2: pacemaker: the cluster is in maintenance mode: nothing would take over"],
    "ban": ["fw2: pacemaker: x is kept off fw2 by cli-ban-x"],
}


@pytest.mark.parametrize("name", sorted(CLUSTER))
def test_what_pacemaker_says_and_what_it_means(name: str) -> None:
    found = pacemaker(CLUSTER[name][0])
    assert found.able is (name not in ORDERS)
    assert found.able or found.why == ORDERS[name]


@pytest.mark.parametrize("word", ["standby", "maintenance", "unclean"])
def test_orders_for_a_node(word: str) -> None:
    first, second = cluster()["nodes"]
    found = pacemaker(put("fw1/cluster/nodes", [first, {**second, word: True}]))
    assert found.why == [f"fw2: pacemaker/fw2: the node is {word}"]


def test_a_ban_of_one_group_is_none_of_another() -> None:
    nodes, wanted = shared()
    for name in ("fw2", "fw3"):
        ban = {"id": f"cli-ban-vips-left-on-{name}", "resource": "vips-left", "node": name}
        nodes["fw1"]["cluster"]["bans"].append(ban)
    assert not asked(nodes, wanted, "left").able
    assert asked(nodes, wanted, "right").able
    assert set(GROUPS) == {"left", "right"}


def test_a_cable_less_than_the_owner_has() -> None:
    first, second = cluster()["nodes"]
    told = [{**first, "attributes": {LINKS: "20000"}}, {**second, "attributes": {LINKS: "10000"}}]
    found = pacemaker(put("fw1/cluster/nodes", told))
    assert found.why == ["fw2: links: the node has a carrier on fewer tracked networks than another one"]
    told[1]["attributes"][LINKS] = "20000"
    assert pacemaker(put("fw1/cluster/nodes", told)).able


@pytest.mark.parametrize(("value", "why"), [
    ({"ping-out": "0"}, "fw2: ping: for Pacemaker no host of the ping group out answers the node, but others"),
    ({}, "fw2: ping: Pacemaker does not know ping-out of the node"),
    # The number of hosts that answer is not compared: one is enough.
    ({"ping-out": "1"}, "fw2 is healthy and has the states"),
])  # fmt: skip
def test_neighbours_as_pacemaker_knows_them(value: dict[str, str], why: str) -> None:
    first, second = cluster()["nodes"]
    told = [{**first, "attributes": {"ping-out": "2"}}, {**second, "attributes": value}]
    assert pacemaker(put("fw1/cluster/nodes", told)).why == [why]


def test_a_device_that_does_not_vote() -> None:
    def change(nodes: Nodes) -> None:
        for name, votes in (("fw1", True), ("fw2", False)):
            nodes[name]["device"] = {"votes": votes, "flags": "A,NV", "problem": None}

    nodes = {name: {**info, "cluster": cluster()} for name, info in pair().items()}
    change(nodes)
    found = asked(nodes, expected(manager="pacemaker", device=True))
    assert not found.able
    assert "the quorum device does not vote" in found.why[0]


def test_two_of_three_nodes_have_nobody_to_lose() -> None:
    nodes, wanted = shared()
    assert asked(nodes, wanted, "left").able
    for info in nodes.values():
        info["cluster"]["nodes"][2] = {**info["cluster"]["nodes"][2], "online": False}
    found = asked(nodes, wanted, "left")
    assert not found.able
    assert any("with the next lost node quorum is lost" in reason for reason in found.nodes["fw2"])
