# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Could another node take over right now? Decided from the findings, so that nobody judges by other standards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from . import ownership
from .types import Answers, Expectation, Finding, Report


@dataclass(frozen=True)
class Takeover:
    """Of one group of addresses.

    Attributes:
        group: its name.
        owner: the node that holds all of it and alone, or None.
        able: whether a healthy node would take over with the states of the connections.
        why: the reason, a line for each.
        nodes: the nodes that might take over, each with what keeps it from that.
    """

    group: str
    owner: Optional[str]
    able: bool
    why: Sequence[str]
    nodes: Mapping[str, Sequence[str]]


def takeovers(
    expectation: Expectation, reports: Iterable[Report], findings: Iterable[Finding]
) -> Mapping[str, Takeover]:
    """By group, from the findings of `judge` on the same reports."""
    answers = {report.node: report.info for report in reports if report.info is not None}
    given = list(findings)
    found = {}
    for name, group in ownership.groups_of(expectation).items():
        owner = ownership.owner_of(group, answers)
        obstacles = {
            node: [
                _reason(expectation.name, node, finding)
                for finding in given
                if node in finding.keeps and finding.of in ("", name)
            ]
            for node in expectation.nodes
            if node != owner
        }
        ready = [node for node, reasons in obstacles.items() if not reasons]
        why = _why(expectation, group, owner, ready, obstacles, answers)
        found[name] = Takeover(name, owner, owner is not None and bool(ready), why, obstacles)
    return found


def _reason(cluster: str, node: str, finding: Finding) -> str:
    """What is wrong, and where if that is not plainly the node itself."""
    place = finding.path.removeprefix(cluster).strip("/").removeprefix(node).strip("/")
    return f"{place}: {finding.what}" if place else finding.what


def _why(
    expectation: Expectation,
    group: Sequence[str],
    owner: Optional[str],
    ready: Sequence[str],
    obstacles: Mapping[str, Sequence[str]],
    answers: Answers,
) -> list[str]:
    if owner is None:
        holding = [node for node in answers if set(group) & set(answers[node]["held"])]
        if not holding:
            return ["no node that answers holds the addresses now"]
        if len(holding) > 1:
            return [f"{' and '.join(holding)} hold addresses of this group at the same time"]
        return [f"{holding[0]} holds only a part of the addresses"]
    if ready:
        states = "has the states" if expectation.replicated else "begins without states: they are not replicated"
        return [f"{node} is healthy and {states}" for node in ready]
    if not obstacles:
        return ["there is no other node"]
    return [f"{node}: {reason}" for node, reasons in obstacles.items() for reason in reasons]
