# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a node says it has: a version for each path. That of a peer is input from outside and is taken for hostile."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Mapping, Optional

from .versions import Vector

FORMAT = 1
# What a peer may send, and so what this node may grow to by what it takes from peers (see Room).
MAX_BYTES = 16 * 1024 * 1024
MAX_FILES = 20_000
MAX_DELETIONS = 5_000
# Each file has two objects, itself and its vector. As much again is for paths with such letters in them.
OBJECTS_EACH = 4
MAX_NUMBER = 2**62
# Counters are seconds (see versions.py). Beyond this nobody counts, however wrong its clock; and since the bound moves
# on, a counter that a peer has driven up to it can be counted on by the others a moment later.
HORIZON_S = 20 * 366 * 86400
# For a node whose own clock starts in 1970.
EARLIEST_S = 1_767_225_600
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}\$?", re.IGNORECASE)
KEYS = {"sha256", "size", "mode", "owner", "group", "mtime_ns", "by", "vector"}


class ManifestError(Exception):
    """Where a manifest is wrong and why, in one line."""


@dataclass(frozen=True)
class Version:
    """One version of one file. `sha256` is empty when the file was deleted; `by` is the node that made the content."""

    sha256: str
    size: int
    mode: int
    owner: str
    group: str
    mtime_ns: int
    by: str
    vector: Vector

    @property
    def deleted(self) -> bool:
        return not self.sha256

    def same(self, other: Version) -> bool:
        """Whether a reader of the file would see no difference."""
        return self.content() == other.content()

    def content(self) -> tuple[str, int, str, str]:
        return (self.sha256, self.mode, self.owner, self.group)

    def short(self) -> str:
        return self.sha256[:12] or "deletion"


Files = Dict[str, Version]


@dataclass(frozen=True)
class Bounds:
    """What a peer is believed. Our own manifest is read without: else a peer could make it unreadable for ourselves."""

    members: FrozenSet[str]
    now_ns: int

    @property
    def count(self) -> int:
        return max(self.now_ns // 1_000_000_000, EARLIEST_S) + HORIZON_S


class Room:
    """What this node still takes of files that it never had: its manifest has to stay one that its peers accept."""

    def __init__(self, files: Mapping[str, Version]):
        self.known = files
        dead = sum(version.deleted for version in files.values())
        self.files = MAX_FILES - (len(files) - dead)
        # Half: the deletions that are made here have the other half, and none is forgotten for those of peers.
        self.deletions = MAX_DELETIONS // 2 - dead
        self.bytes: Optional[int] = None

    def refusal(self, path: str, version: Version) -> str:
        """Why it is not taken; empty when it is, and then it has its room."""
        if self.bytes is None:  # three quarters: records grow by the counters of nodes that join
            self.bytes = MAX_BYTES * 3 // 4 - len(render("", self.known))
        size = len(json.dumps({path: as_json(version)}))
        if version.deleted:
            if self.deletions < 1:
                return f"{MAX_DELETIONS // 2} deletions are remembered"
            self.deletions -= 1
        else:
            if self.files < 1:
                return f"{MAX_FILES} files are declared"
            self.files -= 1
        if self.bytes < size:
            return f"the manifest would be larger than {MAX_BYTES * 3 // 4} bytes"
        self.bytes -= size
        return ""


def path_problem(path: object) -> str:
    """Why this is no path that may be in a manifest; empty when it is one."""
    if not isinstance(path, str) or not path:
        return "is no text"
    if not path.startswith("/") or path.startswith("//"):
        return "is not absolute"
    if posixpath.normpath(path) != path or path == "/":
        return "is not in its shortest form (no '..', '.', '//' or '/' at the end)"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        return "has control characters"
    try:
        parts = path.encode("utf-8").split(b"/")
    except UnicodeEncodeError:
        return "is no UTF-8"
    if len(path) > 2048 or any(len(part) > 255 for part in parts):
        return "is too long"
    return ""


def number(value: object, least: int = 0, most: int = MAX_NUMBER) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def parse_vector(value: object, where: str, bounds: Optional[Bounds] = None) -> Dict[str, int]:
    if not isinstance(value, dict):
        raise ManifestError(f"{where}: vector: is no object")
    for node, count in value.items():
        whole = isinstance(count, int) and not isinstance(count, bool) and count >= 1
        if not text(node, NAME) or not whole:
            raise ManifestError(f"{where}: vector: {node!r}: {count!r} is not a node and its count")
        if bounds is not None and node not in bounds.members:
            raise ManifestError(
                f"{where}: vector: {node} is no node in the settings here; bring the settings of all nodes to one state"
            )
        if bounds is not None and count > bounds.count:
            raise ManifestError(f"{where}: vector: {node}: the count {count} is more than {bounds.count}")
    return dict(value)


def parse_version(value: object, where: str, bounds: Optional[Bounds] = None) -> Version:
    if not isinstance(value, dict) or set(value) != KEYS:
        raise ManifestError(f"{where}: has not exactly the keys {', '.join(sorted(KEYS))}")
    sha256 = value["sha256"]
    checks = {
        "sha256": sha256 == "" or text(sha256, SHA256),
        "size": number(value["size"]),
        "mode": number(value["mode"], 0, 0o7777),
        "owner": text(value["owner"], ACCOUNT) or sha256 == "",
        "group": text(value["group"], ACCOUNT) or sha256 == "",
        "mtime_ns": number(value["mtime_ns"]),
        "by": text(value["by"], NAME),
    }
    for key, good in checks.items():
        if not good:
            raise ManifestError(f"{where}: {key}: {value[key]!r} is not possible")
    vector = parse_vector(value["vector"], where, bounds)
    if sha256 == "":  # nothing of a deletion but that it is one; one of tomorrow would never be forgotten
        deleted_ns = value["mtime_ns"] if bounds is None else min(value["mtime_ns"], bounds.now_ns)
        return Version("", 0, 0, "", "", deleted_ns, value["by"], vector)
    return Version(
        sha256, value["size"], value["mode"], value["owner"], value["group"], value["mtime_ns"], value["by"], vector
    )


def parse_files(value: object, bounds: Optional[Bounds] = None) -> Files:
    if not isinstance(value, dict):
        raise ManifestError("files: is no object")
    if bounds is not None and len(value) > MAX_FILES + MAX_DELETIONS:
        raise ManifestError(f"files: are {len(value)}, more than {MAX_FILES + MAX_DELETIONS}")
    files = {}
    for path, item in value.items():
        problem = path_problem(path)
        if problem:
            raise ManifestError(f"files: {path!r}: the path {problem}")
        files[path] = parse_version(item, f"files: {path}", bounds)
    dead = sum(version.deleted for version in files.values())
    if bounds is not None and dead > MAX_DELETIONS:
        raise ManifestError(f"files: {dead} of them are deletions, more than {MAX_DELETIONS}")
    return files


def load(data: bytes) -> Dict[str, Any]:
    """The object in these bytes; errors of JSON become errors of the manifest."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError("is no object")
    return document


def parse(data: bytes, node: str, bounds: Bounds) -> Files:
    """The files of the manifest of the peer `node`; any fault of form refuses the whole."""
    if len(data) > MAX_BYTES:
        raise ManifestError(f"is larger than {MAX_BYTES} bytes")
    # Before anything is made of it: what consists of empty objects takes 35 times its size of memory.
    found, most = data.count(b"{") + data.count(b"["), OBJECTS_EACH * (MAX_FILES + MAX_DELETIONS)
    if found > most:
        raise ManifestError(f"has too many objects: {found}, more than {most}; declare fewer files")
    document = load(data)
    if document.get("format") != FORMAT:
        raise ManifestError(f"format: {document.get('format')!r} is not {FORMAT}; bring the nodes to one version")
    if document.get("node") != node:
        raise ManifestError(f"node: {document.get('node')!r} is not {node!r}")
    return parse_files(document.get("files"), bounds)


def as_json(version: Version) -> Dict[str, Any]:
    return {
        "sha256": version.sha256,
        "size": version.size,
        "mode": version.mode,
        "owner": version.owner,
        "group": version.group,
        "mtime_ns": version.mtime_ns,
        "by": version.by,
        "vector": dict(version.vector),
    }


def render(node: str, files: Mapping[str, Version]) -> bytes:
    document = {"format": FORMAT, "node": node, "files": {path: as_json(files[path]) for path in sorted(files)}}
    return (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode()
