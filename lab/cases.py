# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The faults a drill knows by name: how to inject each, when the cluster has answered, and how to undo it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

from .faults import Faults
from .hosts import NodeHost
from .pair import Pair
from .run import LabError


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        name: as on the command line and in reports.
        inject: does it to the active node.
        undo: brings the node back; may take seconds.
        moves: True when the active role must move to another node.
        undo_name: name under which the way back is measured, or None when it is not.
    """

    name: str
    inject: Callable[[Pair, Faults, NodeHost], None]
    undo: Callable[[Pair, Faults, NodeHost], None]
    moves: bool = True
    undo_name: str | None = None


def _nothing(pair: Pair, faults: Faults, node: NodeHost) -> None:
    """Nothing to undo."""


def _unit(action: str, unit: str) -> Case:
    if action == "freeze":
        return Case(
            f"freeze:{unit}",
            lambda pair, faults, node: faults.freeze(node, unit),
            lambda pair, faults, node: faults.thaw(node, unit),
            moves=unit in MANAGERS.values(),
        )
    return Case(
        f"kill:{unit}", lambda pair, faults, node: faults.kill(node, unit), _nothing, moves=unit in MANAGERS.values()
    )


def _cable(network: str) -> Case:
    return Case(
        f"cable:{network}",
        lambda pair, faults, node: faults.pull_cable(node, network),
        lambda pair, faults, node: faults.plug_cable(node, network),
    )


def _cut(link: str) -> Case:
    return Case(
        f"cut:{link}",
        lambda pair, faults, node: faults.cut(node, [link]),
        lambda pair, faults, node: faults.mend(),
        moves=False,
    )


SIMPLE = {
    case.name: case
    for case in (
        Case(
            "planned",
            lambda pair, faults, node: pair.drain(node, True),
            lambda pair, faults, node: pair.drain(node, False),
        ),
        Case(
            "power_cut",
            lambda pair, faults, node: faults.power_cut(node),
            lambda pair, faults, node: faults.power_return(node),
            undo_name="return",
        ),
        Case(
            "reboot",
            lambda pair, faults, node: node.shut_down(),
            lambda pair, faults, node: faults.power_return(node),
            undo_name="return",
        ),
    )
}
# The daemon whose loss moves the addresses, and the others.
MANAGERS = {"keepalived": "keepalived", "pacemaker": "corosync"}
UNITS = {
    "keepalived": ("keepalived", "conntrackd", "linuxha-takeover"),
    "pacemaker": ("corosync", "pacemaker", "conntrackd", "linuxha-takeover"),
}


def _simple(cluster: model.Cluster) -> dict[str, Case]:
    unit = cluster.topology
    found = {**SIMPLE, f"stop:{unit}": _stop(unit)}
    if unit == "pacemaker":
        found["move"] = Case(
            "move", lambda pair, faults, node: pair.move(node), lambda pair, faults, node: pair.clear()
        )
    return found


def _stop(unit: str) -> Case:
    def act(action: str) -> Callable[[Pair, Faults, NodeHost], None]:
        def order(pair: Pair, faults: Faults, node: NodeHost) -> None:
            node.exec("systemctl", action, unit)

        return order

    return Case(f"stop:{unit}", act("stop"), act("start"))


def names(cluster: model.Cluster) -> list[str]:
    """Every case that this cluster offers."""
    found = list(_simple(cluster))
    found += [f"cable:{segment.name}" for segment in (*cluster.networks, *cluster.sync_links)]
    found += [f"cut:{link.name}" for link in cluster.sync_links]
    found += [f"{action}:{unit}" for action in ("kill", "freeze") for unit in UNITS[cluster.topology]]
    return found


def find(cluster: model.Cluster, name: str) -> Case:
    """The case of this name.

    Raises:
        LabError: the cluster offers no such case; the message lists those it does.
    """
    known = names(cluster)
    if name not in known:
        raise LabError(f"unknown case {name!r}; known: {', '.join(known)}")
    simple = _simple(cluster)
    if name in simple:
        return simple[name]
    kind, _unused, argument = name.partition(":")
    if kind == "cable":
        tracked = {network.name for network in cluster.networks if network.track}
        case = _cable(argument)
        return case if argument in tracked else Case(case.name, case.inject, case.undo, moves=False)
    return _cut(argument) if kind == "cut" else _unit(kind, argument)
