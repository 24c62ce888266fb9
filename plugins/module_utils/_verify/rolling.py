# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One node after the other: in which order, may it begin, is a node sound, is it ready to take over. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import ownership
from .judge import judge
from .takeover import takeovers
from .types import ERROR, Answers, Expectation, Finding, Report

# The reason of a maintenance begins so: the next run knows which node the last one has left behind.
MARK = "rolling update"
# What a node cannot have while it is kept from serving: it asks for the states when it takes part again.
_OF_STATES = ("conntrackd", "gate")


def _answers(reports: Iterable[Report]) -> dict[str, Mapping[str, Any]]:
    return {report.node: report.info for report in reports if report.info is not None}


def left(answers: Answers) -> set[str]:
    """The nodes that an earlier run has taken out of service and not brought back."""
    flags = {node: info.get("maintenance") or {} for node, info in answers.items()}
    return {node for node, flag in flags.items() if str(flag.get("reason") or "").startswith(MARK)}


def serves(expectation: Expectation, reports: Iterable[Report], node: str) -> bool:
    """Whether the node holds any virtual address."""
    return bool(set(expectation.vips) & set(_answers(reports).get(node, {}).get("held", ())))


def owners(expectation: Expectation, reports: Iterable[Report]) -> dict[str, str]:
    """By group the node that holds all of it and alone."""
    return dict(ownership.owners_of(expectation, _answers(reports)))


def order(
    expectation: Expectation, reports: Iterable[Report], nodes: Collection[str], priorities: Mapping[str, int]
) -> list[str]:
    """These nodes as they take their turns: what an earlier run left, what serves nothing, and then the others."""
    answers = _answers(reports)
    held = owners(expectation, reports_of(answers))
    count = {node: sum(owner == node for owner in held.values()) for node in nodes}
    behind = left(answers)
    wanted = [node for node in expectation.nodes if node in nodes]
    return sorted(wanted, key=lambda node: (count[node], node not in behind, priorities.get(node, 0)))


def reports_of(answers: Answers) -> list[Report]:
    return [Report(node, info) for node, info in answers.items()]


def refusals(expectation: Expectation, reports: Iterable[Report], nodes: Collection[str]) -> tuple[Finding, ...]:
    """Why nothing may begin: the cluster is not healthy, nobody could take over, or somebody works on a node already.

    What an earlier run has left behind is no reason: it is mended first.
    """
    given = tuple(reports)
    answers = _answers(given)
    behind = left(answers)
    findings = judge(expectation, given)
    found = [item for item in findings if item.severity == ERROR and not _about(expectation, item, behind)]
    for node in nodes:
        if node in answers and node not in behind:
            found += _kept_away(f"{expectation.name}/{node}", node, answers[node])
    if found:
        return tuple(found)
    for name, takeover in takeovers(expectation, given, findings).items():
        waiting = takeover.owner is not None and set(takeover.nodes) <= behind
        if not takeover.able and not waiting:
            found.append(
                Finding(
                    f"{expectation.name}/{name}",
                    f"no other node could take over: {'; '.join(takeover.why)}",
                    "a node that takes over while another one is away",
                    "Remove that first; playbook status shows it for every node.",
                )
            )
    return tuple(found)


def _about(expectation: Expectation, finding: Finding, nodes: Collection[str]) -> bool:
    """Whether it is these nodes alone that suffer from it."""
    parts = finding.path.split("/")
    if parts[0] == expectation.name and len(parts) > 1 and parts[1] in nodes:
        return True
    return bool(finding.keeps) and set(finding.keeps) <= set(nodes)


def _kept_away(path: str, node: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    """Orders of somebody else, which the end of a turn would take back."""
    flag = info.get("maintenance")
    cluster = info.get("cluster") or {}
    standby = any(item["name"] == node and item["standby"] for item in cluster.get("nodes") or ())
    if flag:
        what = f"in maintenance: {flag.get('reason') or 'no reason given'}"
        yield Finding(path, what, "nobody else works on it", "End it with playbook maintenance, or leave the node out.")
    elif info.get("drained"):
        yield Finding(path, "the node is drained", "nobody else works on it", "Write 0 to /run/linuxha/drain.")
    elif standby:
        remedy = "Module cluster_node with state online takes the order back."
        yield Finding(path, "the node is in standby", "nobody else works on it", remedy)


def hindrances(expectation: Expectation, reports: Iterable[Report], node: str) -> tuple[Finding, ...]:
    """Why the turn of a node may not begin now: the others could not carry the service without it."""
    given = tuple(reports)
    behind = left(_answers(given)) | {node}
    rest = set(expectation.nodes) - {node}
    return tuple(
        item
        for item in judge(expectation, given)
        if (item.severity == ERROR and not _about(expectation, item, behind)) or _needs_all(expectation, item, rest)
    )


def _needs_all(expectation: Expectation, finding: Finding, rest: Collection[str]) -> bool:
    """Warnings as long as nobody goes away: a majority that would be lost, a manager told to act on nothing."""
    if finding.path.endswith("/corosync"):
        return bool(set(finding.keeps) & set(rest))
    return set(expectation.nodes) <= set(finding.keeps)


def unsound(expectation: Expectation, reports: Iterable[Report], node: str, reboot: Sequence[str] = ()) -> list[str]:
    """What a node lacks that is still kept from serving, until it may take part again: daemons, rules, its place.

    Judged by itself alone: if the others have died meanwhile, it is the last one that can serve.
    """
    given = tuple(reports)
    missing = [f"{node} still needs a reboot: {reason}" for reason in reboot]
    for item in judge(expectation, given):
        parts = item.path.split("/")
        own = len(parts) > 1 and parts[1] == node
        if own and len(parts) > 2 and parts[2] in _OF_STATES:
            continue
        if item.severity == ERROR and _suffers(item, node):
            missing.append(f"{item.path}: {item.what}")
    return missing


def _suffers(finding: Finding, node: str) -> bool:
    """A finding stands where it was seen: of a dead peer with the node that misses it. `keeps` says who suffers."""
    return node in finding.keeps if finding.keeps else finding.path.split("/")[1:2] == [node]


def at_fault(expectation: Expectation, reports: Iterable[Report], node: str) -> bool:
    """Whether anything is wrong with the node itself. If it is the others that are ill, it may have to take over."""
    return any(item.severity == ERROR and _suffers(item, node) for item in judge(expectation, reports))


def unready(expectation: Expectation, reports: Iterable[Report], node: str, preferred: Mapping[str, str]) -> list[str]:
    """What is missing until the cluster is as good as before the node's turn, and the node able to take over.

    Args:
        expectation: the cluster as planned.
        reports: the answers of its nodes.
        node: whose turn it was.
        preferred: by group the node to which it returns by itself.
    """
    given = tuple(reports)
    findings = judge(expectation, given)
    behind = left(_answers(given)) - {node}
    missing = [
        f"{item.path}: {item.what}"
        for item in findings
        if item.severity == ERROR and not _about(expectation, item, behind)
    ]
    for name, takeover in takeovers(expectation, given, findings).items():
        if takeover.owner == node:
            continue
        if preferred.get(name) == node:
            missing.append(f"{expectation.name}/{name}: it is on {takeover.owner} and has not returned to {node} yet")
        missing += [f"{node} could not take over {name}: {reason}" for reason in takeover.nodes.get(node, ())]
    return list(dict.fromkeys(missing))
