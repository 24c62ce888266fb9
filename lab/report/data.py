# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What was measured, and its form as JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        name: the fault.
        blackout_ms: longest receive gap of any stream, in milliseconds.
        lost_packets: of all streams together.
        flows_total: TCP connections held through the fault.
        flows_survived: those that went on, byte-exact.
        resets: those that were reset.
        dual_owner_ms: time with two owners of a virtual address, beyond the grace of a hand-over.
        leaked: packets that came through though the policy drops them.
        void: why the measurement proves nothing, or None.
        fault_ns: monotonic time of the fault.
        owner_before: active node before ...
        owner_after: ... and after it.
        details: figures of each stream.
        problems: invariants that broke; empty when all held. In a void run only those that no busy machine can break.
    """

    name: str
    blackout_ms: float
    lost_packets: int
    flows_total: int
    flows_survived: int
    resets: int
    dual_owner_ms: float
    leaked: int
    void: str | None = None
    fault_ns: int = 0
    owner_before: str = ""
    owner_after: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; `void` is a truth value there, its reason stands beside it."""
        plain = asdict(self)
        return {**plain, "void": self.void is not None, "void_reason": self.void, "problems": list(self.problems)}


@dataclass(frozen=True)
class Report:
    """A run of cases, with where and on what it was measured."""

    topology: str
    profile: str
    nodes: Mapping[str, Mapping[str, str]]
    cases: tuple[Case, ...]
    machine: Mapping[str, Any]
    started: str
    seed: int
    budget_ms: float
    deploy_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "cases": [case.to_json() for case in self.cases]}


@dataclass(frozen=True)
class Summary:
    """Blackouts of one kind of fault, in milliseconds."""

    name: str
    n: int
    minimum: float
    median: float
    p95: float
    maximum: float
    lost_packets: int
    void: int
    outliers: int
    broken: int


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank: the smallest value that at least this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(cases: Iterable[Case]) -> list[Summary]:
    """One line per kind of fault, in order of appearance; void runs are only counted, but what broke in them is broken.

    An outlier is a run over three times the median.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.name, []).append(case)
    found = []
    for name, items in groups.items():
        valid = [item for item in items if item.void is None]
        broken = sum(1 for item in items if item.problems)
        if not valid:
            found.append(Summary(name, 0, math.nan, math.nan, math.nan, math.nan, 0, len(items), 0, broken))
            continue
        gaps = [item.blackout_ms for item in valid]
        median = statistics.median(gaps)
        found.append(
            Summary(
                name=name,
                n=len(valid),
                minimum=min(gaps),
                median=round(median, 1),
                p95=percentile(gaps, 0.95),
                maximum=max(gaps),
                lost_packets=sum(item.lost_packets for item in valid),
                void=len(items) - len(valid),
                outliers=sum(1 for gap in gaps if gap > 3 * median),
                broken=broken,
            )
        )
    return found
