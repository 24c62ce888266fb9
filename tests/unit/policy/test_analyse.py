# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Findings against an oracle that tries every packet of a small universe, under every outcome of the conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, product
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import analyse as whole
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import index
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import Finding
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet

from . import tiny

DEFAULTS = {("wan", "lan"): "accept", ("lan", "wan"): "reject"}
CONTEXTS = st.sampled_from([Context(), Context(defaults=DEFAULTS)])
NESTED = st.sampled_from([Context(places=tiny.PLACES), Context(places=tiny.PLACES, defaults=DEFAULTS)])
#: Rules, and what they stand in.
SITES = st.one_of(
    st.tuples(tiny.policies(empty=True), CONTEXTS),
    st.tuples(tiny.dense(), CONTEXTS),
    st.tuples(tiny.policies(empty=True, pairs=tiny.NESTED_SIDES), NESTED),
)
SMALL_SITES = st.one_of(
    st.tuples(tiny.policies(most=5, empty=True), CONTEXTS),
    st.tuples(tiny.dense(most=6), CONTEXTS),
    st.tuples(tiny.policies(most=5, empty=True, pairs=tiny.NESTED_SIDES), NESTED),
)
#: Where everything is looked at once, and where nothing is.
ways = pytest.mark.parametrize("swept", [0, 1 << 20])
#: family, pair of zones, packet
Spot = tuple[int, tuple[str, str], Packet]


def analyse(rules: Sequence[FlatRule], context: Context, swept: int) -> tuple[Finding, ...]:
    with mock.patch.object(index, "_SWEPT", swept):
        return whole.analyse(rules, (), context)


def spots(context: Context) -> list[Spot]:
    return _spots(bool(context.places))


@cache
def _spots(nested: bool) -> list[Spot]:
    return [
        (family, pair, packet)
        for family in (4, 6)
        # Also from a zone to itself, which is what rules with several zones on both sides mean.
        for pair in product(("wan", "lan", "guests") if nested else ("wan", "lan"), repeat=2)
        for packet in tiny.headers(family)
        if not nested or (tiny.lives(pair[0], packet.source) and tiny.lives(pair[1], packet.destination))
    ]


def matching(rules: Sequence[FlatRule], spot: Spot) -> list[FlatRule]:
    family, (from_zone, to_zone), packet = spot
    return [
        rule
        for rule in rules
        if from_zone in rule.from_zones and to_zone in rule.to_zones and tiny.hits(rule.matches.get(family), packet)
    ]


def decides(rules: Sequence[FlatRule], spot: Spot) -> FlatRule | None:
    """The first that does when no condition holds."""
    return next((rule for rule in matching(rules, spot) if not rule.conditions), None)


class Oracle:
    """For every spot, the rules that match it, in order."""

    def __init__(self, rules: Sequence[FlatRule], context: Context) -> None:
        self.rules = rules
        self.context = context
        # Spots with the same list of matching rules need to be looked at once only.
        self.kinds = {(spot[1], tuple(rule.name for rule in matching(rules, spot))) for spot in spots(context)}
        self.named = {rule.name: rule for rule in rules}

    def hidden(self) -> set[str]:
        deciding = set()
        for _pair, found in self.kinds:
            for name in found:
                deciding.add(name)
                if not self.named[name].conditions:
                    break
        return {name for _pair, found in self.kinds for name in found} - deciding

    def never(self) -> set[str]:
        return set(self.named) - {name for _pair, found in self.kinds for name in found}

    def shadowed(self) -> set[str]:
        """Hidden, and not just said twice: see docs/guides/findings.md."""
        hidden = self.hidden()
        return {name for name in hidden if not self._said_twice(name, hidden)}

    def _said_twice(self, name: str, hidden: set[str]) -> bool:
        some = False
        for _pair, found in self.kinds:
            if name not in found:
                continue
            firm = [each for each in found[: found.index(name)] if not self.named[each].conditions]
            alike = [each for each in firm if each not in hidden and self._alike(each, name)]
            if not alike:
                return False
            some = some or self._alike(firm[0], name)
        return some

    def _alike(self, left: str, right: str) -> bool:
        return self.named[left].action == self.named[right].action

    def verdicts(self, without: frozenset[str]) -> Mapping[object, list[str]]:
        """Every kind of spot with its action, for all that the conditions can do."""
        conditional = [rule.name for rule in self.rules if rule.conditions]
        found: dict[object, list[str]] = {}
        for pair, names in self.kinds:
            left = [name for name in names if name not in without]
            for holds in product([True, False], repeat=len(conditional)):
                off = {name for name, held in zip(conditional, holds, strict=True) if not held}
                action = next((self.named[name].action for name in left if name not in off), None)
                found.setdefault((pair, names), []).append(action or self.context.default_action(*pair))
        return found


def about(found: Sequence[Finding], *kinds: str) -> set[str]:
    return {each.rules[0].name for each in found if each.kind in kinds}


@ways
@settings(max_examples=100, deadline=None)
@given(site=SITES)
def test_what_never_decides_is_found_and_nothing_else(swept: int, site: tuple[tuple[FlatRule, ...], Context]) -> None:
    rules, context = site
    found, oracle = analyse(rules, context, swept), Oracle(rules, context)
    assert about(found, "never-matching") == oracle.never()
    assert about(found, "shadowed") == oracle.shadowed()
    assert oracle.hidden() <= about(found, "shadowed", "redundant")


def subsets(names: frozenset[str]) -> Iterator[frozenset[str]]:
    for count in range(len(names) + 1):
        yield from map(frozenset, combinations(sorted(names), count))


@ways
@settings(max_examples=80, deadline=None)
@given(site=SMALL_SITES)
def test_any_of_what_is_redundant_can_go_and_nothing_more(
    swept: int, site: tuple[tuple[FlatRule, ...], Context]
) -> None:
    rules, context = site
    oracle = Oracle(rules, context)
    gone = frozenset(about(analyse(rules, context, swept), "shadowed", "redundant", "never-matching"))
    before = oracle.verdicts(frozenset())
    for some in subsets(gone):
        assert oracle.verdicts(some) == before
    for rule in rules:
        if rule.name not in gone and not rule.log:
            assert any(oracle.verdicts(some | {rule.name}) != before for some in subsets(gone)), rule.name


@ways
@settings(max_examples=100, deadline=None)
@given(site=SITES)
def test_every_finding_shows_a_packet_and_the_rules_that_it_takes(
    swept: int, site: tuple[tuple[FlatRule, ...], Context]
) -> None:
    rules, context = site
    everywhere = spots(context)
    named = {rule.name: rule for rule in rules}
    for each in analyse(rules, context, swept):
        if each.kind == "never-matching":
            continue
        assert each.packet is not None
        spot = (each.packet.family, (each.packet.from_zone, each.packet.to_zone), each.packet)
        rule, by = named[each.rules[0].name], [named[place.name] for place in each.rules[1:]]
        assert rule in matching(rules, spot)
        if context.places:
            assert tiny.lives(each.packet.from_zone, each.packet.source)
            assert tiny.lives(each.packet.to_zone, each.packet.destination)
        decider = decides(rules, spot)
        if each.kind == "shadowed":
            assert decider in by
            assert decider is not None and decider.action != rule.action
        if each.kind == "contradicting":
            assert decider == by[0] and decider.action != rule.action
        if each.kind in ("shadowed", "redundant") and by and by[0].path < rule.path:
            assert decider in rules[: rules.index(rule)]
            assert_hides(by, rule, everywhere)
            if each.kind == "redundant":
                assert {one.action for one in by} == {rule.action}
                assert_needed(by, rule, everywhere)


def assert_hides(by: Sequence[FlatRule], rule: FlatRule, everywhere: Sequence[Spot]) -> None:
    assert all(matching(by, spot) for spot in everywhere if matching([rule], spot))


def assert_needed(by: Sequence[FlatRule], rule: FlatRule, everywhere: Sequence[Spot]) -> None:
    for one in by:
        rest = [each for each in by if each is not one]
        assert not all(matching(rest, spot) for spot in everywhere if matching([rule], spot))


@settings(max_examples=60, deadline=None)
@given(SITES)
def test_both_ways_of_looking_find_the_same(site: tuple[tuple[FlatRule, ...], Context]) -> None:
    assert analyse(*site, 0) == analyse(*site, 1 << 20)
