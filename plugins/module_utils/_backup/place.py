# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Put what an archive has back on a node: everything is prepared beside its place before the first file is replaced."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .collect import _entry
from .sources import STATE

Entry = Mapping[str, Any]
#: Who reads a file while it runs, and is cut off from its peers by another one.
IN_USE = {
    "/etc/corosync/authkey": "corosync.service",
    "/etc/corosync/qdevice/net": "corosync-qdevice.service",
    "/etc/corosync/qnetd": "corosync-qnetd.service",
}


class Refused(ValueError):
    """The node is not to be changed like this. The message says why and what to do."""


def chosen(entries: Iterable[Entry], parts: Sequence[str], root: Path = Path("/")) -> tuple[list[Entry], list[str]]:
    """What may go back here, and which state stays because the node has its own."""
    wanted = [entry for entry in entries if entry["part"] in parts]
    tops = {str(entry["source"]) for entry in wanted if entry["part"] == STATE}
    kept = sorted(top for top in tops if _has_files(_at(root, top)))
    return [entry for entry in wanted if entry["part"] != STATE or entry["source"] not in kept], kept


def _has_files(path: Path) -> bool:
    if not path.is_dir():
        return path.exists()
    return any(child.is_file() for child in path.rglob("*"))


def _at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _number(lookup: Callable[[str], Any], name: str) -> int:
    """Of a user or group that does not exist yet: root, so that nobody else can read it until site has made it."""
    try:
        return int(lookup(name)[2])
    except KeyError:
        return int(name) if name.isdigit() else 0


def _owners(entry: Entry) -> tuple[int, int]:
    return _number(pwd.getpwnam, str(entry["owner"])), _number(grp.getgrnam, str(entry["group"]))


def differs(entry: Entry, root: Path = Path("/")) -> bool:
    """Whether the node has something else there, content, mode or owner."""
    path = _at(root, str(entry["path"]))
    if not os.path.lexists(path):
        return True
    here = _entry(path, str(entry["path"]), False)
    state = path.lstat()
    if here["kind"] != entry["kind"] or (state.st_uid, state.st_gid) != _owners(entry):
        return True
    if entry["kind"] == "link":
        return bool(here["target"] != entry["target"])
    return here["mode"] != entry["mode"] or here.get("sha256") != entry.get("sha256")


def refusals(todo: Iterable[Entry], active: Iterable[str], root: Path = Path("/")) -> list[str]:
    """Why a node that serves must not get these files."""
    running = set(active)
    found = []
    for entry in todo:
        path = str(entry["path"])
        unit = next((unit for top, unit in IN_USE.items() if path == top or path.startswith(top + "/")), None)
        if unit in running and entry["kind"] == "file" and os.path.lexists(_at(root, path)):
            found.append(
                f"{path}: {unit} runs with another one than the archive has. Its cluster has changed since; take a "
                "newer archive, or stop it on all nodes if the archive is right."
            )
    return found


def place(
    entries: Iterable[Entry], parts: Sequence[str], active: Iterable[str], check: bool, root: Path = Path("/")
) -> dict[str, Any]:
    """Make the node have what the archive has.

    Raises:
        Refused: nothing was changed.
        OSError: nothing was replaced, or the rest was not; the next run goes on.
    """
    wanted, kept = chosen(entries, parts, root)
    todo = [entry for entry in wanted if differs(entry, root)]
    if reasons := refusals(todo, active, root):
        raise Refused("; ".join(reasons))
    result = {"changed": bool(todo), "paths": [str(entry["path"]) for entry in todo], "kept": kept}
    if not check:
        _write(todo, root)
    return result


def _write(todo: Sequence[Entry], root: Path) -> None:
    directories = sorted(
        (entry for entry in todo if entry["kind"] == "directory"), key=lambda entry: len(entry["path"])
    )
    for entry in directories:
        _directory(_at(root, str(entry["path"])), entry)
    ready: list[tuple[Path, Path]] = []
    try:
        for entry in todo:
            if entry["kind"] != "directory":
                path = _at(root, str(entry["path"]))
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                ready.append((_prepared(path, entry), path))
        while ready:
            new, path = ready[0]
            new.replace(path)
            ready.pop(0)
    finally:
        for new, _path in ready:
            new.unlink()


def _directory(path: Path, entry: Entry) -> None:
    # Closed until it is known whose it is.
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(path, *_owners(entry))
    path.chmod(int(str(entry["mode"]), 8))


def _prepared(path: Path, entry: Entry) -> Path:
    """The file beside its place, written to the disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if entry["kind"] == "file":
                file.write(base64.b64decode(str(entry["content"])))
                file.flush()
                os.fchown(file.fileno(), *_owners(entry))
                os.fchmod(file.fileno(), int(str(entry["mode"]), 8))
                os.fsync(file.fileno())
        if entry["kind"] == "link":
            new.unlink()
            new.symlink_to(str(entry["target"]))
            os.chown(new, *_owners(entry), follow_symlinks=False)
    except BaseException:
        if os.path.lexists(new):
            new.unlink()
        raise
    return new
