# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import socket
import struct

import pytest

from lab.monitors import bpf, frames
from lab.monitors.leaks import packets

MAC = bytes.fromhex("026861000001")
OWNER = bytes.fromhex("020000000002")


def test_checksum_of_the_rfc_1071_example() -> None:
    assert frames.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_an_arp_request_teaches_nobody() -> None:
    frame = frames.arp_request(MAC, "192.0.2.1")
    assert frame[:6] == frames.BROADCAST
    assert frame[28:32] == bytes(4)
    assert frames.answer(frame, MAC) is None


def test_an_arp_answer() -> None:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + OWNER + socket.inet_aton("192.0.2.1") + MAC + bytes(4)
    assert frames.answer(MAC + OWNER + b"\x08\x06" + body, MAC) == ("192.0.2.1", OWNER, True)


def test_a_gratuitous_arp_is_an_announcement() -> None:
    vip = socket.inet_aton("192.0.2.1")
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + OWNER + vip + bytes(6) + vip
    assert frames.answer(frames.BROADCAST + OWNER + b"\x08\x06" + body, MAC) == ("192.0.2.1", OWNER, False)


def test_a_solicitation_is_well_formed() -> None:
    frame = frames.solicitation(MAC, "2001:db8:1::1:2345")
    assert frame[:6] == bytes.fromhex("3333ff012345")
    source, group, body = frame[22:38], frame[38:54], frame[54:]
    assert group == socket.inet_pton(socket.AF_INET6, "ff02::1:ff01:2345")
    assert source == socket.inet_pton(socket.AF_INET6, "fe80::68:61ff:fe00:1")
    assert frame[21] == 255
    assert frames.checksum(frames.pseudo_header(source, group, 58, len(body)) + body) == 0
    assert body[24:] == b"\x01\x01" + MAC


@pytest.mark.parametrize(("target", "option"), [(MAC, True), (b"\x33\x33\x00\x00\x00\x01", False)])
def test_an_advertisement(target: bytes, option: bool) -> None:
    vip = socket.inet_pton(socket.AF_INET6, "2001:db8:1::1")
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + vip + (b"\x02\x01" + OWNER if option else b"")
    header = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + vip + vip
    found = frames.answer(target + OWNER + b"\x86\xdd" + header + body, MAC)
    assert found == ("2001:db8:1::1", OWNER, option)


def test_packets_of_both_families() -> None:
    four = frames.ip(bytes([192, 0, 2, 9]), bytes([198, 51, 100, 9]), 17, b"body", number=7)
    assert frames.checksum(four[:20]) == 0
    assert (
        four == bytes.fromhex("45000018000700004011") + four[10:12] + bytes([192, 0, 2, 9, 198, 51, 100, 9]) + b"body"
    )
    six = frames.ip(bytes(15) + b"\1", bytes(15) + b"\2", 58, b"body", hops=255)
    assert six == bytes.fromhex("6000000000043aff") + bytes(15) + b"\1" + bytes(15) + b"\2" + b"body"
    assert frames.ethernet(MAC, OWNER, four) == MAC + OWNER + b"\x08\x00" + four
    assert frames.ethernet(MAC, OWNER, six)[12:14] == b"\x86\xdd"


def ipv4(protocol: int, body: bytes, hops: int, fragment: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, fragment, hops, protocol, 0)
    return bytes(12) + b"\x08\x00" + header + bytes([192, 0, 2, 9]) + bytes([198, 51, 100, 9]) + body


def ipv6(protocol: int, body: bytes, hops: int) -> bytes:
    header = struct.pack("!IHBB", 0x60000000, len(body), protocol, hops) + bytes(32)
    return bytes(12) + b"\x86\xdd" + header + body


UDP = struct.pack("!HHHH", 1, 7301, 20, 0) + packets.UDP_PAYLOAD.pack(packets.MAGIC, 0, 7)
TCP = packets.syn("192.0.2.9", "198.51.100.9", 3, 7302, 70000)


def test_a_forwarded_canary_is_recognised() -> None:
    udp = packets.recognise(ipv4(17, UDP, 63))
    assert udp == packets.Arrival(4, "udp", "192.0.2.9", "198.51.100.9", 7301)
    assert packets.recognise(ipv4(6, TCP, 63)) == packets.Arrival(4, "tcp", "192.0.2.9", "198.51.100.9", 7302)
    assert packets.recognise(ipv6(17, UDP, 63)) == packets.Arrival(6, "udp", "::", "::", 7301)


def test_other_packets_are_not_canaries() -> None:
    assert packets.recognise(ipv4(17, UDP, packets.HOP_LIMIT)) is None  # flooded by a switch, not forwarded
    assert packets.recognise(ipv4(17, UDP[:8] + b"x" * 12, 63)) is None
    assert packets.recognise(ipv4(6, TCP[:13] + b"\x10" + TCP[14:], 63)) is None
    assert packets.recognise(b"") is None


def test_a_syn_has_a_right_checksum() -> None:
    ends = socket.inet_aton("192.0.2.9"), socket.inet_aton("198.51.100.9")
    assert frames.checksum(frames.pseudo_header(*ends, 6, len(TCP)) + TCP) == 0


def accepts(program: list[bpf.Instruction], frame: bytes) -> bool:
    """Run a filter as the kernel does: a load beyond the end of the packet drops it."""
    a = x = at = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == bpf.RETURN:
            return bool(k)
        if code in (bpf.JUMP_EQUAL, bpf.JUMP_SET):
            at += yes if (a == k if code == bpf.JUMP_EQUAL else a & k) else no
            continue
        size = 2 if code in (bpf.LOAD_HALF, bpf.LOAD_HALF_X) else 1
        start = k + (x if code == bpf.LOAD_HALF_X else 0)
        if start + size > len(frame):
            return False
        value = int.from_bytes(frame[start : start + size], "big")
        if code == bpf.LOAD_X_HEADER:
            x = 4 * (value & 15)
        else:
            a = value


def test_the_filter_of_canaries() -> None:
    four, six = (bpf.destination_ports(family, [7301, 7302]) for family in (4, 6))
    assert accepts(four, ipv4(17, UDP, 63))
    assert accepts(four, ipv4(6, TCP, 63))
    assert not accepts(four, ipv4(1, UDP, 63))
    assert not accepts(four, ipv4(17, UDP, 63, fragment=5))
    assert not accepts(four, ipv4(17, struct.pack("!HHHH", 7301, 53, 20, 0), 63))
    assert accepts(six, ipv6(17, UDP, 63))
    assert accepts(six, ipv6(6, TCP, 63))
    assert not accepts(six, ipv6(58, UDP, 63))


def test_the_filter_of_advertisements() -> None:
    program = bpf.advertisements()
    assert accepts(program, ipv6(58, bytes([136]) + bytes(23), 255))
    assert not accepts(program, ipv6(58, bytes([135]) + bytes(23), 255))
    assert not accepts(program, ipv6(17, bytes([136]) + bytes(23), 255))
