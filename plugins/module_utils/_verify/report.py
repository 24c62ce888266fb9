# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Findings and a healthy cluster as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import ownership
from .types import ERROR, Expectation, Finding, Report


def grid(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip() for row in rows]


def table(name: str, findings: Iterable[Finding], width: int = 110) -> list[str]:
    """One paragraph per finding: what is wrong where, what should be, what to do."""
    found = list(findings)
    errors = sum(finding.severity == ERROR for finding in found)
    lines = [f"cluster {name}: {errors} error{'' if errors == 1 else 's'}, {len(found) - errors} other remarks"]
    for finding in found:
        lines.append(f"  {finding.severity.upper():8} {finding.path}")
        for label, text in (("found", finding.what), ("expected", finding.expected), ("remedy", finding.remedy)):
            lines += textwrap.wrap(text, width, initial_indent=f"    {label + ':':10}", subsequent_indent=" " * 14)
    return lines


def summary(expectation: Expectation, reports: Iterable[Report]) -> list[str]:
    """The state of a cluster on one screen, also of one that is not well."""
    answers = {report.node: report.info for report in reports if report.info is not None}
    headline = _headline(expectation, ownership.owners_of(expectation, answers))
    rows = [["node", "role", "addresses", "gate", "rules", "states", "connections", "offered", "overruns", "release"]]
    for node in expectation.nodes:
        info = answers.get(node)
        rows.append([node, "no answer"] + [""] * 8 if info is None else _row(node, info))
    return [f"cluster {expectation.name}: {headline}", *grid(rows), *_versions(expectation, answers)]


def _headline(expectation: Expectation, owners: Mapping[str, str]) -> str:
    if not owners:
        return "no single owner"
    if len(owners) == 1:
        return f"owner {next(iter(owners.values()))} holds all {len(expectation.vips)} virtual addresses"
    return "owners " + ", ".join(f"{node} of {group}" for group, node in owners.items())


def _versions(expectation: Expectation, answers: Mapping[str, Any]) -> list[str]:
    """One line for all nodes that have the same."""
    nodes: dict[str, list[str]] = {}
    for node in expectation.nodes:
        if node in answers:
            found = answers[node]["versions"]
            text = ", ".join(f"{name} {version}" for name, version in sorted(found.items()) if name != "release")
            nodes.setdefault(text, []).append(node)
    return [f"  {', '.join(names)}: {text}" for text, names in nodes.items()]


def _row(node: str, info: Any) -> list[str]:
    daemon, status = info["conntrackd"], info["rules"]["status"] or {}
    states = sorted({one["state"] for one in info["worker"]["instances"].values()})
    gate = sorted(set((status.get("gate") or {}).values()))
    return [
        node,
        "/".join(states) or ("active" if info["held"] else "passive"),
        str(len(info["held"])),
        "/".join(gate) or "none",
        str(status.get("state", "unknown")),
        info["worker"]["states"],
        _number(info["conntrack"]["entries"]),
        _number(daemon.get("internal")),
        _number(daemon.get("overruns")),
        str(info["versions"].get("release", "?")),
    ]


def _number(value: Any) -> str:
    return "?" if value is None else str(value)
