# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The worker: all ends of the streams in one network, paced by absolute time.

Each tick (1 ms) sends one packet per active stream. Sockets are read every tenth tick only: the kernel stamps the
arrivals, so reading in batches costs no accuracy and saves most of the wake-ups.
"""

from __future__ import annotations

import socket
import struct
import time
from array import array
from typing import Any

from lab.monitors import realtime, stamps
from lab.monitors.blackout.records import EndpointRecord
from lab.monitors.wire import Control

PACKET = struct.Struct("!4sHHIq")  # magic, stream, side, sequence number, send time
MAGIC = b"hfBO"
PERIOD_NS = 1_000_000
STALL_NS = 5_000_000
READ_EVERY = 10
CLIENT, SERVER = 0, 1


class Endpoint:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.side = CLIENT if config["side"] == "client" else SERVER
        self.stream = int(config["stream"])
        self.sent: array[int] = array("q")
        self.received: array[int] = array("q")
        self.send_errors: list[tuple[int, int, int]] = []
        self.drops = 0
        self.buffer = bytearray(PACKET.size)
        self.sock = socket.socket(socket.AF_INET if config["family"] == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        stamps.prepare(self.sock)
        self.sock.bind((config["bind"], config["bind_port"]))
        self.active = False
        if self.side == CLIENT:
            self.sock.connect((config["connect"], config["connect_port"]))

    def send(self, now: int) -> None:
        sequence = len(self.sent)
        PACKET.pack_into(self.buffer, 0, MAGIC, self.stream, self.side, sequence, now)
        self.sent.append(now)
        try:
            self.sock.send(self.buffer)
        except OSError as error:
            self.send_errors.append((now, sequence, error.errno or 0))

    def read(self, batch: stamps.Batch) -> None:
        receive = self.sock.recvmsg
        while True:
            try:
                data, ancillary, _unused, peer = receive(64, stamps.ANCILLARY_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                # An ICMP error for an earlier packet; that packet is missed at the other end anyway.
                self.send_errors.append((batch.now, -1, error.errno or 0))
                continue
            if len(data) != PACKET.size:
                continue
            magic, stream, side, sequence, sent = PACKET.unpack(data)
            if magic != MAGIC or stream != self.stream or side == self.side:
                continue
            if self.side == SERVER and not self.active:
                self.sock.connect(peer)
                self.active = True
            self.received.extend((batch.arrival(ancillary), sequence, sent))
        self.drops = max(self.drops, batch.drops)
        batch.drops = 0

    def record(self, stalls: list[tuple[int, int]], notes: list[str]) -> EndpointRecord:
        return EndpointRecord(
            stream=self.stream,
            family=self.config["family"],
            side=self.config["side"],
            network=self.config["network"],
            peer_network=self.config["peer_network"],
            sent=self.sent,
            received=self.received,
            stalls=stalls,
            send_errors=self.send_errors,
            drops=self.drops,
            notes=notes,
            cpu_ms=round(time.process_time() * 1000, 1),
        )


class Sender:
    """The paced loop."""

    def __init__(self, control: Control, endpoints: list[Endpoint], notes: list[str]) -> None:
        self.control = control
        self.endpoints = endpoints
        self.notes = notes
        self.stalls: list[tuple[int, int]] = []
        self.halted = False
        self.done = False
        self.last_read = time.monotonic_ns()

    def run(self) -> None:
        due = time.monotonic_ns() + PERIOD_NS
        tick = 0
        clock, sleep = time.monotonic_ns, time.sleep
        while not self.done:
            now = clock()
            if now < due:
                sleep((due - now) / 1e9)
                now = clock()
            if now - due > STALL_NS:
                self.stalls.append((due, now - due))
            if not self.halted:
                for endpoint in self.endpoints:
                    if endpoint.active:
                        endpoint.send(now)
            due += PERIOD_NS
            if due <= now:  # late by more than a period: skip, a burst of old packets would prove nothing
                due += ((now - due) // PERIOD_NS + 1) * PERIOD_NS
            tick += 1
            if tick % READ_EVERY == 0:
                self.read()

    def read(self) -> None:
        batch = stamps.Batch(self.last_read)
        for endpoint in self.endpoints:
            endpoint.read(batch)
        self.last_read = batch.now
        for request in self.control.requests():
            self.handle(request["cmd"])
        if self.control.closed:
            self.done = True

    def handle(self, command: str) -> None:
        if command == "go":
            for endpoint in self.endpoints:
                endpoint.active = endpoint.active or endpoint.side == CLIENT
        elif command == "halt":
            self.halted = True
        elif command == "finish":
            self.finish()
            self.done = True
            return
        self.control.answer({"streams": [self.status(endpoint) for endpoint in self.endpoints]})

    @staticmethod
    def status(endpoint: Endpoint) -> dict[str, Any]:
        seen = endpoint.received
        return {
            "stream": endpoint.stream,
            "side": endpoint.config["side"],
            "sent": len(endpoint.sent),
            "received": len(seen) // 3,
            "last_ns": seen[-3] if seen else 0,
        }

    def finish(self) -> None:
        records = [endpoint.record(self.stalls, self.notes) for endpoint in self.endpoints]
        payload = [part.tobytes() for item in records for part in (item.sent, item.received)]
        self.control.answer({"endpoints": [item.header() for item in records]}, payload)


def main() -> None:
    control = Control()
    config = control.first()
    try:
        endpoints = [Endpoint(item) for item in config["endpoints"]]
    except OSError as error:
        control.answer({"error": f"cannot open its sockets: {error}"})
        raise SystemExit(1) from error
    notes = realtime.enter(config["priority"])
    control.answer({"ready": True, "notes": notes})
    Sender(control, endpoints, notes).run()


if __name__ == "__main__":
    main()
