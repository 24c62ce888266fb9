# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Carriers of the tracked interfaces, told to Pacemaker as a node attribute the moment they change.

A monitor that looks now and then would find a pulled cable a second too late; the kernel reports it at once
(rtnetlink(7)).
"""

from __future__ import annotations

import select
import socket
import subprocess
from pathlib import Path
from typing import List, Optional, Sequence

RTMGRP_LINK = 1
WORTH = 10_000  # of a carrier
# What is lost counts, not what there is: while a network is added, one node watches it before the others do, and if its
# carrier came on top, that node would be the better one for a moment, and take the addresses.
ALL = 10 * WORTH
RETRY_S = 5.0
AT_ONCE = 256  # reports that are taken in one turn
ROOT = "/sys/class/net"


def carrier(interface: str, root: str = ROOT) -> bool:
    """False also for an interface that is missing, or down: the kernel does not tell its carrier (EINVAL)."""
    try:
        return Path(root, interface, "carrier").read_text().strip() == "1"
    except OSError:
        return False


def score(interfaces: Sequence[str], root: str = ROOT) -> int:
    """What the attribute should say: never below 0, for a node with a score below 0 may not serve at all."""
    return max(0, ALL - WORTH * sum(not carrier(interface, root) for interface in interfaces))


class Links:
    """The attribute of this node. Setting it takes a program, which runs beside the worker."""

    def __init__(self, interfaces: Sequence[str], attribute: str, root: str = ROOT) -> None:
        self.interfaces = interfaces
        self.attribute = attribute
        self.root = root
        self.sent: Optional[int] = None
        self.wanted: Optional[int] = None
        self.running: Optional[subprocess.Popen[bytes]] = None
        self.next = 0.0
        self.socket: Optional[socket.socket] = None
        if interfaces:
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self.socket.setblocking(False)
            self.socket.bind((0, RTMGRP_LINK))

    def drain(self) -> None:
        """Takes what the kernel reports. Only that something changed counts: a lost report is none."""
        for _report in range(AT_ONCE):
            if self.socket is None or not select.select([self.socket], [], [], 0)[0]:
                return
            try:
                self.socket.recv(65536)
            except OSError:  # ENOBUFS: reports were lost
                continue

    def again(self) -> None:
        """Pacemaker may have forgotten the attribute: it starts, or this node has joined."""
        self.sent = None
        self.next = 0.0

    def turn(self, now: float) -> str:
        """Sets the attribute where it is not what it should be; returns what went wrong, or nothing."""
        if not self.interfaces:
            return ""
        problem = self._ended(now)
        self.wanted = score(self.interfaces, self.root)
        if self.running is None and self.sent != self.wanted and now >= self.next:
            return self._send(now) or problem
        return problem

    def wait(self, now: float) -> Optional[float]:
        """Seconds until the next turn is due, None when only the kernel can cause one."""
        if self.running is not None:
            return 0.01
        if self.interfaces and self.sent != self.wanted:
            return max(0.0, self.next - now)
        return None

    def command(self) -> List[str]:
        # Without a delay of its own attrd writes at once.
        return ["attrd_updater", "--name", self.attribute, "--update", str(self.wanted), "--delay", "0"]

    def _send(self, now: float) -> str:
        self.sent = self.wanted
        try:
            self.running = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            self.sent, self.next = None, now + RETRY_S
            return str(error)
        return ""

    def _ended(self, now: float) -> str:
        if self.running is None or self.running.poll() is None:
            return ""
        code = self.running.returncode
        self.running = None
        if code == 0:
            return ""
        # Pacemaker does not run, which is nobody's fault while the node starts.
        self.sent, self.next = None, now + RETRY_S
        return f"attrd_updater: exit {code}"
