# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The lab's own mount, network and PID namespace, held open by one process.

Everything of a lab lives below that process: when it dies, the kernel ends every process of the lab and removes its
mounts, bridges and links. That makes tear-down, also after a crash, a single kill.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .run import LabError, run


@dataclass(frozen=True)
class Holder:
    """A running namespace holder: its PID on the host, and the start time that tells it from a reused PID."""

    pid: int
    started: str

    def prefix(self) -> list[str]:
        """The command prefix that enters the lab (mount, network and PID namespace)."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--"]

    def alive(self) -> bool:
        """True while this very process runs."""
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat (proc(5)), or an empty string when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def start(name: str) -> Holder:
    """Start the holder of the lab `name` and wait until its namespaces are ready.

    Raises:
        LabError: the holder ended early; the message carries what it printed.
    """
    ready, report = os.pipe()
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
    argv += [sys.executable, "-m", "lab.holder", name, str(report)]
    directory = paths.RUNTIME / name
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "holder.log").open("wb") as log:
        parent = subprocess.Popen(
            argv,
            pass_fds=(report,),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=paths.REPO,
        )
    os.close(report)
    with os.fdopen(ready) as pipe:
        answer = pipe.readline()
    if answer.strip() != "ready":
        parent.kill()
        raise LabError(f"the lab's namespaces could not be made: {(directory / 'holder.log').read_text()[-2000:]}")
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    return identify(int(children[0]))


def identify(pid: int) -> Holder:
    """The holder with this PID, as it runs now."""
    return Holder(pid, _start_time(pid))


def stop(holder: Holder) -> None:
    """Kill the holder, and with it everything in its PID namespace; returns when it is gone."""
    if not holder.alive():
        return
    os.kill(holder.pid, signal.SIGKILL)
    limit = time.monotonic() + 20
    while holder.alive():
        if time.monotonic() > limit:
            raise LabError(f"process {holder.pid}, which holds the lab, does not die")
        time.sleep(0.02)


def load(path: Path) -> Holder | None:
    """The holder recorded in a lab's state file, or None when there is no record or the process is gone."""
    try:
        data = json.loads(path.read_text())["holder"]
    except (OSError, ValueError, KeyError):
        return None
    holder = Holder(int(data["pid"]), str(data["started"]))
    return holder if holder.alive() else None


def inside(holder: Holder, argv: Sequence[str], stdin: str | None = None, check: bool = True) -> str:
    """Run a program inside the lab's namespaces and return its standard output."""
    return run([*holder.prefix(), *argv], stdin=stdin, check=check).stdout
