# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What may move where: a healthy pair moves, and each change of it is a reason against that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action import cluster_switchover, cluster_verify
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import (
    Expectation,
    Report,
    judge,
    switchover,
    takeovers,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._verify.switchover import Move, Plan, Ways, Wish

from .sample import VIPS, Nodes, expected, node, pair
from .test_action import PLAN, answers
from .test_judge import TABLE, both, put, shared

MOVE = Move("edge", "fw1", "fw2")
RANKS = Ways(priorities={"fw1": 250, "fw2": 100})
FLAG = {"since": "2026-11-21T20:00:00Z", "until": None, "reason": "new disk", "by": "alice"}


def reports(nodes: Nodes) -> list[Report]:
    return [Report(name, info, "" if info else "timed out") for name, info in nodes.items()]


def decide(nodes: Nodes, wish: Wish, ways: Ways = RANKS, **more: Any) -> Plan:
    return switchover.plan(expected(**more), reports(nodes), wish, ways)


def told(plan: Plan) -> str:
    return "\n".join(str(reason) for reason in plan.refused)


@pytest.mark.parametrize("wish", [
    Wish(take="fw2"),
    Wish(drop="fw1"),
    Wish(group="edge"),
    Wish(take="fw2", drop="fw1", group="edge"),
    Wish(take="fw2", force=True),
])  # fmt: skip
@pytest.mark.parametrize("immediate", [True, False])
def test_a_healthy_pair_moves(wish: Wish, immediate: bool) -> None:
    assert decide(pair(immediate), wish, immediate=immediate) == Plan((MOVE,))


@pytest.mark.parametrize("wish", [Wish(take="fw1"), Wish(drop="fw2"), Wish(take="fw1", group="edge")])
def test_where_it_is_already_nothing_moves(wish: Wish) -> None:
    assert decide(pair(), wish) == Plan()


@pytest.mark.parametrize(("wish", "part"), [
    (Wish(), "nothing is named"),
    (Wish(force=True), "nothing is named"),
    (Wish(take="fw3"), "'fw3' is no node of cluster edge"),
    (Wish(drop="fw3"), "It has fw1, fw2"),
    (Wish(take="fw2", group="shop"), "'shop' is no group"),
    (Wish(take="fw2", drop="fw2"), "cannot take from itself"),
])  # fmt: skip
def test_mistakes(wish: Wish, part: str) -> None:
    plan = decide(pair(), wish)
    assert plan.moves == ()
    assert part in told(plan)


# change of the healthy pair, a part of the reason, whether force goes over it
REASONS: dict[str, tuple[Callable[[Nodes], None], str, bool]] = {
    "no conntrackd on the target": (put("fw2/conntrackd", {"problem": "not running"}), "no statistics", True),
    "no conntrackd on the source": (put("fw1/conntrackd", {"problem": "not running"}), "no statistics", True),
    "states on their way": (put("fw2/worker/states", "resyncing"), "states are resyncing", True),
    "fewer states": (put("fw2/conntrack/entries", 200), "200 states in the kernel, 1000 offered", True),
    "other policy": (put("fw2/rules/status/policy", "bb22"), "enforce different policies", True),
    "other rules": (put("fw2/rules/fingerprint/ipv4", "f5"), "ipv4 rules in the kernel differ", True),
    "gate closed": (
        both(put("fw2/rules/status/gate", {"ipv4": "closed", "ipv6": "closed"}), put("fw2/worker/gate", "closed")),
        "closed on the standby",
        True,
    ),
    "gate absent": (put("fw2/rules/status/gate", {"ipv4": "absent", "ipv6": "open"}), "does not exist", True),
    "tracker down": (put("fw2/worker/instances/edge/state", "FAULT"), "is in state FAULT", False),
    "no worker": (put("fw2/worker/problem", "no state"), "no state", False),
    "no rules": (put("fw2/rules/status/state", "closed"), "the rules are closed", False),
    "rules drifted": (put("fw2/rules/status/drift", {"ipv4": True, "ipv6": False}), "other ipv4 rules", False),
    "no forwarding": (put("fw2/forwarding", {"ipv4": True, "ipv6": False}), "ipv6 forwarding is off", False),
    "no keepalived": (put("fw2/units/keepalived.service/active", "failed"), "the unit is failed", False),
    "drained": (put("fw2/drained", True), "is drained", False),
    "split": (put("fw2/held", VIPS), "split brain", False),
    "no owner": (put("fw1/held", []), "no node holds", False),
    "dead": (put("fw2", None), "no answer from the node: timed out", False),
}


@pytest.mark.parametrize("name", REASONS)
@pytest.mark.parametrize("wish", [Wish(take="fw2"), Wish(drop="fw1")])
def test_reasons(name: str, wish: Wish) -> None:
    change, part, forcible = REASONS[name]
    nodes = pair()
    change(nodes)
    plan = decide(nodes, wish)
    assert plan.moves == ()
    assert part in told(plan)
    forced = decide(nodes, Wish(wish.take, wish.drop, force=True))
    assert list(forced.moves) == ([MOVE] if forcible else [])
    assert any(part in reason.what for reason in forced.accepted) is forcible


def test_every_reason_is_told_at_once() -> None:
    nodes = pair()
    for name in ("no conntrackd on the target", "other policy", "no forwarding", "drained"):
        REASONS[name][0](nodes)
    text = told(decide(nodes, Wish(take="fw2", force=True)))
    for part in ("no statistics", "different policies", "forwarding is off", "is drained"):
        assert part in text


def test_what_the_source_suffers_from_is_no_reason_to_stay() -> None:
    nodes = pair()
    put("fw1/forwarding", {"ipv4": False, "ipv6": True})(nodes)
    put("fw1/units/keepalived.service/active", "failed")(nodes)
    assert decide(nodes, Wish(drop="fw1")).moves == (MOVE,)


def test_maintenance_is_told_with_its_reason() -> None:
    nodes = pair()
    nodes["fw2"]["maintenance"] = FLAG
    nodes["fw2"]["drained"] = True
    put("fw2/worker/instances/edge/state", "FAULT")(nodes)
    plan = decide(nodes, Wish(take="fw2", force=True))
    assert [reason.path for reason in plan.refused] == ["edge/fw2/maintenance"]
    assert "new disk" in told(plan)


def test_with_preempt_a_move_away_does_not_last() -> None:
    ways = Ways({"edge": "fw1"}, RANKS.priorities)
    assert "return to fw1 at once" in told(decide(pair(), Wish(take="fw2", force=True), ways))
    other = {"fw1": node(False), "fw2": node(True)}
    assert decide(other, Wish(take="fw1"), ways).moves == (Move("edge", "fw2", "fw1"),)


THREE = switchover.Expectation("edge", ["fw1", "fw2", "fw3"], VIPS, preempt=True)
RANKED = Ways({"edge": "fw1"}, {"fw1": 250, "fw2": 150, "fw3": 100})
HELD = {"moves": 5, "window_s": 600, "held": True, "since": None, "level": "held", "until": None}
DAMPED = {**HELD, "held": False, "level": "damped"}


def three(owner: str, **more: dict[str, Any]) -> Nodes:
    """Three nodes of keepalived, with more about some of them."""
    return {name: {**node(name == owner), **more.get(name, {})} for name in THREE.nodes}


@pytest.mark.parametrize("away", [None, {**node(False), "maintenance": FLAG, "drained": True}])
def test_where_the_preferred_node_is_away_a_move_lasts_on_the_best_that_is_left(away: Nodes | None) -> None:
    nodes: Nodes = {**three("fw3"), "fw1": away}
    assert switchover.plan(THREE, reports(nodes), Wish(drop="fw3"), RANKED).moves == (Move("edge", "fw3", "fw2"),)
    nodes = {**three("fw2"), "fw1": away}
    refused = switchover.plan(THREE, reports(nodes), Wish(drop="fw2"), RANKED)
    assert refused.moves == ()
    assert "it would go from fw3 to fw2 (priority 150) at once" in told(refused)
    without = replace(THREE, preempt=False)
    moves = switchover.plan(without, reports(nodes), Wish(drop="fw2"), replace(RANKED, preferred={})).moves
    assert moves == (Move("edge", "fw2", "fw3"),)


@pytest.mark.parametrize("damping", [HELD, DAMPED])
class TestHeldBack:
    """A node that damping holds back claims the least there is, whatever the plan says."""

    # As maintenance and a rolling update do it: who gives way is kept away.
    LEAVES = replace(RANKED, preferred={}, stays=False)

    def test_another_one_is_found(self, damping: dict[str, Any]) -> None:
        nodes = three("fw1", fw2={"damping": damping})
        plan = switchover.plan(THREE, reports(nodes), Wish(drop="fw1"), self.LEAVES)
        assert plan == Plan((Move("edge", "fw1", "fw3"),))

    def test_it_would_be_passed_over(self, damping: dict[str, Any]) -> None:
        nodes = three("fw1", fw2={"damping": damping})
        for force in (False, True):
            plan = switchover.plan(THREE, reports(nodes), Wish("fw2", "fw1", force=force), self.LEAVES)
            assert plan.moves == ()
            what = "edge/edge: with preempt it would go from fw2 to fw3 (priority 100) at once, since fw2 is held back"
            assert what in told(plan)
            assert "linuxha-journal release" in told(plan)

    @pytest.mark.parametrize("third", [
        {"maintenance": FLAG, "drained": True},
        {"drained": True},
        {"damping": HELD},
        {"worker": {**node(False)["worker"], "instances": {"edge": {"state": "FAULT", "since": 1.0, "priority": 100}}}},
    ])  # fmt: skip
    def test_it_serves_where_nobody_else_takes_part(self, damping: dict[str, Any], third: dict[str, Any]) -> None:
        nodes = three("fw1", fw2={"damping": damping}, fw3=third)
        plan = switchover.plan(THREE, reports(nodes), Wish("fw2", "fw1"), self.LEAVES)
        assert plan.moves == (Move("edge", "fw1", "fw2"),)

    def test_who_claims_as_much_or_more_gives_way(self, damping: dict[str, Any]) -> None:
        nodes = three("fw1", fw2={"damping": damping})
        claims = switchover.advertised(THREE, nodes, RANKED.priorities)
        assert claims == {"fw1": 250, "fw2": 1, "fw3": 100}
        assert switchover.drained([Move("edge", "fw1", "fw2")], claims) == {"fw1", "fw3"}
        nodes["fw3"]["worker"]["behind"] = True
        claims = switchover.advertised(THREE, nodes, RANKED.priorities)
        assert claims == {"fw1": 250, "fw2": 1, "fw3": 1}
        assert switchover.drained([Move("edge", "fw1", "fw2")], claims) == {"fw1", "fw3"}

    def test_without_preempt_there_is_nothing_to_give_up(self, damping: dict[str, Any]) -> None:
        nodes = three("fw1", fw2={"damping": damping})
        without = replace(THREE, preempt=False)
        assert switchover.advertised(without, nodes, RANKED.priorities) == RANKED.priorities
        assert switchover.plan(without, reports(nodes), Wish(take="fw2"), self.LEAVES).moves


def test_a_pair_does_not_return_to_a_node_that_is_held_back() -> None:
    """It would have the addresses for as long as the order lasts."""
    nodes = {"fw1": {**node(False), "damping": HELD}, "fw2": node(True)}
    ways = Ways({"edge": "fw1"}, RANKS.priorities)
    assert "from fw1 to fw2 (priority 100) at once" in told(decide(nodes, Wish(take="fw1"), ways, preempt=True))
    del nodes["fw1"]["damping"]
    assert decide(nodes, Wish(take="fw1"), ways, preempt=True).moves == (Move("edge", "fw2", "fw1"),)
    # Who waits for states does so no more when it serves.
    nodes["fw1"]["worker"] = {**nodes["fw1"]["worker"], "behind": True, "states": "resyncing"}
    assert decide(nodes, Wish(take="fw1", force=True), ways, preempt=True).moves == (Move("edge", "fw2", "fw1"),)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_switchover_refuses_where_status_says_no_and_nowhere_else(name: str) -> None:
    nodes = pair()
    TABLE[name][0](nodes)
    given = reports(nodes)
    found = takeovers(expected(), given, judge(expected(), given))["edge"]
    if found.owner == "fw1":
        assert bool(decide(nodes, Wish(take="fw2")).moves) is found.able


def test_the_margin_of_a_majority_is_no_reason_against_a_planned_move() -> None:
    """Status says no: with the death of the owner quorum would be lost. A move takes no node away."""
    found = judge(*_two_of_three())
    assert [item.unplanned for item in found if "next lost node" in item.what] == [True]
    assert switchover.plan(*_two_of_three(), Wish(drop="fw1", group="left"), Ways()).moves


def _two_of_three() -> tuple[Expectation, list[Report]]:
    nodes, wanted = shared()
    for info in nodes.values():
        info["cluster"]["nodes"][2] = {**info["cluster"]["nodes"][2], "online": False}
    return wanted, reports({**nodes, "fw3": None})


class TestPacemaker:
    GROUPS = {"office": VIPS[:1], "shop": VIPS[1:]}  # noqa: RUF012 (a constant)

    @staticmethod
    def member(name: str, **more: Any) -> dict[str, Any]:
        words = dict.fromkeys(("standby", "maintenance", "unclean", "pending"), False)
        return {
            "name": name,
            "online": True,
            **words,
            "attributes": {"linuxha-links": "20000", "ping-out": "1"},
            **more,
        }

    def nodes(self, **more: Any) -> Nodes:
        held = {"fw1": VIPS[:1], "fw2": VIPS[1:], "fw3": []}
        found = {}
        for name, own in held.items():
            found[name] = node(bool(own))
            groups = {f"vips-{group}": vip for group, vip in self.GROUPS.items()}
            states = {key: "MASTER" if set(vip) & set(own) else "BACKUP" for key, vip in groups.items()}
            found[name]["held"] = list(own)
            found[name]["worker"]["instances"] = {
                key: {"state": state, "since": 1.0, "priority": 100} for key, state in states.items()
            }
            found[name]["conntrack"]["entries"] = 2005
            found[name]["cluster"] = {
                "problem": None,
                "unsettled": [],
                "dc": "fw1",
                "quorum": True,
                "maintenance": False,
                "nodes": [{**self.member(each), **more.get(each, {})} for each in held],
                "failures": [],
                "bans": more.get("bans", []),
                "resources": [],
            }
        return found

    def decide(self, nodes: Nodes, wish: Wish) -> Plan:
        expectation = switchover.Expectation(
            "edge", ["fw1", "fw2", "fw3"], VIPS, manager="pacemaker", groups=self.GROUPS
        )
        return switchover.plan(expectation, reports(nodes), wish, Ways(priorities={"fw1": 3, "fw2": 2, "fw3": 1}))

    def test_a_group_goes_to_the_free_node(self) -> None:
        assert self.decide(self.nodes(), Wish(drop="fw1")) == Plan((Move("office", "fw1", "fw3"),))

    def test_a_node_takes_everything(self) -> None:
        moves = (Move("office", "fw1", "fw3"), Move("shop", "fw2", "fw3"))
        assert self.decide(self.nodes(), Wish(take="fw3")) == Plan(moves)
        assert self.decide(self.nodes(), Wish(take="fw3", group="shop")) == Plan(moves[1:])

    @pytest.mark.parametrize(("change", "part"), [
        ({"fw3": {"standby": True}}, "is standby"),
        ({"fw3": {"online": False}}, "offline"),
        ({"fw3": {"attributes": {"linuxha-links": "10000", "ping-out": "1"}}}, "a carrier on fewer tracked networks"),
        ({"fw3": {"attributes": {"linuxha-links": "20000"}}}, "does not know ping-out of the node"),
        ({"fw3": {"attributes": {"linuxha-links": "20000", "ping-out": "0"}}}, "no host of the ping group out answers"),
        ({"fw3": {"pending": True}}, "is pending"),
        ({"bans": [{"id": "cli-ban-x", "resource": "vips-office", "node": "fw3"}]}, "kept off fw3 by cli-ban-x"),
        ({"bans": [{"id": "cli-ban-x", "resource": "states-clone", "node": "fw3"}]}, "kept off fw3 by cli-ban-x"),
    ])  # fmt: skip
    def test_reasons(self, change: dict[str, Any], part: str) -> None:
        plan = self.decide(self.nodes(**change), Wish(take="fw3", group="office", force=True))
        assert part in told(plan)
        # Without a name another node is found.
        assert self.decide(self.nodes(**change), Wish(drop="fw1")).moves == (Move("office", "fw1", "fw2"),)

    @pytest.mark.parametrize("name", ["fw1", "fw2", "fw3"])
    @pytest.mark.parametrize(("change", "part"), [
        ({"unsettled": ["resource vips-shop is starting"]}, "edge/pacemaker: resource vips-shop is starting. Wait"),
        ({"unsettled": ["no designated controller has been elected"], "dc": ""}, "no designated controller"),
        ({"dc": "fw9"}, "edge/pacemaker: the nodes follow different controllers: fw1, fw9. They do not see each other"),
    ])  # fmt: skip
    def test_nothing_is_ordered_while_the_cluster_is_busy(self, name: str, change: dict[str, Any], part: str) -> None:
        """Whoever sees it, whatever is moved to whom, and with force: it costs more than connections."""
        nodes = self.nodes()
        nodes[name]["cluster"].update(change)
        for wish in (Wish(drop="fw1"), Wish(take="fw3", group="office"), Wish(take="fw3", group="shop", force=True)):
            plan = self.decide(nodes, wish)
            assert plan.moves == ()
            assert part in told(plan)
        # Where it is already nothing is ordered, so nothing is refused.
        assert self.decide(nodes, Wish(take="fw1", group="office")) == Plan()

    def test_a_takeover_needs_no_settled_cluster(self) -> None:
        nodes = self.nodes()
        nodes["fw1"]["cluster"]["unsettled"] = ["resource vips-shop is starting"]
        expectation = switchover.Expectation("edge", list(nodes), VIPS, manager="pacemaker", groups=self.GROUPS)
        given = reports(nodes)
        assert all(found.able for found in takeovers(expectation, given, judge(expectation, given)).values())

    def test_a_move_is_over_when_the_cluster_has_settled(self) -> None:
        """The next order would be refused until then."""
        nodes = self.nodes()
        expectation = switchover.Expectation("edge", list(nodes), VIPS, manager="pacemaker", groups=self.GROUPS)
        done = [Move("office", "fw3", "fw1")]
        assert switchover.settled(expectation, reports(nodes), done, forced=False) == []
        nodes["fw3"]["cluster"]["unsettled"] = ["resource states is demoting"]
        assert switchover.settled(expectation, reports(nodes), done, forced=False) == [
            "edge/pacemaker: resource states is demoting"
        ]

    def test_a_third_node_that_is_down_is_no_reason(self) -> None:
        nodes = {**self.nodes(fw2={"online": False})}
        for info in nodes.values():
            info["held"] = info["held"] and list(VIPS)
        nodes["fw2"] = None
        assert self.decide(nodes, Wish(drop="fw1", group="office")).moves == (Move("office", "fw1", "fw3"),)


def moved() -> Nodes:
    return {"fw1": node(False), "fw2": node(True)}


@pytest.mark.parametrize(("change", "part"), [
    (put("fw1/held", VIPS), "edge is on fw1 and fw2, not on fw2 alone"),
    (put("fw2/held", []), "edge is on no node"),
    (put("fw2/held", VIPS[:1]), "does not hold all"),
    (put("fw2/worker/gate", "closed"), "gate of fw2 is closed"),
    (put("fw2/worker/instances/edge/state", "BACKUP"), "does not know that it serves"),
    (put("fw2", None), "fw2 does not answer"),
])  # fmt: skip
def test_what_is_missing(change: Callable[[Nodes], None], part: str) -> None:
    assert switchover.arrived(expected(), reports(moved()), [MOVE]) == []
    assert switchover.settled(expected(), reports(moved()), [MOVE], forced=False) == []
    nodes = moved()
    change(nodes)
    assert part in switchover.arrived(expected(), reports(nodes), [MOVE])[0]
    assert switchover.settled(expected(), reports(nodes), [MOVE], forced=True)


def test_the_node_that_gave_way_has_to_stand_by_again() -> None:
    nodes = moved()
    nodes["fw1"]["worker"]["states"] = "resyncing"
    assert switchover.arrived(expected(), reports(nodes), [MOVE]) == []
    assert "resyncing" in switchover.settled(expected(), reports(nodes), [MOVE], forced=False)[0]
    assert switchover.settled(expected(), reports(nodes), [MOVE], forced=True) == []


@pytest.mark.parametrize(("priorities", "nodes"), [
    ({"fw1": 250, "fw2": 100}, {"fw1"}),
    ({"fw1": 100, "fw2": 250}, {"fw1"}),
    ({"fw1": 250, "fw2": 100, "fw3": 150}, {"fw1", "fw3"}),
])  # fmt: skip
def test_who_has_to_give_way(priorities: dict[str, int], nodes: set[str]) -> None:
    assert switchover.drained([MOVE], priorities) == nodes
    assert switchover.drained([], priorities) == set()


class Task:
    check_mode = False


def act(monkeypatch: pytest.MonkeyPatch, nodes: Nodes, host: str = "fw1", **args: Any) -> dict[str, Any]:
    """Runs the action with the parts of Ansible that it uses; the decision is the real one."""
    printed: list[str] = []
    slept: list[float] = []
    monkeypatch.setattr(cluster_switchover.display, "display", printed.append)
    monkeypatch.setattr(cluster_verify.time, "sleep", slept.append)
    monkeypatch.setattr(cluster_switchover.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_switchover.ActionModule.__new__(cluster_switchover.ActionModule)
    action._task = Task()
    defaults = {"target": "", "source": "", "group": "", "force": False, "stays": True, "moves": []}
    given = {**defaults, "answers": "firewall_node_info", "attempts_left": 0, "delay": 1.0, **args}
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, given), raising=False)
    ranks = {"fw1": 250, "fw2": 100}
    hostvars = {
        name: {"firewall_plan": {**PLAN, "node": name, "priority": ranks[name]}, "firewall_node_info": answer}
        for name, answer in answers(nodes).items()
    }
    result = action.run(None, {**hostvars[host], "hostvars": hostvars})
    return {"printed": "\n".join(printed), "slept": slept, "failed": False, **result}


def test_the_decision_is_the_same_on_every_node_and_the_orders_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (act(monkeypatch, pair(), host, step="plan", target="fw2") for host in ("fw1", "fw2"))
    assert first["moves"] == second["moves"] == [{"group": "edge", "source": "fw1", "target": "fw2"}]
    assert (first["drain"], second["drain"]) == (True, False)
    assert (first["gives_way"], second["gives_way"]) == (True, False)
    assert not first["changed"]
    assert "moves edge: fw1 -> fw2" in first["printed"]
    assert second["printed"] == ""


def test_check_mode_says_what_would_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Task, "check_mode", True)
    result = act(monkeypatch, pair(), step="plan", target="fw2")
    assert result["changed"]
    assert "would move edge: fw1 -> fw2" in result["printed"]


def test_one_node_refuses_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = pair()
    nodes["fw2"]["conntrackd"] = {"problem": "not running"}
    first, second = (act(monkeypatch, nodes, host, step="plan", target="fw2") for host in ("fw1", "fw2"))
    assert first["failed"]
    assert "nothing was changed" in first["msg"]
    assert "firewall_force" in first["msg"]
    assert not second["failed"]
    assert second["moves"] == []


def test_a_name_of_another_cluster_is_none_of_this_ones_business(monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(monkeypatch, pair(), step="plan", target="fw9")["failed"]
    other = {"nodes": ["fw9"], "vip_groups": {"far": []}}
    monkeypatch.setattr(
        cluster_switchover.cluster_verify,
        "fact",
        lambda variables, name, default=None, real=cluster_switchover.cluster_verify.fact: (
            other if variables == {"other": True} else real(variables, name, default)
        ),
    )
    plan = {**PLAN, "node": "fw1"}
    hostvars = {"fw1": {"firewall_plan": plan}, "fw9": {"other": True}}
    concerned = cluster_switchover.ActionModule._concerned
    assert not concerned(Wish(take="fw9"), plan, hostvars)
    assert not concerned(Wish(group="far"), plan, hostvars)
    assert concerned(Wish(take="fw1"), plan, hostvars)
    assert concerned(Wish(take="nobody"), plan, hostvars)


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [{"group": "edge", "source": "fw1", "target": "fw2"}]
    result = act(monkeypatch, pair(), step="arrived", moves=moves, attempts_left=1)
    assert (result["reached"], result["again"], result["slept"], result["attempts_left"]) == (False, True, [1.0], 0)
    result = act(monkeypatch, pair(), step="arrived", moves=moves)
    assert (result["again"], result["failed"]) == (False, False)
    assert act(monkeypatch, moved(), step="settled", moves=moves, attempts_left=5)["reached"]


def test_back_orders_only_what_has_not_come_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    moves = [{"group": "edge", "source": "fw1", "target": "fw2"}]
    assert act(monkeypatch, pair(), step="back", moves=moves)["moves"] == []
    result = act(monkeypatch, moved(), "fw2", step="back", moves=moves)
    assert result["moves"] == [{"group": "edge", "source": "fw2", "target": "fw1"}]
    # The node with the higher priority takes over by itself, the other one has to give way.
    assert result["drain"]


def test_a_node_that_does_not_answer_is_not_told_to_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """That would end the run in the middle of it."""
    moves = [{"group": "edge", "source": "fw1", "target": "fw2"}]
    back = act(monkeypatch, {"fw1": node(False), "fw2": None}, "fw2", step="back", moves=moves)
    assert back["moves"] == [{"group": "edge", "source": "fw2", "target": "fw1"}]
    assert not back["drain"]


def test_nor_is_it_told_to_take_the_addresses_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAN, "topology", "pacemaker")
    moves = [{"group": "edge", "source": "fw1", "target": "fw2"}]
    back = [{"group": "edge", "source": "fw2", "target": "fw1"}]
    assert act(monkeypatch, moved(), "fw1", step="back", moves=moves)["resources"] == back
    assert act(monkeypatch, {**moved(), "fw1": None}, "fw1", step="back", moves=moves)["resources"] == []
