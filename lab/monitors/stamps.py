# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Kernel receive times on the monotonic clock.

The kernel stamps a packet when it reaches the namespace, so a receiver that is scheduled late still reports the
true arrival, and may read its socket in batches. The kernel stamps with the wall clock; the difference to the
monotonic clock is taken anew for each batch, so a stepped wall clock spoils at most the batch it falls into, and
such stamps are recognised (outside the batch's bounds) and replaced by the time of reading.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable

SO_TIMESTAMPNS = 35  # not in the socket module; the same number on all common architectures
SO_RXQ_OVFL = 40
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
ANCILLARY_SIZE = 128
_TIMESPEC = struct.Struct("@qq")
_DROPS = struct.Struct("@I")

Ancillary = Iterable[tuple[int, int, bytes]]


def prepare(sock: socket.socket, buffer: int = 8 << 20) -> None:
    """Stamps, the kernel's own count of packets dropped at this socket, and room for a long pause of the reader."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)


class Batch:
    """Conversion for the packets that one round of reading finds."""

    def __init__(self, previous: int) -> None:
        self.now = time.monotonic_ns()
        self._offset = time.time_ns() - self.now
        self._earliest = previous - 1_000_000  # the last round emptied the socket; 1 ms for its own duration
        self.drops = 0

    def arrival(self, ancillary: Ancillary) -> int:
        stamp = None
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == SO_RXQ_OVFL:
                self.drops = _DROPS.unpack_from(data)[0]
            elif kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                stamp = int(seconds * 1_000_000_000 + nanoseconds - self._offset)
        # Packets that arrive while the batch is being read are later than its start.
        if stamp is None or not self._earliest <= stamp <= self.now + 50_000_000:
            return self.now
        return stamp
