# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A node with one more interface for each zone of the list, and a network namespace with hosts behind each of them."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .. import netns, paths
from ..hosts import Host, NodeHost
from ..namespace import inside
from ..run import LabError, run
from .policy import NETS, ZONES, Packet, host, interface

# The node's end is .1 and :1 of a small network, the world's end .2 and :2.
_TRANSIT = {4: "198.19.254.{}/30", 6: "2001:2:0:ff0{}::{}/64"}
_OUTER = "eth0"


def mac(zone: str, node: bool) -> str:
    return f"02:00:00:00:0{int(node)}:{ZONES.index(zone):02x}"


def _transit(zone: str, family: int, end: int) -> str:
    number = ZONES.index(zone)
    return _TRANSIT[4].format(4 * number + end) if family == 4 else _TRANSIT[6].format(number, end)


class Rig:
    """The node and its worlds. All of it is in the lab's own namespaces and goes with the lab."""

    def __init__(self, node: NodeHost) -> None:
        self.node = node
        self.worlds = {zone: Host(node.holder, zone, f"w-{zone}") for zone in ZONES}

    def create(self) -> None:
        """Make interfaces, routes and hosts. Neighbours are permanent: nothing is asked while something is measured."""
        for zone, world in self.worlds.items():
            inside(self.node.holder, ["ip", "netns", "add", world.netns])
            inner = f"{interface(zone)} address {mac(zone, True)} netns {self.node.netns}"
            outer = f"{_OUTER} address {mac(zone, False)} netns {world.netns}"
            inside(self.node.holder, ["ip", "-batch", "-"], stdin=f"link add {inner} type veth peer name {outer}\n")
            self._ip(world, f"link set lo up\nlink set {_OUTER} up\n")
            self._ip(self.node, f"link set {interface(zone)} up\n")
            for family in (4, 6):
                self._connect(zone, world, family)
        self.forward()

    def _connect(self, zone: str, world: Host, family: int) -> None:
        more = " nodad" if family == 6 else ""
        near, far = _transit(zone, family, 1), _transit(zone, family, 2)
        gateway, hop = near.partition("/")[0], far.partition("/")[0]
        way = "default" if zone == "wan" else str(NETS[zone][family])
        self._ip(
            world,
            f"addr add {far} dev {_OUTER}{more}\naddr add {host(zone, family, 1)} dev lo{more}\n"
            f"neigh replace {gateway} lladdr {mac(zone, True)} dev {_OUTER} nud permanent\n"
            f"route add default via {gateway} dev {_OUTER}\n",
        )
        self._ip(
            self.node,
            f"addr add {near} dev {interface(zone)}{more}\n"
            f"neigh replace {hop} lladdr {mac(zone, False)} dev {interface(zone)} nud permanent\n"
            f"route add {way} via {hop} dev {interface(zone)}\n",
        )

    @staticmethod
    def _ip(where: Host, commands: str) -> None:
        for family in ("-4", "-6"):
            lines = [line for line in commands.splitlines() if (":" in line.partition("lladdr")[0]) == (family == "-6")]
            done = where.run(["ip", family, "-batch", "-"], input="\n".join(lines) + "\n")
            if done.returncode != 0:
                raise LabError(f"{where.name}: {done.stderr.strip()}")

    def forward(self) -> None:
        """As the loader does at its end, for those who leave it to others."""
        for key, value in (
            ("net.ipv4.ip_forward", 1),
            ("net.ipv6.conf.all.forwarding", 1),
            ("net.ipv4.conf.all.rp_filter", 0),
        ):
            path = "/proc/sys/" + key.replace(".", "/")
            done = self.node.run(["sh", "-c", f"echo {value} > {path}"])
            if done.returncode != 0:
                raise LabError(f"{self.node.name}: {key}: {done.stderr.strip()}")

    def empty(self) -> None:
        """Neither rules nor sets, and no memory of any; everything is forwarded."""
        self.node.exec("rm", "-rf", "/run/linuxha", "/etc/linuxha/rules", "/etc/linuxha/rules.trial")
        done = self.node.run(["nft", "flush", "ruleset"])
        if done.returncode != 0:
            raise LabError(f"{self.node.name}: {done.stderr.strip()}")
        limit = time.monotonic() + 5
        # The kernel lets go of a set only a moment after the rules have gone.
        while self.node.run(["ipset", "destroy"]).returncode != 0:
            if time.monotonic() > limit:
                raise LabError("sets of the node do not go")
            time.sleep(0.05)
        self.forward()

    def generation(self) -> int:
        """Counts every transaction of nf_tables in the node, also one that changes nothing."""
        return int(python([*self.node.holder.prefix(), "nsenter", f"--net=/run/netns/{self.node.netns}"], "generation"))

    def counters(self) -> list[str]:
        """What rules for packets on their way through have counted; a load of the same rules begins at nought."""
        saved = [self.node.exec(f"{program}-save", "-c") for program in ("iptables", "ip6tables")]
        return re.findall(r"^\[.*\] -A (?:FORWARD|f-).*", "\n".join(saved), re.MULTILINE)

    def passed(self, packets: Sequence[Packet]) -> list[bool]:
        """Send each packet once for real; whether it came out in its zone.

        Raises:
            LabError: one came out in another zone.
        """
        text = json.dumps([asdict(packet) for packet in packets])
        return [bool(item) for item in json.loads(python(self.node.holder.prefix(), "packets", stdin=text))]


def python(prefix: Sequence[str], module: str, *arguments: str, stdin: str | None = None) -> str:
    """Run a module of this package in the namespaces that the prefix enters; what it printed."""
    argv = [*prefix, sys.executable, "-m", f"lab.bench_rules.{module}", *arguments]
    return run(argv, stdin=stdin, env={**os.environ, **paths.PYTHON}, cwd=paths.REPO).stdout


def enter(name: str) -> None:
    """Put this thread into a network namespace of the lab."""
    with Path(f"/run/netns/{name}").open("rb") as file:
        netns.enter(file.fileno())
