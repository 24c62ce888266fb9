# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: asks the policy of this host's cluster about one packet."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import collect, plain
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Trace, trace


class ActionModule(ActionBase):
    """Which rule decides about a packet, and which translations apply."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec({"packet": {"type": "dict", "required": True}})
        variables = task_vars or {}
        host = str(variables["inventory_hostname"])
        hosts, unreadable = collect(variables["hostvars"])
        loaded = model.load(hosts, findings=False)
        errors = [*unreadable, *(str(p) for p in loaded.errors)]
        cluster = next((c for c in loaded.clusters for n in c.nodes if n.name == host), None)
        if errors or cluster is None:
            text = "\n".join(errors or [f"{host} is in no cluster."])
            return {**result, "failed": True, "msg": text}
        policy = model.question.policy(cluster)
        packet, problems = read_packet(plain(args["packet"]), policy.context.zone_names)
        if packet is None:
            return {**result, "failed": True, "msg": "\n".join(str(problem) for problem in problems)}
        return {**result, "changed": False, **told(trace(policy, packet))}


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
