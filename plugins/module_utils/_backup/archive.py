# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The archive itself: its text, its manifest, whether it is whole, and whether it belongs to this node."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .._cib.shapes import SECTIONS
from .._cib.state import key_of
from .sources import PARTS, is_clean

FORMAT = 1
SUFFIX = ".vault"
KINDS = ("file", "link", "directory")
_NAME = re.compile(r"\d{8}T\d{6}Z" + re.escape(SUFFIX))
#: What a restore may be told to accept though it is not as in the archive.
ACCEPTABLE = ("hostname", "release")


class ArchiveError(ValueError):
    """An archive that must not be used. The message says which part, why, and what to do."""


def digest(data: Any) -> str:
    """Of what an archive holds, so that one without news is not written again."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def build(
    identity: Mapping[str, str],
    made_at: str,
    system: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    plan: Mapping[str, Any],
    cib: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """An archive as data.

    Args:
        identity: `cluster` and `node`.
        made_at: when.
        system: `hostname`, `release`, `versions` of the node, and those of the controller.
        entries: files with their content.
        plan: what the inventory said.
        cib: what cib_info returned, or None where there is no cluster of Pacemaker.
    """
    content = {"entries": list(entries), "plan": dict(plan), "cib": None if cib is None else dict(cib)}
    return {
        "format": FORMAT,
        "identity": dict(identity),
        "made_at": made_at,
        "system": dict(system),
        "manifest": {str(entry["path"]): _mark(entry) for entry in entries},
        "digest": digest(content),
        **content,
    }


def _mark(entry: Mapping[str, Any]) -> str:
    return str(entry.get("sha256") or entry.get("target") or entry["kind"])


def text(archive: Mapping[str, Any]) -> bytes:
    """What is encrypted: JSON in lines, which can be read without this collection when that is needed."""
    return (json.dumps(archive, indent=1, sort_keys=True) + "\n").encode()


def parse(data: bytes) -> dict[str, Any]:
    """An archive from its text, with everything that a restore relies on checked.

    Raises:
        ArchiveError: it cannot be used.
    """
    try:
        archive = json.loads(data)
    except ValueError as problem:
        raise ArchiveError(f"the archive is no JSON: {problem}. It was not written by this collection.") from problem
    if not isinstance(archive, dict) or "format" not in archive:
        raise ArchiveError("the archive has no format. It was not written by this collection.")
    if archive["format"] != FORMAT:
        raise ArchiveError(
            f"format: {archive['format']}: this version reads {FORMAT}. Use the collection's version that wrote it."
        )
    kinds = {"identity": dict, "system": dict, "manifest": dict, "entries": list, "plan": dict, "made_at": str}
    for key, kind in kinds.items():
        if not isinstance(archive.get(key), kind):
            raise ArchiveError(f"{key}: is missing or of another kind. The archive is damaged; take another one.")
    problems = [problem for entry in archive["entries"] for problem in _problems(entry, archive["manifest"])]
    if not problems:
        problems = list(_clashes(archive["entries"]))
    listed = {entry["path"] for entry in archive["entries"] if isinstance(entry, dict) and "path" in entry}
    problems += [
        f"{path}: is in the manifest and not in the archive" for path in sorted(archive["manifest"].keys() - listed)
    ]
    content = {key: archive.get(key) for key in ("entries", "plan", "cib")}
    if not problems and archive.get("digest") != digest(content):
        problems = ["digest: is not that of the content"]
    if problems:
        raise ArchiveError("; ".join(problems) + ". The archive is damaged; take another one.")
    return archive


def _problems(entry: Any, manifest: Mapping[str, Any]) -> Iterable[str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        yield "entries: one has no path"
        return
    path = entry["path"]
    if not is_clean(path):
        yield f"{path!r}: is no clean absolute path"
    if entry.get("kind") not in KINDS or entry.get("part") not in PARTS:
        yield f"{path}: kind {entry.get('kind')!r} or part {entry.get('part')!r} is not known"
        return
    if not re.fullmatch(r"[0-7]{4}", str(entry.get("mode"))) or not all(
        entry.get(key) for key in ("owner", "group", "source")
    ):
        yield f"{path}: mode, owner, group or source is missing"
    if entry["kind"] == "file":
        try:
            data = base64.b64decode(str(entry.get("content")), validate=True)
        except binascii.Error:
            data = b""
        if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
            yield f"{path}: the content is not that of its checksum"
    elif entry["kind"] == "link" and not isinstance(entry.get("target"), str):
        yield f"{path}: a link without a target"
    if manifest.get(path) != _mark(entry):
        yield f"{path}: is not what the manifest says"


def _clashes(entries: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Entries that cannot all be as they say; written one after the other, one could lead where another goes."""
    kinds: dict[str, str] = {}
    for entry in entries:
        if entry["path"] in kinds:
            yield f"{entry['path']}: is there twice"
        kinds[entry["path"]] = entry["kind"]
    for path in kinds:
        above = posixpath.dirname(path)
        while above != "/":
            if kinds.get(above, "directory") != "directory":
                yield f"{path}: is below {above}, a {kinds[above]}"
            above = posixpath.dirname(above)


def foreign(
    archive: Mapping[str, Any], identity: Mapping[str, str], system: Mapping[str, Any], accept: Collection[str] = ()
) -> list[str]:
    """Why this archive does not belong on this node. Empty when it does.

    Args:
        archive: the archive.
        identity: `cluster` and `node` in the inventory.
        system: `hostname` and `release` of the node that was reached.
        accept: of ACCEPTABLE.
    """
    found = []
    for key in ("cluster", "node"):
        if archive["identity"].get(key) != identity[key]:
            found.append(f"{key}: the archive is of {archive['identity'].get(key)!r}, this is {identity[key]!r}")
    then, now = archive["system"].get("hostname"), system.get("hostname")
    if then != now and "hostname" not in accept:
        found.append(
            f"hostname: the machine calls itself {now!r}, the archive is of {then!r}. Is it the right machine? Name it "
            "so, or accept: [hostname]."
        )
    before, after = archive["system"].get("release"), system.get("release")
    if _older(str(after), str(before)) and "release" not in accept:
        found.append(
            f"release: the machine runs {after}, the archive is of {before}. Programs may not read newer data; install "
            "that release, or accept: [release]."
        )
    return found


def _older(after: str, before: str) -> bool:
    """Another system, or an older release of it. What has no number is not judged."""
    numbers = [re.fullmatch(r"(\S+) (\d+)(?:\.\d+)*", text) for text in (after, before)]
    if None in numbers:
        return after != before
    (system_after, after_number), (system_before, before_number) = (match.groups() for match in numbers if match)
    return system_after != system_before or int(after_number) < int(before_number)


def newest(names: Iterable[str]) -> str | None:
    """The last archive of a directory."""
    return max((name for name in names if _NAME.fullmatch(name)), default=None)


def expired(names: Iterable[str], keep: int) -> list[str]:
    """Which archives are too many; at least one is kept. Other files are nobody's business."""
    known = sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)
    return sorted(known[max(1, keep) :])


def added(cib: Mapping[str, Any], owner: str) -> dict[str, list[Any]]:
    """What others than `owner` have configured: the objects that a deployment does not make.

    Nodes come with the cluster, and properties from the inventory.
    """
    configuration = cib.get("configuration") or {}
    theirs = set((cib.get("owners") or {}).get(owner) or [])
    found = {}
    for word in (word for word in SECTIONS if word != "nodes"):
        items = [
            item for item in configuration.get(word) or [] if f"{word}:{key_of(SECTIONS[word], item)}" not in theirs
        ]
        if items:
            found[word] = items
    return found
