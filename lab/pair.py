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
        self.vips = frozenset(str(vip.address) for vip in cluster.vips)
        self.groups = {
            group.name: frozenset(str(vip.address) for vip in cluster.vips_of(group.name))
            for group in cluster.vip_groups
        }

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

    def owners(self) -> Mapping[str, NodeHost]:
        """By group of addresses, which move together, the one node that holds all of them.

        Raises:
            LabError: a group has no such node.
        """
        held = {name: self.held(node) for name, node in self.nodes.items()}
        found = owners_of(self.groups, held)
        if found is None:
            shown = ", ".join(f"{name} {len(vips)} of {len(self.vips)}" for name, vips in held.items())
            raise LabError(f"cluster {self.cluster.name}: no single owner of all virtual addresses: {shown}")
        return {group: self.nodes[name] for group, name in found.items()}

    def active(self) -> NodeHost:
        """The node that holds every virtual address; of several groups the owner of the first.

        Raises:
            LabError: addresses of a group are nowhere, or on more than one node.
        """
        return next(iter(self.owners().values()))

    def standby(self) -> NodeHost:
        """A node that is not active."""
        active = {node.name for node in self.owners().values()}
        return next(node for name, node in self.nodes.items() if name not in active)

    def wait_steady(self, timeout: float = 60) -> NodeHost:
        """Wait until every group of addresses has one owner and every other node stands by with the states in step.

        Returns:
            The active node; of several groups the owner of the first.

        Raises:
            LabError: not within `timeout` seconds; the message shows every node's state.
        """
        seen: dict[str, NodeState] = {}

        def steady() -> bool:
            seen.update({name: self.state(node) for name, node in self.nodes.items()})
            owners = owners_of(self.groups, {name: state.held for name, state in seen.items()})
            return owners is not None and all(
                self._serves(state) if name in owners.values() else self._stands_by(state)
                for name, state in seen.items()
            )

        try:
            wait(steady, timeout, interval=0.25)
        except TimeoutError as problem:
            shown = "; ".join(
                f"{name}: {len(s.held)}/{len(self.vips)} addresses, {'/'.join(sorted(s.vrrp)) or 'no VRRP'}, {s.states}"
                for name, s in seen.items()
            )
            raise LabError(f"cluster {self.cluster.name} is not steady after {timeout:.0f} s: {shown}") from problem
        return self.active()

    def _serves(self, state: NodeState) -> bool:
        # Of several groups a node is MASTER of those that it holds.
        return "MASTER" in state.vrrp if len(self.groups) > 1 else state.vrrp == {"MASTER"}

    def _stands_by(self, state: NodeState) -> bool:
        return state.vrrp == {"BACKUP"} and state.states == "in-step"

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


def owners_of(groups: Mapping[str, frozenset[str]], held: Mapping[str, frozenset[str]]) -> dict[str, str] | None:
    """By group the node that holds all its addresses, and nobody else any; None if one has no such node."""
    found = {}
    for group, vips in groups.items():
        nodes = [name for name, theirs in held.items() if vips & theirs]
        if len(nodes) != 1 or not vips <= held[nodes[0]]:
            return None
        found[group] = nodes[0]
    return found


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
