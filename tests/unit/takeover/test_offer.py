# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Of which connections a node tells its peers, where groups of addresses have nodes of their own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.unit.node_programs import ROLES, load

netlink = load("iptables", "linuxha_netlink")
offer = load("takeover", "offer")

GROUPS = [
    {
        "name": "office",
        "instances": [],
        "addresses": [
            {"address": "192.0.2.1/24", "interface": "wan"},
            {"address": "2001:db8:1::1/64", "interface": "wan"},
            {"address": "198.51.100.1/25", "interface": "office"},
            {"address": "2001:db8:2::1/64", "interface": "office"},
        ],
    },
    {
        "name": "shop",
        "instances": [],
        "addresses": [
            {"address": "192.0.2.11/24", "interface": "wan"},
            {"address": "198.51.100.129/25", "interface": "shop"},
            {"address": "2001:db8:3::1/64", "interface": "shop"},
        ],
    },
]


WAYS = {
    "198.51.100.5": "office",
    "2001:db8:2::5": "office",
    "198.51.100.200": "shop",
    "2001:db8:3::5": "shop",
    "203.0.113.200": "office",  # behind a router there
    "192.0.2.77": "wan",
    "2001:db8:1::77": "wan",
    "203.0.113.9": "",
    # Behind the router of an outer network that only one group has.
    "203.0.113.77": "office default",
}


class Routes:
    """Where addresses are; whoever asks for an address of a group has asked for too much."""

    def to(self, family: int, address: int) -> object:
        packed = address.to_bytes(4 if family == socket.AF_INET else 16, "big")
        device, _space, default = WAYS[socket.inet_ntop(family, packed)].partition(" ")
        return netlink.Route(False, frozenset([device]), bool(default)) if device else None


def entry(source: str, destination: str, seen_as: str = "", sent_to: str = "", **words: bool) -> object:
    """A connection; `seen_as` is its source behind SNAT, `sent_to` its destination before DNAT."""
    numbers = {name: int(ip_address(name)) for name in (source, destination, seen_as, sent_to) if name}
    sent = netlink.Way(numbers[source], numbers[sent_to or destination], 6, 40000, 80)
    reply = netlink.Way(numbers[destination], numbers[seen_as or source], 6, 80, 40000)
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    return netlink.Connection(family, b"", b"", sent, reply, False, b"", False)._replace(**words)


@pytest.mark.parametrize(
    ("connection", "groups"),
    [
        pytest.param(entry("198.51.100.5", "192.0.2.77", seen_as="192.0.2.1"), {"office"}, id="source translated"),
        pytest.param(entry("192.0.2.77", "198.51.100.5", sent_to="192.0.2.1"), {"office"}, id="destination translated"),
        pytest.param(entry("198.51.100.5", "192.0.2.77"), {"office"}, id="as it is"),
        pytest.param(entry("2001:db8:2::5", "2001:db8:1::77"), {"office"}, id="IPv6"),
        pytest.param(entry("192.0.2.77", "203.0.113.200"), {"office"}, id="behind a router"),
        pytest.param(entry("192.0.2.77", "192.0.2.11"), {"shop"}, id="to an address of a group"),
        pytest.param(entry("2001:db8:3::5", "2001:db8:1::77"), {"shop"}, id="IPv6 of the other"),
        pytest.param(entry("198.51.100.5", "198.51.100.200"), {"office", "shop"}, id="from one to the other"),
        pytest.param(entry("198.51.100.200", "203.0.113.77"), {"shop"}, id="behind a default route"),
        pytest.param(entry("203.0.113.9", "198.51.100.5", sent_to="192.0.2.11"), {"shop"}, id="addresses come first"),
        # Both groups have addresses there: one node has to tell of it.
        pytest.param(entry("192.0.2.77", "203.0.113.9"), {"office"}, id="of a shared network"),
    ],
)
@pytest.mark.parametrize("served", [["office"], ["shop"], ["office", "shop"], []])
def test_a_node_tells_of_its_groups(connection: object, groups: set[str], served: Collection[str]) -> None:
    known = offer.Groups(GROUPS, Routes())
    assert known.of(connection) == groups
    assert list(offer.own(known, served, [connection])) == [connection] * bool(groups & set(served))


@pytest.mark.parametrize("what", ["in_zone", "expected"])
def test_what_it_does_not_tell_of(what: str) -> None:
    """Zones are somebody else's; a report does not name the connection to which an expected one belongs."""
    found = entry("198.51.100.5", "192.0.2.77", **{what: True})
    assert list(offer.own(offer.Groups(GROUPS, Routes()), ["office"], [found])) == []


# --- with this machine's kernel ---------------------------------------------------------------------------------------

SETUP = """
for name in wan office shop; do
  ip link add $name type veth peer name peer-$name; ip link set $name up; ip link set peer-$name up
done
ip link set lo up
ip address add 192.0.2.2/24 dev wan
ip address add 198.51.100.2/25 dev office; ip address add 198.51.100.130/25 dev shop
ip address add 2001:db8:1::2/64 dev wan nodad
ip address add 2001:db8:2::2/64 dev office nodad; ip address add 2001:db8:3::2/64 dev shop nodad
sysctl -q net.netfilter.nf_conntrack_events=1
"""
NETLINK = f"""
import json, socket, struct, subprocess, sys
sys.path.insert(0, {str(ROLES / "iptables" / "files")!r})
import linuxha_netlink as netlink
table = netlink.Netlink(netlink.NETLINK_NETFILTER)
"""
OFFICE, SHOP = {*range(1001, 1151), 3001}, {2001, 4001}
CONNECTIONS = [
    *(("198.51.100.5", "192.0.2.77", port) for port in range(1001, 1151)),
    ("198.51.100.200", "192.0.2.77", 2001),
    ("2001:db8:2::5", "2001:db8:1::77", 3001),
    ("2001:db8:3::5", "2001:db8:1::77", 4001),
]
#: Entries of UDP, as conntrack -I makes them.
FILL = f"""{NETLINK}
def way(source, destination, source_port, port):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    kinds = (3, 4) if family == socket.AF_INET6 else (1, 2)
    ends = b"".join(
        netlink.attribute(kind, socket.inet_pton(family, end)) for kind, end in zip(kinds, (source, destination))
    )
    ports = netlink.attribute(1, bytes([17])) + b"".join(
        netlink.attribute(kind, number.to_bytes(2, "big")) for kind, number in ((2, source_port), (3, port))
    )
    return netlink.attribute(1 | netlink.NESTED, ends) + netlink.attribute(2 | netlink.NESTED, ports)
for source, destination, port in {CONNECTIONS!r}:
    body = struct.pack("=BBH", socket.AF_INET6 if ":" in source else socket.AF_INET, 0, 0)
    body += netlink.attribute(netlink.ORIGINAL | netlink.NESTED, way(source, destination, port, 53))
    body += netlink.attribute(netlink.REPLY | netlink.NESTED, way(destination, source, 53, port))
    body += netlink.attribute(7, (600).to_bytes(4, "big"))  # CTA_TIMEOUT
    for _part in table.ask(netlink.CT_NEW, netlink.ACK | 0x600, body):  # NLM_F_CREATE, NLM_F_EXCL
        pass
"""
COUNT = f"""{NETLINK}
print(sum(1 for _one in netlink.connections()))
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[list[str]]:
    """A network namespace with connections of two groups: the command that enters it."""
    holder = subprocess.Popen(["unshare", "--net", "--", "sleep", "300"])
    own = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
        assert holder.poll() is None
    enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]
    try:
        subprocess.run([*enter, "sh", "-ec", SETUP], check=True)
        subprocess.run([*enter, sys.executable, "-B", "-c", FILL], check=True)
        yield enter
    finally:
        holder.kill()
        holder.wait()


def told(
    node: list[str], tmp_path: Path, served: list[str], forget: str = "true"
) -> tuple[set[int], subprocess.CompletedProcess[str]]:
    """Ports of clients of which the kernel reported a change, and what the program said."""
    state, config = tmp_path / "state.json", tmp_path / "takeover.json"
    state.write_text(json.dumps({"offers": served}))
    conntrackd = ["sh", "-c", forget]
    config.write_text(json.dumps({"groups": GROUPS, "state_file": str(state), "conntrackd": conntrackd}))
    listen = f"""{NETLINK}
events = netlink.Netlink(netlink.NETLINK_NETFILTER)
events.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
events.socket.setsockopt(270, 1, 2)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_UPDATE
done = subprocess.run([sys.executable, {str(ROLES / "takeover" / "files" / "offer.py")!r}, {str(config)!r}])
events.socket.setblocking(False)
try:
    while True:
        data = events.socket.recv(65536)
        print(netlink.connection(data, 16, len(data)).sent.source_port)
except BlockingIOError:
    sys.exit(done.returncode)
"""
    path = {"PYTHONPATH": str(ROLES / "iptables" / "files"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        [*node, sys.executable, "-B", "-c", listen], env=path, capture_output=True, text=True, check=False
    )
    return {int(line) for line in done.stdout.splitlines() if line.isdigit()}, done


@pytest.mark.parametrize(
    ("served", "ports"), [(["office"], OFFICE), (["shop"], SHOP), (["office", "shop"], OFFICE | SHOP)]
)
def test_the_kernel_reports_what_this_node_serves(
    node: list[str], tmp_path: Path, served: list[str], ports: set[int]
) -> None:
    found, done = told(node, tmp_path, served)
    assert done.returncode == 0, done.stderr
    assert found == ports
    assert f"told of {len(ports)} connections of {', '.join(served)}" in done.stdout
    left = subprocess.run([*node, sys.executable, "-B", "-c", COUNT], capture_output=True, text=True, check=True)
    assert int(left.stdout) == len(CONNECTIONS)


def test_a_cache_that_is_not_emptied_is_not_filled(node: list[str], tmp_path: Path) -> None:
    """The worker tries again: what others serve would stay in it, and nobody would see that."""
    found, done = told(node, tmp_path, ["office"], "echo no; exit 3")
    assert (found, done.returncode) == (set(), 1)
    assert "exit 3: no" in done.stdout


def test_groups_are_read_when_the_cache_is_empty(node: list[str], tmp_path: Path) -> None:
    change = f"echo '{json.dumps({'offers': ['shop']})}' > {tmp_path / 'state.json'}"
    found, _done = told(node, tmp_path, ["office"], change)
    assert found == SHOP


def test_what_is_gone_meanwhile_is_no_mistake_and_what_is_refused_is_counted(node: list[str]) -> None:
    program = f"""{NETLINK}
found = list(netlink.connections())
assert netlink.delete(table, found[0])
broken = found[0]._replace(key=b"xxxx")
print(json.dumps(netlink.report(table, [*found, broken, broken])))
"""
    done = subprocess.run([*node, sys.executable, "-B", "-c", program], capture_output=True, text=True, check=True)
    count, refusals = json.loads(done.stdout)
    assert count == len(CONNECTIONS) - 1
    assert refusals == ["2 times Invalid argument"]


@pytest.mark.parametrize(
    ("address", "default"), [("203.0.113.9", True), ("192.0.2.77", False), ("2001:db8:1::9", False)]
)
def test_a_default_route_is_known_as_one(node: list[str], address: str, default: bool) -> None:
    program = f"""{NETLINK}
subprocess.run(["ip", "route", "add", "default", "via", "192.0.2.254"], check=True)
family = socket.AF_INET6 if ":" in {address!r} else socket.AF_INET
with netlink.Netlink(netlink.NETLINK_ROUTE) as routes:
    found = netlink.Routes(routes).to(family, int.from_bytes(socket.inet_pton(family, {address!r}), "big"))
print(json.dumps([sorted(found.devices), found.default]))
"""
    done = subprocess.run([*node, sys.executable, "-B", "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["wan"], default]
