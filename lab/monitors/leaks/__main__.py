# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The worker: sends the canaries of one network and counts those of all others that arrive in it."""

from __future__ import annotations

import select
import socket
import struct
import time
from array import array
from typing import Any

from lab.monitors import bpf, frames, realtime, stamps
from lab.monitors.leaks import packets
from lab.monitors.wire import Control

MOST_KEPT = 10000  # arrivals; more are only counted
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1


class Canary:
    """One kind of packet that is sent again and again."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.number = int(config["number"])
        self.config = config
        self.counter = 0
        self.errors = 0
        family = socket.AF_INET6 if config["family"] == 6 else socket.AF_INET
        if config["protocol"] == "tcp":
            self.sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
            # A raw socket gets a copy of all TCP packets of its host: it wants none.
            bpf.attach(self.sock, [bpf.REJECT])
            self.where = (config["target"], 0)
        else:
            self.sock = socket.socket(family, socket.SOCK_DGRAM)
            self.where = (config["target"], config["port"])
        self.sock.setblocking(False)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, packets.HOP_LIMIT)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, packets.HOP_LIMIT)
        self.sock.bind((config["bind"], 0))

    def send(self, log: array[int]) -> None:
        if self.config["protocol"] == "tcp":
            data = packets.syn(
                self.config["bind"], self.config["target"], self.number, self.config["port"], self.counter
            )
        else:
            data = packets.UDP_PAYLOAD.pack(packets.MAGIC, self.number, self.counter)
        try:
            self.sock.sendto(data, self.where)
            self.counter += 1
            log.extend((time.monotonic_ns(), self.number))
        except OSError:
            self.errors += 1


class Watcher:
    def __init__(self, control: Control, config: dict[str, Any]) -> None:
        self.control = control
        self.interval = int(config["interval_ns"])
        self.at_once = int(config["at_once"])
        self.canaries = [Canary(item) for item in config["send"]]
        self.turn = 0
        self.arrived = 0
        self.kept: list[dict[str, Any]] = []
        self.sent: array[int] = array("q")
        self.socks = [self.open(config["interface"], family, ports) for family, ports in config["receive"]]
        self.last_read = time.monotonic_ns()
        self.done = False

    @staticmethod
    def open(interface: str, family: int, ports: list[int]) -> socket.socket:
        kind = frames.ETH_IPV4 if family == 4 else frames.ETH_IPV6
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        stamps.prepare(sock, 1 << 20)
        bpf.attach(sock, bpf.destination_ports(family, ports))
        sock.bind((interface, kind))
        # Also what is forwarded to a MAC address that is not this host's has left the firewall.
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
                for _unused in range(min(self.at_once, len(self.canaries))):
                    self.canaries[self.turn].send(self.sent)
                    self.turn = (self.turn + 1) % len(self.canaries)
                due = max(due + self.interval, now)
                continue
            poll.poll((due - now) / 1e6)
            self.read()
            for request in self.control.requests():
                self.handle(request["cmd"])

    def read(self) -> None:
        batch = stamps.Batch(self.last_read)
        for sock in self.socks:
            while True:
                try:
                    frame, ancillary, _unused, _unused = sock.recvmsg(256, stamps.ANCILLARY_SIZE)
                except OSError:
                    break  # empty, or the interface is down
                found = packets.recognise(frame)
                if found is None:
                    continue
                self.arrived += 1
                if len(self.kept) < MOST_KEPT:
                    self.kept.append({"t_ns": batch.arrival(ancillary), **found.__dict__})
        self.last_read = batch.now

    def handle(self, command: str) -> None:
        if command != "finish":
            self.control.answer({"arrived": self.arrived})
            return
        report = {"arrived": self.arrived, "kept": self.kept, "errors": sum(item.errors for item in self.canaries)}
        self.control.answer(report, [self.sent.tobytes()])
        self.done = True


def main() -> None:
    control = Control()
    config = control.first()
    try:
        watcher = Watcher(control, config)
    except OSError as error:
        control.answer({"error": f"cannot open its sockets on {config['interface']}: {error}"})
        raise SystemExit(1) from error
    control.answer({"ready": True, "notes": realtime.enter(config["priority"])})
    watcher.run()


if __name__ == "__main__":
    main()
