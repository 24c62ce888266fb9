# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""corosync.conf as the keys of corosync's own database, and which of them a reload cannot change. Pure.

The file format is that of corosync.conf(5), the keys those of cmap_keys(8). Which keys need a restart is what corosync
3.1 itself takes out of a reload (remove_ro_entries() in exec/cfg.c), with the identity of the nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Keys, with * for one or more components, whose change takes effect when corosync starts again.
RESTART = (
    "totem.version",
    "totem.threads",
    "totem.ip_version",
    "totem.ip_dscp",
    "totem.netmtu",
    "totem.transport",
    "totem.cluster_name",
    "totem.interface.*.bindnetaddr",
    "totem.interface.*.mcastaddr",
    "totem.interface.*.broadcast",
    "totem.interface.*.mcastport",
    "totem.interface.*.ttl",
    "quorum.provider",
    "system.*",
)
_NODE_ID = re.compile(r"(nodelist\.node\..+\.)nodeid")
# Sections that may stand there several times; the database counts them.
_LISTS = {"nodelist.node", "uidgid"}
_RUNTIME = re.compile(r"(\S+) \((\w+)\) = ?(.*)")
# Secrets never leave the node: corosync keeps a key that stands in the file in its database.
_SECRET = ("totem.key",)


class ConfError(ValueError):
    """The text is no corosync.conf. The message says in which line and why."""


@dataclass(frozen=True, order=True)
class Difference:
    """One key that is not as it should be.

    Attributes:
        key: its name in corosync's database.
        old: what it is, an empty text when it is not there.
        new: what it should be, an empty text when it should not be there.
        restart: a reload does not change it.
    """

    key: str
    old: str
    new: str
    restart: bool

    @property
    def device(self) -> bool:
        """It is about the quorum device."""
        return self.key.startswith("quorum.device.")

    @property
    def line(self) -> str:
        """For people."""
        if self.key in _SECRET:
            return f"{self.key}: (hidden)"
        return f"{self.key}: {self.old or '(none)'} -> {self.new or '(none)'}"


def parse(text: str) -> dict[str, str]:
    """The keys of a corosync.conf.

    Raises:
        ConfError: it is none.
    """
    found: dict[str, str] = {}
    path: list[str] = []
    counts: dict[str, int] = {}
    interfaces: list[dict[str, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.endswith("{"):
            name = line[:-1].strip()
            if not re.fullmatch(r"\w+", name):
                raise ConfError(f"line {number}: {line!r} opens no section")
            path.append(name)
            section = ".".join(path)
            if section in _LISTS:
                path[-1] = f"{name}.{counts.setdefault(section, 0)}"
                counts[section] += 1
            elif section == "totem.interface":
                interfaces.append({})
            continue
        if line == "}":
            if not path:
                raise ConfError(f"line {number}: closes a section that was not opened")
            path.pop()
            continue
        key, colon, value = line.partition(":")
        if not colon or not path:
            raise ConfError(f"line {number}: {line!r} is no `key: value` within a section")
        if ".".join(path) == "totem.interface":
            interfaces[-1][key.strip()] = value.strip()
        else:
            found[".".join([*path, key.strip()])] = value.strip()
    if path:
        raise ConfError(f"section {'.'.join(path)} is not closed")
    for position, interface in enumerate(interfaces):
        link = interface.pop("linknumber", str(position))
        found.update({f"totem.interface.{link}.{key}": value for key, value in interface.items()})
    return found


def runtime(text: str) -> dict[str, str]:
    """The keys of a corosync that runs, from what `corosync-cmapctl` prints."""
    matches = (_RUNTIME.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[3] for match in matches if match}


def compare(running: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """What a corosync that runs has to learn.

    Args:
        running: the keys in its database; it holds more than the file.
        before: the keys of the file that it may have read.
        after: the keys of the file that it should have read.
    """
    changed = {key: (running.get(key, ""), new) for key, new in after.items() if running.get(key, "") != new}
    gone = {key: (running[key], "") for key in before.keys() - after.keys() if key in running}
    others = _other_ids(running, after)
    return sorted(
        Difference(key, old, new, _restarts(key) or key.startswith(others))
        for key, (old, new) in {**changed, **gone}.items()
    )


def _ids(keys: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """By the name of each node, or its first address, its id and its place in the list."""
    found = {}
    for key, value in keys.items():
        if match := _NODE_ID.fullmatch(key):
            name = keys.get(f"{match[1]}name") or keys.get(f"{match[1]}ring0_addr", "")
            found[name] = (value, match[1])
    return found


def _other_ids(running: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Places of nodes that shall have another id. A place alone says nothing: nodes come and go by a reload."""
    old, new = _ids(running), _ids(after)
    return tuple(new[name][1] for name in sorted(old.keys() & new.keys()) if old[name][0] != new[name][0])


def refusal(running: Mapping[str, str], differences: Iterable[Difference]) -> str:
    """Why a corosync that runs must not learn this now, or an empty text.

    While the quorum device changes, its vote is missing. Nodes that are all here have a majority without it.
    """
    differences = list(differences)
    changed = [item for item in differences if item.device]
    if not changed:
        return ""
    names = (re.fullmatch(r"nodelist\.node\.(\d+)\.nodeid", key) for key in running)
    nodes = {running[match[0]]: match[1] for match in names if match}
    away = [
        running.get(f"nodelist.node.{position}.name", number)
        for number, position in nodes.items()
        if running.get(f"runtime.members.{number}.status") != "joined"
    ]
    if away:
        return (
            f"The quorum device cannot be changed ({changed[0].line}) while a node is away: {', '.join(away)}. "
            "Bring it back, or take it out of the nodes first."
        )
    if restart := [item.line for item in differences if item.restart]:
        return (
            f"The quorum device cannot be changed ({changed[0].line}) together with what needs a restart "
            f"({restart[0]}). Do one after the other."
        )
    return ""


def _restarts(key: str) -> bool:
    return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".+"), key) for pattern in RESTART)
