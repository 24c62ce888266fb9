# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How long the controller takes to compile and to analyse a policy, in CPU seconds."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.review import review
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

from ..progress import say
from . import policy


@dataclass(frozen=True)
class Work:
    """One policy, once.

    Attributes:
        compiling: CPU seconds from the variables to the texts.
        analysing: CPU seconds to all findings.
        findings: number of findings by kind.
    """

    repetition: int
    size: int
    compiling: float
    analysing: float
    findings: dict[str, int]


def work(size: int, repetition: int, management: str) -> Work:
    """Measure."""
    raw = policy.variables(policy.realistic(size), management)
    begin = time.process_time()
    ruleset, _problems = parse(raw)
    render(ruleset)
    compiled = time.process_time()
    # Read anew: what the texts needed is kept in the ruleset.
    judged, _problems = review(parse(raw)[0], {"outside": "wan"}, "firewall_policy")
    parsed = time.process_time()
    findings = Counter(finding.kind for finding in judged.findings)
    done = time.process_time()
    found = Work(repetition, size, round(compiled - begin, 3), round(done - parsed, 3), dict(findings))
    say(f"      {repetition} {size:6} rules: compiled in {found.compiling} s, analysed in {found.analysing} s CPU")
    return found
