# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A small private world for the monitors: two hosts and a router (or two) between them, in named namespaces.

The namespaces have no way out: they are joined to each other only.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

A4, A6, GATE_A4, GATE_A6 = "192.0.2.10", "2001:db8:1::10", "192.0.2.1", "2001:db8:1::1"
B4, B6, GATE_B4, GATE_B6 = "198.51.100.10", "2001:db8:2::10", "198.51.100.1", "2001:db8:2::1"


def sh(text: str) -> None:
    for line in text.strip().splitlines():
        subprocess.run(line.split(), check=True, capture_output=True, text=True)


@dataclass
class NetnsHost:
    name: str
    netns: str
    interface: str = "eth0"
    ipv4: str | None = None
    ipv6: str | None = None

    def popen(self, argv: Sequence[str], **kw: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["ip", "netns", "exec", self.netns, *argv], **kw)

    def run(self, argv: Sequence[str], *, check: bool = True, **kw: Any) -> subprocess.CompletedProcess[str]:
        options = {"capture_output": True, "text": True, **kw}
        command = ["ip", "netns", "exec", self.netns, *argv]
        return subprocess.run(command, check=check, **options)

    def sh(self, text: str) -> None:
        for line in text.strip().splitlines():
            self.run(line.split())


@dataclass
class World:
    """wan (host a) - router - lan (host b), each network a bridge in namespace s."""

    prefix: str
    hosts: dict[str, NetnsHost] = field(default_factory=dict)

    def host(self, key: str) -> NetnsHost:
        if key not in self.hosts:
            netns = f"{self.prefix}-{key}"
            sh(f"ip netns add {netns}\nip -n {netns} link set lo up")
            self.hosts[key] = NetnsHost(key, netns)
            self.hosts[key].sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        return self.hosts[key]

    def join(self, key: str, interface: str, network: str, *addresses: str) -> None:
        """One cable from a host to a network's bridge."""
        host, switch = self.host(key), self.host("s")
        port = f"{key}-{network}"
        host.sh(f"ip link add {interface} type veth peer name {port}\nip link set {port} netns {switch.netns}")
        switch.sh(f"ip link set {port} master {network}\nip link set {port} up")
        for address in addresses:
            host.sh(f"ip address add {address} dev {interface}" + (" nodad" if ":" in address else ""))
        host.sh(f"ip link set {interface} up")

    def cut(self, key: str, network: str) -> None:
        """Cut a cable without a change of carrier, which the kernel would act upon up to a second late."""
        port = f"{key}-{network}"
        rules = f"iifname {port} drop\noifname {port} drop"
        text = f"table bridge cut {{\nchain forward {{\ntype filter hook forward priority 0;\n{rules}\n}}\n}}\n"
        self.host("s").run(["nft", "-f", "-"], input=text)

    def heal(self) -> None:
        self.host("s").sh("nft delete table bridge cut")

    def router(self, key: str = "r") -> NetnsHost:
        self.join(key, "wan0", "wan", f"{GATE_A4}/24", f"{GATE_A6}/64")
        self.join(key, "lan0", "lan", f"{GATE_B4}/24", f"{GATE_B6}/64")
        host = self.host(key)
        host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        return host

    @property
    def probes(self) -> dict[str, NetnsHost]:
        return {"wan": self.host("a"), "lan": self.host("b")}

    def close(self) -> None:
        for host in self.hosts.values():
            sh(f"ip netns del {host.netns}")
