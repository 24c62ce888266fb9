# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .data import Case, Report, summary

_LEFT = {"case", "active node", "verdict", "fault"}


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for number, line in enumerate(lines):
        cells = [
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        ]
        text.append("  ".join(cells).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths))
    return "\n".join(text)


def _verdict(case: Case) -> str:
    if case.problems:
        return "BROKEN"
    return "ok" if case.void is None else "void"


def table(report: Report) -> str:
    """The whole report as one table, with what it was measured on and what it shows."""
    rows = [
        (
            case.name,
            f"{case.owner_before} -> {case.owner_after}",
            f"{case.blackout_ms:.1f} ms",
            f"{case.details.get('limit_ms', 0):.0f} ms",
            str(case.lost_packets),
            f"{case.flows_survived}/{case.flows_total}",
            str(case.resets),
            f"{case.dual_owner_ms:.0f} ms",
            str(case.leaked),
            _verdict(case),
        )
        for case in report.cases
    ]
    header = (
        "case",
        "active node",
        "blackout",
        "limit",
        "lost",
        "flows alive",
        "resets",
        "two owners",
        "leaked",
        "verdict",
    )
    machine = report.machine
    head = [
        f"topology {report.topology}, profile {report.profile}, budget of a power cut {report.budget_ms:.0f} ms",
        *(
            f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items())
            for name, found in report.nodes.items()
        ),
        f"machine: {machine.get('cpus')} CPUs, {machine.get('memory_gib')} GiB, Linux {machine.get('kernel')}",
        f"seed {report.seed}, started {report.started}",
    ]
    if report.deploy_seconds is not None:
        head.append(f"bare pair to working pair: {report.deploy_seconds:.0f} s")
    broken = [f"{case.name}: {problem}" for case in report.cases for problem in case.problems]
    void = [f"{case.name}: {case.void}" for case in report.cases if case.void is not None]
    if broken:
        foot = ["BROKEN:", *broken]
    elif void:
        foot = ["every connection survived, no packet leaked", "void, for this machine was too busy to tell:", *void]
    else:
        foot = ["every connection survived, no packet leaked, no address had two owners"]
    return "\n".join([*head, "", _grid(header, rows), "", *foot])


def summary_table(cases: Iterable[Case]) -> str:
    """Blackouts by kind of fault; p95 by nearest rank."""
    rows = [
        (
            item.name,
            str(item.n),
            *(f"{value:.1f}" for value in (item.minimum, item.median, item.p95, item.maximum)),
            str(item.lost_packets),
            str(item.outliers),
            str(item.void),
            str(item.broken),
        )
        for item in summary(cases)
    ]
    return _grid(
        ("fault", "n", "min ms", "median ms", "p95 ms", "max ms", "lost", "> 3 x median", "void", "broken"), rows
    )
