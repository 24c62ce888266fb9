# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Findings, and their acceptance. Every kind is explained in docs/guides/findings.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import Place
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import entries
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

#: What each kind means to a run, unless the finding itself says otherwise.
SEVERITIES: Mapping[str, str] = {
    "shadowed": "error",
    "redundant": "warning",
    "contradicting": "info",
    "never-matching": "error",
    "unused-object": "warning",
    "wide": "warning",
    "nat-hidden": "error",
    "nat-unpublished": "warning",
    "nat-failover": "error",
    "assertion": "error",
    "stale-acceptance": "warning",
}
#: A broken promise is not made good by a reason for it, and an acceptance is no place for another one.
NOT_ACCEPTABLE = ("assertion", "stale-acceptance")


@dataclass(frozen=True)
class Finding:
    kind: str
    #: error, warning or info.
    severity: str
    #: What the finding is about first, then all others that it takes.
    rules: tuple[Place, ...]
    text: str
    remedy: str
    #: Shows it: this packet meets all that the text says.
    packet: Optional[Packet] = None
    #: The reason for which it is accepted.
    accepted: str = ""

    def __str__(self) -> str:
        places = ", ".join(place.path for place in self.rules)
        shown = f" Packet: {self.packet}." if self.packet else ""
        return f"{self.severity}: {self.kind}: {self.text} ({places}).{shown} {self.remedy}"


def finding(
    kind: str,
    places: Iterable[Place],
    text: str,
    remedy: str,
    packet: Optional[Packet] = None,
    severity: str = "",
) -> Finding:
    return Finding(kind, severity or SEVERITIES[kind], tuple(dict.fromkeys(places)), text, remedy, packet)


def names(places: Sequence[Place], most: int = 8) -> str:
    """Quoted names for a sentence; long lists end with how many more there are."""
    quoted = [f"'{place.name}'" for place in places]
    if len(quoted) > most:
        quoted = [*quoted[: most - 1], f"{len(quoted) - most + 1} more"]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]


@dataclass(frozen=True)
class Acceptance:
    """Findings of one kind that name all of `rules` first of all, or among others."""

    kind: str
    rules: tuple[str, ...]
    reason: str
    path: str

    def holds(self, found: Finding) -> bool:
        """The first name must be what the finding is about; further ones must be among the rest."""
        named = [place.name for place in found.rules]
        return found.kind == self.kind and named[:1] == list(self.rules[:1]) and set(self.rules) <= set(named)


def parse_accepted(
    raw: object, path: str = "firewall_policy.accepted"
) -> tuple[tuple[Acceptance, ...], tuple[Problem, ...]]:
    """`[{finding, rule or rules, reason}]`."""
    problems: list[Problem] = []
    found: list[Acceptance] = []
    kinds = [kind for kind in SEVERITIES if kind not in NOT_ACCEPTABLE]
    for reader in entries(raw, path, ("finding", "rule", "rules", "reason"), problems):
        before = len(problems)
        kind = reader.choice("finding", kinds, "")
        if reader.get("rule") is not None and reader.get("rules") is not None:
            reader.problem("rules", reader.get("rules"), "is given with rule", "Write one of the two.")
        rules = tuple(str(item) for item in (*reader.items("rule"), *reader.items("rules")))
        if not rules:
            reader.problem("rule", None, "is missing", "Name the rule that the finding is about.")
        reason = reader.text("reason", required=True)
        if len(problems) == before:
            found.append(Acceptance(kind, rules, reason, reader.path))
    return tuple(found), tuple(problems)


def apply_accepted(found: Iterable[Finding], accepted: Sequence[Acceptance]) -> tuple[Finding, ...]:
    """Findings with the reason for which they are accepted, and a finding for every acceptance that is not needed."""
    marked: list[Finding] = []
    needed: set[Acceptance] = set()
    for each in found:
        holding = [one for one in accepted if each.kind not in NOT_ACCEPTABLE and one.holds(each)]
        needed.update(holding)
        marked.append(replace(each, accepted=holding[0].reason) if holding else each)
    for one in accepted:
        if one not in needed:
            place = Place(one.rules[0], one.path)
            text = f"there is no finding '{one.kind}' about {names([Place(name, '') for name in one.rules])}"
            marked.append(finding("stale-acceptance", [place], text, "Remove the acceptance."))
    return tuple(marked)
