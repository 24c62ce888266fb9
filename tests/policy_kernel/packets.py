# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Packets on the wire: made so that connection tracking takes each for the first of a connection, and read. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ICMP, WITH_PORTS
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, to_address
from lab.monitors.frames import checksum, ip, pseudo_header

TCP, UDP, SCTP, GRE, ESP, AH = 6, 17, 132, 47, 50, 51
#: What is inside of an AH header in IPv6: a protocol for experiments (RFC 3692), which nobody looks into.
INSIDE_AH = 253
SYN, RST, ACK, PSH = 0x02, 0x04, 0x10, 0x08


@dataclass(frozen=True)
class Tcp:
    """The rest of a TCP header; as it is, that of a new connection."""

    flags: int = SYN
    sequence: int = 1000
    acknowledgement: int = 0
    options: bytes = b""
    payload: bytes = b""


FIRST = Tcp()


def build(packet: Packet, size: int = 128, tcp: Tcp = FIRST, number: int = 0) -> bytes:
    """An IP packet of `size` bytes in all; `number` tells echo requests of the same hosts apart."""
    body = _body(packet, size - (20 if packet.family == 4 else 40), tcp, number)
    return ip(packet.source.packed, packet.destination.packed, packet.protocol, body, number=number + 1)


def _body(packet: Packet, size: int, tcp: Tcp, number: int) -> bytes:
    ports = struct.pack("!HH", packet.source_port, packet.port)
    if packet.protocol == TCP:
        length = 5 + len(tcp.options) // 4
        rest = struct.pack("!IIBBHHH", tcp.sequence, tcp.acknowledgement, length << 4, tcp.flags, 64240, 0, 0)
        return _summed(packet, (ports + rest + tcp.options + tcp.payload).ljust(size, b"\0"), 16, True)
    if packet.protocol == UDP:
        return _summed(packet, (ports + struct.pack("!HH", size, 0)).ljust(size, b"\0"), 6, True)
    if packet.protocol == SCTP:
        # One INIT chunk alone (RFC 9260, section 3.3.2).
        chunk = struct.pack("!BBHIIHHI", 1, 0, size - 12, 1, 65535, 1, 1, 1)
        whole = (ports + bytes(8) + chunk).ljust(size, b"\0")
        return whole[:8] + struct.pack("<I", _crc32c(whole)) + whole[12:]
    if packet.protocol == ICMP[packet.family]:
        head = struct.pack("!BBHHH", packet.icmp_type, packet.icmp_code, 0, number + 1, 1)
        return _summed(packet, head.ljust(size, b"\0"), 2, packet.family == 6)
    if packet.protocol == AH and packet.family == 6:
        inner = _other(packet, size - 12, INSIDE_AH)
        return struct.pack("!BBHII", INSIDE_AH, 1, 0, 1, 1) + inner
    return _other(packet, size, packet.protocol)


def _other(packet: Packet, size: int, protocol: int) -> bytes:
    """Zeros with a checksum at their end, which REJECT looks at whatever the protocol is."""
    return _summed(packet, bytes(size), size - 2, packet.family == 6, protocol)


def _summed(packet: Packet, body: bytes, at: int, pseudo: bool, protocol: int | None = None) -> bytes:
    number = packet.protocol if protocol is None else protocol
    head = pseudo_header(packet.source.packed, packet.destination.packed, number, len(body)) if pseudo else b""
    return body[:at] + struct.pack("!H", checksum(head + body)) + body[at + 2 :]


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def _crc32c(data: bytes) -> int:
    """RFC 9260, appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def length(raw: bytes) -> int:
    """Of the whole IP packet, as its header says."""
    if raw[0] >> 4 == 4:
        return int.from_bytes(raw[2:4], "big")
    return int.from_bytes(raw[4:6], "big") + 40


def read(raw: bytes) -> Packet:
    """The addresses, ports and types of an IP packet without options."""
    family = raw[0] >> 4
    start, protocol = (20, raw[9]) if family == 4 else (40, raw[6])
    at, width = (12, 4) if family == 4 else (8, 16)
    ends = [to_address(int.from_bytes(raw[n : n + width], "big"), family) for n in (at, at + width)]
    source_port, port = struct.unpack_from("!HH", raw, start) if protocol in WITH_PORTS else (0, 0)
    kind, code = (raw[start], raw[start + 1]) if protocol == ICMP[family] else (0, 0)
    return Packet("", ends[0], ends[1], protocol, source_port, port, kind, code)


def refused(raw: bytes) -> bytes | None:
    """The packet that an ICMP message of unreachability is about, as far as the message has it."""
    packet = read(raw)
    kind = {4: 3, 6: 1}[packet.family]
    if packet.protocol != ICMP[packet.family] or packet.icmp_type != kind:
        return None
    return raw[(20 if packet.family == 4 else 40) + 8 :]


def is_reset(raw: bytes) -> bool:
    packet = read(raw)
    return packet.protocol == TCP and bool(raw[(20 if packet.family == 4 else 40) + 13] & RST)


def back(packet: Packet) -> Packet:
    """The header of an answer."""
    return Packet("", packet.destination, packet.source, packet.protocol, packet.port, packet.source_port)
