# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Control channel between a controller and its worker program: JSON lines over stdin and stdout.

The controller's messages are requests; each gets exactly one reply, which may announce raw bytes that follow it.
End of file on stdin ends a worker, so none outlives its controller.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.monitors.host import Host

REPOSITORY = Path(__file__).resolve().parents[2]


class MonitorError(RuntimeError):
    """A monitor could not do its work; the run proves nothing."""


class Worker:
    """Controller side: one worker program inside a host."""

    def __init__(self, host: Host, module: str, arguments: Sequence[str] = ()) -> None:
        self.label = f"{module.rsplit('.', 1)[-1]} on {host.name}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._process = host.popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            bufsize=0,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise MonitorError(f"{self.label}: the host gave no pipes to its program")
        self._stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        os.set_blocking(self._stdout, False)
        self._buffer = bytearray()

    def post(self, command: str, **fields: Any) -> None:
        """Send a request without waiting for the reply."""
        line = json.dumps({"cmd": command, **fields}, separators=(",", ":")).encode() + b"\n"
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._stdin, view) :]
        except OSError as error:
            raise MonitorError(f"{self.label}: cannot send '{command}': {error}{self._tail()}") from error

    def reply(self, timeout: float = 10.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(deadline)
        message: dict[str, Any] = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        if "error" in message:
            raise MonitorError(f"{self.label}: {message['error']}")
        return message

    def ask(self, command: str, timeout: float = 10.0, **fields: Any) -> dict[str, Any]:
        self.post(command, **fields)
        return self.reply(timeout)

    def ask_bytes(self, command: str, timeout: float = 30.0) -> tuple[dict[str, Any], bytes]:
        """A request whose reply is followed by as many raw bytes as its member 'bytes' says."""
        message = self.ask(command, timeout)
        deadline = time.monotonic() + timeout
        size = int(message["bytes"])
        while len(self._buffer) < size:
            self._fill(deadline)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return message, data

    def close(self) -> None:
        """End the program; safe to call twice and after it has died."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=3)
        self._log.close()

    def _fill(self, deadline: float) -> None:
        ready, _unused, _unused = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise MonitorError(f"{self.label}: no answer in time{self._tail()}")
        chunk = os.read(self._stdout, 1 << 20)
        if not chunk:
            raise MonitorError(f"{self.label}: ended early{self._tail()}")
        self._buffer += chunk

    def _tail(self) -> str:
        if self._log.closed:
            return ""
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return f"; it said: {text[-2000:]}" if text else ""


class Control:
    """Worker side."""

    def __init__(self) -> None:
        self._buffer = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN | select.POLLHUP)
        self.closed = False

    @staticmethod
    def fileno() -> int:
        return 0

    def requests(self, wait_ms: int = 0) -> list[dict[str, Any]]:
        """The requests that have come in; an empty list when there are none."""
        if self.closed or not self._poll.poll(wait_ms):
            return []
        chunk = os.read(0, 1 << 20)
        if not chunk:
            self.closed = True
            return []
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def first(self) -> dict[str, Any]:
        """Wait for the first request, which carries the configuration."""
        while not self.closed:
            if found := self.requests(1000):
                if len(found) > 1:
                    raise MonitorError("more than one request before the first answer")
                return found[0]
        raise SystemExit(0)

    @staticmethod
    def answer(message: dict[str, Any], payload: Sequence[bytes] | None = None) -> None:
        if payload is not None:
            message = {**message, "bytes": sum(len(part) for part in payload)}
        parts = [json.dumps(message, separators=(",", ":")).encode() + b"\n", *(payload or ())]
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(1, view) :]
