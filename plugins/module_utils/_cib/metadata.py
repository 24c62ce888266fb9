# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What agents and the cluster say of themselves, and what in a configuration disagrees with it.

Agents: the OCF Resource Agent API; options of the cluster: metadata of Pacemaker's daemons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

from .objects import Plain
from .spec import meant, nearest
from .text import HIDDEN, is_secret
from .values import milliseconds

# Operations that Pacemaker itself runs, whether or not an agent mentions them.
OPERATIONS = (
    "monitor",
    "start",
    "stop",
    "promote",
    "demote",
    "migrate_to",
    "migrate_from",
    "notify",
    "reload",
    "reload-agent",
    "validate-all",
)
# Pacemaker Explained: meta-attributes of primitives, groups, clones and bundles.
META = (
    "allow-migrate",
    "allow-unhealthy-nodes",
    "clone-max",
    "clone-min",
    "clone-node-max",
    "container-attribute-target",
    "critical",
    "failure-timeout",
    "globally-unique",
    "interleave",
    "is-managed",
    "maintenance",
    "master-max",
    "master-node-max",
    "migration-threshold",
    "multiple-active",
    "notify",
    "ordered",
    "priority",
    "promotable",
    "promoted-max",
    "promoted-node-max",
    "provides",
    "remote-addr",
    "remote-allow-migrate",
    "remote-connect-timeout",
    "remote-node",
    "remote-port",
    "requires",
    "resource-stickiness",
    "target-role",
)
_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "0", "1", "y", "n", "t", "f")


class MetadataError(ValueError):
    """The text is no metadata."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an agent, or one option of the cluster."""

    name: str
    kind: str = "string"
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """What an agent says of itself.

    Attributes:
        name: class:provider:type.
        parameters: by name.
        actions: names of its operations.
    """

    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    actions: tuple[str, ...] = ()


def read(name: str, source: str) -> Agent:
    """The metadata of an agent or of a daemon.

    Raises:
        MetadataError: the text holds none.
    """
    # crm_resource prints the agent's own words around the document in some versions.
    start, end = source.find("<resource-agent"), source.rfind("</resource-agent>")
    try:
        root = ET.fromstring(source[start : end + len("</resource-agent>")] if start >= 0 else source)
    except ET.ParseError as problem:
        raise MetadataError(f"the metadata of {name} is not XML: {problem}") from problem
    parameters = {}
    for element in root.iter("parameter"):
        content = element.find("content")
        kind = "string" if content is None else content.get("type", "string")
        options = () if content is None else tuple(item.get("value", "") for item in content.findall("option"))
        parameter = Parameter(element.get("name", ""), kind, element.get("required") in ("1", "true"), options)
        default = "" if content is None else content.get("default", "")
        if default and _value("", parameter, default):
            # Some agents call a time an integer (ocf:pacemaker:ping, dampen): what they do counts, not what they say.
            parameter = replace(parameter, kind="string")
        parameters[parameter.name] = parameter
    actions = tuple(dict.fromkeys(item.get("name", "") for item in root.iterfind("actions/action")))
    return Agent(name, parameters, actions)


def without_required(agent: Agent) -> Agent:
    """The same agent for a template, whose resources may give what it lacks."""
    parameters = {name: replace(item, required=False) for name, item in agent.parameters.items()}
    return replace(agent, parameters=parameters)


def check_resource(path: str, plain: Plain, agent: Agent, more: Mapping[str, Parameter]) -> list[Problem]:
    """What a resource has that its agent does not know, and what it lacks.

    Args:
        path: of the resource, for messages.
        plain: the resource.
        agent: what its agent says of itself.
        more: parameters that Pacemaker takes for every agent of this class, such as pcmk_host_list of fence devices.
    """
    found = []
    known = {**more, **agent.parameters}
    given: dict[str, str] = {}
    for item in plain.get("params") or []:
        for name, value in item["values"].items():
            given[name] = value
            at = f"{path}.params.{name}"
            if name in known:
                found += _value(at, known[name], value)
            elif agent.parameters:
                remedy = nearest(name, agent.parameters)
                # A misspelt password is one nevertheless.
                shown = HIDDEN if is_secret(meant(name, agent.parameters) or "") else value
                found.append(Problem(at, shown, f"{agent.name} has no such parameter", remedy))
    for parameter in agent.parameters.values():
        # A fence agent's action and the name of its victim come from Pacemaker.
        if parameter.required and parameter.name not in given and parameter.name not in ("action", "port", "plug"):
            reason = f"{agent.name} requires the parameter {parameter.name}"
            found.append(Problem(f"{path}.params", None, reason, f"Add {parameter.name}."))
    operations = {*OPERATIONS, *agent.actions}
    for number, operation in enumerate(plain.get("operations") or []):
        if operation.get("name") not in operations:
            at = f"{path}.operations[{number}].name"
            remedy = nearest(operation.get("name"), operations)
            found.append(Problem(at, operation.get("name"), f"{agent.name} has no such operation", remedy))
    return found


def check_meta(path: str, sets: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Meta attributes that look like a misspelt one. Others are allowed: agents may read attributes of their own."""
    found = []
    for item in sets:
        for name, value in item["values"].items():
            if name in META:
                continue
            remedy = nearest(name, META)
            if remedy.startswith("Did"):
                found.append(Problem(f"{path}.{name}", value, "unknown meta attribute", remedy))
    return found


def check_properties(
    path: str, values: Mapping[str, Any], known: Mapping[str, Parameter], present: Iterable[str]
) -> list[Problem]:
    """Options of the cluster that it does not know. One that it has already stays possible: somebody's own."""
    found = []
    old = set(present)
    for name, value in values.items():
        at = f"{path}.{name}"
        if value is None:
            continue
        if name in known:
            found += _value(at, known[name], value)
        elif name not in old:
            found.append(Problem(at, value, "the cluster has no such property", nearest(name, known)))
    return found


def _value(path: str, parameter: Parameter, value: str) -> list[Problem]:
    kind = parameter.kind
    fine, wanted = True, ""
    if kind == "boolean":
        fine, wanted = value.lower() in _BOOLEANS, "true or false"
    elif kind == "integer":
        fine, wanted = bool(re.fullmatch(r"[+-]?(\d+|INFINITY)", value)), "a whole number"
    elif kind == "score":
        fine, wanted = bool(re.fullmatch(r"[+-]?(\d+|INFINITY)|red|yellow|green", value)), "a whole number or INFINITY"
    elif kind in ("time", "timeout"):
        fine, wanted = milliseconds(value) is not None or value.startswith(("-", "P")), "such as 20s"
    elif kind == "select" and parameter.choices:
        fine, wanted = value in parameter.choices, "one of: " + ", ".join(parameter.choices)
    if fine:
        return []
    return [Problem(path, value, f"is no {kind}" if kind != "select" else "unknown value", f"Write {wanted}.")]
