# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: what the roles have found on the nodes of this host's cluster, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action import cluster_verify
from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils._change import table as change

display = cluster_verify.display
# What the roles register, by part.
REGISTERED = {
    "rules": "__iptables_ruleset",
    "conntrackd": "__conntrackd_change",
    "keepalived": "__keepalived_change",
    "corosync": "__corosync_conf",
    "cib": "__pacemaker_change",
}
TAKEOVER = {"its programs": "__takeover_programs", "takeover.json": "__takeover_conf", "its units": "__takeover_units"}
# It runs on the worker's programs, too.
JOURNAL = {
    "its programs": "__takeover_journal_programs",
    "programs of the worker": "__takeover_programs",
    "journal.json": "__takeover_journal_conf",
    "its units": "__takeover_units",
}
SERVES = "firewall_pass_active"


def found(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The results of one node; what a topology has not is not there."""

    def of(names: Mapping[str, str]) -> dict[str, Any]:
        return {part: plain(variables[name]) for part, name in names.items() if name in variables}

    return {**of(REGISTERED), "takeover": of(TAKEOVER), "journal": of(JOURNAL)}


class ActionModule(ActionBase):
    """The same for every node of a cluster; the first of them speaks."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {"restart": {"type": "str", "default": "switchover", "choices": ["switchover", "now", "never"]}}
        )
        variables = task_vars or {}
        plan = cluster_verify.fact(variables, "firewall_plan")
        if not plan:
            return {**result, **cluster_verify.NO_PLAN}
        hostvars = variables["hostvars"]
        played = {str(host) for host in variables["ansible_play_hosts_all"]}
        nodes = [node for node in plan["nodes"] if node in played]
        rows = [
            row
            for node in nodes
            for row in change.rows(
                node, found(hostvars[node]), SERVES in plain(hostvars[node].get("group_names") or [])
            )
        ]
        checked = bool(self._task.check_mode)
        waiting = change.turns(nodes, rows)
        # A node is restarted only while others are known to serve.
        whole = nodes == list(plan["nodes"])
        if nodes[:1] == [plan["node"]]:
            lines = change.table(plan["cluster"], nodes, rows, checked)
            if waiting and args["restart"] == "never":
                lines.append(
                    f"  not restarted, as asked for (firewall_restart: never): keepalived on {', '.join(waiting)}"
                )
            elif waiting and not whole:
                lines.append(f"  not restarted: keepalived on {', '.join(waiting)}; run without --limit")
            display.display("\n".join(["", *lines]))
        return {
            **result,
            "changed": False,
            "changes": [asdict(row) for row in rows],
            "turns": [] if checked or not whole or args["restart"] == "never" else waiting,
        }
