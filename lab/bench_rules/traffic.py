# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""One sender and one receiver of TCP through the node, for a time. Runs inside the lab; prints JSON.

`python -m lab.bench_rules.traffic stream|connect SECONDS`: bytes that arrived, or connections that were made.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

from .policy import PROBE_PORT, host
from .rig import enter

CHUNK = bytes(1 << 20)
# Closed by a reset: no port waits for the end of its connection.
_AT_ONCE = struct.pack("ii", 1, 0)
_BACKLOG = 4096
# linux/in.h: the port is chosen by connect(2), which knows all that are free for this target.
_ADDRESS_ONLY = 24


def _place(cpu: int, zone: str) -> None:
    """Sender and receiver never share a CPU, nor move."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[cpu]})
    enter(f"w-{zone}")


def serve(what: str, report: Connection) -> None:
    _place(1, "dmz")
    with socket.create_server(("", PROBE_PORT), backlog=_BACKLOG) as server:
        report.send("ready")
        while what == "connect":
            server.accept()[0].close()
        connection = server.accept()[0]
        begin, count, buffer = time.monotonic(), 0, bytearray(1 << 20)
        while got := connection.recv_into(buffer):
            count += got
        report.send({"count": count, "seconds": time.monotonic() - begin})


def stream(seconds: float) -> None:
    target = (host("dmz", 4, 1), PROBE_PORT)
    with socket.create_connection(target, 5, (host("wan", 4, 1), 0)) as connection:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            connection.sendall(CHUNK)


def connect(seconds: float) -> dict[str, float]:
    target, source = (host("dmz", 4, 1), PROBE_PORT), (host("wan", 4, 1), 0)
    begin, count = time.monotonic(), 0
    while (took := time.monotonic() - begin) < seconds:
        with socket.socket() as connection:
            connection.setsockopt(socket.IPPROTO_IP, _ADDRESS_ONLY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.settimeout(5)
            connection.bind(source)
            connection.connect(target)
        count += 1
    return {"count": count, "seconds": took}


def main() -> None:
    what, seconds = sys.argv[1], float(sys.argv[2])
    ours, theirs = Pipe()
    server = Process(target=serve, args=(what, theirs))
    server.start()
    try:
        ours.recv()
        _place(0, "wan")
        if what == "stream":
            stream(seconds)
            found = ours.recv()
        else:
            found = connect(seconds)
    finally:
        server.kill()
        server.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
