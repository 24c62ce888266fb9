# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: brings the plan and the answers of all nodes of this host's cluster together."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils import _verify as verify

display = Display()


def fact(variables: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A fact of cluster_plan, also where facts are not injected as variables."""
    if name in variables:
        return plain(variables[name])
    return plain((variables.get("ansible_facts") or {}).get(name, default))


def expected(plan: Mapping[str, Any], own: Mapping[str, Any], hostvars: Mapping[str, Any]) -> verify.Expectation:
    """A cluster as planned: the plan and the variables of one of its nodes, and the plans of the others."""
    plans = {node: fact(hostvars[node], "firewall_plan") or {} for node in plan["nodes"]}
    return verify.Expectation(
        name=plan["cluster"],
        nodes=plan["nodes"],
        vips=plan["vips"],
        replicated=bool(fact(own, "keepalived_conntrackd", True)),
        immediate=bool(fact(own, "conntrackd_immediate", True)),
        gate=bool(fact(own, "iptables_gate", True)),
        manager=plan["topology"],
        groups=plan["vip_groups"],
        device=bool(fact(own, "corosync_device", {})),
        sync_interval_s=sync_interval(plan, own),
        preempt=bool(plan.get("preempt")),
        instances={node: theirs.get("instances", []) for node, theirs in plans.items()},
    )


def sync_interval(plan: Mapping[str, Any], own: Mapping[str, Any]) -> int:
    if not plan.get("config_sync") or fact(own, "config_sync_service_state") == "stopped":
        return 0
    return int(fact(own, "config_sync_interval_s", 60))


def answered(nodes: list[str], hostvars: Mapping[str, Any], name: str) -> tuple[list[verify.Report], set[str]]:
    """What the nodes registered in the variable `name`, and those that are out of the play since theirs is an error."""
    reports, failed = [], set()
    for node in nodes:
        answer = plain(hostvars[node].get(name))
        if not answer:
            failed.add(node)
            continue
        if not answer.get("unreachable") and answer.get("info"):
            reports.append(verify.Report(node, answer["info"]))
            continue
        if not answer.get("unreachable"):
            failed.add(node)
        reason = " ".join(str(answer.get("msg") or "unknown reason").split())
        reports.append(verify.Report(node, None, reason))
    return reports, failed


@dataclass(frozen=True)
class Situation:
    """What is planned for the cluster of a host, and what its nodes answered.

    `speaker` is the node that prints for all; one whose answer is an error of the module is out of the play and cannot.
    """

    plan: Mapping[str, Any]
    hostvars: Mapping[str, Any]
    expectation: verify.Expectation
    reports: Sequence[verify.Report]
    speaker: str

    @property
    def speaks(self) -> bool:
        return self.speaker == self.plan["node"]

    def wait(self, missing: Sequence[str], attempts_left: int, delay: float) -> dict[str, Any]:
        """The result of a look that may be one of several; with some left it tells what is missing, and waits."""
        again = bool(missing) and attempts_left > 0
        if again:
            if self.speaks:
                display.display(f"cluster {self.expectation.name} waits: " + "; ".join(missing))
            time.sleep(delay)
        return {
            "reached": not missing,
            "missing": list(missing),
            "again": again,
            "attempts_left": max(0, attempts_left - 1),
        }


NO_PLAN = {"failed": True, "msg": "there is no plan: run linuxha.firewall.cluster_plan first"}


def situation(variables: Mapping[str, Any], args: Mapping[str, Any]) -> Situation | None:
    """From the variable that is named in `args`; None without a plan."""
    plan = fact(variables, "firewall_plan")
    if not plan:
        return None
    hostvars = variables["hostvars"]
    nodes = [node for node in plan["nodes"] if node not in plain(args.get("without", ()))]
    reports, failed = answered(nodes, hostvars, args["answers"])
    speaker = next((node for node in nodes if node not in failed), "")
    return Situation(plan, hostvars, replace(expected(plan, variables, hostvars), nodes=nodes), reports, speaker)


class ActionModule(ActionBase):
    """Judge the cluster of this host; the first of its nodes speaks for all."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "answers": {"type": "str", "default": "firewall_node_info"},
                "without": {"type": "list", "elements": "str", "default": []},
                "attempts_left": {"type": "int", "default": 0},
                "delay": {"type": "float", "default": 1.5},
            }
        )
        now = situation(task_vars or {}, args)
        if now is None:
            return {**result, **NO_PLAN}
        expectation, reports = now.expectation, now.reports
        findings = verify.judge(expectation, reports)
        errors = [finding for finding in findings if finding.severity == "error"]
        settling = bool(errors) and all(finding.settles for finding in errors) and args["attempts_left"] > 0
        summary = verify.summary(expectation, reports)
        left = max(0, args["attempts_left"] - 1)
        result.update(changed=False, settling=settling, attempts_left=left, summary=summary)
        result["findings"] = [asdict(finding) for finding in findings]
        if not now.speaks:
            return {**result, "msg": f"{now.speaker or 'nobody'} speaks for cluster {expectation.name}"}
        if settling:
            display.display(f"cluster {expectation.name} settles: " + "; ".join(f"{e.path}: {e.what}" for e in errors))
            time.sleep(args["delay"])
            return {**result, "msg": "settling"}
        table = verify.table(expectation.name, findings) if findings else ["  nothing to report"]
        if errors:
            # The message is printed in lines, the rest of a failure as one long line: it stays short.
            display.display("\n".join(["", *summary]))
            return {"changed": False, "failed": True, "settling": False, "msg": "\n".join(table)}
        display.display("\n".join(["", *summary, *table]))
        return {**result, "msg": summary[0]}
