# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Read what a node keeps. Runs on the node."""

from __future__ import annotations

import base64
import grp
import hashlib
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

# A journal is rotated long before. What is larger was put there by somebody, and is named instead of taken.
LIMIT = 16 * 1024 * 1024


def _name(lookup: Callable[[int], Any], number: int) -> str:
    """A number without a name stays a number."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def _below(path: Path, exclude: Iterable[str]) -> Iterator[Path]:
    """The path and everything in it; links are not followed."""
    if any(fnmatchcase(path.name, pattern) for pattern in exclude):
        return
    yield path
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from _below(child, exclude)


def _entry(path: Path, shown: str, content: bool) -> dict[str, Any]:
    state = path.lstat()
    found: dict[str, Any] = {
        "path": shown,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "owner": _name(pwd.getpwuid, state.st_uid),
        "group": _name(grp.getgrgid, state.st_gid),
    }
    if stat.S_ISLNK(state.st_mode):
        return {**found, "kind": "link", "target": str(path.readlink())}
    if stat.S_ISDIR(state.st_mode):
        return {**found, "kind": "directory"}
    data = path.read_bytes()
    found.update(kind="file", size=len(data), sha256=hashlib.sha256(data).hexdigest())
    return {**found, "content": base64.b64encode(data).decode()} if content else found


def collect(wanted: Iterable[Mapping[str, Any]], content: bool, root: Path = Path("/")) -> dict[str, Any]:
    """Every file once, under the first of the sources that has it.

    Args:
        wanted: sources, each with `path`, `part` and `exclude`.
        content: whether the files themselves are wanted.
        root: where the tree begins.
    """
    entries: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for source in wanted:
        pattern = str(source["path"]).lstrip("/")
        for top in sorted(root.glob(pattern)):
            for path in _below(top, source.get("exclude") or ()):
                shown = "/" + str(path.relative_to(root))
                state = path.lstat()
                if shown in entries:
                    continue
                if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode)):
                    continue  # sockets and the like are made by who uses them
                if stat.S_ISREG(state.st_mode) and state.st_size > LIMIT:
                    left_out.append(f"{shown}: {state.st_size} bytes, the limit is {LIMIT}")
                    continue
                top_shown = "/" + str(top.relative_to(root))
                entries[shown] = {**_entry(path, shown, content), "part": source["part"], "source": top_shown}
    return {"entries": list(entries.values()), "left_out": left_out}
