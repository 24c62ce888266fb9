# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The state of a cluster from `crm_mon --output-as=xml`, and whether it is settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree as ET


class StatusError(ValueError):
    """The text is no answer of crm_mon."""


@dataclass(frozen=True)
class Node:
    """One node, by the words of crm_mon."""

    name: str
    online: bool
    standby: bool
    maintenance: bool
    pending: bool
    unclean: bool
    dc: bool
    attributes: dict[str, str]


@dataclass(frozen=True)
class Resource:
    """One instance of a resource.

    Attributes:
        id: without the number of the instance.
        agent: class:provider:type.
        role: Started, Stopped, Promoted, Unpromoted, Starting, ...
        nodes: where it runs.
        parents: groups, clones and bundles around it, the outermost first.
        managed: the cluster may act on it.
        failed: its last operation failed.
        blocked: the cluster has given up on it.
        pending: the operation that runs right now, or an empty text.
    """

    id: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    parents: tuple[str, ...]
    managed: bool
    failed: bool
    blocked: bool
    pending: str


@dataclass(frozen=True)
class Status:
    """A cluster.

    Attributes:
        quorum: this partition has quorum.
        dc: the designated controller, or an empty text.
        maintenance: the whole cluster is in maintenance mode.
        nodes: by name.
        resources: every instance.
        failures: operations that failed and were not cleaned up.
        bans: constraints that keep a resource off a node.
    """

    quorum: bool
    dc: str
    maintenance: bool
    nodes: dict[str, Node]
    resources: tuple[Resource, ...]
    failures: tuple[dict[str, str], ...]
    bans: tuple[dict[str, str], ...]

    def of(self, name: str) -> list[Resource]:
        """The instances of a resource, or of all that is inside a group or a clone."""
        return [item for item in self.resources if name == item.id or name in item.parents]

    def serving(self) -> list[str]:
        """The nodes that hold what another would have to take over: a promoted instance, or the only one."""
        found: set[str] = set()
        for item in self.resources:
            instances = {name for other in self.resources if other.id == item.id for name in other.nodes}
            single = item.role == "Started" and len(instances) == 1
            # Where a fencing device runs makes no difference to what it fences.
            if (item.role == "Promoted" or single) and not item.agent.startswith("stonith:"):
                found.update(item.nodes)
        return sorted(found)

    def plain(self) -> dict[str, Any]:
        """Plain data, as modules return it."""
        found = asdict(self)
        found["nodes"] = [asdict(node) for node in self.nodes.values()]
        found["resources"] = [{**asdict(item), "parents": list(item.parents), "nodes": list(item.nodes)}
                              for item in self.resources]  # fmt: skip
        found["failures"] = list(self.failures)
        found["bans"] = list(self.bans)
        return found


def read(source: str) -> Status:
    """What crm_mon says.

    Raises:
        StatusError: it is no such answer, or crm_mon could not reach the cluster.
    """
    try:
        root = ET.fromstring(source)
    except ET.ParseError as problem:
        raise StatusError(f"crm_mon gave no XML: {problem}") from problem
    if root.find("nodes") is None:
        status = root.find("status")
        reason = "no nodes in it" if status is None else status.get("message", "")
        raise StatusError(f"crm_mon gave no status: {reason}")
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    attributes = {
        item.get("name", ""): {each.get("name", ""): each.get("value", "") for each in item.findall("attribute")}
        for item in root.iterfind("node_attributes/node")
    }
    nodes = {}
    for element in root.iterfind("nodes/node"):
        name = element.get("name", "")
        nodes[name] = Node(
            name=name,
            online=_true(element, "online"),
            standby=_true(element, "standby"),
            maintenance=_true(element, "maintenance"),
            pending=_true(element, "pending"),
            unclean=_true(element, "unclean"),
            dc=_true(element, "is_dc"),
            attributes=attributes.get(name, {}),
        )
    resources = root.find("resources")
    return Status(
        quorum=dc is not None and _true(dc, "with_quorum"),
        dc=dc.get("name", "") if dc is not None else "",
        maintenance=options is not None and _true(options, "maintenance-mode"),
        nodes=nodes,
        resources=tuple(_resources(resources, ())) if resources is not None else (),
        failures=tuple(dict(item.attrib) for item in root.iterfind("failures/failure")),
        bans=tuple(dict(item.attrib) for item in root.iterfind("bans/ban")),
    )


def _true(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"


def _resources(parent: ET.Element, parents: tuple[str, ...]) -> Iterator[Resource]:
    for element in parent:
        if element.tag == "resource":
            yield Resource(
                id=element.get("id", "").partition(":")[0],
                agent=element.get("resource_agent", ""),
                role=element.get("role", ""),
                nodes=tuple(node.get("name", "") for node in element.findall("node")),
                parents=parents,
                managed=_true(element, "managed"),
                failed=_true(element, "failed"),
                blocked=_true(element, "blocked"),
                pending=element.get("pending", ""),
            )
        elif element.tag in ("group", "clone", "bundle", "replica"):
            name = element.get("id", "")
            yield from _resources(element, (*parents, name) if element.tag != "replica" else parents)


def problems(status: Status) -> list[str]:
    """What keeps the cluster from being settled; empty when it is."""
    found = []
    if not status.dc:
        found.append("no designated controller has been elected")
    elif not status.quorum:
        found.append("the partition has no quorum")
    for node in status.nodes.values():
        if node.unclean:
            found.append(f"node {node.name} is unclean: it has to be fenced")
        elif node.pending:
            found.append(f"node {node.name} is joining")
    for item in status.resources:
        if item.pending or item.role in ("Starting", "Stopping", "Promoting", "Demoting", "Migrating"):
            found.append(f"resource {item.id} is {(item.pending or item.role).lower()}")
    return list(dict.fromkeys(found))
