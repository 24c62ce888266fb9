# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A whole configuration as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from . import objects
from .document import Document
from .objects import Opaque, Plain
from .shapes import DEFAULTS, SECTIONS, Section

OWNED = "linuxha-owned-"


@dataclass
class State:
    """Objects by section and key; sets of names and values by the word of their section.

    As a wish, a value of None in `defaults` and in the attributes of a node means: not there.
    """

    objects: dict[str, dict[str, Plain]] = field(default_factory=lambda: {word: {} for word in SECTIONS})
    defaults: dict[str, list[Plain]] = field(default_factory=lambda: {word: [] for word in DEFAULTS})

    def __iter__(self) -> Iterator[tuple[str, str, Plain]]:
        for section, found in self.objects.items():
            for key, plain in found.items():
                yield section, key, plain


def key_of(section: Section, plain: Mapping[str, Any]) -> str:
    """What tells this object from the others of its section."""
    return "/".join(str(plain[word]) for word in section.key if plain.get(word) not in (None, ""))


def read(document: Document) -> State:
    """What the CIB says."""
    state = State()
    for word, section in SECTIONS.items():
        for element in elements(document, word):
            plain = read_one(section, element)
            state.objects[word][key_of(section, plain)] = plain
    for word in DEFAULTS:
        state.defaults[word] = [objects.read_set(element) for element in default_sets(document, word)]
    return state


def elements(document: Document, word: str) -> list[ET.Element]:
    """The elements of all objects of a section."""
    if word == "resources":
        return list(document.resources())
    found = document.section(SECTIONS[word].tag)
    return [] if found is None else list(found)


def read_one(section: Section, element: ET.Element) -> Plain:
    """One object with what identifies it."""
    kind = section.by_tag(element.tag)
    plain: Plain = {}
    if "id" in section.key:
        plain["id"] = element.get("id", "")
    if len(section.kinds) > 1:
        plain["type"] = kind or element.tag
    if kind is None:
        return {"id": element.get("id", ""), "type": element.tag, **objects.opaque(element)}
    shape = section.kinds[kind]
    if section.tag == "resources":
        return {**plain, **objects.read_resource(kind, shape, element)}
    try:
        return {**plain, **objects.read(shape, element)}
    except Opaque:
        names = {word: element.get(shape.words[word], "") for word in section.key if word in shape.words}
        return {**plain, **names, **objects.opaque(element)}


def default_sets(document: Document, word: str) -> list[ET.Element]:
    """The sets of names and values of a section, without this collection's own notes.

    Nor those that say what there are no words for: they stay as they are, and nobody's values are looked for in them.
    """
    section, tag, _identity = DEFAULTS[word]
    found = document.section(section)
    sets = [] if found is None else found.findall(tag)
    return [item for item in sets if not item.get("id", "").startswith(OWNED) and _sayable(item)]


def _sayable(element: ET.Element) -> bool:
    try:
        objects.read_set(element)
    except Opaque:
        return False
    return True


def find(document: Document, word: str, key: str) -> ET.Element | None:
    """The element of one object."""
    section = SECTIONS[word]
    if section.key == ("id",):
        return next((item for item in elements(document, word) if item.get("id") == key), None)
    return next((item for item in elements(document, word) if key_of(section, read_one(section, item)) == key), None)


# ---- who made what


def owned(document: Document, owner: str) -> set[tuple[str, str]]:
    """The objects that this owner has created, as pairs of section and key."""
    found = _owned_set(document, owner)
    pair = None if found is None else found.find("nvpair")
    words = "" if pair is None else pair.get("value", "")
    pairs = (word.partition(":") for word in words.split())
    return {(section, key) for section, _colon, key in pairs}


def owners(document: Document) -> list[str]:
    """Who has created something."""
    section = document.section("crm_config")
    ids = [] if section is None else [item.get("id", "") for item in section.findall("cluster_property_set")]
    return sorted(found[len(OWNED) :] for found in ids if found.startswith(OWNED))


def _owned_set(document: Document, owner: str) -> ET.Element | None:
    section = document.section("crm_config")
    sets: Sequence[ET.Element] = [] if section is None else section.findall("cluster_property_set")
    return next((item for item in sets if item.get("id") == OWNED + owner), None)


def write_owned(document: Document, owner: str, pairs: set[tuple[str, str]]) -> None:
    """Remember who has created what, in the CIB itself, where every node and every controller finds it."""
    if pairs == owned(document, owner):
        return
    found = _owned_set(document, owner)
    if not pairs:
        if found is not None:
            document.remove(found)
        return
    if found is None:
        identity = OWNED + owner
        document.take(identity)
        found = ET.SubElement(document.require("crm_config"), "cluster_property_set", {"id": identity})
    text = " ".join(sorted(f"{section}:{key}" for section, key in pairs))
    objects.write_set(document, found, {"values": {OWNED + owner: text}})
