# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Judges the JSON that `./hafw demo --json FILE` wrote: its shape, and what must hold in every case.

A void case says nothing about time: the machine was too busy, the demo tried again and says so. It still has to show
that every connection survived and nothing leaked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUIRED_CASES = ("planned", "power_cut", "return")
NUMBERS = ("blackout_ms", "lost_packets", "flows_total", "flows_survived", "resets", "dual_owner_ms", "leaked")
HAND_OVER_MS = 200


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def case_problems(case: Mapping[str, Any]) -> list[str]:
    name = str(case.get("name", "a case without a name"))
    problems = [f"{name}: {key} is not a number: {case.get(key)!r}" for key in NUMBERS if not is_number(case.get(key))]
    if problems:
        return problems
    void = case.get("void")
    if void is not bool(case.get("void_reason")):
        problems.append(f"{name}: void is {void!r}, and its reason {case.get('void_reason')!r}")
    if case["flows_total"] <= 0:
        problems.append(f"{name}: no flows were watched")
    if case["flows_survived"] != case["flows_total"]:
        problems.append(f"{name}: {case['flows_total'] - case['flows_survived']} of {case['flows_total']} flows died")
    problems += [f"{name}: {case[key]} {key}" for key in ("resets", "leaked") if case[key]]
    if not void and case["dual_owner_ms"] > HAND_OVER_MS:
        problems.append(f"{name}: two owners for {case['dual_owner_ms']} ms")
    if not void and name == "planned" and case["lost_packets"]:
        problems.append(f"{name}: {case['lost_packets']} packets lost")
    return problems


def result_problems(result: Mapping[str, Any]) -> list[str]:
    problems = [f"{key} is missing" for key in ("topology", "profile", "nodes", "cases") if not result.get(key)]
    cases = result.get("cases") or []
    names = [case.get("name") for case in cases]
    problems += [f"the case {name} is missing" for name in REQUIRED_CASES if name not in names]
    return problems + [problem for case in cases for problem in case_problems(case)]


def main(path: str) -> int:
    problems = result_problems(json.loads(Path(path).read_text(encoding="utf-8")))
    print("\n".join(problems) or "the result is sound")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
