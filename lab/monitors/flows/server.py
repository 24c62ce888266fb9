# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Server side: sends everything back, and remembers who came."""

from __future__ import annotations

import json
import os
import select
import socket
from typing import Any

from lab.monitors.flows.stream import WORD, flow_of
from lab.monitors.wire import Control

BACKLOG = 4096
READ = 65536
MOST_PENDING = 1 << 18


class Connection:
    __slots__ = ("error", "first", "flow", "mask", "peer", "pending", "received", "sock")

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.sock = sock
        self.peer = peer
        self.flow = -1
        self.first = b""
        self.pending = bytearray()
        self.received = 0
        self.error = ""
        self.mask = select.EPOLLIN


class Server:
    def __init__(self, control: Control, listen: list[dict[str, Any]]) -> None:
        self.control = control
        self.epoll = select.epoll()
        self.epoll.register(control.fileno(), select.EPOLLIN)
        self.listeners: dict[int, socket.socket] = {}
        self.open: dict[int, Connection] = {}
        self.all: list[Connection] = []
        self.done = False
        for item in listen:
            sock = socket.socket(socket.AF_INET6 if item["family"] == 6 else socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            try:
                sock.bind((item["address"], item["port"]))
            except OSError as error:
                raise OSError(f"cannot listen on {item['address']} port {item['port']}: {error}") from error
            sock.listen(BACKLOG)
            self.listeners[sock.fileno()] = sock
            self.epoll.register(sock.fileno(), select.EPOLLIN)

    def run(self) -> None:
        while not self.done and not self.control.closed:
            for number, _unused in self.epoll.poll(1.0):
                if number == self.control.fileno():
                    for request in self.control.requests():
                        self.handle(request["cmd"])
                elif number in self.listeners:
                    self.accept(self.listeners[number])
                elif number in self.open:
                    self.serve(self.open[number])

    def handle(self, command: str) -> None:
        if command in ("report", "finish"):
            found = [
                {"flow": item.flow, "peer": item.peer, "error": item.error, "received": item.received}
                for item in self.all
            ]
            self.control.answer({"connections": len(found)}, [json.dumps(found).encode()])
            self.done = command == "finish"
            return
        self.control.answer({"open": len(self.open), "accepted": len(self.all)})

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError:
                continue  # reset before it was accepted: its client reports it
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, peer[0])
            self.open[sock.fileno()] = connection
            self.all.append(connection)
            self.epoll.register(sock.fileno(), connection.mask)

    def serve(self, item: Connection) -> None:
        try:
            if len(item.pending) < MOST_PENDING:
                data = item.sock.recv(READ)
                if not data:
                    self.close(item, "")
                    return
                item.received += len(data)
                if item.flow < 0:
                    item.first += data[:WORD]
                    if len(item.first) >= WORD:
                        item.flow = flow_of(item.first)
                item.pending += data
        except BlockingIOError:
            pass
        except OSError as error:
            self.close(item, os.strerror(error.errno or 0))
            return
        try:
            while item.pending:
                del item.pending[: item.sock.send(item.pending)]
        except BlockingIOError:
            pass
        except OSError as error:
            self.close(item, os.strerror(error.errno or 0))
            return
        mask = (select.EPOLLIN if len(item.pending) < MOST_PENDING else 0) | (select.EPOLLOUT if item.pending else 0)
        if mask != item.mask:
            item.mask = mask
            self.epoll.modify(item.sock.fileno(), mask)

    def close(self, item: Connection, error: str) -> None:
        item.error = error
        del self.open[item.sock.fileno()]
        self.epoll.unregister(item.sock.fileno())
        item.sock.close()
