# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Long chains as trees: the same rule decides about every packet, each rule stands there once, changes stay local."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match, shared, spans, split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatRule, Match, Ranges, Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from lab.bench_rules import met
from lab.bench_rules import policy as bench

from . import tiny


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.split_small(monkeypatch)


def decides(items: Iterable[split.Item], family: int, packet: Packet) -> FlatRule | None:
    for item in items:
        if isinstance(item, split.Group):
            found = decides(item.items, family, packet) if tiny.hits(item.guard, packet) else None
            if found:
                return found
        elif tiny.hits(item.matches[family], packet):
            return item
    return None


def groups(items: Iterable[split.Item], depth: int = 1) -> Iterator[tuple[int, split.Group]]:
    for item in items:
        if isinstance(item, split.Group):
            yield depth, item
            yield from groups(item.items, depth + 1)


def leaves(items: Iterable[split.Item]) -> Iterator[FlatRule]:
    for item in items:
        if isinstance(item, split.Group):
            yield from leaves(item.items)
        else:
            yield item


def wrong(rules: Sequence[FlatRule], family: int) -> list[Packet]:
    """Packets of the small universe about which the tree decides otherwise than the list."""
    tree = split.split(rules, family)
    return [
        packet for packet in tiny.headers(family) if decides(tree, family, packet) is not decides(rules, family, packet)
    ]


@settings(deadline=None, max_examples=150)
@given(st.one_of(tiny.policies(most=14), tiny.dense(most=14)), st.sampled_from([4, 6]))
def test_every_packet_meets_the_same_rule_first(rules: Sequence[FlatRule], family: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        tiny.split_small(patch)
        assert wrong([rule for rule in rules if family in rule.matches], family) == []


def accept(number: int, source: Ranges, destination: Ranges, ports: Ranges) -> FlatRule:
    found = {4: Match(source, destination, (Service(6, ports=ports),))}
    return FlatRule(f"r{number}", f"rules[{number}]", ("wan",), ("lan",), found)


@st.composite
def addresses(draw: st.DrawFn) -> Ranges:
    """Few hosts and prefixes, close together, so that many of them overlap."""
    kind = draw(st.integers(0, 9))
    if kind < 2:
        return ((0, 2**32 - 1),)
    if kind < 4:
        length = draw(st.sampled_from([2, 3, 4, 6]))
        first = draw(st.integers(0, 255)) >> length << length
        return ((first, first + (1 << length) - 1),)
    hosts = draw(st.sets(st.integers(0, 255), min_size=1, max_size=1 if kind < 8 else 4))
    return spans.normal((host, host) for host in hosts)


ports = st.sampled_from([((22, 22),), ((22, 22), (80, 80)), ((80, 80),), ((0, 65535),), ((79, 90),)])
lists = st.lists(st.tuples(addresses(), addresses(), ports), min_size=20, max_size=90).map(
    lambda found: [accept(number, *each) for number, each in enumerate(found)]
)


@settings(deadline=None, max_examples=120)
@given(lists, st.integers(0, 2**32))
def test_long_lists_decide_as_before(rules: list[FlatRule], seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "LONG", 10)
        patch.setattr(split, "SHORT", 3)
        # Raises when another rule decides.
        met.of(rules, 4, seed)


def test_without_a_look_at_what_overlaps_other_rules_decide(monkeypatch: pytest.MonkeyPatch, _small: None) -> None:
    """Negative control: the one look that keeps the order of rules that share packets."""
    rules = [accept(number, ((0, 2**32 - 1),), ((number, number),), ((22, 22),)) for number in range(1, 32)]
    rules.insert(0, accept(0, ((0, 2**32 - 1),), ((0, 2), (8, 9), (20, 20)), ((22, 23),)))
    packet = met.Packet(7, 2, 6, 1024, 22)
    assert met.walk(split.split(rules, 4), 4, packet)[1] is rules[0]
    monkeypatch.setattr(split._Earlier, "meets", lambda *_arguments: False)
    assert met.walk(split.split(rules, 4), 4, packet)[1] is not rules[0]


def test_a_guard_that_is_too_narrow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, narrow = realistic(4), split._guard

    def first_only(family: int, side: int, ranges: Ranges) -> Match:
        return narrow(family, side, ranges[:1])

    met.of(rules, 4)
    monkeypatch.setattr(split, "_guard", first_only)
    with pytest.raises(ValueError, match="decides otherwise"):
        met.of(rules, 4)


def realistic(family: int, count: int = 300) -> list[FlatRule]:
    """All of one pair of zones."""
    return met.pair(bench.one_pair(count), family)


@pytest.mark.parametrize("family", [4, 6])
def test_every_rule_stands_there_once(family: int) -> None:
    rules = realistic(family)
    assert sorted(rule.path for rule in leaves(split.split(rules, family))) == sorted(rule.path for rule in rules)


@pytest.mark.parametrize("family", [4, 6])
def test_few_rules_stay_a_list(family: int) -> None:
    rules = realistic(family)
    assert split.split(rules[: split.LONG], family) == tuple(rules[: split.LONG])
    assert any(groups(split.split(rules[: split.LONG + 1], family)))


@pytest.mark.parametrize("family", [4, 6])
def test_groups_are_told_apart_and_no_deeper_than_the_kernel_jumps(family: int) -> None:
    """16 jumps; from the hook to the pair there are two in the shared mode, and behind a rule up to three."""
    found = list(groups(split.split(realistic(family, 3000), family)))
    assert len({group.key for _depth, group in found}) == len(found)
    assert max(depth for depth, _group in found) <= 10


@pytest.mark.parametrize(("family", "mean", "worst"), [(4, 40, 160), (6, 40, 160)])
def test_a_packet_is_compared_with_few_rules(family: int, mean: float, worst: int) -> None:
    found = met.of(realistic(family, 1000), family)
    assert found.flat_mean > 400
    assert found.mean <= mean
    assert found.worst <= worst


def test_the_probe_of_the_benchmark_is_found() -> None:
    assert met.before_probe(bench.with_probe(bench.one_pair(40))) == 39
    assert met.before_probe(bench.with_probe(bench.one_pair(400))) < 40


def test_the_same_port_for_one_server_is_told_apart_by_source() -> None:
    rules = [accept(number, ((number * 7, number * 7),), ((9, 9),), ((443, 443),)) for number in range(400)]
    assert met.of(rules, 4).mean < 40


def test_rules_without_addresses_are_told_apart_by_port() -> None:
    everywhere = ((0, 2**32 - 1),)
    rules = [accept(number, everywhere, everywhere, ((number + 1, number + 1),)) for number in range(120)]
    found = met.of(rules, 4)
    assert found.mean < 0.7 * found.flat_mean


def chains(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("-A "):
            _append, name, body = line.split(" ", 2)
            found.setdefault(name, []).append(body)
    return found


@pytest.mark.parametrize("change", ["port", "gone", "new"])
def test_one_rule_that_changes_touches_few_chains(change: str) -> None:
    rules = bench.one_pair(600)
    other = list(rules)
    if change == "port":
        other = bench.changed(rules)
    elif change == "gone":
        del other[300]
    else:
        other.insert(300, bench.Rule(**{**rules[300].__dict__, "name": "another"}))
    before, after = (render(parse(bench.variables(each, met.MANAGEMENT))[0]) for each in (rules, other))
    for name in ("rules.v4", "rules.v6"):
        old, new = chains(before[name]), chains(after[name])
        assert len(old) > 40
        assert sum(old.get(chain) != new.get(chain) for chain in {*old, *new}) <= 8


def test_names_of_parts_fit_the_kernel_and_are_no_names_of_pairs() -> None:
    text = render(parse(bench.variables(bench.one_pair(300), met.MANAGEMENT))[0])["rules.v4"]
    names = set(re.findall(r"^:(\S+\+\S+) ", text, re.MULTILINE))
    assert names
    assert all(re.fullmatch(r"f-wan\.dmz\+[0-9a-f]{10}", name) for name in names)
    long = match.chain_name("f", "a" * 15, "b" * 15)
    parts = {match.part_name(long, str(number)) for number in range(100)}
    assert len(parts) == 100
    assert {len(name) for name in parts} == {match.CHAIN_BYTES}


def test_a_part_is_one_beside_the_rules_of_others_too() -> None:
    """What changes is told by the whole chain, so the sign has to stay where names are cut."""
    long = match.chain_name("f", "a" * 15, "b" * 15)
    names = {shared.chain(match.part_name(long, str(number))) for number in range(100)}
    assert len(names) == 100
    assert all(len(name) <= match.CHAIN_BYTES and match.PART in name for name in names)


def test_the_lines_of_groups_have_the_name_of_their_pair() -> None:
    """So counters by the names of rules add up, and nobody meets a name that no policy has."""
    text = render(parse(bench.variables(bench.one_pair(300), met.MANAGEMENT))[0])["rules.v4"]
    names = set(re.findall(r'--comment "([^"]*)" -j \S+\+', text))
    assert names == {"wan to dmz"}


def test_the_order_of_the_input_decides_and_nothing_else() -> None:
    rules = realistic(4)
    assert split.split(rules, 4) == split.split(realistic(4), 4)


def test_block_lists_before_the_rules_do_not_keep_all_in_order() -> None:
    random = Random(1)
    everywhere = ((0, 2**32 - 1),)
    bad = [accept(number, ((host, host),), everywhere, ((0, 65535),)) for number, host in enumerate(range(0, 3000, 10))]
    servers = [
        accept(300 + number, everywhere, ((host, host),), ((443, 443),))
        for number, host in enumerate(random.randrange(10**6) for _number in range(300))
    ]
    assert met.of([*bad, *servers], 4).mean < 60
