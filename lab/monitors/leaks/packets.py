# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Canary packets: what they look like, and how an arrived one is recognised. Pure."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from lab.monitors.frames import ETH_IPV4, checksum, pseudo_header

MAGIC = b"hfLEAK"
UDP_PAYLOAD = struct.Struct("!6sHI")  # magic, number of the canary, counter
SYN_SEQUENCE = 0xFA17  # upper half; the counter is the lower
SYN_WINDOW = 0x4866
SYN = 0x02
TCP, UDP = 6, 17
HOP_LIMIT = 64  # as sent
SOURCE_PORTS = 20000  # of the SYN packets, plus the number of the canary


@dataclass(frozen=True)
class Arrival:
    family: int
    protocol: str
    source: str
    target: str
    port: int


def syn(source: str, target: str, number: int, port: int, counter: int) -> bytes:
    """A TCP header with SYN, no options; the addresses only enter its checksum."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source), socket.inet_pton(family, target)
    sequence = SYN_SEQUENCE << 16 | counter & 0xFFFF
    fields = (SOURCE_PORTS + number, port, sequence, 0, 5 << 4, SYN, SYN_WINDOW)
    bare = struct.pack("!HHIIBBHHH", *fields, 0, 0)
    return struct.pack("!HHIIBBHHH", *fields, checksum(pseudo_header(*ends, TCP, len(bare)) + bare), 0)


def recognise(frame: bytes) -> Arrival | None:
    """What has arrived, if it is a canary that somebody forwarded.

    A canary with its hop limit as sent is a copy that a switch flooded, on its way to the firewall.
    """
    if len(frame) < 42:
        return None
    if int.from_bytes(frame[12:14], "big") == ETH_IPV4:
        family, protocol, hops, start = 4, frame[23], frame[22], 14 + 4 * (frame[14] & 15)
        source, target = (socket.inet_ntop(socket.AF_INET, frame[at : at + 4]) for at in (26, 30))
    elif len(frame) >= 62:
        family, protocol, hops, start = 6, frame[20], frame[21], 54
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (22, 38))
    else:
        return None
    if hops >= HOP_LIMIT:
        return None
    body = frame[start:]
    port = int.from_bytes(body[2:4], "big")
    if protocol == UDP and body[8:14] == MAGIC:
        return Arrival(family, "udp", source, target, port)
    if protocol == TCP and len(body) >= 20:
        sequence, _unused, _unused, flags, window = struct.unpack_from("!IIBBH", body, 4)
        if flags == SYN and window == SYN_WINDOW and sequence >> 16 == SYN_SEQUENCE:
            return Arrival(family, "tcp", source, target, port)
    return None
