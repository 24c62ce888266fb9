# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The policy of a cluster for those who ask about packets: with what the cluster itself needs, and with its links."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import early, ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy

from . import types as t
from . import view_rules

_PREFIX = "iptables_"
#: Read already, and the most by far.
_KNOWN = ("rules", "nat", "defaults", "mss")


def policy(cluster: t.Cluster) -> tuple[Policy, tuple[Problem, ...]]:
    """With every mistake in variables of roles, which the cluster hands on as they are; then the policy is another."""
    found = cluster.policy.review.policy
    links = [each for each in cluster.segments if each.name not in found.context.zone_names]
    networks = {each.name: tuple(ipaddress.ip_network(str(p)) for p in each.prefixes) for each in links}
    context = replace(
        found.context,
        networks={**found.context.networks, **networks},
        zones=(*found.context.zones, *networks),
    )
    read = [_early(cluster, node, links) for node in cluster.nodes]
    # The same on each node.
    problems = {str(problem): problem for _each, several in read for problem in several}
    together = early.together([each for each, _problems in read])
    return replace(found, context=context, early=together), tuple(problems.values())


def _early(cluster: t.Cluster, node: t.Node, links: list[t.Segment]) -> tuple[early.Early, tuple[Problem, ...]]:
    variables = {**view_rules.role_variables(cluster, node), **cluster.role_overrides}
    content = {key[len(_PREFIX) :]: value for key, value in variables.items() if key.startswith(_PREFIX)}
    wanted = {key: value for key, value in content.items() if key in ruleset.KEYS and key not in _KNOWN}
    prefix = f"firewall_policy[{cluster.name}]."
    read, problems = ruleset.parse(wanted, prefix)
    named = tuple(_as_written(problem, prefix, cluster) for problem in problems)
    return early.of(read, {node.interfaces[link.name]: link.name for link in links}, node.name), named


def _as_written(problem: Problem, prefix: str, cluster: t.Cluster) -> Problem:
    path = f"{_PREFIX}{problem.path[len(prefix) :]}"
    key = re.split(r"[.\[]", path)[0]
    return replace(problem, path=path) if key in cluster.role_overrides else problem
