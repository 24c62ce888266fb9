# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The power service: runs inside the namespaces of its lab and dies with them. See `protocol`."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import paths
from ..hosts import NodeHost, node_host
from ..namespace import identify
from ..plan import NodePlan, Port
from ..run import LabError
from . import supply
from .protocol import LOG, MAX_LINE, MODES, PORT, SOCKET

Answer = Callable[[str], None]
# Fences come in storms; the default of 5 refuses some of ten requests at once (seen).
BACKLOG = 128
# How long the firmware of a machine would take is nobody's matter here.
LOOK_S = 0.2


class Log:
    """What was asked, answered and switched, one JSON object a line, at the clock that the nodes share."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()
        self._number = 0

    def write(self, event: str, **more: Any) -> None:
        """Write one event."""
        with self._lock:
            self._file.write(json.dumps({"event": event, "ns": time.time_ns(), **more}) + "\n")

    def number(self) -> int:
        """A number for the next request."""
        with self._lock:
            self._number += 1
            return self._number


class Service:
    """Serves requests, whatever way they come."""

    def __init__(self, nodes: Mapping[str, NodeHost], log: Log) -> None:
        self.nodes = nodes
        self.log = log
        self.mode = "normal"

    def serve(self, line: str, local: bool, answer: Answer) -> bool:
        """Serve one request. False: it will never be answered."""
        words = line.split()
        if not local and self.mode != "normal":
            if self.mode == "fail":
                answer("error the power service was told to fail")
            return self.mode == "fail"
        try:
            self._order(words, local, answer)
        except LabError as problem:
            answer("error " + " ".join(str(problem).split()))
        return True

    def _order(self, words: list[str], local: bool, answer: Answer) -> None:
        match words:
            case ["list"]:
                answer("ok " + " ".join(f"{name}={self._state(node)}" for name, node in self.nodes.items()))
            case ["mode", mode] if local and mode in MODES:
                self.mode = mode
                answer("ok")
            case ["status", name] if name in self.nodes:
                answer(f"ok {self._state(self.nodes[name])}")
            case ["off", name] if name in self.nodes:
                supply.off(self.nodes[name])
                self.log.write("off", node=name)
                answer("ok")
            case ["on", name] if name in self.nodes:
                supply.on(self.nodes[name])
                self.log.write("on", node=name)
                answer("ok")
            case ["reboot", name] if name in self.nodes:
                self._reboot(self.nodes[name], answer)
            case ["off" | "on" | "reboot" | "status", name]:
                answer(f"error no node {name}; there is {', '.join(self.nodes)}")
            case _:
                answer("error the requests are: off NODE, on NODE, reboot NODE, status NODE, list")

    def watch(self) -> None:
        """For ever: a node that reboots by itself comes back."""
        while True:
            time.sleep(LOOK_S)
            for node in self.nodes.values():
                try:
                    if supply.again(node):
                        self.log.write("on", node=node.name)
                except (LabError, RuntimeError, OSError) as problem:
                    self.log.write("lost", node=node.name, reason=str(problem))

    def _state(self, node: NodeHost) -> str:
        return "on" if node.powered() else "off"

    def _reboot(self, node: NodeHost, answer: Answer) -> None:
        with supply.switch(node):
            node.cut_power()
            self.log.write("off", node=node.name)
            answer("ok")
            # What is needed from here on is not what a fencer waits for: the node cannot do any harm any more.
            try:
                node.power_off()
                node.boot()
            except (LabError, RuntimeError, OSError) as problem:
                self.log.write("lost", node=node.name, reason=str(problem))
            else:
                self.log.write("on", node=node.name)


class _Handler(socketserver.StreamRequestHandler):
    local = False
    service: Service

    def handle(self) -> None:
        source = "lab" if self.local else self.client_address[0]
        try:
            while line := self.rfile.readline(MAX_LINE):
                self._request(line.decode("ascii", "replace").strip(), source)
        except (ConnectionError, BrokenPipeError):
            # Who asked is gone, for example because it has lost its own power.
            return

    def _request(self, line: str, source: str) -> None:
        log, number = self.service.log, self.service.log.number()
        log.write("request", number=number, source=source, request=line)

        def answer(text: str) -> None:
            log.write("answer", number=number, answer=text)
            try:
                self.wfile.write(f"{text}\n".encode())
            except OSError:
                log.write("unread", number=number)

        if not self.service.serve(line, self.local, answer):
            while self.rfile.readline(MAX_LINE):
                pass


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = BACKLOG


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = BACKLOG


def _node(name: str, data: Mapping[str, Any]) -> NodeHost:
    ports = tuple(Port(**{**port, "addresses": tuple(port["addresses"])}) for port in data["ports"])
    return node_host(name, identify(1), NodePlan(**{**data, "ports": ports}))


def main() -> None:
    """Serve the lab named in the first argument; the rest is one JSON document on standard input."""
    name = sys.argv[1]
    given = json.load(sys.stdin)
    runtime = paths.RUNTIME / name
    nodes = {plan["name"]: _node(name, plan) for plan in given["nodes"]}
    served = Service(nodes, Log(runtime / LOG))
    outside = type("Outside", (_Handler,), {"service": served})
    inside = type("Inside", (_Handler,), {"service": served, "local": True})
    (runtime / SOCKET).unlink(missing_ok=True)
    servers: list[socketserver.BaseServer] = [_Tcp((address, PORT), outside) for address in given["addresses"]]
    # The last one: who can connect to it knows that the others listen.
    servers.append(_Unix(str(runtime / SOCKET), inside))
    (runtime / SOCKET).chmod(0o600)
    threads = [threading.Thread(target=server.serve_forever, args=(3600,)) for server in servers]
    threads.append(threading.Thread(target=served.watch))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
