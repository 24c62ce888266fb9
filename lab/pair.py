# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What the nodes of one cluster are doing right now, read from the nodes themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

from .hosts import NodeHost, ProbeHost
from .lab import Lab
from .run import LabError

DRAIN = "/run/linuxha/drain"
STATE = "/run/linuxha/state.json"


@dataclass(frozen=True)
class NodeState:
    """One node: the virtual addresses it holds, its VRRP states, and whether it has the peer's connection states."""

    held: frozenset[str]
    vrrp: frozenset[str]
    states: str
    gate: str


class Pair:
    """The nodes and probe hosts of one cluster in a lab."""

    def __init__(self, lab: Lab, cluster: model.Cluster) -> None:
        self.lab = lab
        self.cluster = cluster
        self.nodes: Mapping[str, NodeHost] = {node.name: lab.nodes[node.name] for node in cluster.nodes}
        self.probes: Mapping[str, ProbeHost] = {
            key: host for (name, key), host in lab.probes.items() if name == cluster.name
        }
        self.vips = frozenset(str(vip.address) for network in cluster.networks for vip in network.vips)

    def held(self, node: NodeHost) -> frozenset[str]:
        """The virtual addresses that this node has configured."""
        done = node.run(["ip", "-json", "address", "show"])
        if done.returncode != 0:
            return frozenset()
        addresses = {a["local"] for link in json.loads(done.stdout) for a in link.get("addr_info", ()) if "local" in a}
        return self.vips & addresses

    def state(self, node: NodeHost) -> NodeState:
        """What this node says of itself."""
        text = node.exec("cat", STATE, check=False)
        published: dict[str, Any] = json.loads(text) if text.strip() else {}
        vrrp = frozenset(instance["state"] for instance in published.get("instances", {}).values())
        return NodeState(self.held(node), vrrp, published.get("states", "unknown"), published.get("gate", "unknown"))

    def active(self) -> NodeHost:
        """The one node that holds every virtual address.

        Raises:
            LabError: no node does, or more than one holds some.
        """
        held = {name: self.held(node) for name, node in self.nodes.items()}
        owners = [name for name, vips in held.items() if vips]
        if len(owners) == 1 and held[owners[0]] == self.vips:
            return self.nodes[owners[0]]
        shown = ", ".join(f"{name} {len(vips)} of {len(self.vips)}" for name, vips in held.items())
        raise LabError(f"cluster {self.cluster.name}: no single owner of all virtual addresses: {shown}")

    def standby(self) -> NodeHost:
        """A node that is not active."""
        active = self.active().name
        return next(node for name, node in self.nodes.items() if name != active)

    def wait_steady(self, timeout: float = 60) -> NodeHost:
        """Wait until one node is active and every other stands by with the states in step; returns the active node.

        Raises:
            LabError: not within `timeout` seconds; the message shows every node's state.
        """
        seen: dict[str, NodeState] = {}

        def steady() -> bool:
            seen.update({name: self.state(node) for name, node in self.nodes.items()})
            owners = [s for s in seen.values() if s.held == self.vips and s.vrrp == {"MASTER"}]
            others = [s for s in seen.values() if not s.held and s.vrrp == {"BACKUP"} and s.states == "in-step"]
            return len(owners) == 1 and len(others) == len(seen) - 1

        try:
            wait(steady, timeout, interval=0.25)
        except TimeoutError as problem:
            shown = "; ".join(
                f"{name}: {len(s.held)}/{len(self.vips)} addresses, {'/'.join(sorted(s.vrrp)) or 'no VRRP'}, {s.states}"
                for name, s in seen.items()
            )
            raise LabError(f"cluster {self.cluster.name} is not steady after {timeout:.0f} s: {shown}") from problem
        return self.active()

    def drain(self, node: NodeHost, on: bool) -> None:
        """Ask a node to give its addresses up, or to be available again (the planned switchover)."""
        if self.cluster.topology == "pacemaker":
            order = ["--update", "on"] if on else ["--delete"]
            node.exec("crm_attribute", "--type=nodes", f"--node={node.name}", "--name=standby", *order)
            return
        node.exec("sh", "-c", f"echo {int(on)} > {DRAIN}")

    def move(self, node: NodeHost) -> None:
        """Move the addresses away from a node by an order that stays (topology pacemaker)."""
        for group in self.cluster.vip_groups:
            node.exec("crm_resource", "--resource", f"vips-{group.name}", "--ban", "--node", node.name)

    def clear(self) -> None:
        """Take such orders back."""
        node = next(iter(self.nodes.values()))
        for group in self.cluster.vip_groups:
            node.exec("crm_resource", "--resource", f"vips-{group.name}", "--clear")


def wait(condition: Callable[[], bool], timeout: float, interval: float = 0.05) -> None:
    """Poll until the condition holds.

    Raises:
        TimeoutError: it does not within `timeout` seconds.
    """
    limit = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError
        time.sleep(interval)
