# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From both sides' reports to what became of each flow. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lab.monitors.paths import Path

Kind = Literal["idle", "interactive", "bulk"]
Outcome = Literal["survived", "reset", "stalled", "corrupted", "misrouted"]


@dataclass(frozen=True)
class FlowSpec:
    path: Path
    kind: Kind


@dataclass(frozen=True)
class FlowResult:
    number: int
    kind: Kind
    route: str
    family: int
    outcome: Outcome
    max_stall_ms: float
    stall_start_ns: int
    bytes_back: int  # verified, both ways
    detail: str


@dataclass(frozen=True)
class FlowsResult:
    void: str | None
    total: int
    survived: int
    resets: int
    stalled: int
    corrupted: int
    misrouted: int  # the server saw another client address than the policy says
    max_stall_ms: float  # of the flows that survived
    flows: tuple[FlowResult, ...]

    @property
    def failures(self) -> tuple[FlowResult, ...]:
        return tuple(item for item in self.flows if item.outcome != "survived")


def mix(paths: Sequence[Path], total: int, interactive: float = 0.2, bulk: int = 8) -> tuple[FlowSpec, ...]:
    """Spread flows evenly over the paths: some bulk, a share of interactive ones, the rest idle."""
    if not paths:
        return ()
    talkative = min(total, bulk) + round(max(0, total - bulk) * interactive)
    specs = []
    for number in range(total):
        kind: Kind = "bulk" if number < bulk else "interactive" if number < talkative else "idle"
        specs.append(FlowSpec(paths[number % len(paths)], kind))
    return tuple(specs)


def judge(
    specs: Sequence[FlowSpec],
    client: Iterable[Mapping[str, Any]],
    server: Iterable[Mapping[str, Any]],
    unanswered: Iterable[int] = (),
    stall_limit_ms: float | None = None,
    without: Collection[int] = (),
) -> FlowsResult:
    """client and server: the workers' reports; unanswered: flows that failed the last check; without: not judged."""
    clients = {int(item["flow"]): item for item in client}
    servers = {int(item["flow"]): item for item in server}
    late = set(unanswered)
    results = []
    for number, spec in enumerate(specs):
        if number in without:
            continue
        mine, other = clients.get(number), servers.get(number)
        outcome, detail = _outcome(spec, mine, other, number in late, stall_limit_ms)
        results.append(
            FlowResult(
                number=number,
                kind=spec.kind,
                route=spec.path.kind,
                family=spec.path.family,
                outcome=outcome,
                max_stall_ms=float(mine["stall_ms"]) if mine else 0.0,
                stall_start_ns=int(mine["stall_start_ns"]) if mine else 0,
                bytes_back=int(mine["received"]) if mine else 0,
                detail=detail,
            )
        )
    counts = Counter(item.outcome for item in results)
    return FlowsResult(
        void=None if results else "there was no flow",
        total=len(results),
        survived=counts["survived"],
        resets=counts["reset"],
        stalled=counts["stalled"],
        corrupted=counts["corrupted"],
        misrouted=counts["misrouted"],
        max_stall_ms=max((item.max_stall_ms for item in results if item.outcome == "survived"), default=0.0),
        flows=tuple(results),
    )


def _outcome(
    spec: FlowSpec,
    mine: Mapping[str, Any] | None,
    other: Mapping[str, Any] | None,
    late: bool,
    stall_limit_ms: float | None,
) -> tuple[Outcome, str]:
    if mine is None:
        return "stalled", "no report from the client"
    error = str(mine["error"])
    if mine["corrupted"]:
        return "corrupted", error
    if mine["reset"]:
        return "reset", error
    if other is not None and other["error"]:
        return "reset", f"at the server: {other['error']}"
    if error:
        return "stalled", error
    if late:
        return "stalled", "no answer to the last check"
    if stall_limit_ms is not None and mine["stall_ms"] > stall_limit_ms:
        return "stalled", f"nothing came back for {mine['stall_ms']} ms"
    if other is None:
        return "misrouted", "it never reached its server"
    wanted = spec.path.expect_peer
    if wanted is not None and other["peer"] != wanted:
        return "misrouted", f"the server saw {other['peer']}, not {wanted}"
    return "survived", ""
