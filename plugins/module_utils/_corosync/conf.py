# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""corosync.conf as the keys of corosync's own database, and which of them a reload cannot change. Pure.

The file format is that of corosync.conf(5), the keys those of cmap_keys(8). Which keys need a restart is what corosync
3.1 itself takes out of a reload (remove_ro_entries() in exec/cfg.c), with the identity of the nodes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
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


def compare(
    running: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str], gone: Collection[str] = ()
) -> list[Difference]:
    """What a corosync that runs has to learn.

    Args:
        running: the keys in its database; it holds more than the file.
        before: the keys of the file that it may have read.
        after: the keys of the file that it should have read.
        gone: keys that an earlier file had, which it may have read too.
    """
    changed = {key: (running.get(key, ""), new) for key, new in after.items() if running.get(key, "") != new}
    # Of nodes that go all counts that runs: the file may be written already, and not be loaded.
    there = tuple(node.place for node in _nodes(after))
    away = tuple(node.place for node in _nodes(running) if node.place not in there)
    left = {key for key in running if key.startswith(away)} | ((before.keys() | {*gone}) - after.keys())
    too_many = {key: (running[key], "") for key in left if key in running}
    moved = _readdressed(running, after)
    return sorted(
        Difference(key, old, new, _restarts(key) or key.startswith(moved))
        for key, (old, new) in {**changed, **too_many}.items()
    )


@dataclass(frozen=True)
class _Node:
    """One of the list: where its keys are, and what it is known by; its addresses by the name of their ring."""

    place: str
    number: str
    name: str
    addresses: Mapping[str, str]

    def is_also(self, other: _Node) -> bool:
        return self.name == other.name != "" or bool(set(self.addresses.values()) & set(other.addresses.values()))


def _nodes(keys: Mapping[str, str]) -> list[_Node]:
    places = [(match[1], number) for key, number in keys.items() if (match := _NODE_ID.fullmatch(key))]
    return [
        _Node(
            place,
            number,
            keys.get(f"{place}name", ""),
            {key.removeprefix(place): value for key, value in keys.items() if key.startswith(f"{place}ring")},
        )
        for place, number in places
    ]


def _readdressed(running: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Places of nodes with another address under an id that stays, which corosync does not take from a reload."""
    return tuple(
        new.place
        for old in _nodes(running)
        for new in _nodes(after)
        if old.number == new.number
        and any(old.addresses[ring] != new.addresses[ring] for ring in old.addresses.keys() & new.addresses.keys())
    )


def _renumbered(running: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Nodes that stay and shall have another id, each as a line."""
    return [
        f"{new.name or old.name or new.place} {old.number} -> {new.number}"
        for old in _nodes(running)
        for new in _nodes(after)
        if old.is_also(new) and old.number != new.number
    ]


def refusal(running: Mapping[str, str], after: Mapping[str, str], differences: Iterable[Difference]) -> str:
    """Why a corosync that runs must not learn this now, or an empty text.

    Under another id a node is another one to its peers, until all have started again. While the quorum device changes,
    its vote is missing; nodes that are all here have a majority without it.
    """
    if others := _renumbered(running, after):
        return (
            f"Nodes that stay would get another id ({', '.join(others)}), and would not see each other until all have "
            "restarted. Give each the id that it has (firewall_node.id), or stop corosync on all nodes."
        )
    differences = list(differences)
    restart = [item.line for item in differences if item.restart]
    here, wanted = _nodes(running), _nodes(after)
    come_and_go = {node.number for node in here} ^ {node.number for node in wanted}
    # Without a node in common it is another cluster that runs, as Debian starts one of its own.
    if restart and come_and_go and any(old.is_also(new) for old in here for new in wanted):
        return (
            f"Nodes cannot come or go (ids {', '.join(sorted(come_and_go))}) together with what needs a restart "
            f"({restart[0]}): a node restarts when all others are there to take over. Do one after the other, or stop "
            "corosync on all nodes."
        )
    changed = [item for item in differences if item.device]
    if not changed:
        return ""
    if going := sorted(come_and_go & {node.number for node in here}):
        return (
            f"The quorum device cannot be changed ({changed[0].line}) in one run with nodes that go (ids "
            f"{', '.join(going)}): who stays may need its vote. Take the device out, then the nodes, and add it again."
        )
    away = [
        node.name or node.number for node in here if running.get(f"runtime.members.{node.number}.status") != "joined"
    ]
    if away:
        return (
            f"The quorum device cannot be changed ({changed[0].line}) while a node is away: {', '.join(away)}. "
            "Bring it back, or take it out of the nodes first."
        )
    if restart:
        return (
            f"The quorum device cannot be changed ({changed[0].line}) together with what needs a restart "
            f"({restart[0]}). Do one after the other."
        )
    return ""


def reload_error(running: Mapping[str, str]) -> str:
    """Why the last reload did not take effect on this node, or an empty text.

    The status is that of the new values (1: CS_OK of corosync/corotypes.h); what knet refuses later is in the message,
    which came with 3.1.9.
    """
    status = running.get("config.reload_status", "1")
    return running.get("config.reload_error_message", "" if status == "1" else f"status {status}")


def _restarts(key: str) -> bool:
    return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".+"), key) for pattern in RESTART)
