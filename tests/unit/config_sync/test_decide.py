# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Laws of the decisions, on histories of edits and meetings that hypothesis makes up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linuxha_sync import versions
from linuxha_sync.decide import (
    CONFLICT,
    KEEP,
    RECORD,
    TAKE,
    Clock,
    Decision,
    Found,
    Rules,
    State,
    behind,
    decide,
    observe,
)
from linuxha_sync.manifest import Version

PATH = "/etc/x"
SECOND = 1_000_000_000
VECTORS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4))


# --- vectors ---------------------------------------------------------------------------------------------------------


@given(VECTORS, VECTORS)
def test_comparing_is_antisymmetric(one: dict[str, int], other: dict[str, int]) -> None:
    turned = {versions.BEFORE: versions.AFTER, versions.AFTER: versions.BEFORE}
    order = versions.compare(one, other)
    assert versions.compare(other, one) == turned.get(order, order)
    assert (order == versions.EQUAL) == (one == other)


@given(VECTORS, VECTORS, VECTORS)
def test_merging_is_the_least_upper_bound(one: dict[str, int], other: dict[str, int], third: dict[str, int]) -> None:
    both = versions.merge(one, other)
    assert both == versions.merge(other, one)
    assert versions.compare(one, both) in (versions.BEFORE, versions.EQUAL)
    above = versions.merge(both, third)
    assert above == versions.merge(one, versions.merge(other, third))
    assert versions.compare(both, above) in (versions.BEFORE, versions.EQUAL)


@given(VECTORS, st.integers(0, 10))
def test_an_edit_comes_after_what_it_edits(vector: dict[str, int], now: int) -> None:
    assert versions.compare(vector, versions.bump(vector, "a", now)) == versions.BEFORE


# --- a model of a cluster with one file ------------------------------------------------------------------------------


@dataclass
class Box:
    """One node of the model: the file that is there, what the program knows, and what the history has."""

    name: str
    content: str = ""
    mtime: int = 0
    state: State = field(default_factory=State)
    kept: set[str] = field(default_factory=set)
    last: Decision = field(default_factory=lambda: Decision(KEEP))

    def found(self) -> Found:
        if not self.content:
            return Found({})
        version = Version(self.content, 1, 0o644, "root", "root", self.mtime, self.name, {})
        return Found({PATH: version})

    def version(self) -> Version | None:
        return None if PATH in self.state.missing else self.state.files.get(PATH)


@dataclass
class World:
    names: str
    links: set[tuple[str, str]]
    policy: str
    delete: bool
    now: int = 1_000
    boxes: dict[str, Box] = field(default_factory=dict)
    by_vector: dict[tuple[tuple[str, int], ...], str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.boxes = {name: Box(name) for name in self.names}

    def rules(self, name: str) -> Rules:
        return Rules(name, self.names[0], self.policy, 2.0, self.delete, self.now * SECOND)

    def edit(self, name: str, text: str) -> None:
        self.now += 1
        box = self.boxes[name]
        box.content, box.mtime = text, self.now * SECOND
        if text:
            self.written.add(text)

    def look(self, box: Box) -> None:
        deletes = {PATH} if self.delete else set()
        box.state = observe(box.state, box.found(), {PATH: PATH}, deletes, box.name, self.now * SECOND)
        self.remember(box)

    def remember(self, box: Box) -> None:
        """Equal vectors mean equal content."""
        version = box.state.files.get(PATH)
        if version is not None and version.vector:
            key = tuple(sorted(version.vector.items()))
            assert self.by_vector.setdefault(key, version.sha256) == version.sha256

    def run(self, name: str, up: set[str] | None = None) -> None:
        box = self.boxes[name]
        self.look(box)
        near = [other for other in self.names if (name, other) in self.links and (up is None or other in up)]
        peers = {other: self.boxes[other].version() for other in near}
        clocks = {other: Clock(0.0, 0.0) for other in self.names}
        local, missing = box.state.files.get(PATH), PATH in box.state.missing
        box.last = decide(self.rules(name), local, missing, peers, clocks)
        self.carry_out(box, local)
        again = decide(self.rules(name), box.state.files.get(PATH), PATH in box.state.missing, peers, clocks)
        assert again.kind == KEEP and again.state == box.last.state

    def carry_out(self, box: Box, local: Version | None) -> None:
        decision = box.last
        files, missing = dict(box.state.files), set(box.state.missing)
        if decision.kind != KEEP:
            assert decision.version is not None
            files[PATH] = decision.version
            if local is not None:  # nothing goes back behind what was there
                order = versions.compare(local.vector, decision.version.vector)
                assert order in (versions.BEFORE, versions.EQUAL) or local.deleted
        if decision.kind == TAKE:
            assert decision.version is not None
            if box.content:
                box.kept.add(box.content)
            box.content, box.mtime = decision.version.sha256, decision.version.mtime_ns
            missing.discard(PATH)
        rivals: dict[str, dict[str, int]] = {}
        for rival in decision.rivals.values():
            rivals[PATH] = versions.merge(rivals.get(PATH, {}), rival.vector)
        box.state = State(files, missing, rivals, box.state.entries)
        self.remember(box)

    def settle(self) -> None:
        for _number in range(3 * len(self.names) + 2):
            self.now += 1
            for name in self.names:
                self.run(name)


@st.composite
def topologies(draw: st.DrawFn, full: bool = False) -> tuple[str, set[tuple[str, str]]]:
    names = "abcde"[: draw(st.integers(2, 5))]
    pairs = [(one, other) for one in names for other in names if one < other]
    # A tree, so that all are connected, and whatever more.
    chosen = {(names[draw(st.integers(0, place - 1))], names[place]) for place in range(1, len(names))}
    chosen |= set(pairs) if full else set(draw(st.lists(st.sampled_from(pairs))))
    return names, chosen | {(other, one) for one, other in chosen}


STEPS = st.lists(
    st.tuples(st.sampled_from(["edit", "edit", "run", "delete"]), st.integers(0, 4), st.sets(st.sampled_from("abcde"))),
    max_size=16,
)


def play(world: World, steps: list[tuple[str, int, set[str]]]) -> None:
    for number, (what, which, up) in enumerate(steps):
        name = world.names[which % len(world.names)]
        if what == "run":
            world.run(name, up)
            continue
        world.edit(name, "" if what == "delete" else f"text {number}")
        # The history has what the program saw; of what was overwritten before it looked nobody knows.
        world.look(world.boxes[name])


def contents(world: World) -> set[str]:
    return {box.content for box in world.boxes.values()}


@settings(max_examples=150, deadline=None)
@given(topologies(), STEPS, st.booleans())
def test_newest_converges_in_any_topology(
    topology: tuple[str, set[tuple[str, str]]], steps: list[tuple[str, int, set[str]]], delete: bool
) -> None:
    world = World(*topology, policy="newest", delete=delete)
    play(world, steps)
    world.settle()
    assert len(contents(world)) == 1
    assert all(box.last.state != CONFLICT for box in world.boxes.values())
    vectors = [box.state.files[PATH].vector for box in world.boxes.values() if PATH in box.state.files]
    assert all(vector == vectors[0] for vector in vectors) or contents(world) == {""}


@settings(max_examples=150, deadline=None)
@given(topologies(full=True), STEPS, st.booleans())
def test_primary_converges_where_everybody_reaches_it(
    topology: tuple[str, set[tuple[str, str]]], steps: list[tuple[str, int, set[str]]], delete: bool
) -> None:
    world = World(*topology, policy="primary", delete=delete)
    play(world, steps)
    world.settle()
    assert len(contents(world)) == 1


@settings(max_examples=150, deadline=None)
@given(topologies(), STEPS, st.booleans())
def test_refuse_converges_or_says_so(
    topology: tuple[str, set[tuple[str, str]]], steps: list[tuple[str, int, set[str]]], delete: bool
) -> None:
    world = World(*topology, policy="refuse", delete=delete)
    play(world, steps)
    world.settle()
    reported = any(box.last.state == CONFLICT for box in world.boxes.values())
    assert reported or len(contents(world)) == 1


@settings(max_examples=150, deadline=None)
@given(topologies(), STEPS, st.sampled_from(["newest", "primary", "refuse"]))
def test_no_version_that_was_seen_is_lost(
    topology: tuple[str, set[tuple[str, str]]], steps: list[tuple[str, int, set[str]]], policy: str
) -> None:
    """What a TAKE replaces is in the history of that node; edits by hand on the same node replace only their own."""
    world = World(*topology, policy=policy, delete=False)
    by_hand: set[str] = set()
    for number, (what, which, up) in enumerate(steps):
        name = world.names[which % len(world.names)]
        if what == "run":
            world.run(name, up)
        elif what == "edit":
            by_hand.add(world.boxes[name].content)
            world.edit(name, f"text {number}")
            world.look(world.boxes[name])
    world.settle()
    known = contents(world) | by_hand | {text for box in world.boxes.values() for text in box.kept}
    assert world.written <= known


# --- single decisions ------------------------------------------------------------------------------------------------


def version(text: str = "x", by: str = "a", mtime: float = 10, **vector: int) -> Version:
    return Version(text, 1 if text else 0, 0o644 if text else 0, "root", "root", int(mtime * SECOND), by, vector)


RULES = Rules("a", "a", "newest", 2.0, False, 1_000 * SECOND)
CLOCKS = {"b": Clock(0.0, 0.0)}


@pytest.mark.parametrize(
    ("local", "peer", "wanted"),
    [
        (None, None, None),
        (None, version(b=1), "x"),
        (version("old", a=1), version("new", by="b", a=1, b=1), "new"),
        (version("new", a=2), version("old", a=1), "new"),
        (version("mine", a=2), version("theirs", "b", 20, a=1, b=1), "theirs"),
        (version("mine", a=2, mtime=30), version("theirs", "b", 20, a=1, b=1), "mine"),
        (version("mine"), version("theirs", "b", 5), "mine"),  # nobody has a history
        (version("mine", mtime=99), version("theirs", "b", b=1), "theirs"),  # only one has
        (version("mine", a=1), version("", "b", 99, a=1, b=1), "mine"),  # deletions are not declared
    ],
)
def test_one_peer(local: Version | None, peer: Version | None, wanted: str | None) -> None:
    decision = decide(RULES, local, False, {"b": peer}, CLOCKS)
    assert (decision.version.sha256 if decision.version else None) == wanted
    assert decision.state != CONFLICT


@pytest.mark.parametrize(
    ("clocks", "later"),
    [
        ({}, 900),
        ({"b": Clock(2.5, 0.0)}, 900),
        ({"b": Clock(-2.5, 0.0)}, 900),
        ({"b": Clock(0.0, 3.0)}, 900),
        ({"b": Clock(-1.0, 0.5)}, 11.5),
        ({"b": Clock(0.0, 0.0)}, 10),
        ({"b": Clock(0.5, 0.5)}, 1_003.5),
    ],
    ids=["not measured", "too far ahead", "too far behind", "too vague", "closer than the error", "same", "future"],
)
def test_newest_needs_clocks_that_agree(clocks: dict[str, Clock], later: float) -> None:
    mine, theirs = version("mine", a=2), version("theirs", "b", later, a=1, b=1)
    decision = decide(RULES, mine, False, {"b": theirs}, clocks)
    assert decision.kind == KEEP and decision.state == CONFLICT and decision.rivals == {"b": theirs}


@pytest.mark.parametrize("later", [12.0, 900.0, 1_002.5])
def test_newest_decides_within_the_limit(later: float) -> None:
    """As far off and as vague as is permitted; nor is a file of the future one whose clock is ahead by as much."""
    mine, theirs = version("mine", a=2), version("theirs", "b", later, a=1, b=1)
    clock = Clock(1.0, 0.5) if later == 12.0 else Clock(2.0, 2.0)
    decision = decide(RULES, mine, False, {"b": theirs}, {"b": clock})
    assert decision.version is not None and decision.version.sha256 == "theirs" and decision.state != CONFLICT
    assert decision.version.vector == {"a": 2, "b": 1}


def test_the_errors_of_two_clocks_add_up() -> None:
    """The change of b came by way of c, where another one was made by c."""
    mine, theirs = version("of b", "b", 10, b=1), version("of c", "c", 12, c=1)
    clocks = {"b": Clock(0.0, 1.5), "c": Clock(0.0, 1.5)}
    assert decide(RULES, mine, False, {"c": theirs}, clocks).state == CONFLICT
    assert decide(RULES, mine, False, {"c": replace(theirs, mtime_ns=14 * SECOND)}, clocks).state != CONFLICT


def test_of_two_versions_of_the_primary_the_one_it_counted_later_wins() -> None:
    """It was replaced by a bare machine in between."""
    rules = replace(RULES, node="b", policy="primary")
    early, late = version("early", "a", 99, a=5, b=1), version("late", "a", 10, a=7)
    for mine, theirs in ((early, late), (late, early)):
        decision = decide(rules, mine, False, {"c": theirs}, {})
        assert decision.version is not None and decision.version.sha256 == "late"


def test_what_others_than_the_primary_made_waits_for_it() -> None:
    rules = replace(RULES, node="b", policy="primary")
    mine, theirs = version("mine", "b", a=1, b=1), version("theirs", "c", a=1, c=1)
    decision = decide(rules, mine, False, {"c": theirs}, CLOCKS)
    assert decision.kind == KEEP and decision.state == CONFLICT and "waits for a" in decision.reason
    chosen = decide(replace(rules, node="a"), mine, False, {"c": theirs}, CLOCKS).version
    assert chosen is not None and versions.compare(chosen.vector, {"a": 1, "b": 1, "c": 1}) == versions.AFTER


@pytest.mark.parametrize("policy", ["newest", "primary", "refuse"])
def test_two_nodes_choose_the_same_of_equal_contents(policy: str) -> None:
    """Else each would go on telling the other about its own."""
    one, other = version("x", "a", 10, a=1), version("x", "b", 10, b=1)
    rules = replace(RULES, policy=policy)
    first = decide(rules, one, False, {"b": other}, CLOCKS)
    second = decide(replace(rules, node="b"), other, False, {"a": one}, {"a": Clock(0.0, 0.0)})
    assert first.version == second.version and first.version is not None and first.version.vector == {"a": 1, "b": 1}


def test_nothing_is_counted_for_the_first_time_in_a_conflict() -> None:
    rules = replace(RULES, policy="refuse")
    peers = {"b": version("x", "b"), "c": version("other", "c")}
    decision = decide(rules, version("x"), False, peers, CLOCKS)
    assert decision.state == CONFLICT and decision.version is not None and not decision.version.vector


def test_a_choice_between_files_that_nobody_has_counted_is_the_first_count() -> None:
    theirs, clocks = version("theirs", "a", 20), {"a": Clock(0.0, 0.0)}
    decision = decide(replace(RULES, node="b"), version("mine", "b"), False, {"a": theirs}, clocks)
    assert decision.version == replace(theirs, vector={"b": 1_000})


def test_only_who_has_it_is_asked_for_it() -> None:
    new = version("new", "b", a=2, b=1)
    decision = decide(RULES, version("old", a=2), False, {"b": new, "c": version("old", a=2), "d": new}, CLOCKS)
    assert decision.kind == TAKE and decision.sources == ("b", "d")


def test_a_deletion_counts_no_more_where_it_is_not_declared_any_more() -> None:
    decision = decide(RULES, version("", a=2), False, {"b": version("x", "b", a=1)}, CLOCKS)
    assert decision.kind == TAKE and decision.version is not None and decision.version.sha256 == "x"


def test_a_deletion_of_what_is_not_here_is_only_recorded() -> None:
    decision = decide(replace(RULES, delete=True), None, False, {"b": version("", "b", b=1)}, CLOCKS)
    assert decision.kind == RECORD and decision.version is not None and decision.version.deleted


def test_a_rival_that_a_third_node_has_settled_is_none() -> None:
    rules = replace(RULES, policy="refuse")
    mine, theirs = version("mine", a=2), version("theirs", "b", b=1)
    both = version("settled", "c", a=2, b=1, c=1)
    decision = decide(rules, mine, False, {"b": theirs, "c": both}, CLOCKS)
    assert decision.kind == TAKE and decision.version == both and decision.state != CONFLICT


@pytest.mark.parametrize("text", ["same", ""])
def test_what_had_no_answer_is_asked_again_after_the_other_peers(text: str) -> None:
    """Two peers made the same of it: one does not follow what is here, the other does, and is asked later."""
    rules = replace(RULES, policy="refuse", delete=True)
    first, second = version(text, "b", b=1), version(text, "c", a=2, c=1)
    decision = decide(rules, version("mine", a=2), False, {"b": first, "c": second}, CLOCKS)
    assert decision.kind == TAKE and decision.version is not None and decision.version.sha256 == text
    assert decision.version.vector == {"a": 2, "b": 1, "c": 1} and decision.state != CONFLICT
    again = decide(rules, decision.version, False, {"b": first, "c": second}, CLOCKS)
    assert again.kind == KEEP and again.version == decision.version


def test_an_edit_in_a_conflict_comes_after_both() -> None:
    state = State({PATH: version("mine", a=2)}, rivals={PATH: {"b": 7}}, entries={PATH})
    edited = observe(state, Found({PATH: version("new")}), {PATH: PATH}, set(), "a", 5 * SECOND).files[PATH]
    assert versions.compare(edited.vector, {"a": 2, "b": 7}) == versions.AFTER


def test_what_cannot_be_read_is_neither_deleted_nor_edited() -> None:
    state = State({PATH: version(a=2)}, entries={PATH})
    assert observe(state, Found({}, {PATH}), {PATH: PATH}, {PATH}, "a", 5).files == state.files


def test_the_primary_counts_what_all_have() -> None:
    mine, theirs = version("x"), version("x", "b")
    assert decide(RULES, mine, False, {"b": theirs}, CLOCKS).version == replace(mine, vector={"a": 1_000})
    assert decide(replace(RULES, node="b"), mine, False, {"a": theirs}, CLOCKS).kind == KEEP
    assert decide(RULES, mine, False, {}, CLOCKS).kind == KEEP


def test_behind_names_what_a_peer_has_not() -> None:
    own = {"/a": version(a=2), "/b": version(a=1), "/c": version("", a=1), "/d": version(a=1)}
    assert behind(own, {"/a": version(a=1), "/b": version(a=1, b=1), "/d": version(b=1)}) == ["/a", "/d"]
    assert behind(own, {}) == ["/a", "/b", "/d"]


def test_a_file_that_is_no_longer_declared_is_forgotten() -> None:
    state = State({PATH: version(a=2)}, {PATH}, {PATH: {"b": 7}}, {PATH})
    after = observe(state, Found({PATH: version("new")}), {}, set(), "a", 5)
    assert not after.files and not after.missing and not after.rivals
