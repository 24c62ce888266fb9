# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The worker: asks for every VIP of one network who owns it, 20 times a second.

It must not change what it watches. The requests come from a MAC address of their own, which no interface has:
- the answers are frames for somebody else to this host's kernel (PACKET_OTHERHOST), which drops them before ARP or
  NDP looks at them. An answer to the host's own address would refresh its neighbour entry of the gateway, and so
  heal within 50 ms what only the takeover's own announcement may heal: the blackout would look shorter than it is.
- the firewalls learn nothing about this host either. For ARP the sender is 0.0.0.0, from which no kernel learns. NDP
  has no such form (an answer to an unspecified source goes to all nodes and would teach everybody), so the source is
  a link-local address that belongs to that MAC address; the only entry made is for that address, nobody else's.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Any

from lab.monitors import bpf, frames, realtime, stamps
from lab.monitors.owners.records import ANNOUNCED, ANSWERED, ASKED, RECORD
from lab.monitors.wire import Control

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1


class Asker:
    def __init__(self, control: Control, config: dict[str, Any]) -> None:
        self.control = control
        self.mac = bytes.fromhex(config["mac"])
        self.vips: list[str] = config["vips"]
        self.index = {vip: number for number, vip in enumerate(self.vips)}
        self.requests = [
            frames.solicitation(self.mac, vip) if ":" in vip else frames.arp_request(self.mac, vip) for vip in self.vips
        ]
        self.interval = int(config["interval_ns"])
        self.at_once = int(config["at_once"])
        self.turn = 0
        self.asked = [0] * len(self.vips)
        self.records = bytearray()
        self.send_errors = 0
        self.socks = [self.open(config["interface"], kind) for kind in (frames.ETH_ARP, frames.ETH_IPV6)]
        self.last_read = time.monotonic_ns()
        self.done = False

    @staticmethod
    def open(interface: str, kind: int) -> socket.socket:
        # Bound to one protocol, a packet socket does not see what its own host sends.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        stamps.prepare(sock, 1 << 20)
        if kind == frames.ETH_IPV6:
            bpf.attach(sock, bpf.advertisements())
        sock.bind((interface, kind))
        membership = struct.pack("@iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
        sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        return sock

    def run(self) -> None:
        poll = select.poll()
        for number in (*(sock.fileno() for sock in self.socks), self.control.fileno()):
            poll.register(number, select.POLLIN)
        due = time.monotonic_ns()
        while not self.done and not self.control.closed:
            now = time.monotonic_ns()
            if now >= due:
                self.ask()
                due = max(due + self.interval, now)
                continue
            poll.poll((due - now) / 1e6)
            self.read()
            for request in self.control.requests():
                self.handle(request["cmd"])

    def ask(self) -> None:
        many = len(self.vips)
        for _unused in range(min(self.at_once, many)):
            number = self.turn
            self.turn = (self.turn + 1) % many
            now = time.monotonic_ns()
            sock = self.socks[1 if ":" in self.vips[number] else 0]
            try:
                sock.send(self.requests[number])
            except OSError:
                self.send_errors += 1
                continue
            self.asked[number] = now
            self.records += RECORD.pack(now, now, number, ASKED, bytes(6))

    def read(self) -> None:
        batch = stamps.Batch(self.last_read)
        for sock in self.socks:
            while True:
                try:
                    frame, ancillary, _unused, _unused = sock.recvmsg(256, stamps.ANCILLARY_SIZE)
                except BlockingIOError:
                    break
                except OSError:
                    break  # the interface is down; asking counts that
                found = frames.answer(frame, self.mac)
                number = self.index.get(found[0]) if found else None
                if found is None or number is None:
                    continue
                kind = ANSWERED if found[2] else ANNOUNCED
                self.records += RECORD.pack(batch.arrival(ancillary), self.asked[number], number, kind, found[1])
        self.last_read = batch.now

    def handle(self, command: str) -> None:
        if command == "finish":
            self.done = True
            self.control.answer({"send_errors": self.send_errors}, [bytes(self.records)])
        else:
            self.control.answer({"records": len(self.records) // RECORD.size})


def main() -> None:
    control = Control()
    config = control.first()
    try:
        asker = Asker(control, config)
    except OSError as error:
        control.answer({"error": f"cannot open packet sockets on {config['interface']}: {error}"})
        raise SystemExit(1) from error
    control.answer({"ready": True, "notes": realtime.enter(config["priority"])})
    asker.run()


if __name__ == "__main__":
    main()
