# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A rolling update: the order of the nodes, when it may begin, when a node is sound and when it is ready."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action import cluster_rolling, cluster_verify
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import Expectation, Report, rolling

from .sample import VIPS, Nodes, expected, node, pair
from .test_action import PLAN, answers
from .test_judge import both, put
from .test_switchover import FLAG

OURS = {**FLAG, "reason": "rolling update stopped: fw2/keepalived.service: the unit is failed"}
SHOP = ["192.0.2.9"]


def reports(nodes: dict[str, Nodes | None]) -> list[Report]:
    return [Report(name, info, "" if info else "timed out") for name, info in nodes.items()]


def refused(nodes: dict[str, Any], names: tuple[str, ...] = ("fw1", "fw2"), **more: Any) -> str:
    return "\n".join(map(str, rolling.refusals(expected(**more), reports(nodes), names)))


def cluster(name: str, **more: Any) -> dict[str, Any]:
    members = [
        {"name": each, "online": True, "standby": False, "maintenance": False, "unclean": False, "pending": False}
        for each in ("fw1", "fw2")
    ]
    return {
        "problem": None, "dc": "fw1", "quorum": True, "nodes": members, "maintenance": False, "failures": [],
        "bans": [], "unsettled": [], "own": name, **more,
    }  # fmt: skip


def clustered() -> Nodes:
    nodes = pair()
    for name, info in nodes.items():
        info["cluster"] = cluster(name)
        info["device"] = None
    return nodes


def stop(name: str) -> Callable[[Nodes], None]:
    return put(f"{name}/units/keepalived.service/active", "failed")


def flag(name: str, maintenance: dict[str, Any]) -> Callable[[Nodes], None]:
    return lambda nodes: nodes[name].update(maintenance=maintenance)


def test_a_healthy_pair_may_begin() -> None:
    assert refused(pair()) == ""
    assert refused(clustered(), manager="pacemaker") == ""
    assert refused(pair(False), immediate=False) == ""


@pytest.mark.parametrize(("change", "part"), [
    (stop("fw1"), "fw1/keepalived.service"),
    (stop("fw2"), "fw2/keepalived.service"),
    (put("fw1/held", []), "no node holds"),
    (put("fw2/held", list(VIPS)), "split brain"),
    (put("fw2/worker/states", "resyncing"), "states are resyncing"),
    (put("fw2/rules/status/policy", "bb22"), "different policies"),
    (put("fw2/drained", True), "the node is drained"),
    (flag("fw2", FLAG), "in maintenance: new disk"),
    (flag("fw1", FLAG), "in maintenance: new disk"),
    (lambda nodes: nodes.update(fw2=None), "no answer from the node"),
    (both(flag("fw2", OURS), stop("fw1")), "fw1/keepalived.service"),
])  # fmt: skip
def test_it_does_not_begin(change: Callable[[Nodes], None], part: str) -> None:
    nodes = pair()
    change(nodes)
    assert part in refused(nodes)


@pytest.mark.parametrize("change", [
    flag("fw2", OURS),
    both(flag("fw2", OURS), stop("fw2")),
    both(flag("fw2", OURS), put("fw2/rules/status/policy", "bb22")),
])  # fmt: skip
def test_what_an_earlier_run_left_is_no_reason(change: Callable[[Nodes], None]) -> None:
    nodes = pair()
    change(nodes)
    assert refused(nodes) == ""


def test_a_node_of_somebody_elses_work_can_be_left_out() -> None:
    nodes = {**pair(), "fw3": node(False)}
    nodes["fw3"]["maintenance"] = FLAG
    given = Expectation("edge", list(nodes), VIPS)
    assert rolling.refusals(given, reports(nodes), ["fw1", "fw2"]) == ()
    assert len(rolling.refusals(given, reports(nodes), ["fw2", "fw3"])) == 1


def test_standby_of_an_operator_is_seen() -> None:
    nodes = clustered()
    for info in nodes.values():
        info["cluster"]["nodes"][1]["standby"] = True
    assert "fw2: the node is in standby" in refused(nodes, manager="pacemaker")


# what each node serves, who was left behind, the order
ORDERS = [
    ({"fw1": "a"}, [], ["fw2", "fw1"]),
    ({"fw2": "a"}, [], ["fw1", "fw2"]),
    ({"fw1": "a"}, ["fw2"], ["fw2", "fw1"]),
    ({"fw1": "a"}, ["fw3"], ["fw3", "fw2", "fw1"]),
    ({"fw1": "a", "fw2": "b"}, [], ["fw3", "fw2", "fw1"]),
    ({"fw1": "ab"}, [], ["fw3", "fw2", "fw1"]),
    ({"fw3": "ab"}, [], ["fw2", "fw1", "fw3"]),
    ({"fw2": "a", "fw3": "b"}, [], ["fw1", "fw3", "fw2"]),
]


@pytest.mark.parametrize(("served", "behind", "wanted"), ORDERS)
def test_who_serves_comes_last(served: dict[str, str], behind: list[str], wanted: list[str]) -> None:
    groups = {"a": VIPS, "b": SHOP}
    names = ["fw1", "fw2", "fw3"] if len(wanted) == 3 else ["fw1", "fw2"]
    if "b" not in "".join(served.values()):
        del groups["b"]
    nodes = {name: node(False) for name in names}
    for name, held in served.items():
        nodes[name]["held"] = [vip for group in held for vip in groups[group]]
    for name in behind:
        nodes[name]["maintenance"] = OURS
    given = Expectation("edge", names, [vip for group in groups.values() for vip in group], groups=groups)
    ranks = {"fw1": 250, "fw2": 200, "fw3": 100}
    assert rolling.order(given, reports(nodes), names, ranks) == wanted
    assert rolling.order(given, reports(nodes), wanted[1:], ranks) == wanted[1:]


def hindered(nodes: dict[str, Any], name: str, **more: Any) -> str:
    return "\n".join(map(str, rolling.hindrances(expected(**more), reports(nodes), name)))


def test_a_turn_begins_whatever_its_own_node_suffers_from() -> None:
    nodes = pair()
    stop("fw2")(nodes)
    assert hindered(nodes, "fw2") == ""
    assert "fw2/keepalived.service" in hindered(nodes, "fw1")


def test_a_turn_that_would_cost_the_majority_does_not_begin() -> None:
    nodes = clustered()
    assert hindered(nodes, "fw2", manager="pacemaker") == ""
    for info in nodes.values():
        info["cluster"]["maintenance"] = True
    assert "maintenance mode" in hindered(nodes, "fw2", manager="pacemaker")


def test_a_turn_without_the_vote_of_the_device_does_not_begin() -> None:
    nodes = clustered()
    for info in nodes.values():
        info["device"] = {"votes": True, "flags": "A,V,NMW", "problem": None}
    assert hindered(nodes, "fw2", manager="pacemaker", device=True) == ""
    nodes["fw1"]["device"] = {"votes": False, "flags": "NA,NV", "problem": None}
    assert "does not vote" in hindered(nodes, "fw2", manager="pacemaker", device=True)


def unsound(nodes: dict[str, Any], **more: Any) -> list[str]:
    return rolling.unsound(expected(**more), reports(nodes), "fw2")


def away() -> Nodes:
    """A pair whose second node is kept from serving."""
    nodes = pair()
    nodes["fw2"].update(maintenance=OURS, drained=True)
    nodes["fw2"]["worker"]["instances"]["edge"]["state"] = "FAULT"
    return nodes


def test_sound_without_the_states_that_it_will_ask_for() -> None:
    nodes = away()
    assert unsound(nodes) == []
    nodes["fw2"]["conntrack"]["entries"] = 3
    nodes["fw2"]["worker"].update(states="resyncing", gate="closed")
    nodes["fw2"]["rules"]["status"]["gate"] = dict.fromkeys(("ipv4", "ipv6"), "closed")
    assert unsound(nodes) == []


@pytest.mark.parametrize("change", [
    lambda nodes: nodes.update(fw1=None),
    lambda nodes: nodes["fw1"].update(held=[]),
    stop("fw1"),
])  # fmt: skip
def test_sound_by_itself_when_the_others_are_dead(change: Callable[[Nodes], None]) -> None:
    nodes = away()
    change(nodes)
    assert unsound(nodes) == []


def test_a_dead_member_is_no_fault_of_the_one_that_misses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the last node that can serve would be kept from it."""
    nodes: dict[str, Any] = clustered()
    nodes["fw2"]["cluster"]["nodes"][0]["online"] = False
    nodes["fw2"].update(maintenance=OURS)
    nodes["fw1"] = None
    assert unsound(nodes, manager="pacemaker") == []
    assert not rolling.at_fault(expected(manager="pacemaker"), reports(nodes), "fw2")
    assert rolling.at_fault(expected(manager="pacemaker"), reports(nodes), "fw1")


@pytest.mark.parametrize(("change", "part"), [
    (stop("fw2"), "fw2/keepalived.service"),
    (put("fw2/rules/status/state", "failed"), "the rules are failed"),
    (put("fw2/forwarding", {"ipv4": True, "ipv6": False}), "ipv6 forwarding is off"),
    (put("fw2/rules/status/policy", "bb22"), "different policies"),
    (put("fw2/worker/problem", "no file"), "no file"),
    (lambda nodes: nodes.update(fw2=None), "no answer"),
])  # fmt: skip
def test_not_sound(change: Callable[[Nodes], None], part: str) -> None:
    nodes = away()
    change(nodes)
    assert part in "; ".join(unsound(nodes))


def test_not_sound_with_the_old_kernel_or_outside_of_the_cluster() -> None:
    reason = "kernel 6.1.1-1 runs, 6.1.2-1 is installed"
    assert rolling.unsound(expected(), reports(away()), "fw2", [reason]) == [f"fw2 still needs a reboot: {reason}"]
    nodes = clustered()
    nodes["fw1"]["cluster"]["nodes"][1]["online"] = False
    assert "sees fw2 offline" in "; ".join(unsound(nodes, manager="pacemaker"))


def unready(nodes: dict[str, Any], preferred: dict[str, str] | None = None, **more: Any) -> str:
    return "; ".join(rolling.unready(expected(**more), reports(nodes), "fw2", preferred or {}))


def test_ready() -> None:
    assert unready(pair()) == ""
    assert unready(clustered(), manager="pacemaker") == ""


@pytest.mark.parametrize(("change", "part"), [
    (put("fw2/worker/states", "resyncing"), "states are resyncing"),
    (put("fw2/conntrack/entries", 3), "3 states in the kernel"),
    (flag("fw2", OURS), "could not take over edge"),
    (put("fw2/drained", True), "drained"),
    (stop("fw1"), "fw1/keepalived.service"),
    (lambda nodes: nodes.update(fw1=None), "no answer"),
    (put("fw2/held", list(VIPS)), "split brain"),
])  # fmt: skip
def test_not_ready(change: Callable[[Nodes], None], part: str) -> None:
    nodes = pair()
    change(nodes)
    assert part in unready(nodes)


def test_what_returns_by_itself_is_waited_for() -> None:
    assert "has not returned to fw2" in unready(pair(), {"edge": "fw2"})
    assert unready({"fw1": node(False), "fw2": node(True)}, {"edge": "fw2"}) == ""


def test_another_node_that_was_left_behind_does_not_stop_a_turn() -> None:
    nodes = {**pair(), "fw3": node(False)}
    nodes["fw3"]["maintenance"] = OURS
    stop("fw3")(nodes)
    given = Expectation("edge", list(nodes), VIPS)
    assert rolling.unready(given, reports(nodes), "fw2", {}) == []
    nodes["fw3"]["maintenance"] = None
    assert rolling.unready(given, reports(nodes), "fw2", {}) != []


# --- the action
NEW = {"packages": [{"name": "keepalived", "from": "1", "to": "2"}], "removed": [], "reboot": []}
NOTHING: dict[str, Any] = {"packages": [], "removed": [], "reboot": []}


def act(monkeypatch: pytest.MonkeyPatch, given_nodes: dict[str, Any], host: str = "fw1", **args: Any) -> dict[str, Any]:
    printed: list[str] = []
    updates = args.pop("found", {})
    monkeypatch.setattr(cluster_rolling.display, "display", printed.append)
    monkeypatch.setattr(cluster_verify.time, "sleep", lambda seconds: printed.append("slept"))
    monkeypatch.setattr(cluster_rolling.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_rolling.ActionModule.__new__(cluster_rolling.ActionModule)
    action._task = SimpleNamespace(check_mode=args.pop("check", False))
    given = {
        "node": "", "nodes": [], "reboot": "needed", "always": False, "needs": [], "owners": {}, "attempts_left": 0,
        "updates": "firewall_updates", "answers": "firewall_node_info", "delay": 1.5, **args,
    }  # fmt: skip
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, given), raising=False)
    hostvars = {
        name: {
            "firewall_plan": {**PLAN, "node": name, "priority": 250 if name == "fw1" else 100},
            "firewall_node_info": answer,
            "firewall_updates": updates.get(name, NEW),
        }
        for name, answer in answers(given_nodes).items()
    }
    result = action.run(None, {**hostvars[host], "hostvars": hostvars})
    return {"printed": "\n".join(printed), "failed": False, **result}


def test_the_plan_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    result = act(monkeypatch, pair(), step="plan", check=True)
    assert (result["order"], result["owners"], result["changed"]) == (["fw2", "fw1"], {"edge": "fw1"}, True)
    assert "order: fw2, fw1" in result["printed"]
    assert "packages: keepalived" in result["printed"]
    other = act(monkeypatch, pair(), "fw2", step="plan")
    assert (other["order"], other["printed"], other["changed"]) == (["fw2", "fw1"], "", False)


def test_a_node_for_which_nothing_is_to_do_has_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"fw2": NOTHING}
    assert act(monkeypatch, pair(), step="plan", found=done)["order"] == ["fw1"]
    assert act(monkeypatch, pair(), step="plan", found={**done, "fw1": NOTHING})["order"] == []
    assert act(monkeypatch, pair(), step="plan", found=done, always=True)["order"] == ["fw2", "fw1"]
    assert act(monkeypatch, away(), step="plan", found=done)["order"] == ["fw2", "fw1"]
    assert act(monkeypatch, pair(), step="plan", nodes=["fw2"])["order"] == ["fw2"]


@pytest.mark.parametrize(("reboot", "reasons", "turns"), [
    ("never", ["new kernel"], False), ("needed", [], False), ("needed", ["new kernel"], True), ("always", [], True),
])  # fmt: skip
def test_a_reboot_is_a_reason_for_a_turn(
    monkeypatch: pytest.MonkeyPatch, reboot: str, reasons: list[str], turns: bool
) -> None:
    found = {name: {**NOTHING, "reboot": reasons} for name in ("fw1", "fw2")}
    assert bool(act(monkeypatch, pair(), step="plan", found=found, reboot=reboot)["order"]) == turns


def test_it_refuses_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = pair()
    both(stop("fw1"), stop("fw2"))(nodes)
    result = act(monkeypatch, nodes, step="refuse")
    assert result["failed"]
    assert "fw1/keepalived.service" in result["msg"] and "fw2/keepalived.service" in result["msg"]
    assert act(monkeypatch, nodes, "fw2", step="refuse")["failed"]
    assert "no node of any cluster: fw9" in act(monkeypatch, pair(), step="refuse", nodes=["fw9"])["msg"]
    assert not act(monkeypatch, pair(), step="refuse")["failed"]


def test_a_turn_says_whether_something_moves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(monkeypatch, pair(), step="turn", node="fw1")["serves"]
    assert not act(monkeypatch, pair(), step="turn", node="fw2")["serves"]


def test_a_gate_waits_and_then_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = away()
    stop("fw2")(nodes)
    result = act(monkeypatch, nodes, step="sound", node="fw2", attempts_left=1)
    assert (result["again"], result["attempts_left"], result["reached"]) == (True, 0, False)
    assert "slept" in result["printed"]
    result = act(monkeypatch, nodes, step="sound", node="fw2")
    assert (result["again"], result["withdraw"]) == (False, True)
    assert act(monkeypatch, away(), step="sound", node="fw2")["reached"]


def test_who_serves_or_cannot_be_told_is_not_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other node has died, and this one has taken over."""
    nodes = {"fw1": node(False), "fw2": node(True)}
    stop("fw1")(nodes)
    assert not act(monkeypatch, nodes, step="ready", node="fw2")["withdraw"]
    nodes = pair()
    stop("fw1")(nodes)
    result = act(monkeypatch, nodes, step="ready", node="fw2")
    assert (result["reached"], result["withdraw"]) == (False, False), "it may be needed soon"
    stop("fw2")(nodes)
    assert act(monkeypatch, nodes, step="ready", node="fw2")["withdraw"]
    nodes = clustered()
    nodes["fw2"]["cluster"]["problem"] = "crm_mon: no cluster"
    assert not act(monkeypatch, nodes, step="ready", node="fw2")["withdraw"]


def test_back_is_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = {"fw1": node(False), "fw2": node(True)}
    wanted = [{"group": "edge", "target": "fw1"}]
    assert act(monkeypatch, moved, step="back", owners={"edge": "fw1"})["moves"] == wanted
    assert act(monkeypatch, pair(), step="back", owners={"edge": "fw1"})["moves"] == []


def test_what_has_returned_by_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who served before is not who is preferred."""
    monkeypatch.setitem(PLAN, "preferred", {"edge": "fw1"})
    assert act(monkeypatch, pair(), step="back", owners={"edge": "fw2"})["moves"] == []
