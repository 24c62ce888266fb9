# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the pacemaker role: the whole configuration of a firewall cluster, in the vocabulary of the module cib.

One resource with all virtual addresses of each group, clones that look after the connectivity, and `states-clone`. With
one group that is promotable and its promoted instance serves. With several it is a plain clone and each group chooses
its node: addresses would follow the promoted role to where another group wants to be (decision 0016).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .._cib import text
from . import types as t

STATES = "states-clone"
LINKS = "linuxha-links"
IN_STEP = "linuxha-states"
# Set by the failover journal of a node that holds back.
HELD = "linuxha-held"
COMMIT_S = 30
# A node that has its networks, and sight of its neighbours, is worth more than any preference or stickiness. Not the
# other way round, a penalty for one that has not: with a score below 0 no node may be promoted, and a cluster whose
# nodes all suffer has to serve. Nor may a node be kept from it whose attribute is not written yet.
REACHABLE = 100_000
PREFERRED = 100
# By how much the primary outweighs the stickiness with `preempt`. Of one group less than half of what a node is worth
# that has the states beside one that has not (95, ocf_states.py): it returns when it is in step, and not before. Half,
# for the scheduler adds the preference of what is colocated with a promoted role twice. Of several groups the states
# weigh more than any preference.
RETURNS = 20
RECHECK_S = 60
# Parameters of fence devices that come from other words of the model.
_OWN_PARAMETERS = ("pcmk_host_list", "pcmk_delay_base")


def role_variables(cluster: t.Cluster) -> dict[str, Any]:
    fencing = cluster.pacemaker.fencing
    packages = ["pacemaker", "pacemaker-cli-utils", "resource-agents"]
    return {
        "pacemaker_packages": [*packages, *(["iputils-ping"] if cluster.pacemaker.ping_groups else [])],
        "pacemaker_fencing": {"enabled": True} if fencing.devices else {"enabled": False, "reason": fencing.reason},
        "pacemaker_owner": cluster.name,
        "pacemaker_allow": list(cluster.pacemaker.allow),
        "pacemaker_cib": configuration(cluster),
    }


def without_secrets(variable: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that may be shown: all parameters of fence devices are left out.

    Not only those that are named like a secret: the name may be misspelt.
    """

    def shown(resource: Mapping[str, Any]) -> dict[str, Any]:
        params = resource.get("params")
        if not str(resource.get("agent") or "").startswith("stonith:") or not isinstance(params, Mapping):
            return dict(resource)
        return {
            **resource,
            "params": {name: value if name in _OWN_PARAMETERS else text.HIDDEN for name, value in params.items()},
        }

    hidden: dict[str, Any] = text.hide(variable)
    resources = hidden.get("resources")
    if not isinstance(resources, list):
        return hidden
    return {**hidden, "resources": [shown(item) if isinstance(item, Mapping) else item for item in resources]}


def with_secrets(variable: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The variable `pacemaker_cib` with what `views` left out of it.

    Args:
        variable: as the plan of the cluster has it.
        given: `firewall_cluster` as the inventory has it.
    """
    own = (given.get("role_variables") or {}).get("pacemaker_cib")
    if own is not None:
        return dict(own)
    fencing = (given.get("pacemaker") or {}).get("fencing") or {}
    devices = {str(device["name"]): device.get("parameters") or {} for device in fencing.get("devices") or []}

    def whole(resource: Mapping[str, Any]) -> dict[str, Any]:
        known = devices.get(str(resource.get("id")), {})
        params = {
            name: known.get(name, value) if value == text.HIDDEN else value
            for name, value in (resource.get("params") or {}).items()
        }
        return {**resource, "params": params} if params else dict(resource)

    return {**variable, "resources": [whole(resource) for resource in variable.get("resources") or []]}


def configuration(cluster: t.Cluster) -> dict[str, Any]:
    resources = [*_states(cluster), *_vips(cluster), *_pings(cluster), *_devices(cluster)]
    constraints = [*_together(cluster), *_preferences(cluster), *_connectivity(cluster)]
    found: dict[str, Any] = {
        "properties": _properties(cluster),
        "resource_defaults": {
            "resource-stickiness": cluster.pacemaker.stickiness,
            # Once more in place, then elsewhere; and a node is forgiven when it was well for a while.
            "migration-threshold": 2,
            "failure-timeout": "300s",
        },
        "operation_defaults": {"timeout": "30s"},
        "resources": resources,
        "constraints": [*constraints, *_away_from_their_nodes(cluster)],
    }
    levels = _levels(cluster)
    if levels:
        found["fencing"] = levels
    return found


def _properties(cluster: t.Cluster) -> dict[str, Any]:
    # Pacemaker slows down on a busy node, to one action at a time from 80 % on. A firewall is busy when it takes over,
    # and the few actions of a takeover are no load.
    found: dict[str, Any] = {"load-threshold": "1000%"}
    fencing = cluster.pacemaker.fencing
    if fencing.devices:
        # After ten failures in a row Pacemaker takes only the next recheck as a reason to fence again, in 15 minutes
        # unless told otherwise: so long nobody would serve although the fencer works again.
        found["cluster-recheck-interval"] = f"{RECHECK_S}s"
        if fencing.priority_delay_s:
            found["priority-fencing-delay"] = f"{fencing.priority_delay_s}s"
    return {**found, **cluster.pacemaker.properties}


def _several(cluster: t.Cluster) -> bool:
    return len(cluster.vip_groups) > 1


def _states(cluster: t.Cluster) -> list[dict[str, Any]]:
    if _several(cluster):
        return [
            {
                "id": "states",
                "agent": "ocf:linuxha:states",
                "params": {"steer": False},
                "operations": [
                    {"name": "start", "timeout": "20s"},
                    {"name": "monitor", "interval": "5s", "timeout": "20s"},
                ],
            },
            {"id": STATES, "type": "clone", "members": ["states"], "meta": {"interleave": True}},
        ]
    return [
        {
            "id": "states",
            "agent": "ocf:linuxha:states",
            "operations": [
                {"name": "start", "timeout": "20s"},
                {"name": "promote", "timeout": f"{COMMIT_S + 20}s"},
                {"name": "monitor", "role": "Promoted", "interval": "10s", "timeout": "20s"},
                {"name": "monitor", "role": "Unpromoted", "interval": "5s", "timeout": "20s"},
            ],
        },
        {
            "id": STATES,
            "type": "clone",
            "members": ["states"],
            "meta": {"promotable": True, "promoted-max": 1, "interleave": True},
        },
    ]


def digest(cluster: t.Cluster, group: str) -> str:
    """Changes whenever an address of a group, or its interface on any node, changes."""
    lists = {
        node.name: [
            [str(vip), node.interfaces[network.name]]
            for network in cluster.networks
            for vip in network.vips
            if vip.group == group
        ]
        for node in cluster.nodes
    }
    return hashlib.sha256(json.dumps(lists, sort_keys=True).encode()).hexdigest()[:12]


def _vips(cluster: t.Cluster) -> list[dict[str, Any]]:
    steer: dict[str, Any] = {"steer": True} if _several(cluster) else {}
    return [
        {
            "id": f"vips-{group.name}",
            "agent": "ocf:linuxha:vips",
            "params": {"group": group.name, "digest": digest(cluster, group.name), **steer},
            # The node that serves is worth more when nodes fence each other (priority-fencing-delay).
            "meta": {"priority": 10},
            "operations": [
                {"name": "start", "timeout": "20s"},
                {"name": "stop", "timeout": "20s"},
                {"name": "monitor", "interval": "5s", "timeout": "20s"},
            ],
        }
        for group in cluster.vip_groups
    ]


def _pings(cluster: t.Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for group in cluster.pacemaker.ping_groups:
        name = f"ping-{group.name}"
        found.append(
            {
                "id": name,
                "agent": "ocf:pacemaker:ping",
                "params": {
                    "name": name,
                    "host_list": " ".join(str(host) for host in group.hosts),
                    "multiplier": 1,
                    # One packet: a second would keep the monitor, and a takeover with it, busy for a second. One that
                    # gets lost is what the dampening is for: the next check corrects it in time.
                    "attempts": 1,
                    "timeout": 1,
                    "dampen": f"{max(2, round(2 * group.interval_ms / 1000))}s",
                },
                "operations": [
                    {
                        "name": "monitor",
                        "interval": f"{group.interval_ms}ms",
                        "timeout": f"{10 + 3 * len(group.hosts)}s",
                    }
                ],
            }
        )
        found.append({"id": f"{name}-clone", "type": "clone", "members": [name], "meta": {"interleave": True}})
    return found


def _devices(cluster: t.Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for device in cluster.pacemaker.fencing.devices:
        delay: dict[str, Any] = {"pcmk_delay_base": f"{device.delay_s}s"} if device.delay_s else {}
        found.append(
            {
                "id": device.name,
                "agent": f"stonith:{device.agent}",
                "params": {**delay, **device.parameters, "pcmk_host_list": ",".join(device.nodes)},
                "operations": [{"name": "monitor", "interval": "60s", "timeout": "30s"}],
            }
        )
    return found


def _levels(cluster: t.Cluster) -> list[dict[str, Any]]:
    devices = cluster.pacemaker.fencing.devices
    # Without levels the first device that succeeds is enough: half of a server with two power supplies.
    if all(sum(node.name in device.nodes for device in devices) <= 1 for node in cluster.nodes):
        return []
    found = []
    for node in cluster.nodes:
        for level in sorted({device.level for device in devices if node.name in device.nodes}):
            names = [device.name for device in devices if node.name in device.nodes and device.level == level]
            found.append({"target": node.name, "index": level, "devices": names})
    return found


def _together(cluster: t.Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for group in cluster.vip_groups:
        vips = f"vips-{group.name}"
        if _several(cluster):
            found.append({"type": "colocation", "resource": vips, "with": STATES, "score": "INFINITY"})
            found.append({"type": "order", "first": STATES, "then": vips})
            continue
        found.append(
            {"type": "colocation", "resource": vips, "with": STATES, "with_role": "Promoted", "score": "INFINITY"}
        )
        found.append(
            {"type": "order", "first": STATES, "first_action": "promote", "then": vips, "then_action": "start"}
        )
    return found


def _preferences(cluster: t.Cluster) -> list[dict[str, Any]]:
    """The primary node first. It takes back what it has lost only with `preempt`.

    That preference, and nothing else, is what a node gives up that holds back: it goes on serving, and takes over where
    no other node can.
    """
    if cluster.preempt:
        score = cluster.pacemaker.stickiness + (PREFERRED if _several(cluster) else RETURNS)
        return [
            _better(
                f"location-{group.name}-primary",
                f"vips-{group.name}",
                {"rule": f"#uname eq {cluster.primary_of(group)} and not_defined {HELD}", "score": score},
            )
            for group in cluster.vip_groups
        ]
    return [
        {
            "type": "location",
            "resource": f"vips-{group.name}",
            "node": cluster.primary_of(group),
            "score": PREFERRED,
        }
        for group in cluster.vip_groups
    ]


def _connectivity(cluster: t.Cluster) -> list[dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    if any(network.track for network in cluster.networks):
        rules["links"] = {"rule": f"defined {LINKS}", "score_attribute": LINKS}
    for group in cluster.pacemaker.ping_groups:
        name = f"ping-{group.name}"
        rules[name] = {"rule": f"{name} gt number 0", "score": REACHABLE}
    if not _several(cluster):
        return [_better(f"location-{name}", STATES, {**rule, "role": "Promoted"}) for name, rule in rules.items()]
    rules["states"] = {"rule": f"defined {IN_STEP}", "score_attribute": IN_STEP}
    return [
        _better(f"location-{vip_group.name}-{name}", f"vips-{vip_group.name}", rule)
        for vip_group in cluster.vip_groups
        for name, rule in rules.items()
    ]


def _better(constraint: str, resource: str, rule: dict[str, Any]) -> dict[str, Any]:
    """Where the rule holds a resource is better off."""
    return {"type": "location", "id": constraint, "resource": resource, "rules": [rule]}


def _away_from_their_nodes(cluster: t.Cluster) -> list[dict[str, Any]]:
    """A node that has to be cut off cannot be asked to do it."""
    return [
        {"type": "location", "resource": device.name, "node": device.nodes[0], "score": "-INFINITY"}
        for device in cluster.pacemaker.fencing.devices
        if len(device.nodes) == 1
    ]
