# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The vocabulary: which words stand for which elements and attributes of the CIB.

One table serves reading, writing, checking and exporting, so that they cannot disagree. The elements are those of the
schemas that Pacemaker installs (pacemaker-3.9 and its predecessors) and of Pacemaker Explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Refs:
    """A list of ids, each in an element of its own."""

    tag: str
    attribute: str = "id"


@dataclass(frozen=True)
class Children:
    """A list of objects within an object.

    Attributes:
        shape: of each.
        wrapper: the element around them, if there is one.
        key: the words by which one is told from another; without any, the position tells.
    """

    shape: Shape
    wrapper: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """One kind of object.

    Attributes:
        tag: its element.
        words: word to attribute; every value is text.
        required: the words that it cannot do without.
        choices: words that take only these values.
        sets: word to the tag of a set of names and values.
        refs: word to a list of ids.
        children: word to objects within it.
        rules: the word for a list of rules, or none.
        order: the tags of its children, where the schema wants them in this order.
    """

    tag: str
    words: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, Refs] = field(default_factory=dict)
    children: Mapping[str, Children] = field(default_factory=dict)
    rules: str = ""
    order: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """All words."""
        rules = (self.rules,) if self.rules else ()
        return (*self.words, *self.sets, *self.refs, *self.children, *rules)


ROLES = ("Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave")
ACTIONS = ("start", "promote", "demote", "stop")
KINDS = ("Optional", "Mandatory", "Serialize")
ATTRIBUTES = {"params": "instance_attributes", "meta": "meta_attributes"}

RULE = Shape(
    "rule",
    {"score": "score", "score_attribute": "score-attribute", "role": "role"},
    choices={"role": ROLES},
)
OPERATION = Shape(
    "op",
    {
        "name": "name",
        "interval": "interval",
        "timeout": "timeout",
        "role": "role",
        "on_fail": "on-fail",
        "start_delay": "start-delay",
        "interval_origin": "interval-origin",
        "enabled": "enabled",
        "record_pending": "record-pending",
        "description": "description",
    },
    required=("name",),
    choices={
        "role": ROLES,
        "on_fail": ("ignore", "block", "demote", "stop", "restart", "standby", "fence", "restart-container"),
    },
    sets=ATTRIBUTES,
)
SET = Shape(
    "resource_set",
    {
        "sequential": "sequential",
        "require_all": "require-all",
        "ordering": "ordering",
        "action": "action",
        "role": "role",
        "kind": "kind",
        "score": "score",
    },
    required=("resources",),
    choices={"action": ACTIONS, "role": ROLES, "kind": KINDS},
    refs={"resources": Refs("resource_ref")},
)
_OPERATIONS = Children(OPERATION, "operations", ("name", "interval", "role"))
_SETS = Children(SET)

# `agent` is three attributes, `members` is what a group or a clone has inside: objects.py knows both.
RESOURCES = {
    "primitive": Shape(
        "primitive",
        {"template": "template", "description": "description"},
        sets={**ATTRIBUTES, "utilization": "utilization"},
        children={"operations": _OPERATIONS},
    ),
    "template": Shape(
        "template",
        {"description": "description"},
        required=("agent",),
        sets={**ATTRIBUTES, "utilization": "utilization"},
        children={"operations": _OPERATIONS},
    ),
    "group": Shape("group", {"description": "description"}, required=("members",), sets=ATTRIBUTES),
    "clone": Shape("clone", {"description": "description"}, required=("members",), sets=ATTRIBUTES),
}
CONSTRAINTS = {
    "location": Shape(
        "rsc_location",
        {
            "resource": "rsc",
            "pattern": "rsc-pattern",
            "node": "node",
            "score": "score",
            "role": "role",
            "discovery": "resource-discovery",
        },
        choices={"role": ROLES, "discovery": ("always", "never", "exclusive")},
        children={"sets": _SETS},
        rules="rules",
        order=("resource_set", "rule", "lifetime"),
    ),
    "colocation": Shape(
        "rsc_colocation",
        {
            "resource": "rsc",
            "with": "with-rsc",
            "score": "score",
            "role": "rsc-role",
            "with_role": "with-rsc-role",
            "node_attribute": "node-attribute",
            "influence": "influence",
        },
        choices={"role": ROLES, "with_role": ROLES},
        children={"sets": _SETS},
        order=("lifetime", "resource_set"),
    ),
    "order": Shape(
        "rsc_order",
        {
            "first": "first",
            "then": "then",
            "first_action": "first-action",
            "then_action": "then-action",
            "kind": "kind",
            "score": "score",
            "symmetrical": "symmetrical",
            "require_all": "require-all",
        },
        choices={"first_action": ACTIONS, "then_action": ACTIONS, "kind": KINDS},
        children={"sets": _SETS},
        order=("lifetime", "resource_set"),
    ),
    "ticket": Shape(
        "rsc_ticket",
        {"resource": "rsc", "role": "rsc-role", "ticket": "ticket", "loss_policy": "loss-policy"},
        required=("ticket",),
        choices={"role": ROLES, "loss_policy": ("stop", "demote", "fence", "freeze")},
        children={"sets": _SETS},
    ),
}
FENCING = {
    "level": Shape(
        "fencing-level",
        {
            "target": "target",
            "target_pattern": "target-pattern",
            "target_attribute": "target-attribute",
            "target_value": "target-value",
            "index": "index",
            "devices": "devices",
        },
        required=("index", "devices"),
    )
}
TAGS = {"tag": Shape("tag", {"description": "description"}, ("resources",), refs={"resources": Refs("obj_ref")})}
_RECIPIENT = Shape("recipient", {"value": "value", "description": "description"}, ("value",), sets=ATTRIBUTES)
ALERTS = {
    "alert": Shape(
        "alert",
        {"path": "path", "description": "description"},
        ("path",),
        sets=ATTRIBUTES,
        children={"recipients": Children(_RECIPIENT, key=("value",))},
        order=("meta_attributes", "instance_attributes", "select", "recipient"),
    )
}
_PERMISSION = Shape(
    "acl_permission",
    {
        "kind": "kind",
        "xpath": "xpath",
        "reference": "reference",
        "object_type": "object-type",
        "attribute": "attribute",
        "description": "description",
    },
    ("kind",),
    choices={"kind": ("read", "write", "deny")},
)
ACLS = {
    "role": Shape("acl_role", {"description": "description"}, children={"permissions": Children(_PERMISSION)}),
    "target": Shape("acl_target", {"name": "name"}, ("roles",), refs={"roles": Refs("role")}),
    "group": Shape("acl_group", {"name": "name"}, ("roles",), refs={"roles": Refs("role")}),
}
NODES = {
    "node": Shape(
        "node",
        {"name": "uname"},
        ("name",),
        sets={"attributes": "instance_attributes", "utilization": "utilization"},
    )
}


@dataclass(frozen=True)
class Section:
    """A list of objects in the configuration.

    Attributes:
        tag: its element.
        kinds: word of the kind to its shape.
        key: the words that tell one object from another; `id` where Pacemaker asks for one.
        default: the kind of an object that names none.
    """

    tag: str
    kinds: Mapping[str, Shape]
    key: tuple[str, ...] = ("id",)
    default: Optional[str] = None

    def by_tag(self, tag: str) -> Optional[str]:
        """The kind of an element."""
        return next((kind for kind, shape in self.kinds.items() if shape.tag == tag), None)


SECTIONS = {
    "nodes": Section("nodes", NODES, ("name",), "node"),
    "resources": Section("resources", RESOURCES),
    "constraints": Section("constraints", CONSTRAINTS),
    "fencing": Section(
        "fencing-topology",
        FENCING,
        ("target", "target_pattern", "target_attribute", "target_value", "index"),
        "level",
    ),
    "tags": Section("tags", TAGS, default="tag"),
    "alerts": Section("alerts", ALERTS, default="alert"),
    "acls": Section("acls", ACLS),
}
# Sets of names and values that are no objects: word to the section and the tag of its sets.
DEFAULTS = {
    "properties": ("crm_config", "cluster_property_set", "cib-bootstrap-options"),
    "resource_defaults": ("rsc_defaults", "meta_attributes", "rsc_defaults-options"),
    "operation_defaults": ("op_defaults", "meta_attributes", "op_defaults-options"),
}
WORDS = (*SECTIONS, *DEFAULTS)
# What an operator sets on a running cluster. It survives unless the desired state names it.
OPERATOR_META = ("target-role", "is-managed", "maintenance")
OPERATOR_NODE = ("standby", "maintenance")
OPERATOR_PROPERTIES = ("maintenance-mode",)
OPERATOR_CONSTRAINTS = ("cli-ban-", "cli-prefer-", "cli-standby-")
