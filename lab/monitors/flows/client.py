# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Client side: sends each flow's stream and compares what comes back with what it must be."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import time
from typing import Any

from lab.monitors.flows.stream import WORD, content
from lab.monitors.wire import Control

SLOT_NS = 10_000_000
SLOTS = 20  # the wheel turns once in 200 ms: the pause of an interactive flow
BULK_SLOTS = 5  # a bulk flow sends each 50 ms
BULK_CHUNK = 8192
BULK_WINDOW = 131072
MESSAGE = 64
READ = 65536
AT_ONCE = 100  # connections being opened at the same time
IP_BIND_ADDRESS_NO_PORT = 24
RESETS = (errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED)


class Flow:
    __slots__ = (
        "config", "corrupted", "error", "goal", "kind", "mask", "number", "received",
        "reset", "sent", "sock", "stall_ns", "stall_start", "target", "waiting",
    )  # fmt: skip

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.number: int = config["flow"]
        self.kind: str = config["kind"]
        self.sock: socket.socket | None = None
        self.sent = self.received = self.goal = 0
        self.target = 0  # what must have come back for the running check to pass
        self.waiting = 0  # since when something is due to come back; 0: nothing is
        self.stall_ns = self.stall_start = 0
        self.corrupted = self.reset = False
        self.error = ""
        self.mask = select.EPOLLOUT

    def progress(self, now: int) -> None:
        """Something came back, or the flow is being judged: how long did it take?"""
        if self.waiting and now - self.waiting > self.stall_ns:
            self.stall_ns, self.stall_start = now - self.waiting, self.waiting


class Client:
    def __init__(self, control: Control, flows: list[dict[str, Any]]) -> None:
        self.control = control
        self.epoll = select.epoll()
        self.epoll.register(control.fileno(), select.EPOLLIN)
        self.flows = [Flow(item) for item in flows]
        self.open: dict[int, Flow] = {}
        self.unopened = list(reversed(self.flows))
        self.connecting = 0
        self.checking: set[int] = set()
        self.dead: set[int] = set()
        self.check_until = 0
        self.done = self.halted = False
        self.wheel: list[list[Flow]] = [[] for _unused in range(SLOTS)]
        for number, flow in enumerate(self.flows):
            if flow.kind == "interactive":
                self.wheel[number % SLOTS].append(flow)
            elif flow.kind == "bulk":
                for slot in range(number % BULK_SLOTS, SLOTS, BULK_SLOTS):
                    self.wheel[slot].append(flow)

    def run(self) -> None:
        slot, due = 0, time.monotonic_ns()
        while not self.done and not self.control.closed:
            now = time.monotonic_ns()
            if now >= due:
                self.tick(slot, now)
                slot, due = (slot + 1) % SLOTS, max(due + SLOT_NS, now)
                continue
            for number, mask in self.epoll.poll((due - now) / 1e9):
                if number == self.control.fileno():
                    for request in self.control.requests():
                        self.handle(request)
                elif number in self.open:
                    self.event(self.open[number], mask)

    def tick(self, slot: int, now: int) -> None:
        while self.unopened and self.connecting < AT_ONCE:
            self.connect(self.unopened.pop())
        if not self.halted:
            for flow in self.wheel[slot]:
                if flow.mask & select.EPOLLOUT or flow.error or not flow.received:
                    continue
                if flow.kind == "bulk" and flow.goal - flow.received < BULK_WINDOW:
                    self.push(flow, BULK_CHUNK, now)
                elif flow.kind == "interactive" and flow.received == flow.goal:
                    self.push(flow, MESSAGE, now)
        if self.check_until and (now > self.check_until or not self.checking):
            failed = sorted(self.checking | self.dead)
            self.check_until = 0
            self.checking = set()
            self.control.answer({"passed": len(self.flows) - len(failed), "failed": failed})

    def handle(self, request: dict[str, Any]) -> None:
        command, now = request["cmd"], time.monotonic_ns()
        if command == "check":
            # Answered by tick().
            self.check_until = now + int(request["deadline_ms"]) * 1_000_000
            self.checking = {flow.number for flow in self.flows} - self.dead
            for flow in self.flows:
                flow.target = flow.goal + MESSAGE
                self.push(flow, MESSAGE, now)
        elif command == "mark":
            for flow in self.flows:
                flow.stall_ns, flow.stall_start = 0, 0
                flow.waiting = now if flow.waiting else 0
            self.control.answer({})
        elif command == "halt":
            self.halted = True
            self.control.answer({})
        elif command in ("report", "finish"):
            self.report(now)
            self.done = command == "finish"
        else:
            established = sum(1 for flow in self.flows if flow.received and not flow.error)
            failed = [flow for flow in self.flows if flow.error]
            first = failed[0] if failed else None
            text = f"to {first.config['connect']} port {first.config['port']}: {first.error}" if first else ""
            self.control.answer({"established": established, "failed": len(failed), "first": text})

    def report(self, now: int) -> None:
        for flow in self.flows:
            flow.progress(now)
        found = [
            {
                "flow": flow.number,
                "error": flow.error,
                "reset": flow.reset,
                "corrupted": flow.corrupted,
                "sent": flow.sent,
                "received": flow.received,
                "stall_ms": round(flow.stall_ns / 1e6, 1),
                "stall_start_ns": flow.stall_start,
            }
            for flow in self.flows
        ]
        self.control.answer({"flows": len(found)}, [json.dumps(found).encode()])

    def connect(self, flow: Flow) -> None:
        config = flow.config
        flow.sock = socket.socket(socket.AF_INET6 if config["family"] == 6 else socket.AF_INET, socket.SOCK_STREAM)
        flow.sock.setblocking(False)
        flow.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The port is chosen at connect(), where only the whole 5-tuple must be unique.
        flow.sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.connecting += 1
        self.open[flow.sock.fileno()] = flow
        self.epoll.register(flow.sock.fileno(), flow.mask)
        try:
            flow.sock.bind((config["bind"], 0))
            flow.sock.connect((config["connect"], config["port"]))
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(flow, error.errno or 0)

    def event(self, flow: Flow, mask: int) -> None:
        sock = flow.sock
        if sock is None:
            return
        if not flow.goal:  # the connection has just been made, or refused
            if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.fail(flow, number)
                return
            if mask & select.EPOLLOUT:
                self.push(flow, WORD, time.monotonic_ns())
            return
        if mask & select.EPOLLOUT:
            self.push(flow, 0, time.monotonic_ns())
        if mask & ~select.EPOLLOUT and not flow.error:
            self.receive(flow, sock)

    def receive(self, flow: Flow, sock: socket.socket) -> None:
        try:
            data = sock.recv(READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(flow, error.errno or 0)
            return
        if not data:
            flow.error, flow.reset = "closed by the peer", True
            self.close(flow)
            return
        now = time.monotonic_ns()
        if data != content(flow.number, flow.received, len(data)):
            flow.corrupted = True
            flow.error = f"wrong bytes after offset {flow.received}"
            self.close(flow)
            return
        if not flow.received:
            self.connecting -= 1
        flow.received += len(data)
        flow.progress(now)
        flow.waiting = now if flow.received < flow.goal else 0
        if flow.target and flow.received >= flow.target:
            flow.target = 0
            self.checking.discard(flow.number)

    def push(self, flow: Flow, size: int, now: int) -> None:
        """Send that many more bytes, and what is still unsent."""
        if flow.error or flow.sock is None:
            return
        flow.goal += size
        flow.waiting = flow.waiting or now
        try:
            while flow.sent < flow.goal:
                flow.sent += flow.sock.send(content(flow.number, flow.sent, min(READ, flow.goal - flow.sent)))
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(flow, error.errno or 0)
            return
        mask = select.EPOLLIN | (select.EPOLLOUT if flow.sent < flow.goal else 0)
        if mask != flow.mask:
            flow.mask = mask
            self.epoll.modify(flow.sock.fileno(), mask)

    def fail(self, flow: Flow, number: int) -> None:
        flow.error = os.strerror(number)
        flow.reset = number in RESETS
        flow.progress(time.monotonic_ns())
        self.close(flow)

    def close(self, flow: Flow) -> None:
        if flow.sock is None:
            return
        if not flow.received:
            self.connecting -= 1
        self.open.pop(flow.sock.fileno(), None)
        self.epoll.unregister(flow.sock.fileno())
        flow.sock.close()
        flow.sock = None
        flow.waiting = 0
        # Nothing more will come: a running check need not wait for it.
        self.dead.add(flow.number)
        self.checking.discard(flow.number)
