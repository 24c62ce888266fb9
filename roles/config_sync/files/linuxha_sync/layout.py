# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Where things lie, and the I/O that every part needs: files that are replaced whole, a lock that cannot go stale."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

# Called before each change of a file system, with what and where; tests let it fail or kill the program.
Step = Callable[[str, str], None]


def no_step(what: str, where: str) -> None:
    pass


class SyncError(Exception):
    """Why this node cannot do its part, in one line."""


@dataclass(frozen=True)
class Layout:
    state: Path = Path("/var/lib/linuxha-sync")
    run: Path = Path("/run/linuxha-sync")
    settings: Path = Path("/etc/linuxha/sync.json")
    # Before every declared path: several nodes in one file system, in tests.
    root: str = ""

    @classmethod
    def here(cls) -> Layout:
        names = {"state": "LINUXHA_SYNC_STATE", "run": "LINUXHA_SYNC_RUN", "settings": "LINUXHA_SYNC_SETTINGS"}
        found = {key: Path(os.environ[name]) for key, name in names.items() if name in os.environ}
        default = cls()
        return cls(*(found.get(key, getattr(default, key)) for key in names))

    @property
    def export(self) -> Path:
        return self.state / "export"

    @property
    def objects(self) -> Path:
        return self.export / "objects"

    @property
    def history(self) -> Path:
        return self.state / "history"

    @property
    def staging(self) -> Path:
        return self.state / "staging"

    @property
    def incoming(self) -> Path:
        return self.state / "incoming"

    @property
    def wanted(self) -> Path:
        """Notes of this node's units that a run is wanted; root's own."""
        return self.run / "wanted"

    @property
    def told(self) -> Path:
        """Notes of the gate that a peer wants one, of the account of the peers: root opens nothing there."""
        return self.run / "told"


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes, step: Step, mode: int = 0o600, gid: int = -1, durable: bool = True) -> None:
    """Old or new, never half. What a crash left of it is overwritten the next time.

    On the disk when this returns; when not `durable`, under its name only after sync_directory().
    """
    draft = path.with_name(f".{path.name}.new")
    step("write", str(draft))
    draft.unlink(missing_ok=True)  # it may have been left with other rights
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchown(handle, -1, gid)
        os.fchmod(handle, mode)
        os.fsync(handle)
    step("rename", str(path))
    draft.replace(path)
    if durable:
        sync_directory(path.parent)


def read_regular(path: Path, limit: int, dir_fd: Optional[int] = None) -> Optional[bytes]:
    """The bytes of a regular file; None when there is none, or another kind of thing, or more than the limit."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def read_json(path: Path) -> Dict[str, Any]:
    """The object in a file; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def as_bytes(document: Dict[str, Any]) -> bytes:
    # Without indent: that has an encoder in C.
    return (json.dumps(document, sort_keys=True) + "\n").encode()


@contextmanager
def locked(layout: Layout, wait_s: float) -> Iterator[None]:
    """One program at a time. The kernel takes the lock away from whoever dies."""
    layout.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (layout.run / "lock").open("ab") as file:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    raise SyncError(f"another run still goes on after {wait_s:g} s") from error
            time.sleep(0.05)
        yield
