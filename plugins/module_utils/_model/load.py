# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""From the variables of all hosts to clusters and problems. Never raises on bad input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Callable, Optional

from . import cross, lint, nodes, parse, policy, validate, vrid
from . import types as t
from .budget import check as check_budget
from .net import HAS_NETADDR
from .problems import ERROR, Problem, Problems

AGREE = ("firewall_cluster", "firewall_policy")


def load(
    hosts: Mapping[str, Mapping[str, Any]],
    findings: bool = True,
    judge: Callable[[t.Cluster], Iterable[Problem]] = policy.findings,
) -> t.Loaded:
    """Read every cluster of an inventory.

    Args:
        hosts: host name to its variables; only firewall_cluster, firewall_policy, firewall_node and firewall_lab
            are looked at. Plain data: no tagged strings, no lazy containers.
        findings: whether what the analysis of a policy found counts; a policy with findings can be asked.
        judge: tells what it found, for those who know already.
    """
    if not HAS_NETADDR:
        missing = Problem(
            "netaddr", None, "the Python package is missing on the controller", "Install it: pip install netaddr."
        )
        return t.Loaded((), (missing,))
    problems = Problems()
    drafts = []
    broken = set()
    for name, members in _group(hosts, problems).items():
        before = problems.errors
        drafts.append(_cluster(name, members, problems))
        if problems.errors > before:
            broken.add(name)
    clusters = vrid.assign(drafts)
    for cluster in clusters:
        path = f"firewall_cluster[{cluster.name}]"
        before = problems.errors
        validate.validate(cluster, path, problems)
        lint.lint(cluster, path, problems)
        if findings:
            problems.found.extend(judge(cluster))
        if cluster.name not in broken and problems.errors == before:
            check_budget(cluster, path, problems)
        if problems.errors > before:
            broken.add(cluster.name)
    cross.check(clusters, problems)
    found = tuple(lint.accept(clusters, problems.found))
    at_fault = {p.path.partition("[")[2].partition("]")[0] for p in found if p.severity == ERROR}
    broken |= {c.name for c in clusters if at_fault & {c.name, *(n.name for n in c.nodes)}}
    return t.Loaded(tuple(c for c in clusters if c.name not in broken), found)


def _group(hosts: Mapping[str, Mapping[str, Any]], problems: Problems) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Hosts by the name of their cluster, in the order of the inventory."""
    groups: dict[str, dict[str, Mapping[str, Any]]] = {}
    for host, variables in hosts.items():
        raw = variables.get("firewall_cluster")
        if raw is None:
            continue
        if not isinstance(raw, Mapping):
            problems.error(
                "type", f"firewall_cluster[{host}]", raw, "is not a mapping", "Write it as key: value pairs."
            )
            continue
        name = str(raw.get("name") or "")
        if variables.get("firewall_node") is None:
            remedy = "Write its firewall_node, or move it out of the group."
            problems.warn(
                "host-without-node",
                f"firewall_cluster[{name}]",
                host,
                "is a host without firewall_node and left out",
                remedy,
            )
            continue
        groups.setdefault(name, {})[host] = variables
    return groups


def _cluster(name: str, members: Mapping[str, Mapping[str, Any]], problems: Problems) -> t.Cluster:
    hosts = list(members)
    first = members[hosts[0]]
    for other in hosts[1:]:
        for variable in AGREE:
            where = _difference(first.get(variable), members[other].get(variable), f"{variable}[{name}]")
            if where is not None:
                path, left, right = where
                reason = f"differs between peers: {other} has this, {hosts[0]} has {left!r}"
                problems.error(
                    "peers-differ", path, right, reason, "Write it once, in the variables of the cluster's group."
                )
    path, policy_path = f"firewall_cluster[{name}]", f"firewall_policy[{name}]"
    cluster = parse.cluster(first["firewall_cluster"], path, len(hosts), problems)
    found = tuple(nodes.node(host, position, members[host], cluster, problems) for position, host in enumerate(hosts))
    cluster = replace(cluster, nodes=found)
    # After the nodes, since their addresses have names that the policy may use.
    return replace(cluster, policy=policy.read(first.get("firewall_policy"), policy_path, cluster, problems))


def _difference(left: Any, right: Any, path: str) -> Optional[tuple[str, Any, Any]]:
    """The first place where two values differ."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in (*left, *(k for k in right if k not in left)):
            found = _difference(left.get(key), right.get(key), f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)) and len(left) == len(right):
        for number, (a, b) in enumerate(zip(left, right)):
            found = _difference(a, b, f"{path}[{number}]")
            if found is not None:
                return found
        return None
    return None if left == right else (path, left, right)
