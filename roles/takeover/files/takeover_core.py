# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The decisions of the takeover worker: no I/O, no clock, no subprocess."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Collection, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

STATES = ("MASTER", "BACKUP", "FAULT", "STOP", "DELETED")
# conntrackd has filled its cache from the kernel, or has missed some of its reports: what started it says so.
FILLED = "FILLED"
# What is reported beside the states, by keepalived and by that.
NOTES = ("MASTER_RX_LOWER_PRI", "MASTER_PRIORITY", "BACKUP_PRIORITY", FILLED)

# Steps. The shell knows how to do each; the core knows which, and in which order.
OPEN_GATE = "open_gate"
CLOSE_GATE = "close_gate"
COMMIT = "commit"  # external cache into the kernel: the only step on the critical path of a cache mode
FLUSH_CACHES = "flush_caches"  # both caches of conntrackd, never the kernel's table
FORGET = "forget"  # the internal cache alone: what this node tells its peers about
RESYNC_KERNEL = "resync_kernel"  # kernel's table into the internal cache
BULK = "bulk"  # internal cache to the peers
OFFER = "offer"  # of the kernel's table what the groups of this node have, and nothing else, into the internal cache
REQUEST = "request"  # ask the peers for all their states
AWAIT = "await_states"  # the same, but they have been asked already: by conntrackd when it started, or before

# Seconds after which a node that gave way asks for the states. What it has are its own, whose windows nobody moves on:
# if it took over again it would drop the packets of every TCP connection as invalid. The new active node answers from
# a cache that it fills from its kernel first.
ASK_AFTER = 2.0

# Steps that take their time beside the worker, and the key of their program in its configuration.
PROGRAMS = {REQUEST: "request", AWAIT: "await", OFFER: "offer"}

# Until these are done the node does not forward as the active one should.
URGENT = (COMMIT, OPEN_GATE)

IN_STEP = "in-step"

# What a node that holds back writes into a file that keepalived tracks, to be subtracted from its priority: the lowest
# one is 1, and keepalived takes more than this for a fault.
LEAST = 253

# What the resource agents call themselves: the node as a whole, and the addresses of a group.
NODE = "states"
ADDRESSES = "vips-"
NONE = "NONE"  # a group of which nothing was known

MODES = ("none", "immediate", "cache")

_LINE = re.compile(r'^(INSTANCE|GROUP) "([^"]*)" ([A-Z_]+) (\d+)$')


@dataclass(frozen=True)
class Event:
    kind: str
    name: str
    state: str
    priority: int

    @property
    def is_state(self) -> bool:
        return self.state in STATES


@dataclass(frozen=True)
class Step:
    name: str
    delay: float = 0.0


def parse_line(line: str) -> Optional[Event]:
    """One line of the FIFO, as keepalived writes it; None for anything else."""
    match = _LINE.match(line.strip())
    if match is None or match.group(3) not in STATES + NOTES:
        return None
    return Event(match.group(1), match.group(2), match.group(3), int(match.group(4)))


def split_lines(buffer: bytes) -> Tuple[List[str], bytes]:
    """Complete lines and the rest: a read may end in the middle of a line."""
    *lines, rest = buffer.split(b"\n")
    return [line.decode("utf-8", "replace") for line in lines if line.strip()], rest


def apart(mode: str, groups: Sequence[Mapping[str, object]]) -> bool:
    """Whether groups have nodes of their own: then each says what its addresses are."""
    return mode == "immediate" and len(groups) > 1 and all("addresses" in group for group in groups)


def group_states(instances: Mapping[str, Tuple[str, int]], members: Mapping[str, Sequence[str]]) -> Dict[str, str]:
    """States by group: sync groups of keepalived, addresses of Pacemaker; an empty name is the node as a whole."""
    owner = {name: group for group, names in members.items() for name in names}
    found: Dict[str, List[str]] = {}
    for name, (state, _unused) in instances.items():
        alone = "" if name == NODE else name[len(ADDRESSES) :] if name.startswith(ADDRESSES) else name
        found.setdefault(owner.get(name, alone), []).append(state)
    # Members of a sync group change one after the other, within a millisecond: the worst of them counts.
    worst = ("MASTER", "FAULT", "STOP")
    return {group: next((state for state in worst if state in states), "BACKUP") for group, states in found.items()}


@dataclass
class Plan:
    """What to do after a batch. ``steps`` None: go on with what is under way; a list replaces all of it.

    ``after``: the list comes after what is under way.
    """

    steps: Optional[List[Step]] = None
    reason: str = ""
    after: bool = False


@dataclass
class Core:
    """The node is active while at least one instance is MASTER.

    All instances of a sync group change state within a millisecond and each reports it; acting on the edges of the
    node's state, once per batch, acts once per group transition and ignores what is already stale when it is read.
    """

    mode: str
    gate: bool
    grace: float = 5.0
    active: bool = False
    instances: Dict[str, Tuple[str, int]] = field(default_factory=dict)
    # Sync groups: name -> instances.
    groups: Dict[str, List[str]] = field(default_factory=dict)
    # Each group has a node of its own, so the kernel's table holds what others serve as well: an active node tells the
    # peers of its own only. See docs/decisions/0032-each-offers-its-own.md.
    apart: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError("mode {!r} is none of {}".format(self.mode, ", ".join(MODES)))

    def start(self, holds_vip: bool, known: Optional[Dict[str, Tuple[str, int]]] = None, asked: bool = True) -> Plan:
        """The worker's start. FIFO events of the past are gone, so the addresses that the node holds decide.

        What an earlier worker knew is kept only where it agrees with them. ``asked``: the peers were asked for all
        that this node misses, so hearing them is enough.
        """
        self.active = holds_vip
        if known and any(state == "MASTER" for state, _unused in known.values()) == holds_vip:
            self.instances = dict(known)
        if self.active:
            # No commit: an active node that restarts its worker already has the newest states in its kernel.
            # What an earlier worker had begun to tell ended with it, and a group may have been given away meanwhile.
            again = self._offer_steps(self.groups) if self.apart else []
            return Plan([*self._gate_steps(), *again], "started on the active node")
        if asked:
            return Plan(self._passive_steps(0.0, AWAIT), "started on a passive node")
        # It may have given way a moment ago.
        return Plan(self._passive_steps(0.0, wait=ASK_AFTER), "started on a passive node that misses states")

    def batch(self, events: Iterable[Event]) -> Plan:
        before = self.served()
        edges = 0
        back = False
        split_healed = filled = False
        for event in events:
            if not event.is_state:
                split_healed = split_healed or event.state == "MASTER_RX_LOWER_PRI"
                filled = filled or event.state == FILLED
                continue
            for name, priority in self._members(event):
                old = self.instances.get(name, ("", 0))[0]
                if event.state == "DELETED":
                    self.instances.pop(name, None)
                else:
                    self.instances[name] = (event.state, priority)
                if name == NODE:
                    self._follow(event.state)
                back = back or (old in ("FAULT", "STOP") and event.state == "BACKUP")
            now = any(state == "MASTER" for state, _unused in self.instances.values())
            if now != self.active:
                self.active = now
                edges += 1
        if edges and self.active:
            # Also after leaving and coming back within one batch: the peer may have served in between.
            return Plan(self._active_steps(before - self.served()), "became active")
        if edges:
            return Plan(self._passive_steps(self.grace, wait=ASK_AFTER), "became passive")
        if self.apart and self.active and (filled or self.served() != before):
            reason = "conntrackd has filled its cache" if self.served() == before else "serves other groups"
            return Plan(self._offer_steps(before - self.served()), reason, after=True)
        if back and not self.active:
            return Plan(self._passive_steps(self.grace), "back from a fault or a stop")
        if split_healed and self.active and self.mode != "none":
            return Plan([*self._gate_steps(), Step(RESYNC_KERNEL), Step(BULK)], "a second master gave way")
        return Plan()

    def served(self) -> FrozenSet[str]:
        """The groups that this node serves."""
        return frozenset(name for name, state in group_states(self.instances, self.groups).items() if state == "MASTER")

    def changes(self, before: Mapping[str, Tuple[str, int]]) -> List[Tuple[str, str, str]]:
        """(group, old state, new state) of what is not what it was."""
        old, new = group_states(before, self.groups), group_states(self.instances, self.groups)
        found = [(name, old.get(name, NONE), new.get(name, "DELETED")) for name in sorted({*old, *new})]
        return [change for change in found if change[1] != change[2]]

    def _follow(self, state: str) -> None:
        """Addresses under Pacemaker stand by only while their node takes part; their agent cannot know of it."""
        for name, (old, priority) in self.instances.items():
            if name.startswith(ADDRESSES) and (old, state) in (("BACKUP", "STOP"), ("STOP", "BACKUP")):
                self.instances[name] = (state, priority)

    def _members(self, event: Event) -> List[Tuple[str, int]]:
        if event.kind == "INSTANCE":
            return [(event.name, event.priority)]
        # After a reload keepalived writes only the group's line for instances in a group. It carries no priority.
        return [(name, self.instances.get(name, ("", 0))[1]) for name in self.groups.get(event.name, [])]

    def in_step(self, arrived: bool) -> Plan:
        """A request for states is done, or given up. With immediate injection the kernel has them: gate open."""
        steps = self._gate_steps() if self.mode == "immediate" else []
        if arrived and self.mode != "none":
            # conntrackd tells the peers that a connection is gone when the kernel drops it, and knows it by addresses
            # and ports alone. A passive node drops what it had at its own time: a client may use the ports again by
            # then, and the active node would delete the new connection. What is not in the cache is not told. Without
            # an active peer this cache may be all that is left for one that boots.
            steps.append(Step(FORGET))
        return Plan(steps, "states received")

    def behind(self, states: str) -> bool:
        """A node that would lose connections if it took over from one that serves."""
        return self.mode != "none" and not self.active and states != IN_STEP

    def _gate_steps(self) -> List[Step]:
        return [Step(OPEN_GATE)] if self.gate else []

    def _active_steps(self, lost: Collection[str] = ()) -> List[Step]:
        if self.mode == "none":
            return self._gate_steps()
        if self.mode == "immediate":
            # No bulk: a peer that is there has in its kernel what came from it, and one that returns asks.
            return [*self._gate_steps(), *(self._offer_steps(lost) if self.apart else [Step(RESYNC_KERNEL)])]
        return [Step(COMMIT), *self._gate_steps(), Step(FLUSH_CACHES), Step(RESYNC_KERNEL), Step(BULK)]

    def _offer_steps(self, lost: Collection[str] = ()) -> List[Step]:
        # Once more: what others serve from now on still passes here until everybody has learnt who they are.
        return [Step(OFFER), *([Step(OFFER, self.grace)] if lost else [])]

    def _passive_steps(self, grace: float, ask: str = REQUEST, wait: float = 0.0) -> List[Step]:
        if self.mode == "none":
            return self._gate_steps()
        steps = [Step(ask, wait)]
        if self.mode == "cache" and self.gate:
            # Late: until the gratuitous ARPs have moved everybody, this node still forwards what reaches it.
            steps.append(Step(CLOSE_GATE, grace))
        return steps
