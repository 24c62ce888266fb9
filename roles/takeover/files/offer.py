# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Where groups of addresses have nodes of their own: a node tells its peers of the connections of its own groups.

The kernel's table holds those of the peers' groups as well, and `conntrackd -R` would take all of it for this node's.
Here conntrackd forgets what it tells of, never what is in the kernel, and the kernel is asked to report the entries of
the own groups once more: conntrackd takes what is reported into its internal cache, and sends it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, Iterator, Mapping, Sequence, Set, Tuple

import linuxha_netlink as netlink

CONFIG = "/etc/linuxha/takeover.json"
FORGET_S = 30


class Groups:
    """To which groups a connection belongs: by the addresses of a group, and by interfaces that no other group has."""

    def __init__(self, groups: Sequence[Mapping[str, Any]], routes: netlink.Routes) -> None:
        self.routes = routes
        self.first = groups[0]["name"]
        self.addresses: Dict[Tuple[int, int], str] = {}
        self.devices: Dict[str, str] = {}
        shared: Set[str] = set()
        for group in groups:
            for item in group["addresses"]:
                address, device = ip_interface(item["address"]).ip, item["interface"]
                family = socket.AF_INET if address.version == 4 else socket.AF_INET6
                self.addresses[family, int(address)] = group["name"]
                if self.devices.setdefault(device, group["name"]) != group["name"]:
                    shared.add(device)
        for device in shared:
            del self.devices[device]

    def of(self, found: netlink.Connection) -> Set[str]:
        """What is nobody's by its ends is the first group's: one node has to tell of it, and only one."""
        ends = (found.sent.source, found.reply.source, found.sent.destination, found.reply.destination)
        groups = {self.addresses[found.family, end] for end in ends if (found.family, end) in self.addresses}
        return groups or self._by_way(found) or {self.first}

    def _by_way(self, found: netlink.Connection) -> Set[str]:
        ways = [self.routes.to(found.family, end) for end in (found.sent.source, found.reply.source)]
        # Behind the default route is everybody.
        devices = [device for way in ways if way is not None and not way.default for device in way.devices]
        return {self.devices[device] for device in devices if device in self.devices}


def own(groups: Groups, served: Collection[str], found: Iterable[netlink.Connection]) -> Iterator[netlink.Connection]:
    """Those of the groups that this node serves."""
    for connection in found:
        # Entries in zones are somebody else's. What a helper expected would lose the connection to which it belongs:
        # such a report does not name it.
        if not connection.in_zone and not connection.expected and not groups.of(connection).isdisjoint(served):
            yield connection


def forget(conntrackd: Sequence[str]) -> str:
    """Empty when the internal cache is empty, else why it is not."""
    argv = [*conntrackd, "-f", "internal"]
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=FORGET_S, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else f"{' '.join(argv)}: exit {done.returncode}: {done.stdout.strip()}"


def offer(config: Mapping[str, Any]) -> Tuple[int, Sequence[str], Sequence[str]]:
    """How many connections the kernel reported, of which groups, and what went wrong."""
    problem = forget(config["conntrackd"])
    if problem:
        return 0, [], [problem]
    # After that: groups that come or go from now on start another run.
    served = json.loads(Path(config["state_file"]).read_text())["offers"]
    with netlink.Netlink(netlink.NETLINK_ROUTE) as ways, netlink.Netlink(netlink.NETLINK_NETFILTER) as table:
        groups = Groups(config["groups"], netlink.Routes(ways))
        count, refusals = netlink.report(table, own(groups, served, netlink.connections()))
    return count, served, refusals


def main(argv: Sequence[str]) -> int:
    config = json.loads(Path(argv[1] if len(argv) > 1 else CONFIG).read_text())
    began = time.monotonic()
    try:
        count, served, problems = offer(config)
    except OSError as error:
        count, served, problems = 0, [], [str(error)]
    for problem in problems:
        print(f"<3>the peers are not told of all connections: {problem}", flush=True)
    if problems:
        return 1
    took = time.monotonic() - began
    print(f"<6>told of {count} connections of {', '.join(served) or 'no group'}, in {took:.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
