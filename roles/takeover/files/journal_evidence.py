# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a node can see of the reason for a change: carriers, adverts, files of operators, systemd, Pacemaker."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import subprocess
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import journal_core as core
import takeover_links

VRRP = 112
SO_ATTACH_FILTER = 26
# Classic BPF (code, jump if true, jump if false, constant): takes adverts with priority 0 and nothing else, so that the
# hundred adverts of each second wake nobody. An IPv4 packet comes with its header, an IPv6 packet without.
ONLY_ZERO = ((0x15, 0, 1, 0), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
FILTERS = {
    socket.AF_INET: ((0xB1, 0, 0, 0), (0x50, 0, 0, 2), *ONLY_ZERO),
    socket.AF_INET6: ((0x30, 0, 0, 2), *ONLY_ZERO),
}
# A cable that comes and goes may be back before somebody looks.
RECENT_S = 5.0
# Of what comes without an end, by mistake or intention, so much is taken before the rest of the work goes on.
AT_ONCE = 256
STATES = "/proc/sys/net/netfilter/nf_conntrack_count"


def run(argv: Sequence[str], timeout: float) -> Tuple[int, str]:
    """Runs a program; a failure is a value."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            text=True,
            env=dict(os.environ, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, ""
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout


class Carriers:
    """When tracked interfaces were last without a carrier. The kernel reports each change (rtnetlink(7))."""

    def __init__(self, interfaces: Sequence[str], root: str = takeover_links.ROOT) -> None:
        self.interfaces = list(interfaces)
        self.root = root
        self.down_at: Dict[str, float] = {}
        self.socket: Optional[socket.socket] = None
        if self.interfaces:
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            self.socket.setblocking(False)
            self.socket.bind((0, takeover_links.RTMGRP_LINK))

    def look(self, now: float) -> None:
        """Takes what the kernel reports; only that something changed counts."""
        for _report in range(AT_ONCE):
            if self.socket is None or not select.select([self.socket], [], [], 0)[0]:
                break
            try:
                self.socket.recv(65536)
            except OSError:  # ENOBUFS: reports were lost
                continue
        for name in self.interfaces:
            if not takeover_links.carrier(name, self.root):
                self.down_at[name] = now

    def down(self, since: float) -> Tuple[str, ...]:
        """Interfaces that had no carrier at some time after `since`."""
        return tuple(name for name in self.interfaces if self.down_at.get(name, -1.0) >= since)


class Farewells:
    """Adverts with priority 0: a peer stops to be master in order, or because of a fault that it has noticed."""

    def __init__(self, vrids: Sequence[int]) -> None:
        self.vrids = frozenset(vrids)
        self.heard_at: Optional[float] = None
        self.sockets: List[socket.socket] = []
        self.problems: List[str] = []
        for family in FILTERS if vrids else ():
            try:
                self.sockets.append(_listener(family))
            except OSError as error:
                self.problems.append(f"adverts are not heard: {error}")

    def listen(self, now: float) -> None:
        for sock in self.sockets:
            for _advert in range(AT_ONCE):
                if not select.select([sock], [], [], 0)[0]:
                    break
                try:
                    data = sock.recv(2048)
                except OSError:
                    continue
                if farewell(data, sock.family == socket.AF_INET) in self.vrids:
                    self.heard_at = now


def _listener(family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, VRRP)
    program = b"".join(struct.pack("=HBBI", *line) for line in FILTERS[socket.AddressFamily(family)])
    buffer = ctypes.create_string_buffer(program, len(program))
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    )
    return sock


def farewell(packet: bytes, headed: bool) -> Optional[int]:
    """The virtual router of an advert with priority 0, None for anything else (RFC 5798, 5.1)."""
    start = 4 * (packet[0] & 15) if headed and packet else 0
    header = packet[start : start + 8]
    if len(header) < 8 or header[0] not in (0x21, 0x31) or header[2] != 0:
        return None
    return header[1]


def drained(path: str) -> bool:
    """keepalived's tracked file: content other than 0 drains the node."""
    try:
        return bool(path) and Path(path).read_text().strip() not in ("", "0")
    except OSError:
        return False


def entries() -> Optional[int]:
    """Connections in the kernel's table."""
    try:
        return int(Path(STATES).read_text())
    except (OSError, ValueError):
        return None


def daemons(units: Sequence[str]) -> Mapping[str, core.Daemon]:
    properties = "--property=Id,ActiveState,NRestarts,ExecMainStartTimestampMonotonic"
    return core.read_daemons(run(["systemctl", "show", properties, *units], 5)[1]) if units else {}


def stopping() -> bool:
    return run(["systemctl", "is-system-running"], 5)[1].strip() == "stopping"


def members() -> Mapping[str, core.Member]:
    code, text = run(["crm_mon", "--one-shot", "--inactive", "--output-as=xml"], 10)
    return core.read_members(text) if code == 0 else {}
