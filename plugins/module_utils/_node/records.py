# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What other parts of the collection have noted on a node: the failover journal, damping, config sync.

Each may be absent, since not every node has each part; that is None. What is there and cannot be read says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable, Optional

from .parse import Unreadable, load_json

Read = Callable[[str], Optional[str]]
JOURNAL = "/var/lib/linuxha/journal.jsonl"
DAMPING = "/run/linuxha/damping.json"
SYNC = "/var/lib/linuxha-sync/status.json"
SYNC_RUN = "/run/linuxha-sync/last.json"
# What the journal says of a move, in the order in which a reader wants it.
MOVE = ("at", "cluster_group", "from", "to", "cause", "detail", "blackout_ms", "states", "held")


def collect(read: Read, lines: int) -> dict[str, Any]:
    return {
        "journal": journal(read(JOURNAL), lines) if lines else [],
        "damping": _object(
            read(DAMPING), "the state of the damping", ("moves", "window_s", "held", "since", "level", "until")
        ),
        "sync": sync(read(SYNC), read(SYNC_RUN)),
    }


def journal(text: Optional[str], lines: int) -> list[dict[str, Any]]:
    """The last moves, the newest last. A line that a crash has cut is none."""
    found: list[dict[str, Any]] = []
    for line in reversed((text or "").splitlines()):
        if len(found) == lines:
            break
        try:
            move = json.loads(line)
        except ValueError:
            continue
        if isinstance(move, dict) and "at" in move:
            found.insert(0, {key: move.get(key) for key in MOVE})
    return found


def sync(text: Optional[str], run: Optional[str] = None) -> Optional[dict[str, Any]]:
    """Of config sync when it ran last, whether this node is in step, and what it complains of."""
    found = _object(text, "the state of config sync", ("in_step", "changed_at", "problems", "files"))
    # In memory, so a run that found no room on the disk can still tell.
    last = _object(run, "the last run of config sync", ("last_run", "error"))
    if found is None and last is not None:
        found = {"in_step": False, "changed_at": None, "problems": [], "files": {}, "problem": None}
    if found is None or found["problem"]:
        return found
    files = found.pop("files")
    states = {str(path): one.get("state") for path, one in _mapping(files).items() if isinstance(one, Mapping)}
    problems = found["problems"] if isinstance(found["problems"], list) else []
    failed = [last[key] for key in ("error", "problem") if last[key]] if last is not None else []
    return {
        **found,
        "in_step": found["in_step"] is True and not failed,
        "last_run": last["last_run"] if last is not None else None,
        "problems": [str(problem) for problem in [*problems, *failed]],
        "behind": sorted(path for path, state in states.items() if state != "in_step"),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _object(text: Optional[str], what: str, keys: tuple[str, ...]) -> Optional[dict[str, Any]]:
    if text is None:
        return None
    try:
        found = load_json(text, what)
    except Unreadable as error:
        return {**dict.fromkeys(keys), "problem": str(error)}
    if not isinstance(found, dict):
        return {**dict.fromkeys(keys), "problem": f"{what} is no object"}
    return {**{key: found.get(key) for key in keys}, "problem": None}
