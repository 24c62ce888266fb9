# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One object: from its element to plain data and back, and when two of them mean the same.

Plain data is what users write and what exports give: words to texts, lists and sets. A set of names and values is
{values, score, rule}; ids of elements that only carry values do not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional
from xml.etree import ElementTree as ET

from . import rules
from .document import Document, canonical
from .shapes import RULE, Children, Refs, Shape
from .values import milliseconds, role, score

Plain = dict[str, Any]
_ORDERED_TIME = ("interval", "timeout", "start-delay")


class Opaque(Exception):
    """The element says something that the vocabulary has no words for."""


def meaning(attribute: str, text: str) -> object:
    """What a text means, so that texts which mean the same become equal."""
    found: object = None
    if attribute in _ORDERED_TIME:
        found = milliseconds(text)
    elif attribute == "score":
        found = score(text)
    elif attribute.endswith("role"):
        found = role(text)
    return text if found is None else found


# ---- reading


def read(shape: Shape, element: ET.Element) -> Plain:
    """What the element says.

    Raises:
        Opaque: something for which there are no words.
    """
    found: Plain = {}
    for word, attribute in shape.words.items():
        if attribute in element.attrib:
            text = element.attrib[attribute]
            found[word] = role(text) if attribute.endswith("role") else text
    for word, tag in shape.sets.items():
        sets = [read_set(child) for child in element.findall(tag)]
        if any(item["values"] for item in sets):
            found[word] = [item for item in sets if item["values"]]
    for word, refs in shape.refs.items():
        found[word] = [child.get(refs.attribute, "") for child in element.findall(refs.tag)]
    for word, children in shape.children.items():
        items = [read(children.shape, child) for child in _elements(element, children)]
        if items:
            found[word] = items
    if shape.rules:
        items = [{"rule": _rule_text(child), **read(RULE, child)} for child in element.findall("rule")]
        if items:
            found[shape.rules] = items
    return found


def _elements(element: ET.Element, children: Children) -> list[ET.Element]:
    parent: Optional[ET.Element] = element
    if children.wrapper:
        parent = element.find(children.wrapper)
    if parent is None:
        return []
    if parent.get("id-ref"):
        raise Opaque(f"<{parent.tag}> refers to another one")
    return parent.findall(children.shape.tag)


def _rule_text(element: ET.Element) -> str:
    try:
        return rules.text(rules.read(element))
    except rules.RuleError as problem:
        raise Opaque(str(problem)) from problem


def read_set(element: ET.Element) -> Plain:
    """A set of names and values."""
    if element.get("id-ref"):
        raise Opaque(f"<{element.tag}> refers to another one")
    values: dict[str, str] = {}
    for pair in element.findall("nvpair"):
        if pair.get("id-ref"):
            raise Opaque("<nvpair> refers to another one")
        values[pair.get("name", "")] = pair.get("value", "")
    found: Plain = {"values": values}
    if element.get("score"):
        found["score"] = element.get("score")
    rule = element.find("rule")
    if rule is not None:
        found["rule"] = _rule_text(rule)
    return found


# ---- comparing


def comparable(shape: Shape, plain: Mapping[str, Any]) -> object:
    """A value that is equal for objects that mean the same. Order counts only where Pacemaker minds it."""
    found: dict[str, object] = {}
    for word, value in plain.items():
        if word in shape.words:
            found[word] = meaning(shape.words[word], value)
        elif word in shape.sets:
            sets = [compare_set(item) for item in value if item["values"]]
            if sets:
                found[word] = sets
        elif word in shape.children:
            children = shape.children[word]
            items = [comparable(children.shape, item) for item in value]
            found[word] = sorted(items, key=repr) if children.key else items
        elif word == shape.rules:
            found[word] = sorted(({"rule": item["rule"], **_words(RULE, item)} for item in value), key=repr)
        else:
            found[word] = value
    return {word: value for word, value in found.items() if value not in ([], {}, "")}


def _words(shape: Shape, plain: Mapping[str, Any]) -> dict[str, object]:
    return {word: meaning(shape.words[word], plain[word]) for word in shape.words if word in plain}


def compare_set(item: Mapping[str, Any]) -> object:
    """The same for one set of names and values."""
    return (meaning("score", item.get("score", "")), item.get("rule", ""), sorted(item["values"].items()))


# ---- writing


def write(document: Document, shape: Shape, element: ET.Element, plain: Mapping[str, Any]) -> None:
    """Make the element say this. Attributes and children without a word stay as they are."""
    for word, attribute in shape.words.items():
        wanted, present = plain.get(word), element.get(attribute)
        if wanted is None or wanted == "":
            element.attrib.pop(attribute, None)
        elif present is None or meaning(attribute, present) != meaning(attribute, wanted):
            element.set(attribute, wanted)
    for word, tag in shape.sets.items():
        write_sets(document, element, tag, plain.get(word) or [])
    for word, refs in shape.refs.items():
        _write_refs(element, refs, plain.get(word) or [])
    for word, children in shape.children.items():
        _write_children(document, element, children, plain.get(word) or [])
    if shape.rules:
        _write_rules(document, element, plain.get(shape.rules) or [])
    if shape.order:
        element[:] = sorted(element, key=lambda child: shape.order.index(child.tag) if child.tag in shape.order else -1)


def write_sets(document: Document, element: ET.Element, tag: str, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Make the sets with this tag in the element these, and keep those that say it already."""
    left = [child for child in element.findall(tag) if child.findall("nvpair") or child.find("rule") is not None]
    kept: list[ET.Element] = []
    for item in wanted:
        if not item["values"]:
            continue
        found = next((child for child in left if read_set(child).get("rule", "") == item.get("rule", "")), None)
        if found is None:
            found = ET.SubElement(element, tag, {"id": document.fresh(f"{_name(element)}-{tag}")})
        else:
            left.remove(found)
        write_set(document, found, item)
        kept.append(found)
    for child in left:
        document.remove(child)


def write_set(document: Document, element: ET.Element, wanted: Mapping[str, Any], partly: bool = False) -> None:
    """Make one set say this.

    Args:
        document: for new ids.
        element: the set.
        wanted: its values, score and rule; a value of None is taken out.
        partly: leave names alone that are not wanted.
    """
    if not partly or "score" in wanted:
        if wanted.get("score"):
            if meaning("score", element.get("score", "")) != meaning("score", wanted["score"]):
                element.set("score", wanted["score"])
        else:
            element.attrib.pop("score", None)
    rule = element.find("rule")
    if wanted.get("rule"):
        if rule is None or _rule_text(rule) != wanted["rule"]:
            if rule is None:
                rule = ET.Element("rule", {"id": document.fresh(f"{_name(element)}-rule")})
                element.insert(0, rule)
                if document.schema < (3, 9):
                    rule.set("score", "0")
            rules.write(rule, rules.parse(wanted["rule"]), document.fresh, document.schema < (3, 9))
    elif rule is not None and not partly:
        document.remove(rule)
    present = {pair.get("name", ""): pair for pair in element.findall("nvpair")}
    for name, pair in present.items():
        if (not partly and name not in wanted["values"]) or (
            name in wanted["values"] and wanted["values"][name] is None
        ):
            document.remove(pair)
    for name, value in wanted["values"].items():
        if value is None:
            continue
        if name in present:
            if present[name].get("value") != value:
                present[name].set("value", value)
        else:
            identity = document.fresh(f"{_name(element)}-{name}")
            ET.SubElement(element, "nvpair", {"id": identity, "name": name, "value": value})


def _write_refs(element: ET.Element, refs: Refs, wanted: Sequence[str]) -> None:
    present = element.findall(refs.tag)
    if [child.get(refs.attribute) for child in present] == list(wanted):
        return
    for child in present:
        element.remove(child)
    for identity in wanted:
        ET.SubElement(element, refs.tag, {refs.attribute: identity})


def _write_children(
    document: Document, element: ET.Element, children: Children, wanted: Sequence[Mapping[str, Any]]
) -> None:
    shape = children.shape
    present = _elements(element, children)
    if not wanted and not present:
        return
    parent = element
    if children.wrapper:
        found = element.find(children.wrapper)
        parent = ET.SubElement(element, children.wrapper) if found is None else found
    left = list(present)
    kept: list[ET.Element] = []
    for number, item in enumerate(wanted):
        match = _matching(children, left, item, kept, number, present)
        if match is None:
            match = ET.SubElement(parent, shape.tag, {"id": document.fresh(_child_id(element, children, item))})
        else:
            left.remove(match)
        write(document, shape, match, item)
        kept.append(match)
    for child in left:
        document.remove(child)
    if children.wrapper and not kept and not list(parent):
        document.remove(parent)


def _matching(
    children: Children,
    left: Sequence[ET.Element],
    item: Mapping[str, Any],
    kept: Sequence[ET.Element],
    number: int,
    present: Sequence[ET.Element],
) -> Optional[ET.Element]:
    if not children.key:
        return present[number] if number < len(present) and present[number] not in kept else None

    def key(plain: Mapping[str, Any]) -> list[object]:
        return [meaning(children.shape.words[word], plain.get(word, "")) for word in children.key]

    return next((child for child in left if key(read(children.shape, child)) == key(item)), None)


def _child_id(element: ET.Element, children: Children, item: Mapping[str, Any]) -> str:
    if children.shape.tag == "op":
        role_part = f"-role-{item['role']}" if item.get("role") else ""
        return f"{_name(element)}-{item['name']}-interval-{item.get('interval', '0')}{role_part}"
    return f"{_name(element)}-{children.shape.tag.replace('_', '-')}"


def _write_rules(document: Document, element: ET.Element, wanted: Sequence[Mapping[str, Any]]) -> None:
    left = element.findall("rule")
    for item in wanted:
        match = next((child for child in left if _rule_text(child) == item["rule"]), None)
        if match is None:
            match = ET.SubElement(element, "rule", {"id": document.fresh(f"{_name(element)}-rule")})
            rules.write(match, rules.parse(item["rule"]), document.fresh, document.schema < (3, 9))
        else:
            left.remove(match)
        write(document, RULE, match, item)
    for child in left:
        document.remove(child)


def _name(element: ET.Element) -> str:
    return element.get("uname") or element.get("id") or element.tag


# ---- resources: an agent is three attributes, members are inside


def read_resource(kind: str, shape: Shape, element: ET.Element) -> Plain:
    """A resource; one that the vocabulary has no words for is its own XML."""
    try:
        found = read(shape, element)
    except Opaque:
        return opaque(element)
    if "class" in element.attrib:
        parts = [element.attrib[name] for name in ("class", "provider", "type") if name in element.attrib]
        found["agent"] = ":".join(parts)
    if kind in ("group", "clone"):
        found["members"] = [child.get("id", "") for child in element if child.tag in ("primitive", "group")]
    return found


def opaque(element: ET.Element) -> Plain:
    """An object as XML."""
    return {"xml": canonical(element)}


def write_agent(element: ET.Element, agent: Optional[str]) -> None:
    """Class, provider and type of a resource."""
    parts = (agent or "").split(":")
    provider = parts[1] if len(parts) == 3 else None
    for name, value in (("class", parts[0]), ("provider", provider), ("type", parts[-1])):
        if agent and value is not None:
            if element.get(name) != value:
                element.set(name, value)
        else:
            element.attrib.pop(name, None)
