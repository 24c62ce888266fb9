# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a change would do to what runs: from the scheduler's own answer (`crm_simulate --output-as=xml`).

Only what the change itself causes counts. A cluster that is busy anyway (a resource recovers, a node comes back) has
actions of its own; those are in the simulation of the present configuration too.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional
from xml.etree import ElementTree as ET

from .document import Document

# Everything else (start, promote, reload) takes nothing away from anybody.
DISRUPTIVE = ("restart", "move", "migrate", "stop", "demote", "recover", "re-promote", "fence")


class SimulationError(ValueError):
    """The text is no answer of crm_simulate."""


@dataclass(frozen=True, order=True)
class Effect:
    """One thing that would happen.

    Attributes:
        action: restart, move, migrate, stop, demote, recover, re-promote or fence.
        resource: id of the resource without the number of its instance; the node for `fence`.
        nodes: where it runs, and after an arrow where it would run.
        reason: the scheduler's own words, may be empty.
    """

    action: str
    resource: str
    nodes: str = ""
    reason: str = ""

    @property
    def line(self) -> str:
        """For people."""
        where = f" ({self.nodes})" if self.nodes else ""
        return f"{self.action} {self.resource}{where}{f': {self.reason}' if self.reason else ''}"


def read(answer: str) -> list[Effect]:
    """The disruptive actions of a simulation.

    Raises:
        SimulationError: it is no such answer, or says that the configuration is invalid.
    """
    try:
        root = ET.fromstring(answer)
    except ET.ParseError as problem:
        raise SimulationError(f"crm_simulate gave no XML: {problem}") from problem
    status = root.find("status")
    if status is not None and status.get("code") != "0":
        errors = "; ".join(item.text or "" for item in status.iter("error"))
        raise SimulationError(errors or status.get("message", "unknown error"))
    found = set()
    for element in root.iterfind("actions/*"):
        effect = _effect(element)
        if effect is not None and element.get("blocked") != "true":
            found.add(effect)
    return sorted(found)


def _effect(element: ET.Element) -> Optional[Effect]:
    given = element.attrib
    if element.tag == "node_action":
        return Effect("fence", given.get("node", ""), "", given.get("reason", ""))
    action = given.get("action", "")
    if element.tag != "rsc_action" or action not in DISRUPTIVE:
        return None
    nodes = " -> ".join(name for name in (given.get("source") or given.get("node"), given.get("dest")) if name)
    return Effect(action, given.get("resource", "").partition(":")[0], nodes, given.get("reason", ""))


def caused(before: Iterable[Effect], after: Iterable[Effect]) -> list[Effect]:
    """What the change adds to what would happen anyway."""
    anyway = {(effect.action, effect.resource) for effect in before}
    return [effect for effect in after if (effect.action, effect.resource) not in anyway]


def refused(
    effects: Iterable[Effect],
    allow: Sequence[str],
    documents: Sequence[Document] = (),
    deleted: Collection[str] = (),
) -> list[Effect]:
    """The effects that nobody has allowed.

    Args:
        effects: what would happen.
        allow: patterns of resource ids (`vip*`), or of action and id (`restart:vip*`). A group or a clone stands for
        what
            is inside; a node (`fence:fw1`) for its fencing.
        documents: where to look up what is inside of what: the CIB before and after.
        deleted: resources that somebody asked by name to delete; that they stop is what was asked for.
    """
    outside: dict[str, set[str]] = {}
    for document in documents:
        for name, names in _outside(document).items():
            outside.setdefault(name, set()).update(names)
    left = []
    for effect in effects:
        names = {effect.resource, *outside.get(effect.resource, ())}
        if effect.action in ("stop", "demote") and names & set(deleted):
            continue
        if not any(_matches(pattern, effect.action, names) for pattern in allow):
            left.append(effect)
    return left


def unknown_action(pattern: str) -> Optional[str]:
    """The action in a pattern of `allow` that is none, and so allows nothing; None where all is well."""
    action, colon, _names = pattern.partition(":")
    return action if colon and not fnmatch.filter(DISRUPTIVE, action) else None


def _matches(pattern: str, action: str, names: Iterable[str]) -> bool:
    if pattern in DISRUPTIVE:
        return action == pattern
    first, colon, rest = pattern.partition(":")
    if colon and not fnmatch.fnmatchcase(action, first):
        return False
    return any(fnmatch.fnmatchcase(name, rest if colon else first) for name in names)


def _outside(document: Document) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    parents = document.parents()
    for element in document.resources(opaque=True):
        names = set()
        parent = parents.get(element)
        while parent is not None and parent.tag != "resources":
            names.add(parent.get("id", ""))
            parent = parents.get(parent)
        found[element.get("id", "")] = names
    return found
