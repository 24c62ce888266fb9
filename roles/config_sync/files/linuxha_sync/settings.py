# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The settings of this node: /etc/linuxha/sync.json, with every problem at once."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from .manifest import ACCOUNT, NAME, Version, number, path_problem, text

POLICIES = ("newest", "primary", "refuse")
KINDS = ("file", "directory")
# Names of files that are being put into place; never published.
DRAFT = ".linuxha-sync-"


class SettingsError(Exception):
    """All problems of the settings, one in a line."""


@dataclass(frozen=True)
class Entry:
    """One file, or all files below one directory. Empty `modes`: whatever is neither set-id nor writable for all."""

    name: str
    path: str
    kind: str
    conflict: str
    delete: bool = False
    exclude: Tuple[str, ...] = ()
    check: Tuple[str, ...] = ()
    action: Tuple[str, ...] = ()
    owners: Tuple[str, ...] = ("root",)
    groups: Tuple[str, ...] = ("root",)
    modes: Tuple[int, ...] = ()

    def covers(self, path: str) -> bool:
        if self.kind == "file":
            return path == self.path
        return path.startswith(self.path + "/") and not self.excluded(path[len(self.path) + 1 :])

    def excluded(self, relative: str) -> bool:
        """A pattern is for a name at any depth, or for the whole path below the directory."""
        parts = relative.split("/")
        if any(part.startswith(DRAFT) for part in parts):
            return True
        return any(fnmatch.fnmatchcase(part, pattern) for pattern in self.exclude for part in [*parts, relative])

    def problem(self, version: Version, limit: int) -> str:
        """Why a version may not lie at a path of this entry; empty when it may."""
        if version.deleted:
            return ""
        if version.size > limit:
            return f"has {version.size} bytes, more than object_limit_bytes {limit}"
        if version.owner not in self.owners:
            return f"belongs to {version.owner}, which is not in owners of {self.name}: {', '.join(self.owners)}"
        if version.group not in self.groups:
            return f"has the group {version.group}, which is not in groups of {self.name}: {', '.join(self.groups)}"
        allowed = version.mode in self.modes if self.modes else not version.mode & 0o7002
        if not allowed:
            return f"has the mode {version.mode:04o}, which {self.name} does not allow"
        return ""


@dataclass(frozen=True)
class Peer:
    name: str
    addresses: Tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    node: str
    primary: str
    skew_limit_s: float
    keep_days: float
    object_limit_bytes: int
    port: int
    user: str
    peers: Tuple[Peer, ...]
    key: str
    known_hosts: str
    entries: Tuple[Entry, ...]
    managed: FrozenSet[str]
    batch_limit_bytes: int = 67108864
    reserve_percent: int = 10

    @property
    def members(self) -> FrozenSet[str]:
        """The nodes whose edits count."""
        return frozenset([self.node, *(peer.name for peer in self.peers)])

    def is_managed(self, path: str) -> bool:
        """Whether Ansible has this file, or a directory above it."""
        while path not in self.managed:
            path = path.rpartition("/")[0]
            if not path:
                return False
        return True

    def entry(self, path: str) -> Optional[Entry]:
        """The entry that declares this path; none for a file that Ansible manages."""
        if self.is_managed(path):
            return None
        return next((entry for entry in self.entries if entry.covers(path)), None)


class Reader:
    """Reads values of one object and gathers what is wrong with them."""

    def __init__(self, document: Dict[str, Any], where: str, problems: List[str]):
        self.document, self.where, self.problems = document, where, problems
        self.asked: set[str] = set()

    def wrong(self, key: str, reason: str) -> None:
        value = self.document.get(key)
        self.problems.append(f"{self.where}{key}: {value!r} {reason}")

    def get(self, key: str, good: Any, reason: str, default: Any = None) -> Any:
        self.asked.add(key)
        value = self.document.get(key)
        if value is None and default is not None:
            return default
        if not good(value):
            self.wrong(key, reason)
            return default
        return value

    def need(self, key: str, good: Any, reason: str, instead: str) -> Any:
        """What has no default; `instead` only lets the reading go on."""
        self.asked.add(key)
        value = self.document.get(key)
        if good(value):
            return value
        self.wrong(key, reason)
        return instead

    def words(self, key: str, good: Any, reason: str, default: Tuple[str, ...] = ()) -> Tuple[str, ...]:
        def fine(value: object) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) and item and good(item) for item in value)

        return tuple(self.get(key, fine, f"is no list of {reason}", default))

    def unknown(self) -> None:
        for key in sorted(set(self.document) - self.asked):
            self.problems.append(f"{self.where}{key}: is no known setting")


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def is_anything(value: object) -> bool:
    return True


def is_name(value: object) -> bool:
    return text(value, NAME)


def is_account(value: object) -> bool:
    return text(value, ACCOUNT)


def is_amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def is_flag(value: object) -> bool:
    return isinstance(value, bool)


def is_path(value: object) -> bool:
    return not path_problem(value)


def is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def is_mode(value: str) -> bool:
    try:
        return 0 <= int(value, 8) <= 0o777
    except ValueError:
        return False


def is_program(argv: object) -> bool:
    words = isinstance(argv, list) and bool(argv) and all(is_text(word) for word in argv)
    return words and isinstance(argv, list) and not argv[0].startswith("{")


def objects(document: Dict[str, Any], key: str, problems: List[str]) -> List[Tuple[str, Dict[str, Any]]]:
    """The list of objects at this key, each with where it is."""
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        problems.append(f"{key}: is no list of objects")
        return []
    return [(f"{key}[{number_}].", item) for number_, item in enumerate(value)]


def parse_entry(document: Dict[str, Any], where: str, default: str, problems: List[str]) -> Entry:
    read = Reader(document, where, problems)
    argv = "is no program with its arguments"
    entry = Entry(
        name=read.need("name", is_name, "is no name", "?"),
        path=read.need("path", is_path, "is no absolute path in its shortest form", "/?"),
        kind=read.need("kind", lambda value: value in KINDS, f"is none of {', '.join(KINDS)}", "file"),
        conflict=read.get("conflict", lambda value: value in POLICIES, f"is none of {', '.join(POLICIES)}", default),
        delete=read.get("delete", is_flag, "is neither true nor false", False),
        exclude=read.words("exclude", is_anything, "patterns"),
        check=tuple(read.get("check", is_program, argv, ())),
        action=tuple(read.get("action", is_program, argv, ())),
        owners=read.words("owners", is_account, "accounts", ("root",)),
        groups=read.words("groups", is_account, "groups", ("root",)),
        modes=tuple(int(mode, 8) for mode in read.words("modes", is_mode, "octal modes up to 0777")),
    )
    marks = [mark for mark in ("{file}", "{directory}") if any(mark in word for word in entry.check)]
    if entry.check and not marks:
        read.wrong("check", "names neither {file} nor {directory}, so it would check nothing")
    if "{directory}" in marks and entry.kind == "file":
        read.wrong("check", "names {directory}, but the entry is a file")
    read.unknown()
    return entry


def parse_peer(document: Dict[str, Any], where: str, problems: List[str]) -> Peer:
    read = Reader(document, where, problems)
    peer = Peer(read.need("name", is_name, "is no name", "?"), read.words("addresses", is_address, "addresses"))
    if not peer.addresses:
        read.wrong("addresses", "has no address")
    read.unknown()
    return peer


def inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory + "/")


def overlaps(settings: Settings) -> List[str]:
    """Two entries for one file, or an entry for a file that Ansible manages, would fight."""
    problems = []
    for number_, entry in enumerate(settings.entries):
        for other in settings.entries[number_ + 1 :]:
            if inside(entry.path, other.path) or inside(other.path, entry.path):
                problems.append(f"entries: {entry.name} ({entry.path}) and {other.name} ({other.path}) overlap")
        for path in sorted(settings.managed):
            if inside(entry.path, path) or (entry.kind == "directory" and entry.covers(path)):
                problems.append(f"entries: {entry.name} ({entry.path}) has {path} in it, which Ansible manages")
    for what, names in (
        ("entries", [entry.name for entry in settings.entries]),
        ("peers", [settings.node, *(peer.name for peer in settings.peers)]),
    ):
        problems += [f"{what}: the name {name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    return problems


def parse(data: str) -> Settings:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise SettingsError(f"is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError("is no object")
    problems: List[str] = []
    read = Reader(document, "", problems)
    read.asked |= {"peers", "entries"}
    default = read.get("conflict", lambda value: value in POLICIES, f"is none of {', '.join(POLICIES)}", "refuse")
    settings = Settings(
        node=read.need("node", is_name, "is no name", "?"),
        primary=read.get("primary", lambda value: value == "" or is_name(value), "is no name", ""),
        skew_limit_s=read.get("skew_limit_s", is_amount, "is no number above 0", 2.0),
        keep_days=read.get("keep_days", is_amount, "is no number above 0", 30),
        object_limit_bytes=read.get("object_limit_bytes", lambda value: number(value, 1), "is no size", 16777216),
        port=read.get("port", lambda value: number(value, 1, 65535), "is no port", 8730),
        user=read.get("user", is_account, "is no account", "linuxha-sync"),
        peers=tuple(parse_peer(item, where, problems) for where, item in objects(document, "peers", problems)),
        key=read.get("key", is_path, "is no absolute path", "/etc/linuxha/sync/id_ed25519"),
        known_hosts=read.get("known_hosts", is_path, "is no absolute path", "/etc/linuxha/sync/known_hosts"),
        entries=tuple(
            parse_entry(item, where, default, problems) for where, item in objects(document, "entries", problems)
        ),
        managed=frozenset(read.words("managed", is_path, "absolute paths")),
        batch_limit_bytes=read.get("batch_limit_bytes", lambda value: number(value, 1), "is no size", 67108864),
        reserve_percent=read.get("reserve_percent", lambda value: number(value, 1, 90), "is not 1 to 90", 10),
    )
    read.unknown()
    if "primary" in {entry.conflict for entry in settings.entries} and not settings.primary:
        problems.append("primary: is empty, but the policy primary is used")
    problems += overlaps(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings
