# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Since when does the SSH connection exist over which this program was called?

A connection from before the rules can live on under rules that let nobody in, and a multiplexed one (ControlMaster)
looks new to whoever uses it. The server starts one process for each connection (sshd, since OpenSSH 9.8
sshd-session) and runs all sessions of a multiplexed connection below it: the age of that process is the age of
the connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

NAMES = ("sshd", "sshd-session", "sshd-auth")
# Sessions in these outlive the connection from which they were started, and any other that was joined to them.
DETACHED = ("tmux: server", "tmux", "screen", "mosh-server", "dtach", "abduco", "zellij")
VARIABLES = (b"SSH_CONNECTION=", b"SSH_CLIENT=", b"SSH_TTY=")


@dataclass(frozen=True)
class Process:
    """`started` is in seconds since boot, rounded down to a clock tick; `remote` when it was begun over SSH."""

    name: str
    parent: int
    started: float
    title: str
    remote: bool = False


def process(pid: int, proc: Path) -> Optional[Process]:
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        title = (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", errors="replace")
    except OSError:
        return None
    # proc(5): the name is in parentheses and can contain some; after it come state, parent, and as 22nd the start.
    head, _bracket, tail = stat.rpartition(")")
    fields = tail.split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return Process(head.partition("(")[2], int(fields[1]), started, title, _remote(proc / str(pid)))


def _remote(directory: Path) -> bool:
    try:
        variables = (directory / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(variable.startswith(VARIABLES) for variable in variables)


def ancestors(pid: int, proc: Path) -> Iterator[Process]:
    while pid > 0:
        found = process(pid, proc)
        if found is None:
            return
        yield found
        pid = found.parent


def began(pid: Optional[int] = None, proc: Path = Path("/proc")) -> Optional[float]:
    """When the SSH connection above this process was made, in seconds since boot; None without one (a console)."""
    servers = [
        item
        for item in ancestors(pid or os.getpid(), proc)
        # The listener has been there all the time.
        if item.name in NAMES and "[listener]" not in item.title
    ]
    return min((item.started for item in servers), default=None)


def at_console(pid: Optional[int] = None, proc: Path = Path("/proc")) -> bool:
    """Whether nothing above this process speaks of a connection. sudo forgets the variables, those above it do not."""
    return not any(
        item.name in (*NAMES, *DETACHED) or item.remote
        for item in ancestors(pid or os.getpid(), proc)
        if "[listener]" not in item.title
    )


def newer_than(moment: float, pid: Optional[int] = None, proc: Path = Path("/proc")) -> bool:
    """Whether this call proves that rules loaded at this moment let people in. At the console nothing needs proof."""
    start = began(pid, proc)
    return at_console(pid, proc) if start is None else start >= moment
