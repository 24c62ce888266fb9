# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From answers to ownership. Pure.

Time is counted in questions: question k of a VIP was put at asked[k]. A MAC address holds the VIP during question k if
it answered it, or if it answered one up to HOLE questions before and one up to HOLE after (two owners may take turns).
Two holders of one question are a dual owner; in a clean hand-over A answers question k and B question k + 1, which
counts nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lab.monitors.owners.records import ANNOUNCED, ANSWERED, ASKED, OwnerRecord

MS = 1_000_000
VIRTUAL = ("00:00:5e:00:01:", "00:00:5e:00:02:")  # of VRRP, see use_vmac
HOLE = 2  # with a question each 50 ms: two MAC addresses inside one window of 100 ms


@dataclass(frozen=True)
class Span:
    start_ns: int
    end_ns: int
    owners: tuple[str, ...]  # none: nobody answered


@dataclass(frozen=True)
class VipResult:
    vip: str
    network: str
    timeline: tuple[Span, ...]
    dual_ms: float  # all time with two owners
    dual_owner_ms: float  # the part beyond the grace of each hand-over
    no_owner_ms: float  # all time without an owner
    longest_no_owner_ms: float
    changes: int  # of the sole owner
    asked: int
    answered: int
    announcements: int  # gratuitous ARP, unsolicited advertisements


@dataclass(frozen=True)
class OwnersResult:
    void: str | None
    dual_owner_ms: float  # worst VIP, outside the grace
    dual_ms: float  # worst VIP, hand-overs included
    no_owner_ms: float  # longest of any VIP
    changes: int  # most of any VIP
    vips: tuple[VipResult, ...]


def analyse(
    records: Mapping[str, Sequence[OwnerRecord]],
    fault_ns: int | None = None,
    until_ns: int | None = None,
    grace_ms: float = 200.0,
    names: Mapping[str, str] | None = None,
) -> OwnersResult:
    """Judge the records of each network between two times.

    names maps a MAC address to its node, so that one node with two MAC addresses is not two owners.
    """
    results: list[VipResult] = []
    reasons: list[str] = []
    for network, items in records.items():
        groups: dict[str, list[OwnerRecord]] = defaultdict(list)
        for item in items:
            if (fault_ns is None or item.t_ns >= fault_ns) and (until_ns is None or item.t_ns <= until_ns):
                groups[item.vip].append(item)
        if not groups:
            reasons.append(f"{network}: nothing was asked")
        for vip, found in groups.items():
            results.append(_vip(vip, network, found, grace_ms, names or {}))
    silent = [item.vip for item in results if not item.answered]
    if results and len(silent) == len(results):
        reasons.append("no VIP was ever answered for")
    return OwnersResult(
        void="; ".join(reasons) or None,
        dual_owner_ms=max((item.dual_owner_ms for item in results), default=0.0),
        dual_ms=max((item.dual_ms for item in results), default=0.0),
        no_owner_ms=max((item.longest_no_owner_ms for item in results), default=0.0),
        changes=max((item.changes for item in results), default=0),
        vips=tuple(results),
    )


def _vip(vip: str, network: str, found: list[OwnerRecord], grace_ms: float, names: Mapping[str, str]) -> VipResult:
    asked = sorted(item.t_ns for item in found if item.kind == ASKED)
    number = {t: k for k, t in enumerate(asked)}
    answers: dict[str, set[int]] = defaultdict(set)
    answered = 0
    shared: set[tuple[str, int]] = set()
    for item in found:
        if item.kind == ANSWERED and item.asked_ns in number:
            answered += 1
            owner, k = names.get(item.mac, item.mac), number[item.asked_ns]
            if item.mac.startswith(VIRTUAL):
                # All nodes have this MAC address: only a second answer to the same question gives a second owner away.
                if (item.mac, k) in shared:
                    owner += " (second answer)"
                shared.add((item.mac, k))
            answers[owner].add(k)
    # The last question may not have been answered yet when the recording ended.
    many = len(asked) - 1
    owners: list[tuple[str, ...]] = [() for _unused in range(max(0, many))]
    for owner, questions in sorted(answers.items()):
        for k in _filled(questions):
            if k < many:
                owners[k] = (*owners[k], owner)
    timeline = _timeline(asked, owners)
    dual = [(span.end_ns - span.start_ns) / MS for span in _joined(timeline) if len(span.owners) > 1]
    none = [(span.end_ns - span.start_ns) / MS for span in timeline if not span.owners]
    sole = [span.owners[0] for span in timeline if len(span.owners) == 1]
    return VipResult(
        vip=vip,
        network=network,
        timeline=tuple(timeline),
        dual_ms=round(sum(dual), 1),
        dual_owner_ms=round(sum(max(0.0, length - grace_ms) for length in dual), 1),
        no_owner_ms=round(sum(none), 1),
        longest_no_owner_ms=round(max(none, default=0.0), 1),
        changes=sum(1 for a, b in pairwise(sole) if a != b),
        asked=len(asked),
        answered=answered,
        announcements=sum(1 for item in found if item.kind == ANNOUNCED),
    )


def _filled(questions: Iterable[int]) -> set[int]:
    ordered = sorted(questions)
    filled = set(ordered)
    for a, b in pairwise(ordered):
        if b - a <= HOLE:
            filled.update(range(a, b))
    return filled


def _timeline(asked: Sequence[int], owners: Sequence[tuple[str, ...]]) -> list[Span]:
    spans: list[Span] = []
    for k, holding in enumerate(owners):
        if spans and spans[-1].owners == holding:
            spans[-1] = Span(spans[-1].start_ns, asked[k + 1], holding)
        else:
            spans.append(Span(asked[k], asked[k + 1], holding))
    return spans


def _joined(timeline: Sequence[Span]) -> list[Span]:
    """Dual spans that touch (two owners, then three) are one violation with one grace."""
    joined: list[Span] = []
    for span in timeline:
        if joined and len(span.owners) > 1 and len(joined[-1].owners) > 1:
            joined[-1] = Span(joined[-1].start_ns, span.end_ns, joined[-1].owners)
        else:
            joined.append(span)
    return joined
