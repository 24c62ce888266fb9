# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A headless Chromium, steered through its DevTools protocol over two pipes (--remote-debugging-pipe)."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
# The browser reads commands from 3 and writes answers to 4. Copies first, since the pipes may have these numbers.
INTO_PLACE = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(RuntimeError):
    """The browser is missing, is silent, or refuses a command."""


def program() -> str:
    """The first browser that is installed.

    Raises:
        BrowserError: there is none. A check that cannot be made has not passed.
    """
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BrowserError(f"none of {', '.join(PROGRAMS)} is installed; on Debian: apt install chromium-headless-shell")


class Browser:
    """One page."""

    def __init__(self, profile: Path) -> None:
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self.rest = b""
        read_end, self.write = os.pipe()
        self.read, write_end = os.pipe()
        argv = [
            program(),
            "--headless",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            # Chromium's sandbox refuses to run as root, and the page is of our own making.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", INTO_PLACE, str(read_end), str(write_end), *argv],
            pass_fds=(read_end, write_end),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        targets = self._call("Target.getTargets", {}, None)["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._call("Target.attachToTarget", {"targetId": page["targetId"], "flatten": True}, None)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read)
        os.close(self.write)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._call(method, parameters, self.session)

    def open(self, address: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url=address)
        self._until("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def _call(self, method: str, parameters: Mapping[str, Any], session: str | None) -> dict[str, Any]:
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        os.write(self.write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                return dict(message["result"])
            self.events.append(message)

    def _until(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        limit = time.monotonic() + PATIENCE_S
        while b"\0" not in self.rest:
            ready, _write, _error = select.select([self.read], [], [], max(0.0, limit - time.monotonic()))
            data = os.read(self.read, 1 << 16) if ready else b""
            if not data:
                raise BrowserError(f"no answer from the browser within {PATIENCE_S:g} s, or it has ended")
            self.rest += data
        text, _zero, self.rest = self.rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found
