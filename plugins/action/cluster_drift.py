# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: site in check mode, the answers of the nodes, and one report of both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.inventory.manager import InventoryManager
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.utils.context_objects import CLIArgs
from ansible.utils.display import Display
from ansible.utils.vars import load_options_vars
from ansible.vars.manager import VariableManager

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import NO_PLAN, answered, expected, fact
from ansible_collections.linuxha.firewall.plugins.module_utils import _drift as drift
from ansible_collections.linuxha.firewall.plugins.module_utils import _verify as verify
from ansible_collections.linuxha.firewall.plugins.module_utils._drift import site
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import write_text

display = Display()


class Collector(CallbackBase):
    """Keeps what every task returned, and prints nothing."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "linuxha_drift"

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[site.Outcome] = []

    def _keep(self, result: Any, status: str) -> None:
        # The results of ansible-core 2.19 have properties, and these names for them in all versions.
        task = result._task
        data = plain(result._result)
        hidden = data if not task.no_log else {"changed": data.get("changed", False), "msg": "hidden by no_log"}
        self.outcomes.append(site.Outcome(str(result._host), task.get_name(), str(task.action), status, hidden))

    def v2_runner_on_ok(self, result: Any) -> None:
        self._keep(result, site.OK)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._keep(result, site.FAILED)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        # A host that may be away, such as that of a quorum device, is none of the nodes.
        if not result._task.ignore_unreachable:
            self._keep(result, site.UNREACHABLE)


class ActionModule(ActionBase):
    """One report for all clusters of the play."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "playbook": {"type": "str", "default": "linuxha.firewall.site"},
                "fail": {"type": "bool", "default": False},
                "report": {"type": "path"},
                "nodes": {"type": "str", "default": "firewall_node_info"},
                "running": {"type": "str", "default": "firewall_running"},
            }
        )
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        hosts = [str(host) for host in variables["ansible_play_hosts_all"]]
        plans = {host: fact(hostvars[host], "firewall_plan") for host in hosts}
        plans = {host: plan for host, plan in plans.items() if plan}
        if not plans:
            return {**result, **NO_PLAN}
        found: list[drift.Difference] = []
        remarks: list[str] = []
        for name in sorted({plan["cluster"] for plan in plans.values()}):
            mine = next(host for host, plan in plans.items() if plan["cluster"] == name)
            judged, said = self._judge(plans[mine], hostvars, mine, args)
            found += judged
            remarks += said
        reached = [host for host in plans if not (plain(hostvars[host].get(args["nodes"])) or {}).get("unreachable")]
        outcomes = self._site(args["playbook"], self._limit(reached, variables), variables)
        clusters = {host: plan["cluster"] for host, plan in plans.items()}
        found += drift.differences(clusters, outcomes)
        compared = drift.Compared(
            sorted(set(clusters.values())), list(plans), list(dict.fromkeys(found)), remarks, len(outcomes)
        )
        return {**result, **self._end(compared, args)}

    def _end(self, compared: drift.Compared, args: Mapping[str, Any]) -> dict[str, Any]:
        report = drift.plain(compared)
        if args["report"] and not self._task.check_mode:
            # What the nodes are is nobody else's business.
            write_text(Path(args["report"]), json.dumps(report, indent=2, sort_keys=True) + "\n", 0o600)
        table = drift.table(compared)
        if args["fail"] and report["drift"]:
            return {"changed": False, "failed": True, "msg": "\n".join(table), "report": report}
        display.display("\n".join(["", *table]))
        return {"changed": False, "msg": drift.summary(compared), "report": report}

    def _judge(
        self, plan: Mapping[str, Any], hostvars: Mapping[str, Any], own: str, args: Mapping[str, Any]
    ) -> tuple[list[drift.Difference], list[str]]:
        expectation = expected(plan, hostvars[own], hostvars)
        reports, _failed = answered(plan["nodes"], hostvars, args["nodes"])
        found, remarks = drift.verdicts(expectation.name, verify.judge(expectation, reports))
        answers = {node: plain(hostvars[node].get(args["running"])) or {} for node in plan["nodes"]}
        infos = {node: answer["info"] for node, answer in answers.items() if answer.get("info")}
        found += drift.running(expectation.name, infos)
        found += drift.between_peers(expectation.name, infos)
        return found, remarks

    @staticmethod
    def _limit(reached: Iterable[str], variables: Mapping[str, Any]) -> list[str]:
        # Hosts of quorum devices belong to site; who asked for a part of the hosts does not mean them.
        groups = variables.get("groups") or {}
        others = [] if variables.get("ansible_limit") else list(groups.get("quorum_devices") or [])
        return [*reached, *(str(host) for host in others)]

    def _site(self, playbook: str, hosts: list[str], variables: Mapping[str, Any]) -> list[site.Outcome]:
        """The playbook in check mode. This process is a fork of its own for this task and ends with it, so what is
        changed in it here (the options of the command line) concerns nobody else."""
        if not hosts:
            return []
        given = dict(context.CLIARGS)
        every = {"tags": ("all",), "skip_tags": (), "start_at_task": None, "step": False}
        context.CLIARGS = CLIArgs({**given, "check": True, "diff": True, **every})
        # Made once for each run, from the options of the command line: without this, roles would ask in vain whether it
        # is check mode (ansible_check_mode), and do what belongs to a deployment, such as to wait.
        load_options_vars.options_vars = None
        inventory = InventoryManager(loader=self._loader, sources=given.get("inventory"))
        inventory.subset(",".join(hosts))
        manager = VariableManager(
            loader=self._loader, inventory=inventory, version_info=plain(variables.get("ansible_version"))
        )
        passwords = {"conn_pass": self._play_context.password, "become_pass": self._play_context.become_pass}
        executor = PlaybookExecutor([playbook], inventory, manager, self._loader, passwords)
        collector = Collector()
        collector._init_callback_methods()
        # Nobody else hears of this run: no second recap, no second entry in somebody's records.
        executor._tqm._callback_plugins = [collector]
        executor._tqm._callbacks_loaded = True
        executor.run()
        return collector.outcomes
