# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A configuration in the words that the modules take."""

from __future__ import annotations

from typing import Any

from .objects import Plain
from .shapes import DEFAULTS, OPERATOR_CONSTRAINTS, OPERATOR_META, OPERATOR_NODE, OPERATOR_PROPERTIES, SECTIONS, Shape
from .state import State

# What the cluster itself writes among the properties.
CLUSTERS_OWN = ("cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh")


def export(state: State) -> dict[str, Any]:
    """Everything that somebody configured, and nothing that an operator or the cluster itself has set.

    Given back as a wish it changes nothing.
    """
    found: dict[str, Any] = {}
    for word, section in SECTIONS.items():
        items = []
        for key, plain in state.objects[word].items():
            if word == "constraints" and key.startswith(OPERATOR_CONSTRAINTS):
                continue
            shape = section.kinds.get(plain.get("type") or next(iter(section.kinds)))
            items.append(_object(word, shape, plain) if shape is not None and "xml" not in plain else dict(plain))
        found[word] = items
    for word in DEFAULTS:
        hidden = (*CLUSTERS_OWN, *OPERATOR_PROPERTIES) if word == "properties" else ()
        found[word] = _sets(state.defaults[word], hidden)
    return found


def operator_state(state: State) -> dict[str, Any]:
    """What an operator has set: standby and maintenance of nodes and the cluster, bans, moves, target roles."""
    nodes, resources = {}, {}
    for name, plain in state.objects["nodes"].items():
        values = _named(plain.get("attributes") or [], OPERATOR_NODE)
        if values:
            nodes[name] = values
    for key, plain in state.objects["resources"].items():
        values = _named(plain.get("meta") or [], OPERATOR_META)
        if values:
            resources[key] = values
    constraints = [key for key in state.objects["constraints"] if key.startswith(OPERATOR_CONSTRAINTS)]
    return {
        "nodes": nodes,
        "resources": resources,
        "constraints": constraints,
        "properties": _named(state.defaults["properties"], OPERATOR_PROPERTIES),
    }


def _named(sets: list[Plain], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for item in sets for name, value in item["values"].items() if name in names}


def _object(word: str, shape: Shape, plain: Plain) -> Plain:
    found = dict(plain)
    for name in shape.sets:
        if name in found:
            hidden = {"resources": OPERATOR_META if name == "meta" else (), "nodes": OPERATOR_NODE}
            found[name] = _sets(found[name], hidden.get(word, ()))
            if not found[name]:
                del found[name]
    for name, children in shape.children.items():
        if name in found:
            found[name] = [_object("", children.shape, item) for item in found[name]]
    return found


def _sets(sets: list[Plain], hidden: tuple[str, ...]) -> Any:
    left = [
        {**item, "values": {name: value for name, value in item["values"].items() if name not in hidden}}
        for item in sets
    ]
    left = [item for item in left if item["values"]]
    if not left:
        return {}
    if len(left) == 1 and set(left[0]) == {"values"}:
        return left[0]["values"]
    return left
