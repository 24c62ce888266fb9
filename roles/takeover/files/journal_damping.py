# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""When a node whose role moves too often holds back: pure, the time is an argument.

A node that is held does not take over by preference. It is never kept from serving when nobody else does: keepalived
still runs with the lowest priority, and Pacemaker only forgets which node it prefers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, Optional, Tuple

import journal_core as core

FREE = "free"
DAMPED = "damped"
HELD = "held"

LOSS = "loss"
GAIN = "gain"
# What is wrong with the node itself. Not what an operator orders, and not a peer that wants its role back.
OWN = (core.LINK, core.PING, core.FAULT)


@dataclass(frozen=True)
class Limits:
    """After more than `moves` moves within `window_s` a node is held, until `hold_s` have passed without one.

    A node that has lost its role for the second time in that window is damped: it does not take it back by preference
    for `damp_s`, and for twice as long after each further loss. `moves` 0: neither.
    """

    moves: int = 4
    window_s: float = 600.0
    hold_s: float = 1800.0
    damp_s: float = 30.0


@dataclass(frozen=True)
class Damping:
    """What counts, oldest first: (at, LOSS or GAIN). `since` when the node began to hold back, `until` when it ends."""

    moves: Tuple[Tuple[float, str], ...] = ()
    level: str = FREE
    since: Optional[float] = None
    until: Optional[float] = None
    # Last state of each group: one that was MASTER and starts anew has crashed.
    last: Dict[str, str] = field(default_factory=dict)

    @property
    def losses(self) -> int:
        return sum(kind == LOSS for _unused, kind in self.moves)


def kind(change: core.Change, cause: str, last: str) -> str:
    """LOSS or GAIN when the node itself is the reason, else empty.

    A gain is one of preference; it counts after a loss only, since the peer of a node that flaps gains as well.
    """
    if change.gained:
        return GAIN if cause == core.PRIORITY else ""
    if change.lost:
        return LOSS if cause in OWN else ""
    return LOSS if change.old == core.NONE and last == "MASTER" else ""


def after(damping: Damping, change: core.Change, cause: str, limits: Limits) -> Damping:
    """The damping after one more change. Only a loss damps: who serves is not asked to stop."""
    found = passed(damping, change.at, limits)
    what = kind(change, cause, found.last.get(change.group, ""))
    found = replace(found, last={**found.last, change.group: change.new})
    if change.old == change.new and cause == core.OPERATOR:
        return replace(found, moves=(), level=FREE, since=None, until=None)
    if not what or not limits.moves or (what == GAIN and found.moves[-1:] and found.moves[-1][1] == GAIN):
        return found
    if what == GAIN and not found.moves:
        return found
    found = replace(found, moves=(*found.moves, (change.at, what)))
    since = change.at if found.since is None else found.since
    if len(found.moves) > limits.moves or found.level == HELD:
        since = since if found.level == HELD else change.at
        return replace(found, level=HELD, since=since, until=change.at + limits.hold_s)
    if what == LOSS and found.losses > 1:
        wait = min(limits.damp_s * 2.0 ** (found.losses - 2), limits.hold_s)
        return replace(found, level=DAMPED, since=since, until=change.at + wait)
    return found


def passed(damping: Damping, now: float, limits: Limits) -> Damping:
    """Time went by."""
    moves = tuple(item for item in damping.moves if now - limits.window_s < item[0] <= now)
    if damping.until is None:
        return replace(damping, moves=moves)
    # A clock that was set back by hours must not hold the node for as long.
    if damping.until - limits.hold_s - 1 <= now < damping.until:
        return replace(damping, moves=moves)
    # What led to a hold is paid for: the next move alone must not bring it back.
    kept = () if damping.level == HELD else moves
    return replace(damping, moves=kept, level=FREE, since=None, until=None)


def replay(entries: Iterable[Tuple[core.Change, str]], now: float, limits: Limits) -> Damping:
    """What the journal knows, after a boot: a machine that crashes again and again flaps as well."""
    found = Damping()
    for change, cause in entries:
        if change.at <= now:
            found = after(found, change, cause, limits)
    return passed(found, now, limits)
