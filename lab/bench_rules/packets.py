# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Send packets through the node and see where they come out. Runs inside the lab: JSON on stdin, JSON on stdout."""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

from ..monitors.frames import ETH_IPV4, ETH_IPV6, checksum, ethernet, ip, pseudo_header
from .policy import ZONES, Packet
from .rig import enter, mac

FIRST_PORT = 20_000
WAIT_S = 0.3
_SYN = 0x5002
_ALL = 3  # ETH_P_ALL, linux/if_ether.h


def frame(packet: Packet, source_port: int) -> bytes:
    """As a host of the zone sends it to its router."""
    family = socket.AF_INET6 if packet.family == 6 else socket.AF_INET
    source, destination = (socket.inet_pton(family, text) for text in (packet.source, packet.destination))
    protocol = 6 if packet.protocol == "tcp" else 17
    ports = struct.pack("!HH", source_port, packet.port)
    body = ports + (struct.pack("!IIHHHH", 1, 0, _SYN, 65535, 0, 0) if protocol == 6 else struct.pack("!HH", 8, 0))
    total = checksum(pseudo_header(source, destination, protocol, len(body)) + body) or 0xFFFF
    place = 16 if protocol == 6 else 6
    body = body[:place] + struct.pack("!H", total) + body[place + 2 :]
    router, sender = (bytes.fromhex(mac(packet.from_zone, node).replace(":", "")) for node in (True, False))
    return ethernet(router, sender, ip(source, destination, protocol, body))


def source_port(found: bytes) -> int | None:
    """Of a frame with TCP or UDP in it."""
    kind = int.from_bytes(found[12:14], "big")
    if kind == ETH_IPV4 and found[23] in (6, 17):
        return int.from_bytes(found[34:36], "big")
    if kind == ETH_IPV6 and found[20] in (6, 17):
        return int.from_bytes(found[54:56], "big")
    return None


def _arrivals(sockets: dict[int, tuple[str, socket.socket]]) -> Iterator[tuple[int, str]]:
    limit = time.monotonic() + WAIT_S
    while (left := limit - time.monotonic()) > 0:
        for ready in select.select(list(sockets), [], [], left)[0]:
            zone, channel = sockets[ready]
            data, address = channel.recvfrom(2048)
            port = source_port(data)
            if port is not None and address[2] != socket.PACKET_OUTGOING:
                yield port - FIRST_PORT, zone


def main() -> None:
    packets = [Packet(**item) for item in json.load(sys.stdin)]
    sockets = {}
    for zone in ZONES:
        enter(f"w-{zone}")
        channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        channel.bind(("eth0", 0))
        sockets[channel.fileno()] = (zone, channel)
    by_zone = dict(sockets.values())
    for number, packet in enumerate(packets):
        by_zone[packet.from_zone].send(frame(packet, FIRST_PORT + number))
    seen = dict(_arrivals(sockets))
    wrong = [number for number, zone in seen.items() if zone != packets[number].to_zone]
    if wrong:
        sys.exit(f"came out in the wrong zone: {[(packets[number], seen[number]) for number in wrong]}")
    print(json.dumps([number in seen for number in range(len(packets))]))


if __name__ == "__main__":
    main()
