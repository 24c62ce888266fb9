# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What lies at the declared paths. Unchanged files are known by their inode and times and are not read again."""

from __future__ import annotations

import grp
import hashlib
import os
import posixpath
import pwd
import stat
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

from .manifest import MAX_FILES, Version, path_problem
from .settings import Entry, Settings

# A file changed this shortly before it was read may change again without any new time stamp.
RACY_NS = 100_000_000
Key = Tuple[int, int, int, int, int, int, int]
Keeper = Callable[[str, bytes], None]


@dataclass
class Scan:
    files: Dict[str, Version] = field(default_factory=dict)
    keys: Dict[str, Key] = field(default_factory=dict)
    entries: Dict[str, str] = field(default_factory=dict)
    # Files that are there and are not published, and why.
    problems: Dict[str, str] = field(default_factory=dict)
    # Entries whose directory is not there: nothing of them counts as deleted.
    absent: Set[str] = field(default_factory=set)


def key_of(status: os.stat_result) -> Key:
    """What changes when a file changes."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode,
        status.st_uid << 32 | status.st_gid,
    )


class Names:
    """Names of accounts, asked once."""

    def __init__(self) -> None:
        self.users: Dict[int, str] = {}
        self.groups: Dict[int, str] = {}

    def user(self, uid: int) -> str:
        if uid not in self.users:
            try:
                self.users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self.users[uid] = str(uid)
        return self.users[uid]

    def group(self, gid: int) -> str:
        if gid not in self.groups:
            try:
                self.groups[gid] = grp.getgrgid(gid).gr_name
            except KeyError:
                self.groups[gid] = str(gid)
        return self.groups[gid]


class Cache:
    """Checksums by stat key; only a saving of time."""

    def __init__(self, known: Optional[Dict[str, Tuple[Key, str]]] = None):
        self.known = dict(known or {})
        self.fresh: Dict[str, Tuple[Key, str]] = {}

    def get(self, path: str, key: Key) -> Optional[str]:
        found = self.known.get(path)
        if found is None or found[0] != key:
            return None
        self.fresh[path] = found
        return found[1]

    def put(self, path: str, key: Key, sha256: str, read_ns: int) -> None:
        if max(key[3], key[4]) + RACY_NS < read_ns:
            self.fresh[path] = (key, sha256)


class Scanner:
    def __init__(self, settings: Settings, cache: Cache, has: Callable[[str], bool], keep: Keeper, root: str = ""):
        self.settings, self.cache, self.has, self.keep, self.root = settings, cache, has, keep, root
        self.names = Names()
        self.result = Scan()

    def scan(self) -> Scan:
        for entry in self.settings.entries:
            if entry.kind == "file":
                self.file(entry)
            else:
                self.directory(entry)
        return self.result

    def file(self, entry: Entry) -> None:
        self.result.entries[entry.path] = entry.path
        try:
            parent = os.open(self.root + posixpath.dirname(entry.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self.result.absent.add(entry.path)
            return
        try:
            self.look(entry, entry.path, posixpath.basename(entry.path), parent)
        finally:
            os.close(parent)

    def directory(self, entry: Entry) -> None:
        try:
            top = os.open(self.root + entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self.result.absent.add(entry.path)
            return
        except OSError as error:
            self.result.absent.add(entry.path)
            self.result.problems[entry.path] = f"is no directory that can be read: {error.strerror}"
            return
        try:
            for path, name, parent in self.walk(entry, entry.path, top):
                self.look(entry, path, name, parent)
        finally:
            os.close(top)

    def walk(self, entry: Entry, path: str, handle: int) -> Iterator[Tuple[str, str, int]]:
        below: List[str] = []
        for item in sorted(os.scandir(handle), key=lambda item: item.name):
            inner = f"{path}/{item.name}"
            if entry.excluded(inner[len(entry.path) + 1 :]) or self.settings.is_managed(inner):
                continue
            if item.is_dir(follow_symlinks=False):
                below.append(item.name)
            else:
                yield inner, item.name, handle
        for name in below:
            inner = f"{path}/{name}"
            try:
                opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            except OSError as error:
                self.result.problems[inner] = f"cannot be read: {error.strerror}"
                continue
            try:
                yield from self.walk(entry, inner, opened)
            finally:
                os.close(opened)

    def look(self, entry: Entry, path: str, name: str, parent: int) -> None:
        problem = path_problem(path)
        if problem or len(self.result.files) >= MAX_FILES:
            shown = path.encode("utf-8", "backslashreplace").decode()
            self.result.problems[shown] = f"the path {problem}" if problem else f"more than {MAX_FILES} files"
            return
        self.result.entries[path] = entry.path
        try:
            self.measure(entry, path, name, parent)
        except FileNotFoundError:
            pass  # gone since the directory was read
        except OSError as error:
            self.result.problems[path] = f"cannot be read: {error.strerror}"

    def measure(self, entry: Entry, path: str, name: str, parent: int) -> None:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no regular file"
            self.result.problems[path] = f"is {kind}: only regular files are kept equal"
            return
        version = self.version(status)
        problem = entry.problem(version, self.settings.object_limit_bytes)
        if problem:
            self.result.problems[path] = problem
            return
        key = key_of(status)
        sha256 = self.cache.get(path, key)
        if sha256 is None or not self.has(sha256):
            sha256 = self.read(path, name, parent, key)
            if sha256 is None:
                self.result.problems[path] = "changes while it is read"
                return
        self.result.files[path] = Version(
            sha256, version.size, version.mode, version.owner, version.group, version.mtime_ns, version.by, {}
        )
        self.result.keys[path] = key

    def version(self, status: os.stat_result) -> Version:
        owner, group = self.names.user(status.st_uid), self.names.group(status.st_gid)
        mode = stat.S_IMODE(status.st_mode)
        node = self.settings.node
        # Before 1970 counts as 1970: a manifest knows no negative numbers.
        return Version("0", status.st_size, mode, owner, group, max(0, status.st_mtime_ns), node, {})

    def read(self, path: str, name: str, parent: int, key: Key) -> Optional[str]:
        """The checksum, and the content is kept. None when it is not the file that was looked at any more."""
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        with os.fdopen(handle, "rb") as file:
            began = time.time_ns()
            data = file.read(self.settings.object_limit_bytes + 1)
            if key_of(os.fstat(handle)) != key or len(data) != key[2]:
                return None
        sha256 = hashlib.sha256(data).hexdigest()
        self.keep(sha256, data)
        self.cache.put(path, key, sha256, began)
        return sha256
