# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Where groups of addresses have nodes of their own: a node tells its peers of the connections of its own groups.

The kernel's table holds those of the peers' groups as well, and `conntrackd -R` would take all of it for this node's.
Here the kernel is asked to report the entries of the own groups alone, once more; conntrackd takes what is reported
into its internal cache, and sends it. What is in that cache already stays: see `conntrackd -f internal`.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, Iterator, Mapping, Sequence, Set, Tuple

import linuxha_netlink as netlink

CONFIG = "/etc/linuxha/takeover.json"


class Groups:
    """To which groups a connection belongs: by the addresses of a group, and by interfaces that no other group has."""

    def __init__(self, groups: Sequence[Mapping[str, Any]], routes: netlink.Routes) -> None:
        self.routes = routes
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

    def of(self, found: netlink.Connection) -> Iterator[str]:
        """What the addresses of groups say comes first: the kernel has to be asked for the way to any other."""
        ends = (found.sent.source, found.reply.source, found.sent.destination, found.reply.destination)
        for end in ends:
            if (found.family, end) in self.addresses:
                yield self.addresses[found.family, end]
        for end in ends[:2]:
            known = (found.family, end) in self.addresses
            route = None if known else self.routes.to(found.family, end)
            for device in route.devices if route is not None else ():
                if device in self.devices:
                    yield self.devices[device]


def own(groups: Groups, served: Collection[str], found: Iterable[netlink.Connection]) -> Iterator[netlink.Connection]:
    """Those of the groups that this node serves, and those of no group, of which nobody else could tell."""
    for connection in found:
        if connection.in_zone:  # of somebody else
            continue
        known = False
        for group in groups.of(connection):
            known = True
            if group in served:
                yield connection
                break
        else:
            if not known:
                yield connection


def main(argv: Sequence[str]) -> int:
    config = json.loads(Path(argv[1] if len(argv) > 1 else CONFIG).read_text())
    try:
        served = json.loads(Path(config["state_file"]).read_text())["offers"]
    except FileNotFoundError:
        served = None
    if served is None:
        print(f"{config['state_file']} does not say which groups this node serves", file=sys.stderr)
        return 1
    began = time.monotonic()
    with netlink.Netlink(netlink.NETLINK_ROUTE) as ways, netlink.Netlink(netlink.NETLINK_NETFILTER) as table:
        groups = Groups(config["groups"], netlink.Routes(ways))
        count = netlink.report(table, own(groups, served, netlink.connections()))
    took = time.monotonic() - began
    print(f"told the peers of {count} connections of {', '.join(served) or 'no group'} in {took:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
