# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: decides from the answers of all nodes whose turn it is, and whether it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action import cluster_verify
from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import Situation
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
        now = cluster_verify.situation(task_vars or {}, args)
        if now is None:
            return {**result, **cluster_verify.NO_PLAN}
        steps = {"refuse": self._refuse, "plan": self._plan, "turn": self._turn, "back": self._back}
        step = steps.get(args["step"], self._gate)
        return {**result, "changed": False, **step(plain(args), now)}

    def _refuse(self, args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        known = {node for host in now.hostvars for node in (_plan_of(now.hostvars, host).get("nodes") or ())}
        unknown = sorted(set(args["nodes"]) - known)
        if unknown:
            text = f"firewall_update_nodes: no node of any cluster: {', '.join(unknown)}"
            return {"failed": True, "msg": f"{text}; there is {', '.join(sorted(known))}"}
        wanted = [node for node in now.expectation.nodes if not args["nodes"] or node in args["nodes"]]
        return _refused(now.expectation, rolling.refusals(now.expectation, now.reports, wanted), now.speaks) or {
            "wanted": wanted,
            "msg": "nothing speaks against it",
        }

    def _plan(self, args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        expectation, reports = now.expectation, now.reports
        behind = rolling.left({report.node: report.info for report in reports if report.info is not None})
        todo = {}
        for node in args["nodes"] or expectation.nodes:
            if node not in expectation.nodes:
                continue
            todo[node] = work(plain(now.hostvars[node].get(args["updates"])) or {}, args["reboot"], args["always"])
            if node in behind:
                todo[node].insert(0, "left in maintenance by an earlier run")
        priorities = {node: int(_plan_of(now.hostvars, node).get("priority") or 0) for node in now.plan["nodes"]}
        order = rolling.order(expectation, reports, [node for node, lines in todo.items() if lines], priorities)
        lines = [f"cluster {expectation.name}: {'order: ' + ', '.join(order) if order else 'nothing to do'}"]
        for node in order:
            role = "serves, so it gives way first" if rolling.serves(expectation, reports, node) else "serves nothing"
            lines += [f"  {node} ({role})", *(f"    {line}" for line in todo[node])]
        if now.speaks:
            display.display("\n".join(["", *lines]))
        owners = rolling.owners(expectation, reports)
        # What is done says so itself; in check mode nobody is asked to.
        return {"changed": bool(order) and bool(self._task.check_mode), "order": order, "owners": owners, "msg": lines}

    @staticmethod
    def _turn(args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        node = args["node"]
        stop = _refused(now.expectation, rolling.hindrances(now.expectation, now.reports, node), now.speaks)
        serving = rolling.serves(now.expectation, now.reports, node)
        return stop or {"serves": serving, "msg": f"{node} {'gives way' if serving else 'serves nothing'}"}

    @staticmethod
    def _gate(args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        expectation, reports = now.expectation, now.reports
        node = args["node"]
        if args["step"] == "sound":
            missing = rolling.unsound(expectation, reports, node, args["needs"])
        else:
            missing = rolling.unready(expectation, reports, node, now.plan.get("preferred") or {})
        own = next((report.info for report in reports if report.node == node), None)
        # One that does not answer, or has no manager, cannot be told anything.
        told = own is not None and not (own.get("cluster") or {}).get("problem")
        stays = rolling.serves(expectation, reports, node) or not rolling.at_fault(expectation, reports, node)
        return {**now.wait(missing, args["attempts_left"], args["delay"]), "withdraw": told and not stays}

    @staticmethod
    def _back(args: Mapping[str, Any], now: Situation) -> dict[str, Any]:
        owners = rolling.owners(now.expectation, now.reports)
        preferred = now.plan.get("preferred") or {}
        # What has returned to where it belongs stays there: it would come back by itself.
        moves = [
            {"group": group, "target": owner}
            for group, owner in args["owners"].items()
            if group in owners and owners[group] not in (owner, preferred.get(group))
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
