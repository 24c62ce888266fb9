# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: decides from the answers of all nodes whether a machine may take the place of one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import NO_PLAN, answered, expected, fact
from ansible_collections.linuxha.firewall.plugins.module_utils import _verify as verify


class ActionModule(ActionBase):
    """Refuse a replacement that would harm; all nodes of the cluster get the same verdict."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "node": {"type": "str", "required": True},
                "absent": {"type": "list", "elements": "str", "default": []},
                "answers": {"type": "str", "default": "firewall_node_info"},
            }
        )
        variables = task_vars or {}
        plan = fact(variables, "firewall_plan")
        if not plan:
            return {**result, **NO_PLAN}
        hostvars, node, absent = variables["hostvars"], plain(args["node"]), plain(args["absent"])
        expectation = expected(plan, variables, hostvars)
        reports, _failed = answered(plan["nodes"], hostvars, args["answers"])
        own = (fact(hostvars[node], "firewall_plan") or {}) if node in plan["nodes"] else {}
        findings = verify.refusals(expectation, reports, node, own.get("interfaces", {}), absent)
        result.update(changed=False, findings=[asdict(finding) for finding in findings])
        if findings:
            lines = verify.table(expectation.name, findings)
            return {**result, "failed": True, "msg": "\n".join(["nothing was changed", *lines])}
        held = {report.node: list(report.info["held"]) for report in reports if report.info is not None}
        return {**result, "held": held, "absent": absent, "msg": f"{node} may be replaced"}
