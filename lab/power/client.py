# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The power service of a lab, as the lab and its tests use it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import paths
from ..namespace import Holder
from ..plan import NodePlan, Port
from ..run import LabError
from .protocol import LOG, PORT, SOCKET


@dataclass(frozen=True)
class Request:
    """What was asked of the service; times in nanoseconds of the clock that all nodes share (time.time_ns)."""

    number: int
    source: str
    text: str
    asked_ns: int
    answer: str | None
    answered_ns: int | None


@dataclass(frozen=True)
class Switched:
    """Power that went `off` or came back `on`; `lost` when it should have come back and did not."""

    node: str
    state: str
    ns: int


class Power:
    """The power service of one lab.

    Args:
        runtime: the lab's runtime directory.
        controller: the lab's own ports, on whose addresses the service listens for the nodes.
    """

    def __init__(self, runtime: Path, controller: Iterable[Port]) -> None:
        self._runtime = runtime
        self.port = PORT
        self._process: subprocess.Popen[bytes] | None = None
        self.addresses = [a.partition("/")[0] for port in controller for a in port.addresses]

    @property
    def address(self) -> str:
        """Where the nodes reach it."""
        return self.addresses[0]

    def ask(self, request: str, timeout: float = 60) -> str:
        """Ask by the lab's own socket, whose requests always work; returns what follows `ok`.

        Raises:
            LabError: the service does not run, does not answer in time, or answers `error`.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout)
                connection.connect(str(self._runtime / SOCKET))
                connection.sendall(f"{request}\n".encode())
                with connection.makefile() as answers:
                    answer = answers.readline().strip()
        except OSError as problem:
            raise LabError(f"power service: {request}: {problem}") from problem
        state, _unused, rest = answer.partition(" ")
        if state != "ok":
            raise LabError(f"power service: {request}: {rest or 'no answer'}")
        return rest

    def off(self, node: str) -> None:
        """Cut the power of a node."""
        self.ask(f"off {node}")

    def on(self, node: str) -> None:
        """Start a node that has no power; returns before it has booted."""
        self.ask(f"on {node}")

    def status(self, node: str) -> str:
        """`on` or `off`."""
        return self.ask(f"status {node}")

    def mode(self, mode: str) -> None:
        """How the nodes are served from now on: `normal`, `fail` or `hang`."""
        self.ask(f"mode {mode}")

    @contextmanager
    def broken(self, mode: str) -> Iterator[None]:
        """The service fails or hangs for a while, for the nodes only."""
        self.mode(mode)
        try:
            yield
        finally:
            self.mode("normal")

    def _events(self, since_ns: int) -> list[dict[str, str | int]]:
        events = [json.loads(line) for line in (self._runtime / LOG).read_text().splitlines()]
        return [event for event in events if event["ns"] >= since_ns]

    def requests(self, since_ns: int = 0) -> list[Request]:
        """What the nodes have asked since then, in order, and what they were told."""
        found: dict[int, Request] = {}
        for event in self._events(since_ns):
            number, ns = int(event.get("number", 0)), int(event["ns"])
            if event["event"] == "request" and event["source"] != "lab":
                found[number] = Request(number, str(event["source"]), str(event["request"]), ns, None, None)
            elif event["event"] == "answer" and number in found:
                asked = found[number]
                found[number] = Request(number, asked.source, asked.text, asked.asked_ns, str(event["answer"]), ns)
        return list(found.values())

    def switched(self, since_ns: int = 0) -> list[Switched]:
        """What really was switched since then, in order, by whomever."""
        return [
            Switched(str(event["node"]), str(event["event"]), int(event["ns"]))
            for event in self._events(since_ns)
            if event["event"] in ("off", "on", "lost")
        ]

    def runs(self) -> bool:
        """Whether the service answers."""
        try:
            self.ask("list", timeout=10)
        except LabError:
            return False
        return True

    def start(self, name: str, holder: Holder, nodes: Iterable[NodePlan]) -> None:
        """Start the service of a lab. It ends with the lab's namespaces."""
        given = {"nodes": [asdict(node) for node in nodes], "addresses": self.addresses}
        with (self._runtime / "power.log").open("ab") as log:
            process = subprocess.Popen(
                [*holder.prefix(), sys.executable, "-m", "lab.power.service", name],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=paths.REPO,
                env={**os.environ, **paths.PYTHON},
            )
        self._process = process
        assert process.stdin is not None
        # A process that ended already is found by who waits for it.
        with contextlib.suppress(BrokenPipeError), process.stdin as channel:
            channel.write(json.dumps(given).encode())

    def wait_ready(self, timeout: float = 30) -> None:
        """Wait until it serves.

        Raises:
            LabError: it ended, or is not ready within `timeout` seconds; the message carries what it printed.
        """
        limit = time.monotonic() + timeout
        while not self.runs():
            if time.monotonic() > limit or (self._process is not None and self._process.poll() is not None):
                said = (self._runtime / "power.log").read_text()[-2000:]
                raise LabError(f"the power service does not run: {said}")
            time.sleep(0.05)
