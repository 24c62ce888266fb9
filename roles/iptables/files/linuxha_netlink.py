# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The table of connections and the routes, asked of the kernel over netlink.

conntrack(8) reads the whole table for each entry that it deletes, and names entries by their addresses only. The kernel
deletes the very entry that was read when it is given its number too.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Optional

FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
# linux/netlink.h
NETLINK_ROUTE, NETLINK_NETFILTER, ERROR, DONE = 0, 12, 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
# linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h, nf_conntrack_common.h
CT_NEW, CT_GET, CT_DELETE = 1 << 8, 1 << 8 | 1, 1 << 8 | 2
ORIGINAL, REPLY, STATUS, NUMBER, MASTER, ZONE, ZONE_OF_TUPLE = 1, 2, 3, 12, 14, 18, 3
EXPECTED = 1 << 0
# linux/rtnetlink.h
GET_ROUTE, ADDRESS, DEVICE, MULTIPATH, FIB_MATCH = 26, 1, 4, 9, 0x2000
UNICAST, HERE = 1, (2, 3, 4, 5)  # local, broadcast, anycast, multicast
NESTED = 0x8000
# linux/fib_rules.h
GET_RULE, PRIORITY = 34, 6
# The kernel fills what it is offered, up to 32 KiB.
DUMP_BUFFER, BUFFER = 1 << 16, 1 << 13
# Orders that are under way at once; their answers have to fit into what the kernel keeps for a socket.
AT_ONCE = 100


class Way(NamedTuple):
    """One direction of a connection. ICMP has type and code in place of the port of the destination."""

    source: int
    destination: int
    protocol: int
    source_port: int
    port: int


class Connection(NamedTuple):
    """An entry of the table. `key` and `number` name it to the kernel; `master` is the key of what it belongs to.

    The source of `reply` is where packets go in the end, whatever translates them on the way.
    """

    family: int
    key: bytes
    number: bytes
    sent: Way
    reply: Way
    expected: bool
    master: bytes
    in_zone: bool


class Route(NamedTuple):
    """Where packets to an address go: to the node itself, or out by one of these devices.

    `default`: the way of all that has no other.
    """

    here: bool
    devices: frozenset[str]
    default: bool = False


class Netlink:
    def __init__(self, protocol: int) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.socket.settimeout(30)
        self.socket.bind((0, 0))

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.socket.close()

    def ask(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes, int, int]]:
        """The answer in parts: kind, buffer, start and end of the content. A refusal is an OSError."""
        self.socket.send(message(kind, flags, body))
        while True:
            data = self.socket.recv(DUMP_BUFFER if flags & DUMP else BUFFER)
            position = 0
            while position < len(data):
                length, found, _flags, _number, _port = struct.unpack_from("=IHHII", data, position)
                if found == DONE:
                    return
                if found == ERROR:
                    code = -struct.unpack_from("=i", data, position + 16)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                yield found, data, position + 16, position + length
                position += (length + 3) & ~3
            if not flags & DUMP and not flags & ACK:
                return

    def order(self, kind: int, bodies: Iterable[bytes]) -> Iterator[int]:
        """Many orders one after the other; of each the errno, 0 when it was done."""
        left = iter(bodies)
        while True:
            some = list(islice(left, AT_ONCE))
            if not some:
                return
            self.socket.send(b"".join(message(kind, ACK, body) for body in some))
            answers = 0
            while answers < len(some):
                data = self.socket.recv(DUMP_BUFFER)
                position = 0
                while position < len(data):
                    length, found = struct.unpack_from("=IH", data, position)
                    if found == ERROR:
                        answers += 1
                        yield -struct.unpack_from("=i", data, position + 16)[0]
                    position += (length + 3) & ~3


def message(kind: int, flags: int, body: bytes) -> bytes:
    content = body + b"\0" * (-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags | REQUEST, 1, 0) + content


def attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of the content of each."""
    while start + 4 <= end:
        length, kind = struct.unpack_from("=HH", data, start)
        yield kind & 0x3FFF, start + 4, start + length
        start += (length + 3) & ~3


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\0" * (-len(content) % 4)


# --- the table of connections ----------------------------------------------------------------------------------------


def connections() -> Iterator[Connection]:
    with Netlink(NETLINK_NETFILTER) as table:
        for _kind, data, start, end in table.ask(CT_GET, DUMP, struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)):
            if data[start] in FAMILIES:
                yield connection(data, start, end)


def connection(data: bytes, start: int, end: int) -> Connection:
    found = {kind: (first, last) for kind, first, last in attributes(data, start + 4, end)}
    sent, reply = found[ORIGINAL], found[REPLY]
    status = struct.unpack_from(">I", data, found[STATUS][0])[0] if STATUS in found else 0
    zones = ZONE in found or any(kind == ZONE_OF_TUPLE for kind, _first, _last in attributes(data, *sent))
    return Connection(
        data[start],
        data[slice(*sent)],
        data[slice(*found[NUMBER])],
        way(data, *sent),
        way(data, *reply),
        bool(status & EXPECTED),
        data[slice(*found[MASTER])] if MASTER in found else b"",
        zones,
    )


def way(data: bytes, start: int, end: int) -> Way:
    source = destination = protocol = source_port = port = 0
    for kind, first, last in attributes(data, start, end):
        if kind == 1:
            for side, begin, stop in attributes(data, first, last):
                number = int.from_bytes(data[begin:stop], "big")
                if side in (1, 3):
                    source = number
                else:
                    destination = number
        elif kind == 2:
            for what, begin, _stop in attributes(data, first, last):
                if what == 1:
                    protocol = data[begin]
                elif what == 2:
                    source_port = data[begin] << 8 | data[begin + 1]
                elif what == 3:
                    port = data[begin] << 8 | data[begin + 1]
                elif what in (5, 8):
                    port |= data[begin] << 8
                elif what in (6, 9):
                    port |= data[begin]
    return Way(source, destination, protocol, source_port, port)


def delete(table: Netlink, found: Connection) -> bool:
    """Whether it was there. The number keeps a newer connection between the same ends from being taken for it."""
    body = struct.pack("=BBH", found.family, 0, 0)
    body += attribute(ORIGINAL | NESTED, found.key) + attribute(NUMBER, found.number)
    try:
        for _part in table.ask(CT_DELETE, ACK, body):
            pass
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def report(table: Netlink, found: Iterable[Connection]) -> tuple[int, list[str]]:
    """Have the kernel report entries to all who listen as if they had changed: of how many it did, and its refusals.

    An update that changes nothing: ctnetlink_new_conntrack() of net/netfilter/nf_conntrack_netlink.c reports each. An
    entry that is gone meanwhile is none of them.
    """
    bodies = (struct.pack("=BBH", one.family, 0, 0) + attribute(ORIGINAL | NESTED, one.key) for one in found)
    codes = Counter(table.order(CT_NEW, bodies))
    return codes[0], [f"{codes[code]} times {os.strerror(code)}" for code in codes if code not in (0, errno.ENOENT)]


# --- routes ----------------------------------------------------------------------------------------------------------


class Routes:
    """Where addresses are, by the tables of the kernel; each is asked for once."""

    def __init__(self, table: Netlink) -> None:
        self.table = table
        self.names = dict(socket.if_nameindex())
        self._known: dict[tuple[int, int], Optional[Route]] = {}

    def to(self, family: int, address: int) -> Optional[Route]:
        """None when there is no way, or none that is sure."""
        key = (family, address)
        if key not in self._known:
            self._known[key] = self._ask(family, address)
        return self._known[key]

    def rules(self, family: int) -> list[int]:
        """Priorities of all rules that choose a table; none where the kernel has no such rules."""
        found = []
        try:
            for _kind, data, start, end in self.table.ask(GET_RULE, DUMP, struct.pack("=BBBBBBBBI", family, *[0] * 8)):
                priorities = [first for kind, first, _last in attributes(data, start + 12, end) if kind == PRIORITY]
                # The first of all is 0, which is not spelled out.
                found.append(struct.unpack_from("=I", data, priorities[0])[0] if priorities else 0)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
                raise
        return found

    def _ask(self, family: int, address: int) -> Optional[Route]:
        size = 4 if family == socket.AF_INET else 16
        first = address >> (size * 8 - 8)
        if first == 0xFF or (size == 4 and first >> 4 == 0xE):  # groups, and the broadcast to everybody
            return Route(True, frozenset())
        if address == 0 or (size == 16 and address >> 118 == 0xFE80 >> 6):  # of one link, but nobody knows which
            return None
        body = struct.pack("=BBBBBBBBI", family, size * 8, 0, 0, 0, 0, 0, 0, FIB_MATCH)
        body += attribute(ADDRESS, address.to_bytes(size, "big"))
        try:
            _kind, data, start, end = next(iter(self.table.ask(GET_ROUTE, 0, body)), (0, b"", 0, 0))
        except OSError as error:
            if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
                return None
            raise
        kind = data[start + 7] if data else 0
        if kind in HERE:
            return Route(True, frozenset())
        devices = frozenset(self._devices(data, start + 12, end))
        # A nexthop object may not be spelled out, and a device may be newer than the list of names.
        # With FIB_MATCH the kernel names the route: the length of its prefix, not of the address.
        sure = kind == UNICAST and devices and "" not in devices
        return Route(False, devices, data[start + 1] == 0) if sure else None

    def _devices(self, data: bytes, start: int, end: int) -> Iterator[str]:
        for kind, first, last in attributes(data, start, end):
            if kind == DEVICE:
                yield self.names.get(struct.unpack_from("=i", data, first)[0], "")
            elif kind == MULTIPATH:
                while first + 8 <= last:  # struct rtnexthop
                    length, _flags, _hops, index = struct.unpack_from("=HBBi", data, first)
                    yield self.names.get(index, "")
                    first += (length + 3) & ~3
