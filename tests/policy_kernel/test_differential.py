# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Random policies and packets: the trace and the kernel agree about every one of them.

The number in the name of a test is the seed of its policy and packets, so that a failed one can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from tests.policy_kernel.compare import Totals, compare, rig_of
from tests.policy_kernel.policies import FEATURES, case, questions

FEW, MANY = 60, 200
SEEDS = (*range(1, 8), 45)
#: Their policies have many parts of chains in both families.
SPLIT_SEEDS = (1, 6, 45, 101, 108, 115)
#: Of policies with a feature more. The hidden zone asks in the last one, and others do in the first two.
MORE_SEEDS = (301, 302, 308)
SETS = (("untracked",), ("bogons",), ("antispoof",), ("hidden", "untracked"), FEATURES)
Alter = Callable[[str], str]


def split_small(patch: pytest.MonkeyPatch) -> None:
    """No random policy is long enough for chains that are split otherwise."""
    for name, value in (("LONG", 1), ("SHORT", 2), ("LEAST", 2)):
        patch.setattr(split, name, value)


@pytest.fixture
def _split(monkeypatch: pytest.MonkeyPatch) -> None:
    split_small(monkeypatch)


def run(seed: int, count: int, alter: Alter = str, features: Collection[str] = ()) -> Totals:
    made = case(seed, features)
    rig = rig_of(made)
    try:
        files = render(made.ruleset)
        rig.load({**files, **{name: alter(files[name]) for name in ("rules.v4", "rules.v6")}})
        return compare(made, rig, list(questions(made, count)))
    finally:
        rig.close()


@pytest.fixture
def again(request: pytest.FixtureRequest) -> str:
    """How to repeat this very test."""
    return f"python -m pytest '{request.node.nodeid}'"


def agree(seed: int, count: int, again: str, features: Collection[str] = ()) -> Totals:
    totals = run(seed, count, features=features)
    if totals.differences:
        first = f"policy {seed}: {len(totals.differences)} of {count} packets differ; again: {again}"
        pytest.fail("\n".join([first, *totals.differences]), pytrace=False)
    assert totals.packets == count
    return totals


def of_seed(seed: int) -> tuple[str, ...]:
    """Every set of features in turn."""
    return tuple(feature for bit, feature in enumerate(FEATURES) if seed >> bit & 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_trace_says_what_the_kernel_does(seed: int, again: str) -> None:
    agree(seed, FEW, again)


@pytest.mark.parametrize("seed", MORE_SEEDS)
@pytest.mark.parametrize("features", SETS, ids="-".join)
def test_so_it_is_with_what_comes_before_the_rules(features: tuple[str, ...], seed: int, again: str) -> None:
    totals = agree(seed, FEW, again, features)
    assert totals.exempted or "untracked" not in features
    assert totals.forged or not {"bogons", "antispoof"} & set(features)


@pytest.mark.usefixtures("_split")
@pytest.mark.parametrize("seed", SPLIT_SEEDS)
def test_so_it_is_with_chains_that_are_split(seed: int, again: str) -> None:
    agree(seed, FEW, again)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(101, 201))
def test_the_trace_says_what_the_kernel_does_in_full(seed: int, monkeypatch: pytest.MonkeyPatch, again: str) -> None:
    if seed % 2:
        split_small(monkeypatch)
    agree(seed, MANY, again, of_seed(seed // 2))


@pytest.mark.usefixtures("_split")
def test_a_splitter_that_looks_too_narrowly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the look before a group knows one range of the addresses of its rules."""
    guard = split._guard
    monkeypatch.setattr(split, "_guard", lambda family, side, ranges: guard(family, side, ranges[:1]))
    assert run(101, FEW).differences


def other_order(text: str) -> str:
    """The rules of every pair of zones from the last to the first."""
    lines = text.splitlines()
    places = [number for number, line in enumerate(lines) if re.match(r"-A [fio]-", line)]
    turned = {place: lines[other] for place, other in zip(places, reversed(places), strict=True)}
    return "\n".join([turned.get(number, line) for number, line in enumerate(lines)]) + "\n"


def without_exclusions(text: str) -> str:
    """What a rule takes away from protocols and messages."""
    return re.sub(r"^-A x-\S+ .* -j RETURN\n", "", text, flags=re.MULTILINE)


def without_negation(text: str) -> str:
    return text.replace(" ! --match-set", " --match-set").replace(" ! -s ", " -s ").replace(" ! -d ", " -d ")


def without_source_ports(text: str) -> str:
    return re.sub(r" (--sport \S+|-m multiport --sports \S+)", "", text)


def without_codes(text: str) -> str:
    return re.sub(r"(--icmp(?:v6)?-type \d+)/\d+", r"\1", text)


def without_translation(text: str) -> str:
    return re.sub(r"-j (SNAT --to-source|DNAT --to-destination|NETMAP --to) \S+", "-j ACCEPT", text)


def unshifted(text: str) -> str:
    """Ports of a range as the kernel chooses."""
    return re.sub(r"(--to-destination \S+:\d+-\d+)/\d+", r"\1", text)


@pytest.mark.parametrize(
    ("alter", "seed"),
    [
        (other_order, 1),
        (without_exclusions, 3),
        (without_negation, 1),
        (without_source_ports, 4),
        (without_codes, 45),
        (without_translation, 1),
        (unshifted, 6),
    ],
)
def test_a_wrong_compiler_is_found(alter: Alter, seed: int) -> None:
    """Negative controls: policies of above with a mistake in their text."""
    assert run(seed, FEW, alter).differences


def without_exemptions(text: str) -> str:
    return re.sub(r"^-A \S+ .* --comment \"u\d+\" -j CT --notrack\n", "", text, flags=re.MULTILINE)


def without_answers(text: str) -> str:
    """Those that pass tracked, to hosts that are in networks of another zone."""
    lines = text.splitlines(keepends=True)
    answers = re.compile(r"-A FORWARD (?!.*UNTRACKED).*--comment \"u\d+\" -j ACCEPT\n")
    return "".join(line for line in lines if not answers.fullmatch(line))


def without_bogons(text: str) -> str:
    return re.sub(r"^-A PREROUTING .* --comment \"bogons .*\n", "", text, flags=re.MULTILINE)


def without_way_back(text: str) -> str:
    return text.replace("-m rpfilter --invert", "-m rpfilter --loose --invert")


@pytest.mark.parametrize(
    ("alter", "features", "seed"),
    [
        (without_exemptions, ("untracked",), 301),
        (without_answers, ("hidden", "untracked"), 308),
        (without_bogons, ("bogons",), 301),
        (without_way_back, ("antispoof",), 301),
    ],
)
def test_a_compiler_that_is_wrong_before_the_rules_is_found(alter: Alter, features: tuple[str, ...], seed: int) -> None:
    assert run(seed, FEW, alter, features).differences
