# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: decides from the answers of all nodes of a cluster what moves, and whether it has moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action import cluster_verify
from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import Situation
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import switchover

display = cluster_verify.display
STEPS = ("plan", "arrived", "settled", "back")


class ActionModule(ActionBase):
    """One step of a switchover, the same for every node of the cluster; the first of them speaks."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "step": {"type": "str", "required": True, "choices": list(STEPS)},
                "target": {"type": "str", "default": ""},
                "source": {"type": "str", "default": ""},
                "group": {"type": "str", "default": ""},
                "force": {"type": "bool", "default": False},
                "stays": {"type": "bool", "default": True},
                "moves": {"type": "list", "elements": "dict", "default": []},
                "answers": {"type": "str", "default": "firewall_node_info"},
                "attempts_left": {"type": "int", "default": 0},
                "delay": {"type": "float", "default": 1.0},
            }
        )
        now = cluster_verify.situation(task_vars or {}, args)
        if now is None:
            return {**result, **cluster_verify.NO_PLAN}
        plan, hostvars, expectation, reports = now.plan, now.hostvars, now.expectation, now.reports
        if args["step"] == "plan":
            return {**result, **self._plan(args, now)}
        moves = [switchover.Move(**plain(move)) for move in args["moves"]]
        if args["step"] == "back":
            # Where a group has not come back by itself it is ordered to.
            back = [
                switchover.Move(move.group, move.target, move.source)
                for move in moves
                if switchover.arrived(expectation, reports, [switchover.Move(move.group, move.target, move.source)])
            ]
            return {
                **result,
                "changed": False,
                **_orders(now, back, self._priorities(hostvars, plan)),
            }
        if args["step"] == "arrived":
            missing = switchover.arrived(expectation, reports, moves)
        else:
            missing = switchover.settled(expectation, reports, moves, args["force"])
        return {**result, "changed": False, **now.wait(missing, args["attempts_left"], args["delay"])}

    def _plan(self, args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        plan, hostvars, expectation, reports = now.plan, now.hostvars, now.expectation, now.reports
        wish = switchover.Wish(args["target"], args["source"], args["group"], args["force"])
        priorities = self._priorities(hostvars, plan)
        if not self._concerned(wish, plan, hostvars):
            return {"changed": False, **_orders(now, [], priorities), "refused": [], "accepted": []}
        ways = switchover.Ways(plan.get("preferred") or {} if args["stays"] else {}, priorities, args["stays"])
        decided = switchover.plan(expectation, reports, wish, ways)
        found = {
            # What orders it says so itself; in check mode nobody is asked to.
            "changed": bool(decided.moves) and bool(self._task.check_mode),
            **_orders(now, decided.moves, priorities),
            "refused": [str(reason) for reason in decided.refused],
            "accepted": [str(reason) for reason in decided.accepted],
        }
        if not now.speaks:
            return found
        if decided.refused:
            count = len(decided.refused)
            lines = [f"cluster {expectation.name}: {wish}: refused, nothing was changed, for {count} reason(s):"]
            lines += [f"  {reason}" for reason in decided.refused]
            if all(reason.loses for reason in decided.refused):
                lines.append("  force accepts that connections are lost (firewall_force=true).")
            return {**found, "changed": False, "failed": True, "msg": "\n".join(lines)}
        would = "would move" if self._task.check_mode else "moves"
        lines = [f"cluster {expectation.name}: {would} {move}" for move in decided.moves]
        lines += [f"  forced in spite of {reason}" for reason in decided.accepted]
        display.display("\n".join(lines or [f"cluster {expectation.name}: {wish}: nothing to do"]))
        return {**found, "msg": lines}

    @staticmethod
    def _concerned(wish: switchover.Wish, plan: Mapping[str, Any], hostvars: Mapping[str, Any]) -> bool:
        """A node or a group of another cluster is none of this cluster's business; one of no cluster is a mistake."""
        plans = [cluster_verify.fact(hostvars[host], "firewall_plan") or {} for host in hostvars]
        for named, own, key in (
            (wish.take, plan["nodes"], "nodes"),
            (wish.drop, plan["nodes"], "nodes"),
            (wish.group, plan["vip_groups"], "vip_groups"),
        ):
            if named and named not in own and any(named in (other.get(key) or ()) for other in plans):
                return False
        return True

    @staticmethod
    def _priorities(hostvars: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, int]:
        plans = {node: cluster_verify.fact(hostvars[node], "firewall_plan") or {} for node in plan["nodes"]}
        return {node: int(theirs.get("priority") or 0) for node, theirs in plans.items()}


def _orders(now: Situation, moves: Sequence[switchover.Move], priorities: Mapping[str, int]) -> dict[str, Any]:
    """What this node has to do for these moves. One that does not answer is not asked to: it would end the run."""
    expectation, mine = now.expectation, now.plan["node"]
    answers = {report.node: report.info for report in now.reports if report.info is not None}
    drained = switchover.drained(moves, switchover.advertised(expectation, answers, priorities))
    ordered = [asdict(move) for move in moves if move.target == mine]
    return {
        "moves": [asdict(move) for move in moves],
        "drain": expectation.manager == "keepalived" and mine in drained and mine in answers,
        "resources": ordered if expectation.manager == "pacemaker" and mine in answers else [],
        "gives_way": any(move.source == mine for move in moves),
    }
