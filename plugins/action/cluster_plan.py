# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: reads the inventory as a whole, and gives the current host its part of the plan."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._model.policy import findings

VARIABLES = ("firewall_cluster", "firewall_policy", "firewall_node", "firewall_lab")


def plain(value: Any) -> Any:
    """Ordinary Python data. ansible-core 2.19 hands out tagged strings, tagged numbers and lazy containers."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [plain(v) for v in value]
    return str(value)


def collect(hostvars: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The variables of all hosts that describe a cluster, whatever --limit says."""
    hosts: dict[str, dict[str, Any]] = {}
    errors: list[str] = []
    for name in hostvars:
        theirs = hostvars[name]
        found: dict[str, Any] = {}
        for variable in VARIABLES:
            try:
                if variable in theirs:
                    found[variable] = plain(theirs[variable])
            except AnsibleError as problem:
                errors.append(f"{variable}[{name}]: cannot be templated: {problem}. Correct the expression.")
        if found.get("firewall_cluster") is not None:
            hosts[str(name)] = found
    return hosts, errors


def judged_once(directory: str, hosts: Mapping[str, Any]) -> Callable[[model.Cluster], list[model.Problem]]:
    """Findings of policies, computed by the first process that asks: Ansible plans each host in one of its own.

    Args:
        directory: that of this run.
        hosts: all that the findings depend on.
    """
    content = json.dumps(hosts, default=str)

    def judge(cluster: model.Cluster) -> list[model.Problem]:
        digest = hashlib.sha256(f"{cluster.name} {content}".encode()).hexdigest()
        path = Path(directory) / f"findings-{digest}.json"
        try:
            with path.with_suffix(".lock").open("w", encoding="utf-8") as lock:
                # Whoever comes second waits, which is quicker than to do the same beside it.
                fcntl.flock(lock, fcntl.LOCK_EX)
                if path.exists():
                    return [model.Problem(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
                found = list(findings(cluster))
                whole = path.with_suffix(".new")
                whole.write_text(json.dumps([asdict(each) for each in found]), encoding="utf-8")
                whole.replace(path)
                return found
        except OSError:
            # A full disk, or a file system without locks: each host for itself.
            return list(findings(cluster))

    return judge


class ActionModule(ActionBase):
    """Validate every cluster of the inventory and derive the role variables of this host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec({})
        variables = task_vars or {}
        host = str(variables["inventory_hostname"])
        hosts, unreadable = collect(variables["hostvars"])
        loaded = model.load(hosts, judge=judged_once(constants.DEFAULT_LOCAL_TMP, hosts))
        errors = [*unreadable, *(str(p) for p in loaded.errors)]
        warnings = [str(p) for p in loaded.warnings]
        if errors:
            count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
            text = "\n".join([f"{count} in the inventory:", *errors])
            return {**result, "failed": True, "msg": text, "problems": errors, "warnings": warnings}
        found = next(((c, n) for c in loaded.clusters for n in c.nodes if n.name == host), None)
        if found is None:
            reason = (
                "this host is in no cluster. It needs firewall_cluster (of its group) and firewall_node (of its own)."
            )
            return {**result, "failed": True, "msg": f"{host}: {reason}", "problems": [reason], "warnings": warnings}
        cluster, node = found
        lines = [
            f"cluster {cluster.name}, profile {cluster.profile.name}: power cut of the active node",
            *model.budget.failover(cluster).lines,
        ]
        if host == cluster.nodes[0].name:
            # Once per cluster: a result's msg is seen only with -v.
            self._display.display("\n".join(lines))
        return {
            **result,
            "changed": False,
            "warnings": warnings,
            "msg": lines,
            "ansible_facts": {
                "firewall_plan": model.views.plan(cluster, node),
                **model.views.role_variables(cluster, node),
            },
        }
