# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A router with a host on each side of it, once for each ruleset, and TCP through it.

All of them stand at the same time, so that two rulesets are measured within a moment of each other: what a shared
machine gives changes from second to second, and loading 10 000 rules takes that long.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import get_context
from threading import Thread

from ..netns import Namespace
from .policy import NETS, PROBE_PORT, host, interface

#: The two zones of the packets.
FROM, TO = "wan", "dmz"
CHUNK = bytes(1 << 20)
_ROUTER, _HOST = "02:00:00:00:00:01", "02:00:00:00:00:02"
_ENDS = {FROM: (1, 2), TO: (5, 6)}
# Closed by a reset: no port waits for the end of its connection.
_AT_ONCE = struct.pack("ii", 1, 0)
_BACKLOG = 4096
# linux/in.h: the port is chosen by connect(2), which knows all that are free for this target.
_ADDRESS_ONLY = 24
_DONE = b"."


class Lane:
    """One router with its two hosts.

    Args:
        texts: for ipset(8) and iptables-restore(8) of the router; without rules where there are none.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.router = Namespace()
        self.hosts = {zone: Namespace() for zone in (FROM, TO)}
        for zone, world in self.hosts.items():
            self._join(zone, world)
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
        for program, name in (("ipset", "ipsets"), ("iptables-restore", "rules.v4")):
            if texts.get(name):
                self.router.run(program, *(["restore"] if program == "ipset" else []), stdin=texts[name])
        if texts:
            # The kernel has it as soon as rules ask for connection tracking.
            self.router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=1")
        server = self.hosts[TO].call(lambda: socket.create_server(("", PROBE_PORT), backlog=_BACKLOG))
        self._server = get_context("fork").Process(target=_serve, args=(server,), daemon=True)
        self._server.start()
        server.close()
        self._stream = self.hosts[FROM].call(self._connected)

    def _join(self, zone: str, world: Namespace) -> None:
        near, far = (f"198.19.254.{end}" for end in _ENDS[zone])
        link, way = interface(zone), "default" if zone == FROM else str(NETS[zone][4])
        self.router.ip(
            "link set lo up",
            f"link add {link} address {_ROUTER} type veth peer name eth0 address {_HOST} netns {world.path}",
            # One packet is one packet, as it comes from a wire: not a train of many that pays for a rule once.
            f"link set {link} gso_max_segs 1",
            f"link set {link} up",
            f"address add {near}/30 dev {link}",
            # Neighbours are permanent: nothing is asked while something is measured.
            f"neigh replace {far} lladdr {_HOST} dev {link} nud permanent",
            f"route add {way} via {far} dev {link}",
        )
        world.ip(
            "link set lo up",
            "link set eth0 gso_max_segs 1",
            "link set eth0 up",
            f"address add {far}/30 dev eth0",
            f"address add {host(zone, 4, 1)}/32 dev lo",
            f"neigh replace {near} lladdr {_ROUTER} dev eth0 nud permanent",
            f"route add default via {near} dev eth0",
        )

    @staticmethod
    def _connected() -> socket.socket:
        return socket.create_connection((host(TO, 4, 1), PROBE_PORT), 5, (host(FROM, 4, 1), 0))

    def rules(self) -> list[str]:
        """What iptables-save(8) says of forwarding."""
        return [line for line in self.router.run("iptables-save").splitlines() if line.startswith("-A FORWARD ")]

    def stream(self, seconds: float) -> float:
        """Bytes per second that arrive on the one established connection."""
        begin, count = time.monotonic(), 0
        while (took := time.monotonic() - begin) < seconds:
            self._stream.sendall(CHUNK)
            # Answered when all of it has arrived, so that none of it is left for the next lane's time.
            if self._stream.recv(1) != _DONE:
                raise ConnectionError("the receiver has gone")
            count += len(CHUNK)
        return count / took

    def connect(self, seconds: float) -> float:
        """Connections per second, one after the other."""
        return self.hosts[FROM].call(_connections, seconds)

    def close(self) -> None:
        self._stream.close()
        self._server.kill()
        self._server.join()
        for namespace in (*self.hosts.values(), self.router):
            namespace.close()


def place(cpu: int) -> None:
    """Sender and receiver never share a CPU, nor move."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[cpu]})


def _serve(listener: socket.socket) -> None:
    place(1)
    Thread(target=_receive, args=(listener.accept()[0],), daemon=True).start()
    while True:
        listener.accept()[0].close()


def _receive(connection: socket.socket) -> None:
    buffer, missing = bytearray(len(CHUNK)), len(CHUNK)
    # The other end closes at the end of it all.
    with suppress(ConnectionError):
        while got := connection.recv_into(buffer, missing):
            missing -= got
            if not missing:
                connection.sendall(_DONE)
                missing = len(CHUNK)


def _connections(seconds: float) -> float:
    target, source = (host(TO, 4, 1), PROBE_PORT), (host(FROM, 4, 1), 0)
    begin, count = time.monotonic(), 0
    while (took := time.monotonic() - begin) < seconds:
        with socket.socket() as connection:
            connection.setsockopt(socket.IPPROTO_IP, _ADDRESS_ONLY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.settimeout(5)
            connection.bind(source)
            connection.connect(target)
        count += 1
    return count / took
