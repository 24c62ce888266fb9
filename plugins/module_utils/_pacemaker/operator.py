# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What an operator orders on a running cluster: which change of the CIB that is, and when it is done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.ready import Status
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.state import State
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

# How Pacemaker reads a boolean (crm_is_true).
_TRUE = ("true", "on", "yes", "y", "1")
_RUNNING = ("Started", "Promoted", "Unpromoted")


@dataclass(frozen=True)
class Order:
    """One order.

    Attributes:
        wish: what has to change in the CIB, seen from what it says now.
        missing: what is not reached yet in the status of the cluster, or an empty text.
        cleanup: the resource whose failures shall be forgotten, or an empty text.
        node: only on this node.
    """

    wish: Callable[[State], cib.Wish]
    missing: Callable[[Status], str]
    cleanup: str = ""
    node: Optional[str] = None


@dataclass
class _Changes:
    raw: dict[str, Any] = field(default_factory=dict)
    absent: list[tuple[str, str]] = field(default_factory=list)

    def wish(self) -> cib.Wish:
        checker = cib.Checker()
        state = checker.state(self.raw)
        if checker.problems:
            raise Mistake(checker.problems[0])
        return cib.Wish(state, tuple(self.absent), owner="")


class Mistake(Exception):
    """The order makes no sense on this cluster."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))


def node(name: str, state: str) -> Order:
    """Bring a node to `online`, `standby` or `maintenance`."""

    def wish(now: State) -> cib.Wish:
        present = _values(_known(now, "nodes", name, "name").get("attributes"))
        values: dict[str, Optional[str]] = {}
        for attribute, wanted in (("standby", state == "standby"), ("maintenance", state == "maintenance")):
            if wanted != (present.get(attribute, "").lower() in _TRUE):
                # The words of crm_standby and crm_attribute.
                values[attribute] = ("on" if attribute == "standby" else "true") if wanted else None
        return _Changes({"nodes": [{"name": name, "attributes": values}]} if values else {}).wish()

    def missing(status: Status) -> str:
        found = status.nodes.get(name)
        if found is None:
            return f"node {name} is not in the cluster"
        if state == "standby":
            left = sorted({item.id for item in status.resources if name in item.nodes and item.managed})
            if not found.standby:
                return f"node {name} is not in standby"
            return f"still on {name}: {', '.join(left)}" if left else ""
        if state == "maintenance":
            return "" if found.maintenance else f"node {name} is not in maintenance"
        fine = found.online and not found.standby and not found.maintenance
        return "" if fine else f"node {name} is not online"

    return Order(wish, missing)


def resource(name: str, action: str, node_name: Optional[str], role: str) -> Order:
    """Do with a resource what `crm_resource` does; see the module cluster_resource for the actions."""
    prefer, ban = f"cli-prefer-{name}", f"cli-ban-{name}-on-{node_name}"

    def wish(now: State) -> cib.Wish:
        plain = _known(now, "resources", name, "id")
        if node_name is not None:
            _known(now, "nodes", node_name, "node")
        constraints = now.objects["constraints"]
        changes = _Changes()
        if action in ("move", "ban"):
            moved = action == "move"
            changes.raw["constraints"] = [
                {
                    "id": prefer if moved else ban,
                    "type": "location",
                    "resource": name,
                    "role": role,
                    "node": node_name,
                    "score": "INFINITY" if moved else "-INFINITY",
                }
            ]
            opposite = ban if moved else prefer
            if moved or constraints.get(prefer, {}).get("node") == node_name:
                changes.absent.append(("constraints", opposite))
        elif action == "clear":
            mine = [key for key in constraints if key == prefer or key.startswith(f"cli-ban-{name}-on-")]
            about = [key for key in mine if node_name is None or constraints[key].get("node") == node_name]
            changes.absent += [("constraints", key) for key in about]
        elif action in _META:
            attribute, value = _META[action]
            meta = _values(plain.get("meta"))
            reached = meta.get(attribute) in (value, None) if value is None else meta.get(attribute) == value
            if "xml" in plain:
                raise Mistake(Problem("id", name, "has no words here", "Use crm_resource --meta."))
            if not reached:
                changes.raw["resources"] = [_with_meta(plain, attribute, value)]
        return changes.wish()

    def missing(status: Status) -> str:
        instances = status.of(name)
        where = {each for item in instances if role in (item.role, "Started") for each in item.nodes}
        if action == "move" and node_name not in where:
            return f"{name} is not on {node_name} but {_where(where)}"
        if action == "ban" and node_name in where:
            return f"{name} is still on {node_name}"
        running = [item for item in instances if item.role in _RUNNING]
        if action == "enable" and not running:
            return f"{name} does not run"
        if action == "disable" and running:
            return f"{name} still runs {_where({each for item in running for each in item.nodes})}"
        if action == "cleanup" and failures(status, name, node_name):
            return f"{name} has failed again"
        return ""

    return Order(wish, missing, name if action == "cleanup" else "", node_name)


_META: Mapping[str, tuple[str, Optional[str]]] = {
    "enable": ("target-role", None),
    "disable": ("target-role", "Stopped"),
    "manage": ("is-managed", None),
    "unmanage": ("is-managed", "false"),
}


def failures(status: Status, name: str, node_name: Optional[str]) -> list[str]:
    """The failed operations of a resource that are not forgotten yet."""
    names = {name, *(item.id for item in status.of(name))}
    found = []
    for item in status.failures:
        key = item.get("op_key", "")
        about = any(key.startswith((f"{each}_", f"{each}:")) for each in names)
        if about and node_name in (None, item.get("node")):
            found.append(f"{key} on {item.get('node', '')}")
    return found


def _where(nodes: set[str]) -> str:
    return f"on {', '.join(sorted(nodes))}" if nodes else "nowhere"


def _known(now: State, section: str, key: str, path: str) -> dict[str, Any]:
    found = now.objects[section]
    if key not in found:
        kind = "node" if section == "nodes" else "resource"
        raise Mistake(Problem(path, key, f"the cluster has no such {kind}", cib.spec.nearest(key, found)))
    return found[key]


def _values(sets: Optional[list[dict[str, Any]]]) -> dict[str, str]:
    return {name: value for item in sets or [] if not item.get("rule") for name, value in item["values"].items()}


def _with_meta(plain: dict[str, Any], attribute: str, value: Optional[str]) -> dict[str, Any]:
    """The same resource with one meta attribute more or less."""
    sets = [{**item, "values": dict(item["values"])} for item in plain.get("meta") or []]
    bare = next((item for item in sets if not item.get("rule")), None)
    if bare is None:
        bare = {"values": {}}
        sets.append(bare)
    # An operator's attribute that nobody names survives; an empty one is how it is taken back.
    bare["values"][attribute] = value
    return {**plain, "meta": sets}
