# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the tests of changes to a live pair share: an inventory that changes, and whether anybody noticed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from lab import lab as labs
from lab import playbook
from lab.cases import Case
from lab.hosts import NodeHost
from lab.inventory import read
from lab.lab import Lab
from lab.pair import Pair
from lab.session import Measured
from tests.failover.live import INVENTORIES, fault, observe, with_inventory

FLOWS = 200
VIPS = {"wan": ["192.0.2.11", "2001:db8:1::11"], "lan": ["198.51.100.11", "2001:db8:2::11"]}
DMZ = {"interface": "eth5", "ipv4": "203.0.113.128/25", "ipv6": "2001:db8:3::/64"}
DMZ_VIPS = {"dmz": ["203.0.113.129", "2001:db8:3::1"]}
RULE = {"name": "new", "from": "wan", "to": "firewall", "protocol": "tcp", "ports": [9], "action": "accept"}
MISSPELT = {"name": "misspelt", "command": "/usr/bin/test -e /etc/hostnaem", "interval_ms": 1000}
UNITS = {
    "keepalived": ("keepalived", "linuxha-rules"),
    "pacemaker": ("corosync", "pacemaker", "linuxha-rules"),
}


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _on_dmz(number: int, content: dict[str, Any]) -> None:
    content["firewall_node"]["addresses"]["dmz"] = [f"203.0.113.{number}", f"2001:db8:3::{number}"]


def described(directory: Path, topology: str, *parts: str) -> Path:
    """The example inventory of a topology with more in it.

    Args:
        directory: where the parts of one test are.
        topology: whose example.
        parts: vips (two more on each network), network (one more, with addresses on all nodes), rule (one more),
            misspelt (a track script that fails on every node).
    """
    inventory = directory / ("-".join(parts) or "example")
    shutil.copytree(INVENTORIES / topology, inventory)
    group = inventory / "group_vars" / "firewalls"

    def cluster(content: dict[str, Any]) -> None:
        networks = content["firewall_cluster"]["networks"]
        if "vips" in parts:
            for name, more in VIPS.items():
                networks[name]["vips"] += more
        if "network" in parts:
            networks["dmz"] = {**DMZ, "vips": DMZ_VIPS["dmz"]}
        if "misspelt" in parts:
            content["firewall_cluster"]["vrrp"] = {"track_scripts": [MISSPELT]}

    _edit(group / "cluster.yml", cluster)
    if "rule" in parts:
        _edit(group / "policy.yml", lambda content: content["firewall_policy"]["rules"].insert(0, RULE))
    if "network" in parts:
        for number, path in enumerate(sorted((inventory / "host_vars").glob("fw*.yml")), 130):
            _edit(path, partial(_on_dmz, number))
    return inventory


class Changing:
    """A live pair, and the inventories between which it changes. The machines are cabled for all of them."""

    def __init__(self, lab: Lab, topology: str, directory: Path) -> None:
        self.topology = topology
        self.directory = directory
        self.whole = lab
        self.example = with_inventory(lab, INVENTORIES / topology)
        self.pair = Pair(self.example, read(INVENTORIES / topology).clusters[0])

    def site(self, *parts: str) -> Case:
        """The change to the example with these parts."""
        lab = self._with(*parts)
        return fault(f"to {'-'.join(parts) or 'example'}", lambda node: playbook.play(lab, "site", show=None))

    def _with(self, *parts: str) -> Lab:
        path = self.directory / ("-".join(parts) or "example")
        inventory = path if path.exists() else described(self.directory, self.topology, *parts)
        return with_inventory(self.whole, inventory)

    def said(self, *parts: str) -> str:
        """What site in check mode says of the change to the example with these parts."""
        text = playbook.play(self._with(*parts), "site", ["--check"], show=None).output
        return text[text.index(f"cluster {self.pair.cluster.name}: what site would do") :]

    def observe(self, *cases: Case) -> list[Measured]:
        """Under traffic, with an eye on the owners of all addresses that come and go."""
        return observe(self.pair, cases, FLOWS, {**VIPS, **DMZ_VIPS})

    def moves(self) -> Mapping[str, Sequence[str]]:
        """What the failover journal of each node has."""
        return {name: node.exec("linuxha-journal", "--json").splitlines() for name, node in self.pair.nodes.items()}

    def processes(self) -> Mapping[str, str]:
        """Which processes serve, since when."""
        show = ("systemctl", "show", "--property=Id,MainPID,ExecMainStartTimestampMonotonic")
        return {name: node.exec(*show, *UNITS[self.topology]) for name, node in self.pair.nodes.items()}

    def unnoticed(self, *cases: Case) -> list[Measured]:
        """These changes, one after the other: no packet lost, nothing moved, nobody twice, nothing restarted."""
        moves, processes, active = self.moves(), self.processes(), self.pair.active().name
        seen = self.observe(*cases)
        for measured in seen:
            name = measured.window.name
            assert measured.window.flows is not None
            assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0), name
            assert measured.blackout.lost_packets == 0, (name, measured.blackout)
            assert measured.leaks.leaked == 0, name
            assert measured.owners.changes == 0, (name, measured.owners.vips)
            assert measured.owners.dual_ms == 0, (name, measured.owners.vips)
        assert self.moves() == moves
        assert self.processes() == processes
        assert self.pair.active().name == active
        return seen


def last_owners(measured: Measured, addresses: Mapping[str, Sequence[str]]) -> set[tuple[str, ...]]:
    """Who answered for these addresses in the end."""
    wanted = {address for found in addresses.values() for address in found}
    return {item.timeline[-1].owners for item in measured.owners.vips if item.vip in wanted}


@contextmanager
def changing(name: str, topology: str, directory: Path) -> Iterator[Changing]:
    """Machines that are cabled for one network more, with the example deployed on them."""
    try:
        lab = labs.up(name, described(directory, topology, "network"), fresh=True)
        found = Changing(lab, topology, directory)
        playbook.play(found.example, "site", show=None)
        playbook.play(found.example, "verify", show=None)
        yield found
    finally:
        labs.down(name)


def kinds(said: str) -> set[tuple[str, str, str]]:
    """Node, daemon and class of each line of the table."""
    found = (re.match(r" *(\S+) {2,}(\S+(?: \S+)*) {2,}(\S+(?: \S+)*)", line) for line in said.splitlines()[2:])
    return {(match[1], match[2], match[3]) for match in takewhile(bool, found) if match}


def restarting_is_noticed(live: Changing, unit: str) -> None:
    """The control: what the roles do not do moves the addresses, and the instruments of these tests see it."""
    before, active = live.moves(), live.pair.active().name

    def restart(node: NodeHost) -> None:
        # As in a run of site, it comes a while after the beginning: the owner before it has been asked for then, too.
        node.exec("sh", "-c", 'sleep 0.3 && systemctl restart "$1"', "sh", unit)

    (measured,) = live.observe(fault("restart", restart, moves=True))
    assert measured.owners.changes > 0
    assert live.pair.wait_steady().name != active
    assert live.moves() != before
