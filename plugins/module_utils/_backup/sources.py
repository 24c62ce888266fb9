# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a backup takes, in which part, and what a restore does with each part."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Optional

# KEYS make the node the one that it is for others: they go back wherever they are other. STATE was gathered while it
# served: it goes back only to a node that has none, since what a node has is newer. HOST_KEYS are those of its SSH
# server. REFERENCE is made by site; it is kept to be read, and never goes back.
KEYS, STATE, HOST_KEYS, REFERENCE = "keys", "state", "host_keys", "reference"
PARTS = (KEYS, STATE, HOST_KEYS, REFERENCE)


@dataclass(frozen=True)
class Source:
    """A file, a directory with everything in it, or a pattern, and the names of files in it that are left out."""

    path: str
    part: str
    exclude: Sequence[str] = ()


SOURCES = (
    Source("/etc/corosync/authkey", KEYS),
    # The node's own key for the quorum device with its certificate, and the authority on the host of the device.
    Source("/etc/corosync/qdevice/net", KEYS),
    Source("/etc/corosync/qnetd", KEYS),
    Source("/etc/linuxha/sync", KEYS),
    # A forgotten maintenance must not come back with a machine; how often it moved lately is nothing to keep.
    Source("/var/lib/linuxha", STATE, ("maintenance.json", "damping.json")),
    # Old versions only. With its versions back and its files not, a bare machine would take what is installed there for
    # edits of today, and bring them to the others.
    Source("/var/lib/linuxha-sync/history", STATE),
    Source("/etc/ssh/ssh_host_*_key", HOST_KEYS),
    Source("/etc/ssh/ssh_host_*_key.pub", HOST_KEYS),
    Source("/etc/linuxha", REFERENCE),
    Source("/etc/keepalived", REFERENCE),
    Source("/etc/conntrackd", REFERENCE),
    Source("/etc/corosync/corosync.conf", REFERENCE),
    Source("/etc/modules-load.d/linuxha.conf", REFERENCE),
    Source("/etc/sysctl.d/60-linuxha.conf", REFERENCE),
    Source("/etc/network", REFERENCE),
    Source("/etc/systemd/network", REFERENCE),
    Source("/var/lib/pacemaker/cib/cib.xml", REFERENCE),
)


def sources(host_keys: bool, more: Iterable[str] = ()) -> list[Source]:
    """What to take. Where two of them have the same file, the first counts."""
    own = [Source(path, KEYS) for path in more]
    return [*own, *(source for source in SOURCES if host_keys or source.part != HOST_KEYS)]


def is_clean(path: Any) -> bool:
    """Whether this is an absolute path that says where it leads: without dots, and not the root itself."""
    if not isinstance(path, str):
        return False
    # normpath keeps two slashes at the beginning, which POSIX allows to mean something else.
    return path.startswith("/") and not path.startswith("//") and posixpath.normpath(path) == path != "/"


def home(path: str, wanted: Iterable[Source]) -> Optional[tuple[Source, str]]:
    """The first source that takes this path, and the place in the tree that it names; None when none does."""
    names = path.split("/")[1:]
    for source in wanted:
        pattern = [word for word in source.path.split("/") if word not in ("", ".")]
        for depth in range(1, len(names) + 1):
            inside = names[depth - 1 :]
            if _matches(names[:depth], pattern) and not any(
                fnmatchcase(name, skipped) for name in inside for skipped in source.exclude
            ):
                return source, "/" + "/".join(names[:depth])
    return None


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """As the node looks for a pattern: each word is for one name, and two stars are for any number of them."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_matches(names[count:], pattern[1:]) for count in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])


def unasked(entries: Iterable[Any], wanted: Sequence[Source]) -> Iterator[str]:
    """What nobody has asked the node for. A node answers what it likes, and a restore writes it as root."""
    for entry in entries:
        given = entry if isinstance(entry, Mapping) else {}
        path, part, top = given.get("path"), given.get("part"), given.get("source")
        found = home(str(path), wanted) if is_clean(path) else None
        if found is None:
            yield f"{path!r} (part {part!r}) is none of the paths that are wanted of this node"
        elif (part, top) != (found[0].part, found[1]):
            yield f"{path!r} (part {part!r} of {top!r}) is wanted as part {found[0].part!r} of {found[1]!r}"


def unfit(entry: Mapping[str, Any]) -> Optional[str]:
    """Why this must not go back on a node though its place is right: it would reach out of that place."""
    if entry["part"] == REFERENCE:
        return None
    kind, mode, target = entry.get("kind"), str(entry.get("mode")), str(entry.get("target"))
    if kind == "file" and not mode.startswith("0"):
        return f"a file of mode {mode}, which lends its owner's rights"
    if kind == "link" and _leads_out(str(entry["path"]), target, str(entry["source"])):
        return f"a link to {target!r}, which is not in {entry['source']}"
    return None


def _leads_out(path: str, target: str, top: str) -> bool:
    words = [word for word in target.split("/") if word not in ("", ".")]
    while words and words[0] == "..":
        words.pop(0)
    # Behind another link, two dots lead to where nobody can tell from the text.
    where = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return ".." in words or not where.startswith(f"{top}/")
