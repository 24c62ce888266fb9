# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Wakes Pacemaker's controller when it sleeps in the middle of a takeover.

A controller that becomes DC asks for the CIB while updates of its own are still on their way. When it notices it calls
sleep(1) and asks again (do_pe_invoke_callback in pacemaker-controld): the whole cluster waits, for a few milliseconds
of work. sleep(3) ends when a signal is handled. SIGUSR2 turns the controller's flight recorder off, which is off: it
changes nothing else. Nothing else in a running controller sleeps this way.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Callable, Iterator

NAME = "pacemaker-contr"  # the kernel keeps 15 characters
SLEEPS = b"hrtimer_nanosleep"
POLL_S = 0.025
SEARCH_S = 1.0


class Controller:
    """The controller of this node, whichever process it is at the moment."""

    def __init__(self, root: str = "/proc", kill: Callable[[int, int], None] = os.kill) -> None:
        self.root = Path(root)
        self.kill = kill
        self.pid = 0
        self.wchan = -1  # kept open: it is read often

    def find(self) -> int:
        """Its process id; 0 while it does not run."""
        here = (self.root / "self/ns/pid").readlink()
        for folder in self._processes():
            try:
                # Containers have controllers of their own.
                if _word(folder / "comm") == NAME and (folder / "ns/pid").readlink() == here:
                    return int(folder.name)
            except OSError:
                continue
        return 0

    def _processes(self) -> Iterator[Path]:
        return (folder for folder in self.root.iterdir() if folder.name.isdigit())

    def attach(self) -> bool:
        """Finds it anew; False while it does not run."""
        if self.wchan >= 0:
            os.close(self.wchan)
            self.wchan = -1
        self.pid = self.find()
        if self.pid:
            self.wchan = os.open(self.root / str(self.pid) / "wchan", os.O_RDONLY | os.O_CLOEXEC)
        return bool(self.pid)

    def wake(self) -> bool:
        """Ends its sleep; False when it does not sleep.

        Raises:
            OSError: there is no such process any more.
        """
        if os.pread(self.wchan, 64, 0).strip() != SLEEPS:
            return False
        folder = self.root / str(self.pid)
        if _word(folder / "comm") != NAME:
            return False
        # Unhandled the signal would end it.
        if not _handles(folder, signal.SIGUSR2):
            return False
        self.kill(self.pid, signal.SIGUSR2)
        return True

    def watch(self, wanted: Callable[[], bool], say: Callable[[str], None]) -> None:
        """For ever: look often, but only while somebody wants it."""
        while True:
            busy = bool(self.pid) and wanted()
            time.sleep(POLL_S if busy else SEARCH_S)
            try:
                if busy and self.wake():
                    say("Pacemaker's controller slept before it planned: woken")
                elif not self.pid:
                    self.attach()
            except OSError:
                self.pid = 0


def _word(path: Path) -> str:
    return path.read_text().strip()


def _handles(folder: Path, number: int) -> bool:
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
