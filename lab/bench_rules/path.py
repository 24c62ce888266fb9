# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What rules cost the packets: established throughput and new connections through a router."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from ..progress import say
from . import met, others, policy
from .apply import compiled
from .traffic import Lane, place

#: `nothing`: forwarding only. `states`: connections are tracked, all is accepted. `probe`: compiled from one rule, that
#: of the packets. `zones`: the list between all pairs of zones. `pair`: as many between the two zones of the packets.
#: `flat`: the first list in one chain without sets.
RULESETS = ("nothing", "states", "probe", "zones", "pair", "flat")
#: What the traffic does.
KINDS = ("stream", "connect")


@dataclass(frozen=True)
class Traffic:
    """One ruleset and one kind of traffic.

    Attributes:
        ruleset: one of RULESETS.
        kind: one of KINDS.
        size: rules of the lists.
        before: rules of its pair of zones and family (or of the flat chain) that a first packet is compared with.
        rates: bytes, or connections, per second, by round: the same place was measured in the same moment.
    """

    ruleset: str
    kind: str
    size: int
    before: int
    rates: tuple[float, ...]


def measure(size: int, rounds: int, seconds: float) -> list[Traffic]:
    """All rulesets stand side by side; each round measures every one for a moment, in an order of its own.

    Args:
        size: rules of the lists.
        rounds: how many.
        seconds: of each measurement.
    """
    lists = {
        "probe": policy.with_probe([]),
        "zones": policy.with_probe(policy.realistic(size)),
        "pair": policy.with_probe(policy.one_pair(size)),
    }
    texts: dict[str, Mapping[str, str]] = {
        "nothing": {},
        "states": {"rules.v4": others.stateful()},
        **{name: compiled(rules, met.MANAGEMENT) for name, rules in lists.items()},
        "flat": {"rules.v4": others.flat(lists["zones"], 4)},
    }
    affinity = os.sched_getaffinity(0)
    lanes: dict[str, Lane] = {}
    try:
        for name in RULESETS:
            lanes[name] = Lane(texts[name])
            say(f"      {name}: loaded")
        place(0)
        found = _rounds(lanes, rounds, seconds)
        before = {"nothing": 0, "states": 0, "flat": _line_of_probe(lanes["flat"])}
        before |= {name: met.before_probe(rules) for name, rules in lists.items()}
    finally:
        os.sched_setaffinity(0, affinity)
        for lane in lanes.values():
            lane.close()
    return [Traffic(name, kind, size, before[name], tuple(found[name, kind])) for name in RULESETS for kind in KINDS]


def _rounds(lanes: Mapping[str, Lane], rounds: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in lanes for kind in KINDS}
    random = Random(rounds)
    for number in range(rounds):
        for kind in KINDS:
            for name in random.sample([*lanes], len(lanes)):
                rate = getattr(lanes[name], kind)(seconds)
                found[name, kind].append(round(rate, 1))
        if not (number + 1) % 10:
            say(f"      round {number + 1} of {rounds}")
    return found


def _line_of_probe(lane: Lane) -> int:
    return next(number for number, line in enumerate(lane.rules()) if "--comment probe" in line)
