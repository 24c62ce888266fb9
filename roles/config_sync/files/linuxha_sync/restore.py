# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The former versions of a file, and the way back to one: it becomes an edit of this node, which wins everywhere."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Dict, List

from .checks import Actions, Checker
from .decide import Found, State, edited, observe, unresolved
from .layout import SyncError
from .manifest import Version
from .scan import Scanner
from .settings import Settings
from .store import Changed, Install, Store, instant

CURRENT = "current"


def history(store: Store, path: str) -> List[Dict[str, Any]]:
    return [
        {
            "id": name,
            "replaced": document.get("replaced"),
            "by": document.get("by"),
            "reason": document.get("reason"),
            **{key: document["version"].get(key) for key in ("sha256", "size", "mode", "owner", "group", "mtime_ns")},
        }
        for name, document in store.versions(path)
    ]


def restore(settings: Settings, store: Store, path: str, identity: str) -> None:
    """Puts a former version into place, or says that what is here wins; the caller has the lock and starts a run."""
    entry = settings.entry(path)
    if entry is None:
        raise SyncError(f"{path}: is not declared in {store.layout.settings}")
    now_ns = time.time_ns()
    store.ensure()
    state = store.heal(store.load(), now_ns)
    scan = Scanner(settings, store.load_cache(), store.has, store.keep, store.layout.root).scan()
    if path in scan.problems:
        raise SyncError(f"{path}: {scan.problems[path]}")
    deletes = {item.path for item in settings.entries if item.delete}
    # What was edited just now is an edit of its own, and gets its place in the history below.
    unknown = {other for other in state.files if other != path}
    names = {other: item.path for other in {*state.files, path} if (item := settings.entry(other)) is not None}
    found = Found({path: scan.files[path]} if path in scan.files else {}, unknown)
    state = replace(
        observe(state, found, names, deletes, settings.node, now_ns), entries=state.entries, missing=state.missing
    )
    store.save(state)
    present = state.files.get(path)
    if identity == CURRENT:
        if present is None:
            raise SyncError(f"{path}: there is nothing here that could win")
        chosen = edited(state, path, present, settings.node, now_ns // 1_000_000_000)
        store.save(without_rivals(state, path, chosen))
        return
    version, data = store.former(path, identity)
    problem = entry.problem(version, settings.object_limit_bytes)
    if problem:
        raise SyncError(f"{path}: {identity}: {problem}")
    store.keep(version.sha256, data)
    version = replace(version, mtime_ns=now_ns)
    chosen = edited(state, path, version, settings.node, now_ns // 1_000_000_000)
    install = Install(
        entry, path, chosen, scan.files.get(path), scan.keys.get(path), settings.node, f"restored {identity}"
    )
    refused = Checker(store).ask(entry, [install])
    if refused:
        raise SyncError(f"{path}: {refused[path]}")
    actions = Actions(store)
    store.begin([install])
    try:
        store.draft(install, now_ns)
        store.flush()
        actions.plan([entry], instant(now_ns))
        store.swap(install, now_ns)
        store.settled(install, now_ns)
    except Changed as error:
        raise SyncError(f"{path}: was changed at this moment; try again") from error
    store.save(without_rivals(state, path, chosen))
    store.note("journal.json", {})


def without_rivals(state: State, path: str, version: Version) -> State:
    files = {**state.files, path: version}
    return State(files, state.missing - {path}, unresolved(files, state.rivals), state.entries)
