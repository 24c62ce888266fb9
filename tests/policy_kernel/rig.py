# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A firewall in a network namespace, and everything around it in another one: send packets, see what becomes of them.

Neither namespace has a name or a way out; both end with the rig. The firewall's links know no ARP and no neighbour
discovery, so every address that a route leads to is there.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from lab.monitors import frames
from lab.netns import Namespace
from tests.policy_kernel import packets

PROTOCOLS = (1, 2, 6, 17, 47, 50, 51, 58, 89, 103, 112, 132, 253)
INTERNET = {4: socket.AF_INET, 6: socket.AF_INET6}
ETH_P_ALL = 3
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50
SO_RCVBUFFORCE = 33
PACKET_OUTGOING = 4
MTU = 65535
NEAR, FAR = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FENCE = "169.254.0.1"
SYSCTLS = (
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.addr_gen_mode=1",
    # The kernel reports each group at once, and again within a second: while it is counted what the rules have met.
    "net.ipv6.conf.default.mldv2_unsolicited_report_interval=86400000",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    # What is rejected is answered each time.
    "net.ipv4.icmp_ratemask=0",
    "net.ipv6.icmp.ratelimit=0",
    "net.ipv4.icmp_msgs_per_sec=100000",
    "net.ipv4.icmp_msgs_burst=10000",
    "net.netfilter.nf_conntrack_tcp_loose=0",
)


class Seen(NamedTuple):
    #: An interface, or FIREWALL where the firewall itself takes it.
    where: str
    #: From the IP header on.
    raw: bytes

    @property
    def packet(self) -> Packet:
        return packets.read(self.raw)


class Rig:
    """
    Args:
        routes: prefix to the interface behind which it is; the interfaces are made of them.
        own: addresses of the firewall.
        sizes: size of the largest packet of an interface, where that is not all that IP has.
    """

    def __init__(self, routes: Mapping[str, str], own: Iterable[str], sizes: Mapping[str, int] | None = None) -> None:
        self.firewall, self.world = Namespace(), Namespace()
        self._sockets: list[socket.socket] = []
        # Then a queue of the kernel keeps its order from the first packet to the answer of the fence.
        self._processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(self._processors)})
        try:
            self._join(routes, own, sizes or {})
        except BaseException:
            self.close()
            raise

    def _join(self, routes: Mapping[str, str], own: Iterable[str], sizes: Mapping[str, int]) -> None:
        self.world.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.firewall.run("sysctl", "-qw", *SYSCTLS)
        links = list(dict.fromkeys(routes.values()))
        lines = ["link set lo up"]
        for link in (*links, "fence"):
            size = sizes.get(link, MTU)
            arp = "on" if link == "fence" else "off"
            lines += [
                f"link add {link} mtu {size} address {NEAR.hex(':')} type veth "
                f"peer name {link} mtu {size} address {FAR.hex(':')} netns {self.world.path}",
                f"link set {link} arp {arp} up",
            ]
        lines += [f"address add {address}/{128 if ':' in address else 32} dev lo" for address in own]
        lines += [f"address add {FENCE}/32 dev fence"]
        lines += [f"route replace {prefix} dev {link}" for prefix, link in routes.items()]
        self.world.run("ip", "link", "set", "lo", "up")
        self.firewall.ip(*lines)
        self.world.ip(*(f"link set {link} up" for link in (*links, "fence")))
        self._tap = self._socket(self.world, socket.AF_PACKET, socket.htons(ETH_P_ALL))
        self._own = {family: self._socket(self.firewall, kind, socket.IPPROTO_RAW) for family, kind in INTERNET.items()}
        # What the firewall takes for itself, as it is behind the rules.
        self._local = [self._socket(self.firewall, kind, n) for kind in INTERNET.values() for n in PROTOCOLS]
        for listener in self._local:
            if listener.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)

    def _socket(self, place: Namespace, family: int, protocol: int) -> socket.socket:
        made = place.call(socket.socket, family, socket.SOCK_RAW, protocol)
        self._sockets.append(made)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        made.setblocking(False)
        return made

    def load(self, files: Mapping[str, str]) -> None:
        """What the compiler wrote for a node, and an open gate."""
        self.firewall.run("ipset", "restore", stdin=files["ipsets"])
        self.firewall.run("iptables-restore", stdin=files["rules.v4"])
        self.firewall.run("ip6tables-restore", stdin=files["rules.v6"])
        halves = {4: ("0.0.0.0/1", "128.0.0.0/1"), 6: ("::/1", "8000::/1")}
        gates = [f"add linuxha_gate{family} {half}\n" for family, both in halves.items() for half in both]
        self.firewall.run("ipset", "restore", stdin="".join(gates) if "linuxha_gate4" in files["ipsets"] else "")
        self.firewall.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def exchange(self, sent: Iterable[tuple[str, bytes]]) -> list[Seen]:
        """Send IP packets, each from an interface or from FIREWALL; returns all that this has led to."""
        for where, raw in sent:
            if where == FIREWALL:
                self._originate(raw)
            else:
                self._tap.sendto(frames.ethernet(NEAR, FAR, raw), (where, 0))
        return [*self._until_fence(), *self._taken()]

    def states(self, family: int) -> list[str]:
        """Connections that the firewall tracks, as conntrack(8) prints them."""
        return self.firewall.run("conntrack", "-L", "-f", f"ipv{family}").splitlines()

    def forget(self) -> None:
        self.firewall.run("conntrack", "-F")

    def counters(self, family: int) -> str:
        return self.firewall.run("iptables-save" if family == 4 else "ip6tables-save", "-c")

    def close(self) -> None:
        for held in self._sockets:
            held.close()
        self.firewall.close()
        self.world.close()
        os.sched_setaffinity(0, self._processors)

    def _originate(self, raw: bytes) -> None:
        family = raw[0] >> 4
        target = str(packets.read(raw).destination)
        try:
            self._own[family].sendto(raw, (target, 0, 0, 0) if family == 6 else (target, 0))
        except PermissionError:
            # Dropped on the way out.
            return

    def _until_fence(self) -> Iterable[Seen]:
        """The answer to an ARP request comes behind all that was sent before it has led to."""
        self._tap.sendto(frames.arp_request(FAR, FENCE), ("fence", 0))
        limit = time.monotonic() + 5
        while select.select([self._tap], [], [], max(limit - time.monotonic(), 0))[0]:
            frame, (link, _protocol, kind, *_rest) = self._tap.recvfrom(1 << 17)
            if link == "fence" and frames.answer(frame, FAR):
                return
            if kind != PACKET_OUTGOING and _is_packet(frame):
                yield Seen(link, frame[14:])
        raise AssertionError("the fence did not answer")

    def _taken(self) -> Iterable[Seen]:
        for listener in self._local:
            while True:
                try:
                    raw, ancillary, _flags, peer = listener.recvmsg(1 << 17, 256)
                except BlockingIOError:
                    break
                headed = raw if listener.family == socket.AF_INET else _headed(listener, raw, ancillary, peer)
                yield Seen(FIREWALL, headed)


def _is_packet(frame: bytes) -> bool:
    """To one host: the firewall tells its groups of hosts when it likes."""
    kind = int.from_bytes(frame[12:14], "big")
    return kind == frames.ETH_IPV4 or (kind == frames.ETH_IPV6 and frame[38] != 0xFF)


def _headed(listener: socket.socket, body: bytes, ancillary: Sequence[tuple[int, int, bytes]], peer: Any) -> bytes:
    """IPv6 hands out no header: one with what is known of it."""
    target = next(data[:16] for _level, kind, data in ancillary if kind == IPV6_PKTINFO)
    source = socket.inet_pton(socket.AF_INET6, peer[0].partition("%")[0])
    return frames.ip(source, target, listener.proto, body)
