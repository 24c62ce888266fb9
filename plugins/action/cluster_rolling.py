# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: decides from the answers of all nodes whose turn it is, and whether it is over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action import cluster_verify
from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils import _verify as verify
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import rolling

display = cluster_verify.display
STEPS = ("refuse", "plan", "turn", "sound", "ready", "back")
REBOOTS = ("never", "needed", "always")
SHOWN = 6


class ActionModule(ActionBase):
    """One step of a rolling update, the same for every node of the cluster; the first of them speaks."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "step": {"type": "str", "required": True, "choices": list(STEPS)},
                "node": {"type": "str", "default": ""},
                "nodes": {"type": "list", "elements": "str", "default": []},
                "reboot": {"type": "str", "default": "needed", "choices": list(REBOOTS)},
                "always": {"type": "bool", "default": False},
                "needs": {"type": "list", "elements": "str", "default": []},
                "owners": {"type": "dict", "default": {}},
                "updates": {"type": "str", "default": "firewall_updates"},
                "answers": {"type": "str", "default": "firewall_node_info"},
                "attempts_left": {"type": "int", "default": 0},
                "delay": {"type": "float", "default": 1.5},
            }
        )
        variables = task_vars or {}
        plan = cluster_verify.fact(variables, "firewall_plan")
        if not plan:
            return {**result, "failed": True, "msg": "there is no plan: run linuxha.firewall.cluster_plan first"}
        hostvars = variables["hostvars"]
        expectation = cluster_verify.expected(plan, variables, hostvars)
        reports, failed = cluster_verify.answered(plan["nodes"], hostvars, args["answers"])
        speakers = [node for node in plan["nodes"] if node not in failed]
        speaks = speakers[:1] == [plan["node"]]
        steps = {"refuse": self._refuse, "plan": self._plan, "turn": self._turn, "back": self._back}
        step = steps.get(args["step"], self._gate)
        return {**result, "changed": False, **step(plain(args), plan, expectation, reports, hostvars, speaks)}

    def _refuse(
        self,
        args: Mapping[str, Any],
        plan: Mapping[str, Any],
        expectation: verify.Expectation,
        reports: Sequence[verify.Report],
        hostvars: Mapping[str, Any],
        speaks: bool,
    ) -> dict[str, Any]:
        known = {node for host in hostvars for node in (_plan_of(hostvars, host).get("nodes") or ())}
        unknown = sorted(set(args["nodes"]) - known)
        if unknown:
            text = f"firewall_update_nodes: no node of any cluster: {', '.join(unknown)}"
            return {"failed": True, "msg": f"{text}; there is {', '.join(sorted(known))}"}
        wanted = [node for node in expectation.nodes if not args["nodes"] or node in args["nodes"]]
        return _refused(expectation, rolling.refusals(expectation, reports, wanted), speaks) or {
            "wanted": wanted,
            "msg": "nothing speaks against it",
        }

    def _plan(
        self,
        args: Mapping[str, Any],
        plan: Mapping[str, Any],
        expectation: verify.Expectation,
        reports: Sequence[verify.Report],
        hostvars: Mapping[str, Any],
        speaks: bool,
    ) -> dict[str, Any]:
        behind = rolling.left({report.node: report.info for report in reports if report.info is not None})
        todo = {}
        for node in args["nodes"] or expectation.nodes:
            if node not in expectation.nodes:
                continue
            todo[node] = work(plain(hostvars[node].get(args["updates"])) or {}, args["reboot"], args["always"])
            if node in behind:
                todo[node].insert(0, "left in maintenance by an earlier run")
        priorities = {node: int(_plan_of(hostvars, node).get("priority") or 0) for node in plan["nodes"]}
        order = rolling.order(expectation, reports, [node for node, lines in todo.items() if lines], priorities)
        lines = [f"cluster {expectation.name}: {'order: ' + ', '.join(order) if order else 'nothing to do'}"]
        for node in order:
            role = "serves, so it gives way first" if rolling.serves(expectation, reports, node) else "serves nothing"
            lines += [f"  {node} ({role})", *(f"    {line}" for line in todo[node])]
        if speaks:
            display.display("\n".join(["", *lines]))
        owners = rolling.owners(expectation, reports)
        # What is done says so itself; in check mode nobody is asked to.
        return {"changed": bool(order) and bool(self._task.check_mode), "order": order, "owners": owners, "msg": lines}

    @staticmethod
    def _turn(
        args: Mapping[str, Any],
        plan: Mapping[str, Any],
        expectation: verify.Expectation,
        reports: Sequence[verify.Report],
        hostvars: Mapping[str, Any],
        speaks: bool,
    ) -> dict[str, Any]:
        node = args["node"]
        stop = _refused(expectation, rolling.hindrances(expectation, reports, node), speaks)
        serving = rolling.serves(expectation, reports, node)
        return stop or {"serves": serving, "msg": f"{node} {'gives way' if serving else 'serves nothing'}"}

    @staticmethod
    def _gate(
        args: Mapping[str, Any],
        plan: Mapping[str, Any],
        expectation: verify.Expectation,
        reports: Sequence[verify.Report],
        hostvars: Mapping[str, Any],
        speaks: bool,
    ) -> dict[str, Any]:
        node = args["node"]
        if args["step"] == "sound":
            missing = rolling.unsound(expectation, reports, node, args["needs"])
        else:
            missing = rolling.unready(expectation, reports, node, plan.get("preferred") or {})
        again = bool(missing) and args["attempts_left"] > 0
        if again:
            if speaks:
                display.display(f"cluster {expectation.name} waits: " + "; ".join(missing))
            time.sleep(args["delay"])
        own = next((report.info for report in reports if report.node == node), None)
        # One that does not answer, or has no manager, cannot be told anything.
        told = own is not None and not (own.get("cluster") or {}).get("problem")
        stays = rolling.serves(expectation, reports, node) or not rolling.at_fault(expectation, reports, node)
        return {
            "reached": not missing,
            "missing": missing,
            "again": again,
            "attempts_left": max(0, args["attempts_left"] - 1),
            "withdraw": told and not stays,
        }

    @staticmethod
    def _back(
        args: Mapping[str, Any],
        plan: Mapping[str, Any],
        expectation: verify.Expectation,
        reports: Sequence[verify.Report],
        hostvars: Mapping[str, Any],
        speaks: bool,
    ) -> dict[str, Any]:
        now = rolling.owners(expectation, reports)
        preferred = plan.get("preferred") or {}
        # What has returned to where it belongs stays there: it would come back by itself.
        moves = [
            {"group": group, "target": owner}
            for group, owner in args["owners"].items()
            if group in now and now[group] not in (owner, preferred.get(group))
        ]
        return {"moves": moves}


def work(update: Mapping[str, Any], reboot: str, always: bool) -> list[str]:
    """What a node's turn would do to it, a line each; nothing when it needs no turn."""
    lines = []
    packages = [item["name"] for item in update.get("packages") or ()]
    if packages:
        more = f" and {len(packages) - SHOWN} more" if len(packages) > SHOWN else ""
        lines.append(f"packages: {', '.join(packages[:SHOWN])}{more}")
    if update.get("removed"):
        lines.append(f"packages that go: {', '.join(update['removed'])}")
    if always:
        lines.append("configuration, or tasks of your own")
    reasons = list(update.get("reboot") or ())
    if reboot == "always":
        lines.append("reboot: " + ("; ".join(reasons) or "as ordered"))
    elif reboot == "needed" and reasons:
        lines.append("reboot: " + "; ".join(reasons))
    return lines


def _plan_of(hostvars: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    return cluster_verify.fact(hostvars[host], "firewall_plan") or {}


def _refused(expectation: verify.Expectation, findings: Sequence[verify.Finding], speaks: bool) -> dict[str, Any]:
    if not findings:
        return {}
    if not speaks:
        return {"failed": True, "msg": f"cluster {expectation.name} is not ready for it"}
    head = f"cluster {expectation.name}: a rolling update goes no further:"
    return {"failed": True, "msg": "\n".join([head, *verify.table(expectation.name, findings)])}
