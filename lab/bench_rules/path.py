# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What rules cost the packets: established throughput and new connections through the node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..progress import say
from . import met, others, policy
from .apply import DIRECTORY, Bench, compiled
from .rig import python

#: `nothing`: forwarding only. `states`: connections are tracked, all is accepted. `zones`: the list between all pairs
#: of zones. `pair`: as many between the two zones of the packets. `flat`: the first list in one chain without sets.
RULESETS = ("nothing", "states", "zones", "pair", "flat")
#: What the traffic does.
KINDS = ("stream", "connect")


@dataclass(frozen=True)
class Traffic:
    """One measurement.

    Attributes:
        ruleset: one of RULESETS.
        kind: one of KINDS.
        before: rules of its pair of zones and family (or of the flat chain) that a first packet is compared with.
        rate: bytes, or connections, per second.
    """

    repetition: int
    ruleset: str
    kind: str
    size: int
    before: int
    rate: float


class Paths:
    def __init__(self, bench: Bench, size: int) -> None:
        self.bench = bench
        self.size = size
        lists = {"zones": policy.realistic(size), "pair": policy.one_pair(size)}
        self.lists = {name: policy.with_probe(rules) for name, rules in lists.items()}
        self.found: list[Traffic] = []

    def prepare(self) -> None:
        """Lay the files down."""
        for name, rules in self.lists.items():
            self.bench.write(f"{DIRECTORY}/{name}", compiled(rules, self.bench.management))
        for name, texts in (
            ("states", {"rules.v4": others.stateful()}),
            ("flat", {"rules.v4": others.flat(self.lists["zones"], 4)}),
        ):
            self.bench.write(f"{DIRECTORY}/{name}", {"ipsets": "", **texts})

    def _before(self, ruleset: str) -> int:
        """Comparisons with rules of the two zones (or of the one chain) until the one that accepts the probe."""
        if ruleset in ("nothing", "states"):
            return 0
        if ruleset in self.lists:
            return met.before_probe(self.lists[ruleset])
        lines = [line for line in self.bench.node.exec("iptables-save").splitlines() if line.startswith("-A FORWARD ")]
        return next(number for number, line in enumerate(lines) if "--comment probe" in line)

    def _load(self, ruleset: str) -> None:
        self.bench.rig.empty()
        if ruleset != "nothing":
            load = "ipset restore < ipsets && iptables-restore < rules.v4"
            self.bench.node.exec("sh", "-ec", f"cd {DIRECTORY}/{ruleset} && {load}")

    def measure(self, repetition: int, seconds: float) -> None:
        """Every ruleset once, in an order that rotates."""
        first = repetition % len(RULESETS)
        for ruleset in (*RULESETS[first:], *RULESETS[:first]):
            self._load(ruleset)
            before = self._before(ruleset)
            for kind in KINDS:
                found = self._traffic(kind, seconds)
                rate = found["count"] / found["seconds"]
                self.found.append(Traffic(repetition, ruleset, kind, self.size, before, round(rate, 1)))
                shown = f"{rate * 8 / 1e6:9.0f} Mbit/s" if kind == "stream" else f"{rate:9.0f} connections/s"
                say(f"      {repetition} {ruleset:8} {shown} ({before} rules before)")

    def _traffic(self, kind: str, seconds: float) -> Mapping[str, float]:
        done: dict[str, float] = json.loads(python(self.bench.node.holder.prefix(), "traffic", kind, str(seconds)))
        return done
