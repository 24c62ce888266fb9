# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`firewall_cluster.config_sync`, and the variables of the role config_sync: the same keys, the same reader."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any, Optional

from . import types as t
from .problems import Problems, nearest
from .reader import Reader

KEYS = (
    "entries",
    "conflict",
    "primary",
    "skew_limit_ms",
    "keep_days",
    "object_limit_bytes",
    "batch_limit_bytes",
    "reserve_percent",
    "interval_s",
    "port",
)
LISTS = ("exclude", "check", "action", "owners", "groups", "modes")
ENTRY_KEYS = ("name", "path", "kind", "delete", "conflict", *LISTS)
CONFLICTS = ("newest", "primary", "refuse")
KINDS = ("file", "directory")
# What can be written unquoted in a unit file, and is the same in every file system.
_PATH = re.compile(r"(?:/[A-Za-z0-9._@+,:=~-]+)+")
_WORD = re.compile(r"[^\0\n]+")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_MODE = re.compile(r"0?[0-7]{3}")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
PLACEHOLDERS = {"file": ("file",), "directory": ("file", "directory")}

#: What the roles of this collection write: a playbook would undo what the sync brings, and the other way round.
MANAGED = (
    "/etc/conntrackd",
    "/etc/corosync",
    "/etc/default/corosync-qnetd",
    "/etc/keepalived/keepalived.conf",
    "/etc/linuxha",
    "/etc/modules-load.d/linuxha.conf",
    "/etc/sysctl.d/60-linuxha.conf",
    "/etc/systemd/system/conntrackd.service.d/linuxha.conf",
    "/etc/systemd/system/keepalived.service.d/linuxha.conf",
    "/etc/systemd/system/linuxha-conntrackd-watch.service",
    "/etc/systemd/system/linuxha-journal.service",
    "/etc/systemd/system/linuxha-maintenance.service",
    "/etc/systemd/system/linuxha-maintenance.timer",
    "/etc/systemd/system/linuxha-rules.service",
    "/etc/systemd/system/linuxha-sync-sshd.socket",
    "/etc/systemd/system/linuxha-sync-sshd@.service",
    "/etc/systemd/system/linuxha-sync-told.path",
    "/etc/systemd/system/linuxha-sync-told.service",
    "/etc/systemd/system/linuxha-sync-watch.service",
    "/etc/systemd/system/linuxha-sync.path",
    "/etc/systemd/system/linuxha-sync.service",
    "/etc/systemd/system/linuxha-sync.timer",
    "/etc/systemd/system/linuxha-takeover.service",
    "/etc/systemd/system/pacemaker.service.d/linuxha.conf",
    "/etc/tmpfiles.d/linuxha-keepalived.conf",
    "/etc/tmpfiles.d/linuxha-sync.conf",
    "/etc/tmpfiles.d/linuxha-takeover.conf",
    "/etc/tmpfiles.d/linuxha.conf",
    "/usr/lib/ocf/resource.d/linuxha",
    "/usr/local/lib/linuxha-sync",
    "/usr/local/libexec/linuxha",
    "/usr/local/sbin/linuxha-journal",
    "/usr/local/sbin/linuxha-maintenance",
    "/usr/local/sbin/linuxha-rules",
    "/usr/local/sbin/linuxha-sync",
    "/var/lib/linuxha",
    "/var/lib/linuxha-sync",
    "/var/lib/pacemaker",
)
#: What makes a node this one and no other.
OWN = (
    "/dev",
    "/etc/fstab",
    "/etc/hostname",
    "/etc/machine-id",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
)


def read(r: Reader, problems: Problems) -> t.ConfigSync:
    """Everything but who the nodes are."""
    if not r.has("entries"):
        r.missing("entries", "List what is to be the same on all nodes.")
    entries = tuple(
        _entry(Reader(item, f"{r.at('entries')}[{number}]", ENTRY_KEYS, problems))
        for number, item in enumerate(r.items("entries"))
    )
    _apart(entries, r.at("entries"), problems)
    return t.ConfigSync(
        entries=entries,
        conflict=r.choice("conflict", CONFLICTS, "newest"),
        primary=str(r.raw.get("primary") or ""),
        skew_limit_ms=r.number("skew_limit_ms", 1, 3_600_000, 2000, unit=" ms"),
        keep_days=r.number("keep_days", 1, 3650, 30, unit=" days"),
        object_limit_bytes=r.number("object_limit_bytes", 1024, 1 << 30, 16_777_216, unit=" bytes"),
        batch_limit_bytes=r.number("batch_limit_bytes", 1024, 1 << 34, 67_108_864, unit=" bytes"),
        reserve_percent=r.number("reserve_percent", 1, 90, 10, unit=" %"),
        interval_s=r.number("interval_s", 5, 86_400, 60, unit=" s"),
        port=r.number("port", 1, 65_535, 8730, code="port"),
    )


def check_primary(sync: t.ConfigSync, nodes: Collection[str], path: str, problems: Problems) -> None:
    if sync.primary and sync.primary not in nodes:
        problems.error("choice", path, sync.primary, "is no node of this cluster", nearest(sync.primary, nodes))


def _entry(r: Reader) -> t.SyncEntry:
    kind = r.choice("kind", KINDS, "file")
    exclude = tuple(_words(r, "exclude"))
    if exclude and kind == "file":
        r.error("exclude", "exclude", "belongs to kind: directory", "Remove it, or write kind: directory.")
    entry = t.SyncEntry(
        name=r.name("name", r"[a-z0-9][a-z0-9_-]{0,30}", "1 to 31 of a-z 0-9 _ -"),
        path=_path(r),
        kind=kind,
        delete=r.flag("delete", False),
        exclude=exclude,
        conflict=r.choice("conflict", CONFLICTS, "") if r.has("conflict") else "",
        check=tuple(_words(r, "check")),
        action=tuple(_words(r, "action")),
        owners=tuple(_words(r, "owners", _ACCOUNT, "a name of an account")),
        groups=tuple(_words(r, "groups", _ACCOUNT, "a name of a group")),
        modes=tuple(_words(r, "modes", _MODE, 'a mode in quotes, such as "0640"')),
    )
    _placeholders(r, entry)
    _foreign(r, entry)
    return entry


def _path(r: Reader) -> str:
    value = r.raw.get("path")
    if value is None:
        r.missing("path", "Write the absolute path of the file or directory.")
        return ""
    plain = isinstance(value, str) and _PATH.fullmatch(value) and not {".", ".."} & set(value.split("/"))
    if not plain:
        remedy = (
            "Write one from / on, without . and .. and a slash at its end, of letters, digits and . _ @ + , : = ~ -."
        )
        r.error("path", "path", "is not a plain absolute path", remedy)
        return ""
    return str(value)


def _words(r: Reader, key: str, form: re.Pattern[str] = _WORD, what: str = "text on one line") -> Iterator[str]:
    if isinstance(r.raw.get(key), str):
        # One word is not split, so a whole command in it would be the name of a program.
        r.error("type", key, "is not a list", "Write a list of words.")
        return
    for number, word in enumerate(r.items(key)):
        if isinstance(word, str) and form.fullmatch(word):
            yield str(word)
        else:
            where = f"{r.at(key)}[{number}]"
            r.problems.error("type", where, word, f"is not {what}", "Correct it; numbers need quotes.")


def _placeholders(r: Reader, entry: t.SyncEntry) -> None:
    allowed = PLACEHOLDERS[entry.kind]
    found = [name for word in entry.check for name in _PLACEHOLDER.findall(word)]
    for name in found:
        if name not in allowed:
            shown = ", ".join(f"{{{word}}}" for word in allowed)
            r.error("placeholder", "check", f"has {{{name}}}, which means nothing here", f"Known: {shown}.")
    if entry.check and not set(found) & set(allowed):
        remedy = "Name what is checked: {file}" + (" or {directory}." if "directory" in allowed else ".")
        r.error("placeholder", "check", "does not look at what was received", remedy)


def covers(entry: t.SyncEntry, path: str) -> bool:
    """Whether an entry brings this file, or something below it."""
    if entry.kind == "directory" and path.startswith(f"{entry.path}/"):
        return not excluded(entry, path[len(entry.path) + 1 :])
    return bool(entry.path) and (path == entry.path or entry.path.startswith(f"{path}/"))


def excluded(entry: t.SyncEntry, relative: str) -> bool:
    """As the node decides it: a pattern means the whole name below the directory, or any part of it."""
    return any(fnmatchcase(part, word) for word in entry.exclude for part in (relative, *relative.split("/")))


def _foreign(r: Reader, entry: t.SyncEntry) -> None:
    for paths, what in ((MANAGED, "is written by the roles of this collection"), (OWN, "belongs to one node alone")):
        for path in paths:
            if covers(entry, path):
                below = path.startswith(f"{entry.path}/")
                remedy = f"Exclude {path[len(entry.path) + 1 :]}." if below else "Remove the entry."
                r.error("managed", "path", f"{path} {what}", remedy)


def _apart(entries: tuple[t.SyncEntry, ...], path: str, problems: Problems) -> None:
    """No file has two entries, and no name either."""
    names: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if entry.name and entry.name in names:
            reason = f"is the name of entry {names[entry.name]} too"
            problems.error("duplicate", f"{path}[{number}].name", entry.name, reason, "Give each entry its own name.")
        names.setdefault(entry.name, number)
        for other, before in enumerate(entries[:number]):
            where = _within(entry.path, before.path)
            if where is not None:
                reason = f"is {where} that of entry {other} ({before.name or before.path})"
                remedy = "Write each file once: remove one entry, or narrow it."
                problems.error("overlap", f"{path}[{number}].path", entry.path, reason, remedy)


def _within(one: str, other: str) -> Optional[str]:
    if not one or not other:
        return None
    if one == other:
        return "the same path as"
    if one.startswith(f"{other}/"):
        return "below"
    return "above" if other.startswith(f"{one}/") else None


def plain(entry: t.SyncEntry) -> dict[str, Any]:
    """An entry as the role takes it: only what says something."""
    found: dict[str, Any] = {"name": entry.name, "path": entry.path, "kind": entry.kind, "delete": entry.delete}
    found.update({key: list(getattr(entry, key)) for key in LISTS if getattr(entry, key)})
    if entry.conflict:
        found["conflict"] = entry.conflict
    return found
