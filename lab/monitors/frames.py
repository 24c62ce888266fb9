# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Raw frames: IP packets, ARP requests, neighbour solicitations, and the answers to them. Pure."""

from __future__ import annotations

import socket
import struct

ETH_ARP, ETH_IPV4, ETH_IPV6 = 0x0806, 0x0800, 0x86DD
BROADCAST = b"\xff" * 6
HOPS = 64
_ARP = struct.Struct("!HHBBH6s4s6s4s")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    if len(source) == 4:
        return source + destination + struct.pack("!BBH", 0, protocol, length)
    return source + destination + struct.pack("!I3xB", length, protocol)


def ip(source: bytes, target: bytes, protocol: int, body: bytes, hops: int = HOPS, number: int = 0) -> bytes:
    """A packet without options, of the family of the addresses. `number` tells packets of IPv4 apart."""
    if len(source) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number, 0, hops, protocol, 0) + source + target
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, hops) + source + target + body


def ethernet(target: bytes, source: bytes, packet: bytes) -> bytes:
    """The frame of an IP packet."""
    return target + source + struct.pack("!H", ETH_IPV4 if packet[0] >> 4 == 4 else ETH_IPV6) + packet


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def link_local(mac: bytes) -> bytes:
    """The interface identifier of RFC 4291, appendix A."""
    return b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def arp_request(mac: bytes, target: str) -> bytes:
    """An ARP probe (RFC 5227): the sender address is 0.0.0.0, so nobody learns anything from it."""
    body = _ARP.pack(1, ETH_IPV4, 6, 4, 1, mac, bytes(4), bytes(6), socket.inet_aton(target))
    return BROADCAST + mac + struct.pack("!H", ETH_ARP) + body


def solicitation(mac: bytes, target: str) -> bytes:
    """A neighbour solicitation from the link-local address that belongs to the given MAC address."""
    wanted = socket.inet_pton(socket.AF_INET6, target)
    source = link_local(mac)
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + wanted[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + wanted + b"\x01\x01" + mac
    body = body[:2] + struct.pack("!H", checksum(pseudo_header(source, group, 58, len(body)) + body)) + body[4:]
    return ethernet(b"\x33\x33" + group[12:], mac, ip(source, group, 58, body, hops=255))


def answer(frame: bytes, mac: bytes) -> tuple[str, bytes, bool] | None:
    """Who says to own an address: (address, its MAC address, whether it answers us or announces itself to all)."""
    if len(frame) < 42:
        return None
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_ARP:
        _unused, protocol, _unused, _unused, operation, sender, address, _unused, target = _ARP.unpack_from(frame, 14)
        if protocol != ETH_IPV4:
            return None
        if operation == 2 and frame[:6] == mac:
            return socket.inet_ntoa(address), sender, True
        if address == target and address != bytes(4):
            return socket.inet_ntoa(address), sender, False
        return None
    if kind != ETH_IPV6 or len(frame) < 78 or frame[20] != 58 or frame[54] != 136:
        return None
    address6 = socket.inet_ntop(socket.AF_INET6, frame[62:78])
    owner = frame[6:12]
    if len(frame) >= 86 and frame[78:80] == b"\x02\x01":
        owner = frame[80:86]
    return address6, owner, frame[:6] == mac
