# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a node says it has: a version for each path. That of a peer is input from outside and is taken for hostile."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping

from .versions import Vector

FORMAT = 1
MAX_BYTES = 16 * 1024 * 1024
MAX_FILES = 20_000
MAX_NODES = 64
MAX_NUMBER = 2**62
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


def parse_vector(value: object, where: str) -> Dict[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_NODES:
        raise ManifestError(f"{where}: vector: is no object of at most {MAX_NODES} nodes")
    for node, count in value.items():
        if not text(node, NAME) or not number(count, 1):
            raise ManifestError(f"{where}: vector: {node!r}: {count!r} is not a node and its count")
    return dict(value)


def parse_version(value: object, where: str) -> Version:
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
    vector = parse_vector(value["vector"], where)
    if sha256 == "":  # nothing of a deletion but that it is one
        return Version("", 0, 0, "", "", value["mtime_ns"], value["by"], vector)
    return Version(
        sha256, value["size"], value["mode"], value["owner"], value["group"], value["mtime_ns"], value["by"], vector
    )


def parse_files(value: object) -> Files:
    if not isinstance(value, dict) or len(value) > MAX_FILES:
        raise ManifestError(f"files: is no object of at most {MAX_FILES} files")
    files = {}
    for path, item in value.items():
        problem = path_problem(path)
        if problem:
            raise ManifestError(f"files: {path!r}: the path {problem}")
        files[path] = parse_version(item, f"files: {path}")
    return files


def load(data: bytes) -> Dict[str, Any]:
    """The object in these bytes; errors of JSON become errors of the manifest."""
    if len(data) > MAX_BYTES:
        raise ManifestError(f"is larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError("is no object")
    return document


def parse(data: bytes, node: str) -> Files:
    """The files of the manifest of `node`; any fault of form refuses the whole."""
    document = load(data)
    if document.get("format") != FORMAT:
        raise ManifestError(f"format: {document.get('format')!r} is not {FORMAT}; bring the nodes to one version")
    if document.get("node") != node:
        raise ManifestError(f"node: {document.get('node')!r} is not {node!r}")
    return parse_files(document.get("files"))


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
