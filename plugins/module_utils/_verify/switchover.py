# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""May a group of addresses move, from where to where, and has it moved? Pure: answers in, a plan or reasons out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import ownership
from .judge import judge
from .types import ERROR, Answers, Expectation, Finding, Report

# What is left of the priority of a node of keepalived that subtracts all that it can.
LEAST = 1


@dataclass(frozen=True)
class Wish:
    """What somebody ordered: `take` names the node that shall serve, `drop` the one that shall give way.

    `group` narrows it to one group of addresses. `force` accepts that connections are lost, and nothing else.
    """

    take: str = ""
    drop: str = ""
    group: str = ""
    force: bool = False

    def __str__(self) -> str:
        what = f"group {self.group}" if self.group else "every group"
        if self.take and self.drop:
            return f"{self.take} takes {what} of {self.drop}"
        if self.take:
            return f"{self.take} takes {what}"
        return f"{self.drop} gives {what} away" if self.drop else f"another node takes {what}"


@dataclass(frozen=True)
class Move:
    """One group of addresses that shall go from one node to another."""

    group: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.group}: {self.source} -> {self.target}"


@dataclass(frozen=True)
class Reason:
    """What speaks against it. `force` goes over those that cost connections only (`loses`)."""

    path: str
    what: str
    remedy: str
    loses: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.what}. {self.remedy}"


@dataclass(frozen=True)
class Ways:
    """How addresses find their node: `preferred` by group is where they return by themselves (preempt), if they do.

    `priorities` rank the nodes that could take over, by the plan. Unless it `stays`, who gives way is kept away then.
    """

    preferred: Mapping[str, str] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    stays: bool = True


@dataclass(frozen=True)
class Plan:
    """What would be done. With `refused` nothing is; `accepted` are the reasons that `force` went over."""

    moves: tuple[Move, ...] = ()
    refused: tuple[Reason, ...] = ()
    accepted: tuple[Reason, ...] = ()


def plan(expectation: Expectation, reports: Iterable[Report], wish: Wish, ways: Ways) -> Plan:
    given = tuple(reports)
    mistakes = _mistakes(expectation, wish)
    if mistakes:
        return Plan(refused=tuple(mistakes))
    answers = {report.node: report.info for report in given if report.info is not None}
    groups = ownership.groups_of(expectation)
    owners = {name: ownership.owner_of(group, answers) or "" for name, group in groups.items()}
    wanted = [name for name in groups if wish.group in ("", name)]
    findings = judge(expectation, given)
    lost = [name for name in wanted if not owners[name]]
    if lost:
        # Whoever has the addresses now, a switchover is not what is missing.
        errors = [item for item in findings if item.severity == ERROR and item.path == expectation.name]
        reasons = tuple(Reason(item.path, item.what, item.remedy) for item in errors)
        unclear = Reason(expectation.name, f"{', '.join(lost)} has no single owner", "Playbook verify says why.")
        return Plan(refused=reasons or (unclear,))
    moves: list[Move] = []
    refused: list[Reason] = []
    accepted: list[Reason] = []
    claims = advertised(expectation, answers, ways.priorities)
    served = {node: sum(owner == node for owner in owners.values()) for node in expectation.nodes}
    for name in wanted:
        source = owners[name]
        if wish.drop not in ("", source) or source == wish.take:
            continue
        candidates = [wish.take] if wish.take else [node for node in expectation.nodes if node != source]
        ranked = sorted(candidates, key=lambda node: (served[node], -claims.get(node, 0)))
        judged = {
            node: [*against(findings, node, name), *_returns(expectation, answers, ways, Move(name, source, node))]
            for node in ranked
        }
        fit = [node for node in ranked if not judged[node]]
        if not fit and wish.force:
            fit = [node for node in ranked if all(reason.loses for reason in judged[node])]
        if not fit:
            refused += [reason for node in ranked for reason in judged[node]]
            continue
        target = fit[0]
        moves.append(Move(name, source, target))
        served[target] += 1
        accepted += judged[target]
    unique = tuple(dict.fromkeys(refused))
    return Plan(() if unique else tuple(moves), unique, tuple(dict.fromkeys(accepted)))


def _mistakes(expectation: Expectation, wish: Wish) -> list[Reason]:
    found = []
    if not (wish.take or wish.drop or wish.group):
        what = "nothing is named that shall move"
        found.append(Reason("firewall_target", what, "Name a node in firewall_target or firewall_source, or a group."))
    for path, node in (("firewall_target", wish.take), ("firewall_source", wish.drop)):
        if node and node not in expectation.nodes:
            nodes = ", ".join(expectation.nodes)
            found.append(Reason(path, f"{node!r} is no node of cluster {expectation.name}", f"It has {nodes}."))
    groups = ownership.groups_of(expectation)
    if wish.group and wish.group not in groups:
        what = f"{wish.group!r} is no group of cluster {expectation.name}"
        found.append(Reason("firewall_group", what, f"It has {', '.join(groups)}."))
    if wish.take and wish.take == wish.drop:
        what = f"{wish.take!r} cannot take from itself"
        found.append(Reason("firewall_source", what, "Name another node, or leave firewall_source out."))
    return found


def _returns(expectation: Expectation, answers: Answers, ways: Ways, move: Move) -> Iterator[Reason]:
    """Who would take the group from the target as soon as the order is taken back.

    A preferred node that serves; one that does not has a reason that stays. Of keepalived any node that claims more.
    """
    path = f"{expectation.name}/{move.group}"
    away = "keeps it away (playbook maintenance)"
    if ways.preferred.get(move.group) == move.source:
        yield Reason(
            path,
            f"with preempt it would return to {move.source} at once",
            f"Maintenance of {move.source} {away}; or set preempt: false.",
        )
        return
    if expectation.manager != "keepalived" or not expectation.preempt:
        return
    lasting = {
        node: LEAST if _holds_back(answers.get(node, {})) else priority for node, priority in ways.priorities.items()
    }
    own = lasting.get(move.target, 0)
    held = _holds_back(answers.get(move.target, {}))
    for node, info in answers.items():
        if node == move.target or (node == move.source and not ways.stays) or not _competes(info):
            continue
        if lasting.get(node, 0) > own:
            reason = f", since {move.target} is held back (priority {own})" if held else ""
            release = (
                f"Let {move.target} take part again, on it: linuxha-journal release. Or: maintenance of {node} {away}."
            )
            yield Reason(
                path,
                f"with preempt it would go from {move.target} to {node} (priority {lasting[node]}) at once{reason}",
                release if held else f"Maintenance of {node} {away}; or name {node} as the target.",
            )


def _holds_back(info: Mapping[str, Any]) -> bool:
    """Whether the failover journal has the node give up its preference (damping)."""
    damping = info.get("damping") or {}
    return bool(damping.get("held")) or damping.get("level", "free") not in ("free", None)


def _competes(info: Mapping[str, Any]) -> bool:
    """Whether the node takes part in the election. Of a worker that was restarted nothing is known: then it does."""
    states = {one["state"] for one in info["worker"]["instances"].values()}
    return not info["drained"] and not info.get("maintenance") and (not states or bool(states & {"MASTER", "BACKUP"}))


def advertised(expectation: Expectation, answers: Answers, priorities: Mapping[str, int]) -> dict[str, int]:
    """What each node claims right now. Of keepalived who holds back, or waits for states, has the least there is."""
    if expectation.manager != "keepalived" or not expectation.preempt:
        return dict(priorities)
    low = {node for node, info in answers.items() if _holds_back(info) or info["worker"].get("behind")}
    return {node: LEAST if node in low else priority for node, priority in priorities.items()}


def against(findings: Iterable[Finding], target: str, group: str) -> Iterator[Reason]:
    """What of the findings of `judge` speaks against it that a node takes a group.

    The same as for a takeover, which needs no settled cluster. An order that meets another transition does.
    """
    for finding in findings:
        keeps = target in finding.keeps and finding.of in ("", group) and not finding.unplanned
        if keeps or finding.busy:
            yield Reason(finding.path, finding.what, finding.remedy, finding.loses)


def arrived(expectation: Expectation, reports: Iterable[Report], moves: Iterable[Move]) -> list[str]:
    """What is missing until these groups serve where they shall, by the nodes' own answers; empty when they do."""
    answers = {report.node: report.info for report in reports if report.info is not None}
    groups = ownership.groups_of(expectation)
    missing = []
    for move in moves:
        holders = [node for node, info in answers.items() if set(groups[move.group]) & set(info["held"])]
        info = answers.get(move.target)
        if info is None:
            missing.append(f"{move.target} does not answer")
        elif holders != [move.target]:
            missing.append(f"{move.group} is on {' and '.join(holders) or 'no node'}, not on {move.target} alone")
        elif not set(groups[move.group]) <= set(info["held"]):
            missing.append(f"{move.target} does not hold all addresses of {move.group}")
        elif "MASTER" not in {one["state"] for one in info["worker"]["instances"].values()}:
            missing.append(f"the takeover worker of {move.target} does not know that it serves")
        elif expectation.gate and info["worker"]["gate"] != "open":
            missing.append(f"the gate of {move.target} is {info['worker']['gate']}: it forwards nothing")
    return missing


def settled(expectation: Expectation, reports: Iterable[Report], moves: Sequence[Move], forced: bool) -> list[str]:
    """What is missing until the cluster is as ready as before the move: states in step, the source standing by.

    After a forced move only the addresses count: what was accepted before it is no surprise after it.
    """
    given = tuple(reports)
    missing = arrived(expectation, given, moves)
    if missing or forced:
        return missing
    involved = {node for move in moves for node in (move.source, move.target)}
    return [
        f"{finding.path}: {finding.what}"
        for finding in judge(expectation, given)
        if finding.severity == ERROR
        and (finding.path.split("/")[1:2] or [""])[0] in {"", "rules", "pacemaker", *involved}
    ]


def drained(moves: Sequence[Move], claims: Mapping[str, int]) -> set[str]:
    """The nodes of keepalived that have to give way: the owners, and whoever would take over before the target.

    Those that claim as much would too: then addresses decide.
    """
    found = {move.source for move in moves}
    for move in moves:
        own = claims.get(move.target, 0)
        found |= {node for node, claim in claims.items() if claim >= own and node != move.target}
    return found - {move.target for move in moves}
