# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Progress that a person can follow: one line per step, with its time."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

_lock = threading.Lock()


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line now, also when the output is a pipe."""
    with _lock:
        print(text, file=stream or sys.stderr, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, then print how long it took; a failure is marked and passed on."""
    tty = sys.stderr.isatty()
    if tty:
        print(f"  ... {title}", end="\r", file=sys.stderr, flush=True)
    start = time.monotonic()
    mark = "FAIL"
    try:
        yield
        mark = "ok"
    finally:
        say(f"{mark:>5} {title} ({time.monotonic() - start:.1f} s)" + (" " * 8 if tty else ""))
