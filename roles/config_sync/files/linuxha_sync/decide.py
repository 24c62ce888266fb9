# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The decisions, without any I/O: what a scan changed, and what the manifests of the peers mean for each file.

Laws (tests/unit/config_sync): equal vectors mean equal content, except for files that no node has ever counted (see
Found below); a decision that was carried out decides nothing more; content is only replaced by a version that has it
in its past, or by the policy for conflicts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Mapping, Optional, Set, Tuple, Union

from . import versions
from .manifest import MAX_DELETIONS, Files, Version

KEEP, RECORD, TAKE = "keep", "record", "take"
# What a decision reports of a file.
IN_STEP, CONFLICT, WAITING = "in_step", "conflict", "waiting"


@dataclass(frozen=True)
class Clock:
    """How far the clock of a peer is ahead of ours, and how sure that is."""

    skew_s: float
    uncertainty_s: float

    @property
    def error_s(self) -> float:
        return abs(self.skew_s) + self.uncertainty_s


@dataclass(frozen=True)
class Rules:
    """What decides about one file."""

    node: str
    primary: str
    policy: str
    skew_limit_s: float
    delete: bool
    now_ns: int

    @property
    def now_s(self) -> int:
        return self.now_ns // 1_000_000_000


@dataclass(frozen=True)
class Refusal:
    """No version wins, and why."""

    reason: str


@dataclass(frozen=True)
class Decision:
    """What happens with one file: nothing, only its record changes, or the file takes the version from a peer."""

    kind: str
    version: Optional[Version] = None
    sources: Tuple[str, ...] = ()
    state: str = IN_STEP
    reason: str = ""
    # Versions of peers that lost no comparison: an edit here is made in knowledge of them.
    rivals: Mapping[str, Version] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What this node knows of its own files.

    `missing`: recorded, but not there; it comes back. `rivals`: vectors of unresolved conflicts. `entries`: the
    declared paths that were scanned before: a file that appears there later is an edit.
    """

    files: Files = field(default_factory=dict)
    missing: Set[str] = field(default_factory=set)
    rivals: Dict[str, Dict[str, int]] = field(default_factory=dict)
    entries: Set[str] = field(default_factory=set)


# --- what the scan found ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What a scan found. Nothing is known of `unknown` paths (unreadable, refused): they stay as they were."""

    files: Mapping[str, Version]
    unknown: Set[str] = field(default_factory=set)


def edited(state: State, path: str, version: Version, node: str, now_s: int) -> Version:
    """A version that is made here, on top of what was here and of every rival that was reported."""
    base: versions.Vector = state.files[path].vector if path in state.files else {}
    base = versions.merge(base, state.rivals.get(path, {}))
    return replace(version, by=node, vector=versions.bump(base, node, now_s))


def observe(state: State, found: Found, entries: Mapping[str, str], deletes: Set[str], node: str, now_ns: int) -> State:
    """The state after a scan. `entries`: path of each file to its entry; `deletes`: entries that spread deletions.

    What lies there when an entry is scanned for the first time has no history: an empty vector, which every version
    that somebody made wins against. So a bare machine that takes a node's place cannot overwrite the cluster.
    """
    now_s = now_ns // 1_000_000_000
    files: Files = {}
    missing = set()
    for path in sorted(set(state.files) | set(found.files)):
        if path not in entries:  # no longer declared
            continue
        old, new = state.files.get(path), found.files.get(path)
        if path in found.unknown:
            if old is not None:
                files[path] = old
        elif new is None and old is not None:
            if old.deleted:
                files[path] = old
            elif entries[path] in deletes:
                gone = Version("", 0, 0, "", "", now_ns, node, {})
                files[path] = edited(state, path, gone, node, now_s)
            else:
                files[path] = old
                missing.add(path)
        elif new is not None and old is not None and new.same(old):
            files[path] = old
        elif new is not None and old is None and entries[path] not in state.entries:
            files[path] = replace(new, by=node, vector={})
        elif new is not None:
            files[path] = edited(state, path, new, node, now_s)
    return State(files, missing, unresolved(files, state.rivals), state.entries | set(entries.values()))


def unresolved(files: Files, rivals: Mapping[str, Dict[str, int]]) -> Dict[str, Dict[str, int]]:
    """The rivals that the version here neither follows nor precedes."""
    return {
        path: vector
        for path, vector in rivals.items()
        if path in files and versions.compare(files[path].vector, vector) == versions.CONCURRENT
    }


def remembered(files: Files, most: int = MAX_DELETIONS) -> Files:
    """Without the oldest deletions beyond so many: peers refuse a manifest that has more."""
    dead = sorted((version.mtime_ns, path) for path, version in files.items() if version.deleted)
    late = {path for _mtime, path in dead[: max(0, len(dead) - most)]}
    return {path: version for path, version in files.items() if path not in late} if late else files


# --- two versions ----------------------------------------------------------------------------------------------------


def rank(rules: Rules, version: Version) -> Tuple[int, int, str, int, str, str, str]:
    """A total order, the same on every node, for the details of versions whose content is equal."""
    first = version.vector.get(rules.primary, 0) if rules.policy == "primary" and version.by == rules.primary else 0
    return (
        first,
        version.mtime_ns,
        version.sha256,
        version.mode,
        version.owner,
        version.group,
        version.by,
    )


def newest(rules: Rules, mine: Version, theirs: Version, clocks: Mapping[str, Clock]) -> Union[Version, Refusal]:
    known = {**clocks, rules.node: Clock(0.0, 0.0)}
    error = 0.0
    for version in (mine, theirs):
        clock = known.get(version.by)
        if clock is None:
            return Refusal(f"the newest is not known: the clock of {version.by} was not measured")
        if abs(clock.skew_s) > rules.skew_limit_s or clock.uncertainty_s > rules.skew_limit_s:
            return Refusal(
                f"the newest is not known: the clock of {version.by} is {clock.skew_s:+.3f} s off "
                f"(measured to {clock.uncertainty_s:.3f} s), the limit is {rules.skew_limit_s:g} s"
            )
        if version.mtime_ns > rules.now_ns + (rules.skew_limit_s + clock.error_s) * 1e9:
            return Refusal(f"the newest is not known: the file of {version.by} is dated in the future")
        error += clock.error_s
    apart = abs(mine.mtime_ns - theirs.mtime_ns) / 1e9
    if apart == 0 or apart <= error:
        return Refusal(
            f"the newest is not known: both were changed within {apart:.3f} s, the clocks agree to {error:.3f} s"
        )
    return max((mine, theirs), key=lambda version: version.mtime_ns)


def primaries(rules: Rules, mine: Version, theirs: Version) -> Union[Version, Refusal]:
    sides = [version for version in (mine, theirs) if version.by == rules.primary]
    if sides:
        return max(sides, key=lambda version: rank(rules, version))
    if rules.node == rules.primary:
        return replace(mine, by=rules.node, vector=versions.bump(mine.vector, rules.node, rules.now_s))
    return Refusal(f"waits for {rules.primary}, the primary, to choose")


def choose(rules: Rules, mine: Version, theirs: Version, clocks: Mapping[str, Clock]) -> Union[Version, Refusal]:
    if rules.policy == "newest":
        return newest(rules, mine, theirs, clocks)
    if rules.policy == "primary":
        return primaries(rules, mine, theirs)
    return Refusal("the policy is refuse")


def resolve(rules: Rules, mine: Version, theirs: Version, clocks: Mapping[str, Clock]) -> Union[Version, Refusal]:
    """The version that comes after both, or why there is none."""
    order = versions.compare(mine.vector, theirs.vector)
    if order == versions.AFTER or (order == versions.EQUAL and mine.same(theirs)):
        return mine
    if order == versions.BEFORE:
        return theirs
    both = versions.merge(mine.vector, theirs.vector)
    if mine.same(theirs):
        return replace(max((mine, theirs), key=lambda version: rank(rules, version)), vector=both)
    winner = choose(rules, mine, theirs, clocks)
    if isinstance(winner, Refusal):
        return winner
    if order == versions.EQUAL:  # nobody has counted yet: the choice is the first count
        return replace(winner, vector=versions.bump(versions.merge(both, winner.vector), rules.node, rules.now_s))
    return replace(winner, vector=versions.merge(both, winner.vector))


# --- all peers -------------------------------------------------------------------------------------------------------


def decide(
    rules: Rules,
    local: Optional[Version],
    missing: bool,
    peers: Mapping[str, Optional[Version]],
    clocks: Mapping[str, Clock],
) -> Decision:
    """What happens with one file. `peers` are those that answered; None where a peer does not have the file."""
    if not rules.delete:  # deletions are neither made nor taken
        local = None if local is not None and local.deleted else local
        peers = {name: None if version is None or version.deleted else version for name, version in peers.items()}
    offers = {name: version for name, version in sorted(peers.items()) if version is not None}
    current, reason = local, ""
    for _turn in offers:  # each that changes something settles one offer more; what had no answer may have one then
        before = current
        for version in offers.values():
            outcome = version if current is None else resolve(rules, current, version, clocks)
            if isinstance(outcome, Version):
                current = outcome
        if current == before:
            break
    if current is None:
        return Decision(KEEP)
    rivals: Dict[str, Version] = {}
    for name, version in offers.items():
        outcome = resolve(rules, current, version, clocks)
        if isinstance(outcome, Refusal):
            rivals[name], reason = version, outcome.reason
    if not current.vector and not rivals and agreed(rules, current, list(peers.values())):
        current = replace(current, vector=versions.bump({}, rules.node, rules.now_s))
    state = IN_STEP
    if rivals:
        state, reason = CONFLICT, f"changed here and on {', '.join(rivals)}: {reason}"
    sources = tuple(name for name, version in offers.items() if version.same(current))
    there = local is not None and not missing
    if local is None and current.deleted:
        return Decision(RECORD, current, sources, state, reason, rivals)
    if not there and not (missing and not offers):
        return Decision(TAKE, current, sources, state, reason, rivals)
    if local is not None and not local.same(current):
        return Decision(TAKE, current, sources, state, reason, rivals)
    kind = KEEP if current == local else RECORD
    return Decision(kind, current, sources, state, reason, rivals)


def agreed(rules: Rules, current: Version, peers: List[Optional[Version]]) -> bool:
    """The primary counts a file for the first time once nobody who answered has another: then it has a history."""
    unlike = [version for version in peers if version is not None and not version.same(current)]
    return rules.node == rules.primary and bool(peers) and not unlike


def behind(own: Mapping[str, Version], theirs: Mapping[str, Version]) -> List[str]:
    """The files of which a peer, by its manifest, does not have our version yet."""
    late = []
    for path, version in own.items():
        there = theirs.get(path)
        if there is None:
            if not version.deleted:
                late.append(path)
        elif versions.compare(there.vector, version.vector) in (versions.BEFORE, versions.CONCURRENT):
            late.append(path)
    return late
