# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A policy judged as a whole before it is deployed: findings of the analysis, and assertions that do not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import analyse, check
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.assertions import Assertion, parse_assertions
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context, pair_defaults
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address, Reader
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import (
    Acceptance,
    Finding,
    parse_accepted,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.memory import uncollected
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.objects import Books, Rule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.spelling import Names
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy

#: What is said about the rules and does not become one: the zone of the default route, whose packets may come from
#: anybody; blocks that are routed to a shared address; findings that are meant; what every version has to keep.
KEYS = ("outside", "routed", "accepted", "assertions")


@dataclass(frozen=True)
class Review:
    #: What `trace` answers questions about.
    policy: Policy = field(default_factory=Policy)
    #: None where something that is said about the policy could not be read.
    rules: Optional[tuple[FlatRule, ...]] = None
    accepted: tuple[Acceptance, ...] = ()
    assertions: tuple[Assertion, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """In the order of the rules; accepted ones have their reason. Computed when somebody asks: a trace does not."""
        if self.rules is None:
            return ()
        found = analyse.analyse(self.rules, self.policy.nat, self.policy.context, self.accepted)
        return (*found, *check.check(self.assertions, self.policy))


@uncollected()
def review(
    ruleset: Ruleset, raw: Mapping[str, Any], path: str, own: Sequence[Address] = (), vips: Sequence[Address] = ()
) -> tuple[Review, tuple[Problem, ...]]:
    """Judge a policy that was read without a problem.

    Args:
        raw: the keys of `KEYS`, as written.
        path: of the policy, for the problems.
        own: addresses that one node alone has, of all nodes.
        vips: addresses that a takeover moves.
    """
    problems: list[Problem] = []
    reader = Reader({key: raw[key] for key in KEYS if key in raw}, path, KEYS, problems)
    accepted, found = parse_accepted(raw.get("accepted"), f"{path}.accepted")
    problems += found
    rules, defaults = _flats(ruleset.rules), _flats(ruleset.defaults)
    known = {rule.name for rule in ruleset.rules} | {entry.name for entry in ruleset.nat}
    names = Names([zone.name for zone in ruleset.zones], known, *_objects(ruleset.books))
    wanted, found = parse_assertions(raw.get("assertions"), names, f"{path}.assertions")
    problems += found
    outside = reader.choice("outside", names.zones, "") if reader.get("outside") is not None else ""
    context = Context(
        networks={zone.name: zone.networks for zone in ruleset.zones},
        default_zone=outside,
        zones=tuple(names.zones),
        places=ruleset.flat_zones,
        defaults=pair_defaults(defaults),
        output=ruleset.options.output,
        own=tuple(own),
        vips=tuple(vips),
        routed=reader.networks("routed"),
        untrusted=(outside,) if outside else (),
        objects=ruleset.books.defined,
        references=_references(ruleset.books),
        used={name for used in ruleset.used.values() for name in used},
    )
    policy = Policy((*rules, *defaults), ruleset.flat.nat, context)
    if problems:
        return Review(policy=policy), tuple(problems)
    return Review(policy, rules, accepted, wanted), ()


def _flats(rules: Sequence[Rule]) -> tuple[FlatRule, ...]:
    return tuple(rule.flat for rule in rules if rule.flat)


def _references(books: Books) -> Mapping[str, Sequence[str]]:
    """The names that groups of the inventory refer to."""
    found: dict[str, list[str]] = {}
    for groups in (books.addresses.groups.raw, books.services.groups.raw):
        for name, items in groups.items():
            listed = items if isinstance(items, (list, tuple)) else [items]
            words = [item.lstrip("!").strip() for item in listed if isinstance(item, str)]
            if name in books.defined:
                found.setdefault(name, []).extend(word for word in words if word in books.defined)
    return found


def _objects(books: Books) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    addresses = {name: books.addresses.named(name) for name in books.addresses.groups.raw}
    services = {name: books.services.named(name) for name in books.services.groups.raw}
    return (
        {name: {family: found.of(family) for family in (4, 6)} for name, found in addresses.items()},
        {name: {family: found.of(family) for family in (4, 6)} for name, found in services.items()},
    )
