# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: asks the policy of this host's cluster about one packet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import collect, plain
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, Trace, trace


class ActionModule(ActionBase):
    """Which rule decides about a packet, and which translations apply."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec({"packet": {"type": "dict", "required": True}})
        variables = task_vars or {}
        policy, errors = of_cluster(variables["hostvars"], str(variables["inventory_hostname"]))
        if policy is None:
            return {**result, "failed": True, "msg": "\n".join(errors)}
        packet, problems = read_packet(plain(args["packet"]), policy.context.zone_names)
        if packet is None:
            return {**result, "failed": True, "msg": "\n".join(str(problem) for problem in problems)}
        return {**result, "changed": False, **told(trace(policy, packet))}


def of_cluster(hostvars: Mapping[str, Any], host: str) -> tuple[Policy | None, list[str]]:
    """The policy of the cluster that a host is a node of, or every mistake in the inventory."""
    hosts, errors = collect(hostvars)
    loaded = model.load(hosts, findings=False)
    errors += [str(problem) for problem in loaded.errors]
    clusters = {node.name: cluster for cluster in loaded.clusters for node in cluster.nodes}
    if not errors and host not in clusters:
        remedy = f"One of: {', '.join(clusters)}." if clusters else "The inventory has none."
        errors = [f"host: {host!r}: is in no cluster. {remedy}"]
    if errors:
        return None, errors
    policy, problems = model.question.policy(clusters[host])
    return (None, [str(problem) for problem in problems]) if problems else (policy, [])


def told(found: Trace) -> dict[str, Any]:
    """A trace as plain data."""
    return {
        "msg": "\n".join(found.lines),
        "action": found.action,
        "rule": found.rule.name if found.rule else "",
        "path": found.rule.path if found.rule else "",
        "conditional": [rule.name for rule in found.conditional],
        "from": found.result.from_zone,
        "to": found.to_zone,
        "dnat": found.dnat.name if found.dnat else "",
        "snat": found.snat.name if found.snat else "",
        "source": str(found.result.source),
        "destination": str(found.result.destination),
        "port": found.result.port,
    }
