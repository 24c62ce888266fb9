# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The owner's checker says whether new content may come into place, the declared action what happens after that."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

from .layout import Layout, as_bytes, read_json
from .settings import DRAFT, Entry
from .store import Install, Store, account, own

CHECK_S = 30
ACTION_S = 90
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def call(argv: Sequence[str], timeout: float) -> str:
    """Empty when the program ended with 0; else what it said."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        return f"{argv[0]}: no answer within {timeout:g} s"
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    if done.returncode == 0:
        return ""
    said = " ".join(done.stdout.decode("utf-8", "replace").split())[-500:]
    return f"{' '.join(argv)}: exit status {done.returncode}" + (f": {said}" if said else "")


def filled(argv: Sequence[str], mark: str, value: str) -> List[str]:
    return [word.replace(mark, value) for word in argv]


def fingerprint(entry: Entry, items: Sequence[Install]) -> str:
    """Names a question to the checker, so that it is not asked twice about the same content."""
    content = [[item.path, *item.version.content()] for item in items]
    return hashlib.sha256(json.dumps([entry.name, entry.check, content]).encode()).hexdigest()


class Failures:
    """What could not be put into place, until something about it is another.

    A try leaves traces beside the file, and the watch sees them: it would start the next run at once, for ever. So
    a run that a change has started leaves alone what failed; the timer's and an operator's try again.
    """

    def __init__(self, layout: Layout, patient: bool):
        self.path, self.patient = layout.run / "failed.json", patient
        self.before = {key: str(value) for key, value in read_json(self.path).items()}
        self.now: Dict[str, str] = {}

    def held(self, entry: Entry, items: Sequence[Install]) -> str:
        """Why these are not tried now; empty when they are."""
        key = fingerprint(entry, items)
        reason = self.before.get(key, "") if self.patient else ""
        if reason:
            self.now[key] = reason
        return reason

    def note(self, entry: Entry, items: Sequence[Install], reason: str) -> None:
        self.now[fingerprint(entry, items)] = reason

    def save(self, cut: bool = False) -> None:
        """In memory: also when the disk is full. A run that was `cut` off has not come to all that failed before."""
        wanted = {**self.before, **self.now} if cut else self.now
        if wanted != self.before:
            draft = self.path.with_name(".failed.json.new")
            draft.write_bytes(as_bytes(dict(wanted)))
            draft.replace(self.path)


class InTheWay(Exception):
    """What stands where a directory of the new file would be. Not remembered: it may be gone with the next run."""


class Checker:
    """Refusals are remembered until the content is another."""

    def __init__(self, store: Store):
        self.store = store
        self.before: Dict[str, str] = {
            key: str(value) for key, value in store.notes("refused.json").items() if isinstance(value, str)
        }
        self.now: Dict[str, str] = {}

    def ask(self, entry: Entry, items: Sequence[Install]) -> Dict[str, str]:
        """Path to the reason why it stays out."""
        if not entry.check:
            return {}
        if any("{directory}" in word for word in entry.check):
            reason = self.verdict(entry, items)
            return {item.path: reason for item in items} if reason else {}
        found = {item.path: self.verdict(entry, [item]) for item in items if not item.version.deleted}
        return {path: reason for path, reason in found.items() if reason}

    def verdict(self, entry: Entry, items: Sequence[Install]) -> str:
        key = fingerprint(entry, items)
        reason = self.before.get(key)
        if reason is None:
            room = self.store.layout.staging / "check"
            shutil.rmtree(room, ignore_errors=True)
            room.mkdir(mode=0o700)
            try:
                reason = call(self.stage(entry, items, room), CHECK_S)
            except InTheWay as error:
                return str(error)
            finally:
                shutil.rmtree(room, ignore_errors=True)
            reason = reason.replace(f"{room}/", "")
        if reason:
            self.now[key] = reason
        return reason

    def stage(self, entry: Entry, items: Sequence[Install], room: Path) -> List[str]:
        if any("{directory}" in word for word in entry.check):
            top = room / posixpath.basename(entry.path)
            copy_tree(Path(self.store.layout.root + entry.path), top)
            for item in items:
                target = top / item.path[len(entry.path) + 1 :]
                # The copy has the links of the original, and what is behind them is not a copy.
                look_at_the_way(top, target)
                target.unlink(missing_ok=True)
                if not item.version.deleted:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.place(item, target)
            return filled(entry.check, "{directory}", str(top))
        target = room / posixpath.basename(items[0].path)
        self.place(items[0], target)
        return filled(entry.check, "{file}", str(target))

    def place(self, item: Install, target: Path) -> None:
        owner = account(item.version)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self.store.read(item.version))
            file.flush()
            own(handle, item.version, owner)

    def save(self) -> None:
        self.store.note("refused.json", dict(self.now))


def look_at_the_way(top: Path, target: Path) -> None:
    for above in target.relative_to(top).parents:
        found = top / above
        if above.parts and (found.is_symlink() or (found.exists() and not found.is_dir())):
            raise InTheWay(f"{found.name}: in the way of it is a symbolic link or a file, and a directory is needed")


def copy_tree(source: Path, target: Path) -> None:
    """Plain files, directories and links; a socket in a configuration directory is nobody's configuration."""

    def left_out(folder: str, names: List[str]) -> List[str]:
        out = []
        for name in names:
            mode = Path(folder, name).lstat().st_mode
            if name.startswith(DRAFT) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                out.append(name)
        return out

    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=left_out)
    else:
        target.mkdir()


class Actions:
    """What is to be done after files came into place. On the disk before the first of them does: a crash loses none."""

    def __init__(self, store: Store):
        self.store = store
        self.pending: Dict[str, str] = {name: str(since) for name, since in store.notes("pending.json").items()}
        self.results: Dict[str, Dict[str, object]] = {}

    def plan(self, entries: Sequence[Entry], now: str) -> List[str]:
        """Marks them; returns the names that were not marked before."""
        fresh = [entry.name for entry in entries if entry.action and entry.name not in self.pending]
        if fresh:
            self.pending.update(dict.fromkeys(fresh, now))
            self.save()
        return fresh

    def drop(self, names: Sequence[str]) -> None:
        for name in names:
            self.pending.pop(name, None)

    def unfinished(self, patient: bool) -> Set[str]:
        """What a run before could not do. One that has failed may be what started this run, see Failures."""
        told = self.store.notes("status.json").get("actions", {}) if patient else {}
        for name in self.pending:
            if name in told and not told[name].get("ok"):
                self.results[name] = told[name]
        return set(self.pending) - set(self.results)

    def run(self, entries: Sequence[Entry], due: Set[str], now: str) -> None:
        """Those that are due. One that fails stays pending, for the next run."""
        known = {entry.name: entry for entry in entries}
        for name in sorted(due & set(self.pending)):
            entry = known.get(name)
            if entry is None or not entry.action:
                del self.pending[name]
                continue
            reason = call(entry.action, ACTION_S)
            self.results[name] = {"ok": not reason, "at": now, "reason": reason}
            if not reason:
                del self.pending[name]
                self.save()
        self.save()

    def save(self) -> None:
        self.store.note("pending.json", dict(self.pending))


def split(installs: Sequence[Install]) -> List[Tuple[Entry, List[Install]]]:
    """By entry, in the order of the entries' names."""
    groups: Dict[str, Tuple[Entry, List[Install]]] = {}
    for item in installs:
        groups.setdefault(item.entry.name, (item.entry, []))[1].append(item)
    return [groups[name] for name in sorted(groups)]
