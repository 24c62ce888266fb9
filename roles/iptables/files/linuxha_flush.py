# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Connections that the rules in force would not let begin: the first packet of each is held against the rules again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_interface
from typing import Any, Optional

import linuxha_netlink as netlink
import linuxha_rules as rules
import linuxha_verdict as verdict

EXAMPLES = 10
# For which files it was done last, since the node has booted.
FLUSHED = "flushed.json"
# The kernel's own tables of routes (ip-rule(8)); any other rule can send packets another way.
USUAL = (0, 32766, 32767)


class Judge:
    """The rules of both families as the kernel has them, and the routes of this node."""

    def __init__(self, routes: netlink.Routes, shared: Iterable[str] = ()) -> None:
        sets, devices = rules.run(["ipset", "save"]), list(routes.names.values())
        self.routes = routes
        # A standby node does not have them, and has to decide as the active one does.
        self.shared = {
            (socket.AF_INET if found.version == 4 else socket.AF_INET6, int(found.ip))
            for found in map(ip_interface, shared)
        }
        self.walls = {
            family: verdict.Firewall(rules.run([f"{rules.FAMILIES[name]}-save"]), sets, name, devices)
            for family, name in netlink.FAMILIES.items()
        }
        self.usual = {family: set(routes.rules(family)) <= set(USUAL) for family in netlink.FAMILIES}
        # Nor does it need to have the routes of the active one.
        self.standing_by = self._stands_by()

    def forbids(self, found: netlink.Connection) -> bool:
        """Whether no rule lets this connection begin, with the translation that it has."""
        wall, family = self.walls[found.family], found.family
        here, devices = self._way(family, found.reply.source)
        from_here, home = self._way(family, found.sent.source)
        if (here and from_here) or devices is None:  # there is no way for it now, so nothing passes
            return False
        # Over a link that is down now packets take another way, where no rule expects them.
        usual = self.usual[family]
        sure = usual and not self.standing_by and (here or wall.knows(devices)) and (from_here or wall.knows(home))
        leaving = devices if sure else frozenset(wall.devices)
        packet = verdict.Packet(
            found.sent.source,
            found.reply.source,
            service(found.sent.protocol, found.reply.source_port, found.sent.port),
            found.sent.source_port,
            "",
            "",
            frozenset() if from_here else home if sure else None,
        )
        sent_to = (found.sent.destination, service(found.sent.protocol, found.sent.port, found.sent.port))
        if from_here:
            return not wall.may_leave(packet, sent_to, leaving)
        if wall.may_enter(packet, sent_to, None if here else leaving):
            return False
        # Rules of routing can end on the node what is for others, and send what others seem to have begun.
        return usual or here or not (wall.may_enter(packet, sent_to, None) or wall.may_leave(packet, sent_to, leaving))

    def _way(self, family: int, address: int) -> tuple[bool, Optional[frozenset[str]]]:
        if (family, address) in self.shared:
            return True, frozenset()
        route = self.routes.to(family, address)
        return (False, None) if route is None else (route.here, route.devices)

    def _stands_by(self) -> bool:
        routes = (self.routes.to(*address) for address in self.shared)
        return not all(route is not None and route.here for route in routes)


def service(protocol: int, translated: int, sent: int) -> int:
    """The port as the rules see it; of ICMP the type and code, which only the first direction has."""
    return protocol << 16 | (translated if protocol in verdict.WITH_PORTS else sent)


def forbidden(judge: Judge, found: Iterable[netlink.Connection]) -> Iterator[netlink.Connection]:
    """What a helper has opened was never asked about, and goes with the connection to which it belongs."""
    children: list[netlink.Connection] = []
    gone: set[bytes] = set()
    for connection in found:
        if connection.in_zone:  # of somebody else, whose rules say what it is
            continue
        if connection.expected:
            children.append(connection)
        elif judge.forbids(connection):
            gone.add(connection.key)
            yield connection
    while True:
        more = [child for child in children if child.master in gone and child.key not in gone]
        if not more:
            return
        gone.update(child.key for child in more)
        yield from more


def text(family: int, address: int) -> IPv4Address | IPv6Address:
    return IPv4Address(address) if family == socket.AF_INET else IPv6Address(address)


def shown(found: netlink.Connection) -> str:
    numbers = {number: name for name, number in verdict.PROTOCOLS.items()}
    protocol = numbers.get(found.sent.protocol, f"protocol {found.sent.protocol}")
    ports = found.sent.protocol in verdict.WITH_PORTS

    def end(address: int, port: int) -> str:
        name = str(text(found.family, address))
        return (f"[{name}]:{port}" if ":" in name else f"{name}:{port}") if ports else name

    sent, there = end(found.sent.destination, found.sent.port), end(found.reply.source, found.reply.source_port)
    by = "" if sent == there else f" (sent to {sent})"
    return f"{protocol} {end(found.sent.source, found.sent.source_port)} -> {there}{by}"


def flush(cut: bool, shared: Iterable[str]) -> dict[str, Any]:
    """Find what is forbidden, and with `cut` take it out of the table: what comes next has to pass the rules anew."""
    state = rules.recall().get("state", "absent")
    if state != "loaded":
        raise rules.RulesError(f"there are no confirmed rules to judge by (state {state})")
    count = gone = 0
    refused: list[str] = []

    def counted() -> Iterator[netlink.Connection]:
        nonlocal count
        for connection in netlink.connections():
            count += 1
            yield connection

    with netlink.Netlink(netlink.NETLINK_ROUTE) as routes:
        found = list(forbidden(Judge(netlink.Routes(routes), shared), counted()))
    if cut:
        with netlink.Netlink(netlink.NETLINK_NETFILTER) as table:
            for connection in found:
                try:
                    gone += netlink.delete(table, connection)
                except OSError as error:  # such as one that hardware forwards
                    refused.append(f"{shown(connection)}: {error.strerror}")
        if refused:
            raise rules.RulesError(f"{gone} connections were cut, and the kernel keeps {len(refused)}: {refused[0]}")
        rules.replace_json(rules.RUN / FLUSHED, {"files": rules.recall().get("files")})
    examples = [shown(connection) for connection in found[:EXAMPLES]]
    return {"connections": count, "forbidden": len(found), "cut": gone, "examples": examples}


def main(command: str, shared: list[str]) -> int:
    with rules.locked():
        if command == "flush-changed" and rules.recall(FLUSHED).get("files") == rules.recall().get("files"):
            print(json.dumps({"connections": 0, "forbidden": 0, "cut": 0, "examples": []}))
            return 0
        print(json.dumps(flush(command != "forbidden", shared), sort_keys=True))
    return 0
