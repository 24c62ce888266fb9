# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""All checks of one cluster, in the order in which somebody would want to read them."""

from __future__ import annotations

from collections.abc import Iterable

from . import duty, health, ownership, pacemaker, states
from .types import ERROR, INFO, WARNING, Expectation, Finding, Report

_ORDER = {ERROR: 0, WARNING: 1, INFO: 2}


def judge(expectation: Expectation, reports: Iterable[Report]) -> tuple[Finding, ...]:
    given = {report.node: report for report in reports}
    findings: list[Finding] = []
    answers = {}
    for node in expectation.nodes:
        report = given.get(node, Report(node, None, "it was not asked; run without --limit"))
        if report.info is None:
            findings.append(
                Finding(
                    f"{expectation.name}/{node}",
                    f"no answer from the node: {report.reason}",
                    "every node of the cluster answers",
                    "Bring the node back, or reach it on its console. Until then a second owner cannot be excluded.",
                    keeps=[node],
                )
            )
        else:
            answers[node] = report.info
    owners = set(ownership.owners_of(expectation, answers).values())
    findings += ownership.check(expectation, answers, complete=len(answers) == len(expectation.nodes))
    findings += ownership.check_vrrp(expectation, answers, owners)
    if expectation.manager == "pacemaker":
        findings += pacemaker.check(expectation, answers)
    for node, info in answers.items():
        findings += health.check_node(expectation.name, node, info)
    findings += duty.check(expectation, answers)
    findings += health.check_rules_equal(expectation, answers, owners)
    if expectation.gate:
        findings += states.check_gate(expectation, answers, owners)
    if expectation.replicated:
        findings += states.check(expectation, answers, owners)
    findings += health.check_versions(expectation, answers)
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))
