# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the rules do to real packets: a client, a firewall and a server in namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

LOADER = Path(__file__).parents[3] / "roles" / "iptables" / "files" / "linuxha_rules.py"
POLICY: dict[str, Any] = {
    "zones": {"wan": {"interfaces": ["wan"]}, "lan": {"interfaces": ["lan"], "networks": ["198.51.100.0/24"]}},
    "addresses": {"servers": ["198.51.100.9", "198.51.100.11", "2001:db8:2::9", "2001:db8:2::11"]},
    "services": {"refused": {"protocol": "tcp", "ports": [8004]}},
    "rules": [
        {"name": "out", "from": "lan", "to": "wan", "protocol": "tcp", "ports": [8001]},
        {"name": "web", "from": "wan", "to": "lan", "destination": "198.51.100.9", "protocol": "tcp", "ports": [8002]},
        {"name": "group", "from": "wan", "to": "lan", "destination": "servers", "protocol": "tcp", "ports": [8003]},
        {"name": "refused", "from": "lan", "to": "wan", "service": "refused", "action": "reject"},
        {"name": "but one", "from": "lan", "to": "firewall", "source": "!servers", "action": "reject"},
    ],
    "nat": [
        {"name": "snat", "type": "snat", "from": "lan", "to": "wan", "to_address": "192.0.2.1"},
        {
            "name": "dnat",
            "type": "dnat",
            "from": "wan",
            "destination": "192.0.2.1",
            "protocol": "tcp",
            "ports": [8000],
            "to_address": "198.51.100.9",
            "to_port": 8002,
        },
    ],
    "gate": True,
}
#: host: interface, addresses
HOSTS = {
    "wan": ("192.0.2.9/24", "2001:db8:1::9/64", "192.0.2.1", "2001:db8:1::1"),
    "lan": ("198.51.100.9/24", "2001:db8:2::9/64", "198.51.100.1", "2001:db8:2::1"),
}
# Answers with the address of the client, once per connection.
SERVER = """
import socket, sys, threading
def serve(family, port):
    with socket.create_server(("::" if family == socket.AF_INET6 else "0.0.0.0", port), family=family) as server:
        while True:
            connection, peer = server.accept()
            connection.sendall(peer[0].encode())
            connection.close()
for port in map(int, sys.argv[1:]):
    for family in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=serve, args=(family, port)).start()
print("ready", flush=True)
"""
CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as connection:
        print(connection.recv(100).decode())
except TimeoutError:
    print("silence")
except OSError as error:
    print(type(error).__name__)
"""
# An acknowledgement out of nowhere, with a right checksum; tells whether anything comes back.
BARE_ACK = """
import select, socket, struct, sys
source, target, port = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]), int(sys.argv[3])
def tcp(checksum):
    return struct.pack("!HHIIBBHHH", 40000, port, 1000, 2000, 5 << 4, 0x10, 1024, checksum, 0)
words = struct.unpack("!16H", source + target + struct.pack("!HH", 6, 20) + tcp(0))
total = sum(words)
total = (total & 0xFFFF) + (total >> 16)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.sendto(tcp(~((total & 0xFFFF) + (total >> 16)) & 0xFFFF), (sys.argv[2], 0))
print("an answer" if select.select([raw], [], [], 0.7)[0] else "silence")
"""

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.skipif(not shutil.which("iptables-restore", path="/usr/sbin:/sbin"), reason="needs iptables"),
    pytest.mark.skipif(not shutil.which("ipset", path="/usr/sbin:/sbin"), reason="needs ipset"),
]


class World:
    def __init__(self, directory: Path, policy: dict[str, Any], server: str, ports: Sequence[str]) -> None:
        self.directory = directory
        self.holders = {name: subprocess.Popen(["unshare", "--net", "--", "sleep", "300"]) for name in ("fw", *HOSTS)}
        self.servers: list[subprocess.Popen[str]] = []
        own = Path("/proc/self/ns/net").readlink()
        for holder in self.holders.values():
            while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
                assert holder.poll() is None
        for name in self.holders:
            # Nobody waits here for the detection of duplicate link-local addresses.
            self.run(name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        self.run("fw", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")
        for name, (four, six, gate4, gate6) in HOSTS.items():
            pid = str(self.holders[name].pid)
            self.run("fw", "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
            self.run("fw", "ip", "link", "set", name, "up")
            self.run(name, "ip", "link", "set", "eth0", "up")
            self.run(name, "ip", "link", "set", "lo", "up")
            self.run("fw", "ip", "address", "add", f"{gate4}/24", "dev", name)
            self.run("fw", "ip", "address", "add", f"{gate6}/64", "dev", name, "nodad")
            self.run(name, "ip", "address", "add", four, "dev", "eth0")
            self.run(name, "ip", "address", "add", six, "dev", "eth0", "nodad")
            self.run(name, "ip", "route", "add", "default", "via", gate4)
            self.run(name, "ip", "route", "add", "default", "via", gate6)
        self.load(policy)
        for name in HOSTS:
            self.serve(name, server, ports)

    def load(self, policy: dict[str, Any]) -> None:
        ruleset, problems = parse(policy)
        assert problems == ()
        files = render(ruleset)
        for file, text in {**files, "SHA256SUMS": manifest(files)}.items():
            (self.directory / file).write_text(text)
        self.loader("load")

    def loader(self, *arguments: str) -> str:
        return self.run("fw", sys.executable, "-B", str(LOADER), *arguments)

    def serve(self, name: str, program: str, ports: Sequence[str]) -> None:
        server = subprocess.Popen(
            [*self.enter(name), sys.executable, "-c", program, *ports], stdout=subprocess.PIPE, text=True
        )
        self.servers.append(server)
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"

    def enter(self, name: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holders[name].pid}/ns/net", "--"]

    def run(self, name: str, *argv: str) -> str:
        environment = {**os.environ, "LINUXHA_RULES": str(self.directory), "LINUXHA_RUN": str(self.directory / "run")}
        environment["PATH"] = "/usr/sbin:/sbin:" + os.environ["PATH"]
        done = subprocess.run([*self.enter(name), *argv], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout.strip()

    def connect(self, name: str, host: str, port: int, seconds: float = 0.7) -> str:
        return self.run(name, sys.executable, "-c", CLIENT, host, str(port), str(seconds))

    def gate(self, opened: bool) -> None:
        for family, halves in (("4", ("0.0.0.0/1", "128.0.0.0/1")), ("6", ("::/1", "8000::/1"))):
            self.run("fw", "ipset", "flush", f"linuxha_gate{family}")
            for half in halves if opened else ():
                self.run("fw", "ipset", "add", f"linuxha_gate{family}", half)

    def close(self) -> None:
        processes: list[subprocess.Popen[Any]] = [*self.servers, *self.holders.values()]
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"), POLICY, SERVER, ("8001", "8002", "8003"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def opened(world: World) -> None:
    world.gate(True)


@pytest.mark.parametrize(
    ("client", "host", "port", "answer"),
    [
        ("lan", "192.0.2.9", 8001, "192.0.2.1"),  # accepted, with the shared address as its source
        ("lan", "2001:db8:1::9", 8001, "2001:db8:2::9"),  # accepted, routed
        ("lan", "192.0.2.9", 8003, "silence"),
        ("wan", "198.51.100.9", 8002, "192.0.2.9"),
        ("wan", "198.51.100.9", 8001, "silence"),
        ("wan", "2001:db8:2::9", 8002, "silence"),  # the rule names an IPv4 address only
        ("wan", "192.0.2.1", 8000, "192.0.2.9"),  # translated
        ("wan", "198.51.100.9", 8003, "192.0.2.9"),  # one of a set
        ("wan", "2001:db8:2::9", 8003, "2001:db8:1::9"),
        ("lan", "192.0.2.9", 8004, "ConnectionRefusedError"),
        ("lan", "2001:db8:1::9", 8004, "ConnectionRefusedError"),
        ("lan", "198.51.100.1", 22, "silence"),  # not one of those that are rejected
        ("wan", "192.0.2.1", 22, "silence"),  # never a reset, even where nobody listens
        ("lan", "2001:db8:2::1", 22, "silence"),
    ],
)
def test_who_reaches_whom(world: World, client: str, host: str, port: int, answer: str) -> None:
    assert world.connect(client, host, port, 0.7 if answer == "silence" else 5) == answer


def test_a_closed_gate_stops_everything_and_answers_nothing(world: World) -> None:
    world.gate(False)
    assert world.connect("lan", "192.0.2.9", 8001) == "silence"
    assert world.connect("wan", "192.0.2.1", 8000) == "silence"
    assert world.connect("lan", "2001:db8:1::9", 8001) == "silence"
    assert world.connect("lan", "192.0.2.9", 8004) == "silence"


def test_the_middle_of_an_unknown_connection_is_dropped_in_silence(world: World) -> None:
    def invalid() -> int:
        listing = world.run("fw", "iptables", "--table", "filter", "-vnxL", "FORWARD")
        return int(next(line for line in listing.splitlines() if "/* invalid */" in line).split()[0])

    before = invalid()
    assert world.run("lan", sys.executable, "-c", BARE_ACK, "198.51.100.9", "192.0.2.9", "8001") == "silence"
    # Not even where a rule rejects new connections: after a takeover this could be one whose state is not here yet.
    assert world.run("lan", sys.executable, "-c", BARE_ACK, "198.51.100.9", "192.0.2.9", "8004") == "silence"
    assert invalid() == before + 2
