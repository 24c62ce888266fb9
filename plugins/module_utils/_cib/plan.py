# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From the CIB as it is and what is wanted to the CIB as it shall be. The one place where that is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Optional
from xml.etree import ElementTree as ET

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

from . import objects, state, text
from .document import Document
from .objects import Plain
from .shapes import CONSTRAINTS, DEFAULTS, OPERATOR_CONSTRAINTS, OPERATOR_META, SECTIONS
from .spec import nearest
from .state import State, key_of


@dataclass(frozen=True)
class Change:
    """One object or value that becomes different: `create`, `change` or `delete`."""

    action: str
    section: str
    key: str
    line: str


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        present: objects and values that shall be there, exactly so.
        absent: pairs of section and key that shall not be there.
        owner: in whose name objects are created; only these are purged. An empty text is nobody.
        purge: whether to delete what the owner has created and does not want any more.
        secrets: names of parameters beyond the usual ones whose values must not show.
    """

    present: State = field(default_factory=State)
    absent: tuple[tuple[str, str], ...] = ()
    owner: str = "default"
    purge: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What will happen. Empty when the CIB is as wanted."""

    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    document: Document

    @property
    def resources(self) -> frozenset[str]:
        """The resources that are created or changed."""
        return frozenset(c.key for c in self.changes if c.section == "resources" and c.action != "delete")


def plan(current: Document, wish: Wish) -> Plan:
    """Decide everything. `current` stays as it is."""
    return _Planner(current, wish).plan()


class _Planner:
    def __init__(self, current: Document, wish: Wish) -> None:
        self.current = current
        self.wish = wish
        self.after = current.copy()
        self.before = state.read(current)
        self.problems: list[Problem] = []
        self.created: set[tuple[str, str]] = set()

    def plan(self) -> Plan:
        owned = state.owned(self.current, self.wish.owner)
        doomed = self._doomed(owned)
        for section, key in doomed:
            self._delete(section, key, doomed)
        for section, key, plain in self.wish.present:
            self._put(section, key, plain)
        self._nest()
        for word in DEFAULTS:
            self._put_defaults(word)
        then = state.read(self.after)
        present = {(section, key) for section, key, _plain in then} | _names(then)
        if self.wish.owner:
            state.write_owned(self.after, self.wish.owner, (owned | self.created) & present)
        self._check(then)
        changes = tuple(self._changes(then))
        secrets = self.wish.secrets
        return Plan(
            changes,
            tuple(self.problems),
            tuple(text.lines(self.before, secrets)),
            tuple(text.lines(then, secrets)),
            self.after,
        )

    def say(self, path: str, value: object, reason: str, remedy: str) -> None:
        self.problems.append(Problem(path, value, reason, remedy))

    # ---- deleting

    def _doomed(self, owned: set[tuple[str, str]]) -> list[tuple[str, str]]:
        """What goes, constraints before what they speak of."""
        wanted = {(section, key) for section, key, _plain in self.wish.present}
        wanted |= _names(self.wish.present)
        doomed = set(self.wish.absent)
        if self.wish.purge:
            doomed |= owned - wanted
        gone = {key for section, key in doomed if section == "resources"}
        for key, plain in self.before.objects["constraints"].items():
            # An operator's ban or move of a resource that goes has lost its meaning, and would keep the resource.
            if key.startswith(OPERATOR_CONSTRAINTS) and plain.get("resource") in gone:
                doomed.add(("constraints", key))
        order = ["constraints", "tags", "fencing", "alerts", "acls", "resources"]
        return sorted(doomed, key=lambda pair: (order.index(pair[0]) if pair[0] in order else -1, pair[1]))

    def _delete(self, section: str, key: str, doomed: Collection[tuple[str, str]]) -> None:
        if section in DEFAULTS:
            for found in state.default_sets(self.after, section):
                if found.find("rule") is None:
                    objects.write_set(self.after, found, {"values": {key: None}}, partly=True)
            return
        element = state.find(self.after, section, key)
        if element is None:
            return
        if section == "resources":
            self._keep_members(element, doomed)
        self.after.remove(element)

    def _keep_members(self, element: ET.Element, doomed: Collection[tuple[str, str]]) -> None:
        """What is inside a group or a clone that goes, and stays itself, stands alone from then on."""
        for child in list(element):
            if child.tag in ("primitive", "group") and ("resources", child.get("id", "")) not in doomed:
                element.remove(child)
                self.after.require("resources").append(child)

    # ---- creating and changing

    def _put(self, section: str, key: str, wanted: Plain) -> None:
        element = state.find(self.after, section, key)
        kind = wanted.get("type") or next(iter(SECTIONS[section].kinds))
        if "xml" in wanted:
            self._put_xml(section, key, wanted, element)
            return
        shape = SECTIONS[section].kinds[kind]
        path = f"{section}.{key}"
        if element is None:
            if section == "nodes":
                known = self.before.objects["nodes"]
                self.say(path, key, "the cluster has no such node", nearest(key, known))
                return
            if "id" in SECTIONS[section].key and self.after.taken(key):
                self.say(path, key, "another element of the CIB has this id", "Choose another id.")
                return
            element = self._new(section, key, shape.tag)
        elif element.tag != shape.tag:
            self.say(path, kind, f"is a {element.tag} already", "Delete it first, or choose another id.")
            return
        try:
            live = state.read_one(SECTIONS[section], element)
            merged = _merge(section, wanted, live)
            if "xml" not in live and _same(section, kind, merged, live):
                return
            objects.write(self.after, shape, element, merged)
        except objects.Opaque as problem:
            self.say(path, key, f"holds what these words cannot say: {problem}", "Write the element as `xml`.")
            return
        if "agent" in wanted or wanted.get("template"):
            objects.write_agent(element, wanted.get("agent"))

    def _new(self, section: str, key: str, tag: str) -> ET.Element:
        self.created.add((section, key))
        parent = self.after.require(SECTIONS[section].tag)
        if "id" in SECTIONS[section].key:
            self.after.take(key)
            return ET.SubElement(parent, tag, {"id": key})
        return ET.SubElement(parent, tag, {"id": self.after.fresh(f"{tag}-{key}")})

    def _put_xml(self, section: str, key: str, wanted: Plain, element: Optional[ET.Element]) -> None:
        if element is not None and objects.opaque(element)["xml"] == wanted["xml"]:
            return
        fresh = ET.fromstring(wanted["xml"])
        if fresh.get("id", key) != key and "id" in SECTIONS[section].key:
            self.say(f"{section}.{key}.xml", fresh.get("id"), "is not the id of this object", f"Write id={key!r}.")
            return
        if element is None:
            self.created.add((section, key))
            self.after.require(SECTIONS[section].tag).append(fresh)
        else:
            parent = self.after.parents()[element]
            place = list(parent).index(element)
            self.after.remove(element)
            parent.insert(place, fresh)
        for item in fresh.iter():
            if item.get("id"):
                self.after.take(item.get("id", ""))

    def _nest(self) -> None:
        """Put the members of groups and clones where they belong, in the order of their names."""
        wanted = self.wish.present.objects["resources"]
        for kind in ("group", "clone"):
            for key, plain in wanted.items():
                element = state.find(self.after, "resources", key)
                if plain.get("type") != kind or "xml" in plain or element is None or element.tag != kind:
                    continue
                self._fill(element, key, plain["members"])
        for element in list(self.after.resources()):
            if element.tag in ("group", "clone") and not any(c.tag in ("primitive", "group") for c in element):
                identity = element.get("id", "")
                self.say(f"resources.{identity}", identity, f"the {element.tag} would be empty", "Delete it as well.")

    def _fill(self, element: ET.Element, key: str, members: list[str]) -> None:
        inside = [child for child in element if child.tag in ("primitive", "group")]
        if [child.get("id") for child in inside] == members:
            return
        found = {item.get("id", ""): item for item in self.after.resources()}
        parents = self.after.parents()
        for child in inside:
            if child.get("id") not in members:
                element.remove(child)
                self.after.require("resources").append(child)
        allowed = ("primitive",) if element.tag == "group" else ("primitive", "group")
        for member in members:
            if member not in found:
                self.say(f"resources.{key}.members", member, "there is no such resource", nearest(member, found))
                return
            child = found[member]
            if child.tag not in allowed:
                remedy = f"Only these can be: {', '.join(allowed)}."
                self.say(f"resources.{key}.members", member, f"a {child.tag} cannot be inside", remedy)
                return
            parent = parents.get(child)
            if parent is not None and child in list(parent):
                parent.remove(child)
            elif child in list(self.after.require("resources")):
                self.after.require("resources").remove(child)
            element.append(child)

    # ---- properties and defaults

    def _put_defaults(self, word: str) -> None:
        section, tag, identity = DEFAULTS[word]
        for wanted in self.wish.present.defaults[word]:
            sets = [s for s in state.default_sets(self.after, word) if _rule_of(s) == wanted.get("rule", "")]
            values = dict(wanted["values"])
            for element in sets:
                # A name is changed where it stands; a second set may hold it too, and the first one decides.
                here = {name for name in objects.read_set(element)["values"] if name in values}
                part = {name: values.pop(name) for name in here}
                if part:
                    objects.write_set(self.after, element, {"values": part}, partly=True)
            new = {name: value for name, value in values.items() if value is not None}
            if "score" in wanted and sets:
                objects.write_set(self.after, sets[0], {"values": {}, "score": wanted["score"]}, partly=True)
            if not new:
                continue
            if sets:
                element = sets[0]
            else:
                element = ET.SubElement(self.after.require(section), tag, {"id": self.after.fresh(identity)})
            objects.write_set(self.after, element, {**wanted, "values": new}, partly=True)
            self.created |= {(word, name) for name in new if not wanted.get("rule")}

    # ---- what comes out

    def _check(self, then: State) -> None:
        """Every name in what is wanted leads somewhere, and nothing that stays names what goes."""
        changed = {(section, key) for section, key, _plain in self.wish.present}
        known = {item.get("id", "") for item in self.after.resources(opaque=True)}
        gone = self.before.objects["resources"].keys() - known
        for section, key, plain in then:
            for word, name in _mentions(section, plain):
                if name in known or (section == "tags" and self.after.taken(name)):
                    continue
                path = f"{section}.{key}.{word}"
                if (section, key) in changed:
                    self.say(path, name, "there is no such resource", nearest(name, known))
                elif name in gone:
                    self.say(path, name, "still names a resource that would be deleted", "Delete or change it as well.")
            if section == "constraints" and (section, key) in changed and plain.get("node"):
                nodes = then.objects["nodes"]
                if plain["node"] not in nodes and plain["node"] not in known:
                    remedy = nearest(plain["node"], nodes)
                    self.say(f"{section}.{key}.node", plain["node"], "the cluster has no such node", remedy)

    def _changes(self, then: State) -> Iterable[Change]:
        secrets = self.wish.secrets
        for section in SECTIONS:
            old, new = self.before.objects[section], then.objects[section]
            for key, plain in new.items():
                name = text.title(section, plain, key)
                if key not in old:
                    about = f" ({plain['agent']})" if plain.get("agent") else ""
                    yield Change("create", section, key, f"create {name}{about}")
                    continue
                for line in _differences(section, old[key], plain, secrets):
                    yield Change("change", section, key, f"change {name}: {line}")
            for key, plain in old.items():
                if key not in new:
                    yield Change("delete", section, key, f"delete {text.title(section, plain, key)}")
        for word in DEFAULTS:
            yield from self._default_changes(word, then)

    def _default_changes(self, word: str, then: State) -> Iterable[Change]:
        old, new = (text.flat_defaults(word, found, None) for found in (self.before, then))
        for name in sorted({*old, *new}):
            if old.get(name) == new.get(name):
                continue
            secret = text.is_secret(name, self.wish.secrets)
            action = "create" if name not in old else "change" if name in new else "delete"
            yield Change(action, word, name.partition(".")[2], f"{action} {name}: {_arrow(old, new, name, secret)}")


def _arrow(old: Mapping[str, str], new: Mapping[str, str], name: str, secret: bool) -> str:
    if secret:
        return text.HIDDEN
    if name not in old:
        return new[name]
    return f"{old[name]} -> {new[name]}" if name in new else old[name]


def _differences(section: str, old: Plain, new: Plain, secrets: Collection[str]) -> Iterable[str]:
    if old.get("type") != new.get("type"):
        yield f"type {old.get('type')} -> {new.get('type')}"
    # The values themselves are compared, and only then hidden.
    before, after = text.flat(section, old, None), text.flat(section, new, None)
    shown = {**text.flat(section, old, secrets), **text.flat(section, new, secrets)}
    bare = {**before, **after}
    for name in sorted(bare):
        if before.get(name) == after.get(name):
            continue
        if name == "xml":
            yield "its XML"
            continue
        secret = shown[name] == text.HIDDEN
        if name in before and name in after:
            yield f"{name} {_arrow(before, after, name, secret)}"
        else:
            yield f"{'without' if name in before else 'with'} {name} {text.HIDDEN if secret else bare[name]}"


def _names(found: State) -> set[tuple[str, str]]:
    return {
        (word, name)
        for word, sets in found.defaults.items()
        for item in sets
        if not item.get("rule")
        for name, value in item["values"].items()
        if value is not None
    }


def _rule_of(element: ET.Element) -> str:
    found: str = objects.read_set(element).get("rule", "")
    return found


def _merge(section: str, wanted: Plain, live: Plain) -> Plain:
    """What is wanted, with what an operator has set and nobody has named."""
    if section == "nodes":
        return {
            **live,
            **{word: _overlay(live.get(word) or [], sets) for word, sets in wanted.items() if word != "name"},
        }
    if section != "resources":
        return wanted
    meta = [dict(item) for item in wanted.get("meta") or []]
    named = {name for item in meta for name in item["values"]}
    kept = {
        name: value
        for item in live.get("meta") or []
        if not item.get("rule")
        for name, value in item["values"].items()
        if name in OPERATOR_META and name not in named
    }
    for item in meta:
        item["values"] = {name: value for name, value in item["values"].items() if value is not None}
    bare = next((item for item in meta if not item.get("rule")), None)
    if bare is not None:
        bare["values"].update(kept)
    elif kept:
        meta.append({"values": kept})
    return {**wanted, "meta": meta}


def _overlay(live: list[Plain], wanted: list[Plain]) -> list[Plain]:
    """Sets in which the wanted names are as wanted, and the others as they are."""
    found = [{**item, "values": dict(item["values"])} for item in live]
    for item in wanted:
        same = next((other for other in found if other.get("rule", "") == item.get("rule", "")), None)
        if same is None:
            same = {**item, "values": {}}
            found.append(same)
        same["values"].update(item["values"])
        same["values"] = {name: value for name, value in same["values"].items() if value is not None}
    return found


def _same(section: str, kind: str, one: Plain, other: Plain) -> bool:
    shape = SECTIONS[section].kinds[kind]
    outside = ("id", "type", "members")

    def bare(plain: Plain) -> object:
        return objects.comparable(shape, {word: value for word, value in plain.items() if word not in outside})

    return bare(one) == bare(other)


def _mentions(section: str, plain: Plain) -> Iterable[tuple[str, str]]:
    """The resources that an object names, with the words it does so by."""
    if section == "resources" and plain.get("template"):
        yield "template", plain["template"]
    elif section == "constraints" and plain.get("type") in CONSTRAINTS:
        for word in ("resource", "with", "first", "then"):
            if plain.get(word):
                yield word, plain[word]
        for number, item in enumerate(plain.get("sets") or []):
            for name in item.get("resources") or []:
                yield f"sets[{number}].resources", name
    elif section == "tags":
        for name in plain.get("resources") or []:
            yield "resources", name
    elif section == "fencing":
        for name in str(plain.get("devices") or "").split(","):
            if name.strip():
                yield "devices", name.strip()


__all__ = ["Change", "Plan", "Wish", "key_of", "plan"]
