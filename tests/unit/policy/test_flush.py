# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Connections that changed rules forbid, and only those, are cut: on this machine's kernel, in namespaces."""

from __future__ import annotations

import datetime
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_packets import LOADER, World, pytestmark

__all__ = ["pytestmark"]

SERVER = """
import socket, sys, threading
def echo(connection):
    while data := connection.recv(100):
        connection.sendall(data)
def serve(family, port):
    with socket.create_server(("::" if family == socket.AF_INET6 else "0.0.0.0", port), family=family) as server:
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
for port in map(int, sys.argv[1:]):
    for family in (socket.AF_INET, socket.AF_INET6):
        threading.Thread(target=serve, args=(family, port)).start()
print("ready", flush=True)
"""
# Holds connections, and tells for each line that it reads which of them still answer.
KEEPER = """
import json, socket, sys
held = [socket.create_connection(end, timeout=2) for end in json.loads(sys.argv[1])]
def answers(connection):
    connection.settimeout(3)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b"x"
    except OSError:
        return False
print("ready", flush=True)
for _line in sys.stdin:
    print(json.dumps([answers(connection) for connection in held]), flush=True)
"""
FOUR, SIX, VIP = "198.51.100.9", "2001:db8:2::9", "192.0.2.1"
#: Name of the connection: where it goes, and whether the new rules still let it begin.
ENDS = {
    "kept": (FOUR, 8002, True),
    "kept6": (SIX, 8002, True),
    "forbidden": (FOUR, 8001, False),
    "forbidden6": (SIX, 8001, False),
    "translated, kept": (VIP, 8012, True),
    "translated, forbidden": (VIP, 8011, False),
    "over its limit": (FOUR, 8003, True),
    "out of its hours": (SIX, 8004, True),
    "to the node, forbidden": (VIP, 8005, False),
    "of an administrator": (VIP, 8006, True),
    "not tracked any more": (SIX, 8007, True),
}
PORTS = tuple(str(port) for port in range(8001, 8008))


def dnat(port: int, to_port: int) -> dict[str, Any]:
    entry = {"name": f"dnat {port}", "type": "dnat", "from": "wan", "destination": VIP, "protocol": "tcp"}
    return {**entry, "ports": [port], "to_address": FOUR, "to_port": to_port}


BEFORE: dict[str, Any] = {
    "zones": {"wan": {"interfaces": ["wan"]}, "lan": {"interfaces": ["lan"], "networks": ["198.51.100.0/24"]}},
    "rules": [
        {"name": "in", "from": "wan", "to": "lan", "protocol": "tcp", "ports": ["8001:8007"]},
        {"name": "own", "from": "wan", "to": "firewall", "protocol": "tcp", "ports": ["8005:8006"]},
    ],
    "nat": [dnat(8012, 8002), dnat(8011, 8001)],
}


def now_closed() -> dict[str, Any]:
    """A schedule that does not hold now, nor in the minutes of this test."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
    return {"from": f"{later.hour:02}:00", "until": f"{later.hour:02}:30"}


def after() -> dict[str, Any]:
    to_lan = {"from": "wan", "to": "lan", "protocol": "tcp"}
    return {
        **BEFORE,
        "rules": [
            {**to_lan, "name": "not", "ports": [8001], "action": "reject", "log": True},
            {**to_lan, "name": "kept", "ports": [8002], "destination": [FOUR, SIX]},
            {**to_lan, "name": "limited", "ports": [8003], "limit": {"rate": "1/hour", "burst": 1}},
            {**to_lan, "name": "hours", "ports": [8004], "schedule": now_closed()},
        ],
        # The entry for 8011 is gone too: what is translated stays translated, rules decide.
        "nat": [dnat(8012, 8002)],
        "untracked": [{**to_lan, "name": "stateless", "ports": [8007], "destination": SIX}],
        "management": {"interfaces": ["wan"], "sources": ["192.0.2.0/24"], "port": 8006},
    }


class Keeper:
    def __init__(self, world: World) -> None:
        ends = json.dumps([(host, port) for host, port, _kept in ENDS.values()])
        self.process = subprocess.Popen(
            [*world.enter("wan"), sys.executable, "-c", KEEPER, ends],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready\n"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def answering(self) -> set[str]:
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return {name for name, answers in zip(ENDS, json.loads(self._line()), strict=True) if answers}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, BEFORE, SERVER, PORTS)
    made.serve("fw", SERVER, PORTS)
    yield made
    made.close()


def test_what_is_forbidden_is_cut_and_nothing_else(world: World) -> None:
    keeper = Keeper(world)
    world.servers.append(keeper.process)
    assert keeper.answering() == set(ENDS)
    assert json.loads(world.loader("forbidden"))["forbidden"] == 0

    world.load(after())
    # The control: rules alone cut nothing, and neither does the question.
    assert keeper.answering() == set(ENDS)
    asked = json.loads(world.loader("forbidden", VIP))
    kept = {name for name, (_host, _port, kept) in ENDS.items() if kept}
    forbidden = set(ENDS) - kept
    assert (asked["forbidden"], asked["cut"]) == (len(forbidden), 0), asked
    assert keeper.answering() == set(ENDS)

    cut = json.loads(world.loader("flush", VIP))

    assert (cut["forbidden"], cut["cut"]) == (len(forbidden), len(forbidden)), cut
    assert keeper.answering() == kept
    assert any(text.endswith(f"-> {FOUR}:8001 (sent to {VIP}:8011)") for text in cut["examples"]), cut
    assert json.loads(world.loader("flush"))["cut"] == 0


def test_a_vip_is_the_nodes_own_also_where_it_is_not(world: World) -> None:
    """A standby node has the states of connections to a VIP, but not the address."""
    keeper = Keeper(world)
    world.servers.append(keeper.process)
    world.run("fw", "ip", "address", "del", f"{VIP}/24", "dev", "wan")
    world.run("fw", "ip", "address", "add", "192.0.2.2/24", "dev", "wan")
    # The control: taken for the address of somebody else.
    own = [port for _host, port, _kept in ENDS.values() if port in (8005, 8006)]
    assert json.loads(world.loader("forbidden"))["forbidden"] == len(own)
    assert json.loads(world.loader("forbidden", VIP))["forbidden"] == 0


def test_the_routes_of_a_standby_node_are_not_those_of_the_active_one(world: World) -> None:
    keeper = Keeper(world)
    world.servers.append(keeper.process)
    world.load(after())
    world.run("fw", "ip", "address", "del", f"{VIP}/24", "dev", "wan")
    for client in ("192.0.2.0/24", "2001:db8:1::/64"):
        world.run("fw", "ip", "route", "replace", client, "dev", "lan")
    forbidden = [name for name, (_host, _port, kept) in ENDS.items() if not kept]
    # The control: believed, they send every connection back where it came from.
    assert json.loads(world.loader("forbidden"))["forbidden"] > len(forbidden)
    assert json.loads(world.loader("forbidden", VIP))["forbidden"] == len(forbidden)


def test_it_is_done_once_for_the_rules_in_force(world: World) -> None:
    keeper = Keeper(world)
    world.servers.append(keeper.process)
    assert json.loads(world.loader("flush-changed", VIP))["connections"] >= len(ENDS)
    assert json.loads(world.loader("flush-changed", VIP))["connections"] == 0
    world.load(after())
    # Whatever ended the run before it came to this: the next one makes up for it.
    assert json.loads(world.loader("flush-changed", VIP))["cut"] > 0
    assert json.loads(world.loader("flush-changed", VIP))["connections"] == 0


def test_without_confirmed_rules_nothing_is_judged(world: World) -> None:
    world.loader("close")
    with pytest.raises(AssertionError, match=r"no confirmed rules to judge by \(state closed\)"):
        world.loader("flush")


def test_rules_of_routing_are_read_as_the_kernel_has_them() -> None:
    """Without words of ip(8): priorities of both families, also 0, which the kernel does not spell out."""
    read = """
import socket, sys
sys.path.insert(0, sys.argv[1])
import linuxha_netlink as netlink
with netlink.Netlink(netlink.NETLINK_ROUTE) as table:
    routes = netlink.Routes(table)
    print(routes.rules(socket.AF_INET), routes.rules(socket.AF_INET6))
"""
    more = "ip rule add from 192.0.2.1 lookup 7 pref 99; ip -6 rule add fwmark 3 lookup 7 pref 98"
    script = f'{more}; exec "$1" -c "$2" "$3"'
    argv = ["unshare", "--net", "sh", "-ec", script, "sh", sys.executable, read, str(LOADER.parent)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 99, 32766, 32767] [0, 98, 32766]\n"


def test_a_helpers_child_goes_with_its_parent_only() -> None:
    flush = module()

    def entry(key: bytes, master: bytes = b"", in_zone: bool = False) -> Any:
        way = flush.netlink.Way(0, 0, 6, 0, 0)
        return flush.netlink.Connection(2, key, b"", way, way, bool(master), master, in_zone)

    class Judge:
        def forbids(self, found: Any) -> bool:
            return bool(found.key != b"allowed")

    table = [
        entry(b"child of a child", b"child"),
        entry(b"child", b"parent"),
        entry(b"parent"),
        entry(b"allowed"),
        entry(b"child of another", b"allowed"),
        entry(b"orphan", b"gone"),
        entry(b"of a container engine", in_zone=True),
    ]
    assert [found.key for found in flush.forbidden(Judge(), table)] == [b"parent", b"child", b"child of a child"]


def module() -> Any:
    sys.path.insert(0, str(LOADER.parent))
    try:
        return importlib.import_module("linuxha_flush")
    finally:
        sys.path.remove(str(LOADER.parent))
