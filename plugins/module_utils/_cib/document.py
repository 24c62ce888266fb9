# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The CIB as an XML document that is edited in memory. What nobody asks to change stays as it is."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Optional
from xml.etree import ElementTree as ET

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_.-]")
_SCHEMA = re.compile(r"pacemaker-(\d+)\.(\d+)")


class DocumentError(ValueError):
    """The text is no CIB."""


class Document:
    """A CIB.

    Args:
        source: what `cibadmin --query` prints.

    Raises:
        DocumentError: it is no CIB.
    """

    def __init__(self, source: str) -> None:
        try:
            self.root = ET.fromstring(source)
        except ET.ParseError as problem:
            raise DocumentError(f"the CIB is not XML: {problem}") from problem
        configuration = self.root.find("configuration")
        if self.root.tag != "cib" or configuration is None:
            raise DocumentError(f"<{self.root.tag}> is not a CIB with a configuration")
        self._configuration = configuration
        # What a node remembers of a resource has the id of the resource, also when that was deleted a moment ago.
        self._ids: set[str] = {
            found for element in self.root.iter() if element.tag != "lrm_resource" and (found := element.get("id"))
        }

    @property
    def configuration(self) -> ET.Element:
        """The part that administrators write."""
        return self._configuration

    @property
    def version(self) -> tuple[int, int, int]:
        """admin_epoch, epoch and num_updates."""
        admin, epoch, updates = (int(self.root.get(name, "0")) for name in ("admin_epoch", "epoch", "num_updates"))
        return admin, epoch, updates

    @property
    def schema(self) -> tuple[int, int]:
        """The version of the schema that the CIB is validated with; an unknown one counts as the newest."""
        found = _SCHEMA.fullmatch(self.root.get("validate-with", ""))
        return (int(found[1]), int(found[2])) if found else (99, 0)

    def section(self, tag: str) -> Optional[ET.Element]:
        """A part of the configuration."""
        return self.configuration.find(tag)

    def require(self, tag: str) -> ET.Element:
        """A part of the configuration, made where it is missing."""
        found = self.section(tag)
        return ET.SubElement(self.configuration, tag) if found is None else found

    def fresh(self, wanted: str) -> str:
        """An id that nothing has, as near to the wanted one as it can be; from now on it is taken."""
        base = _NOT_IN_ID.sub("-", wanted)
        if not re.match(r"[A-Za-z_]", base):
            base = f"_{base}"
        found, number = base, 0
        while found in self._ids:
            number += 1
            found = f"{base}-{number}"
        self._ids.add(found)
        return found

    def taken(self, wanted: str) -> bool:
        """Whether an element has this id."""
        return wanted in self._ids

    def take(self, wanted: str) -> None:
        """Remember an id that is given to an element."""
        self._ids.add(wanted)

    def parents(self) -> dict[ET.Element, ET.Element]:
        """Child to parent, of the configuration."""
        return {child: parent for parent in self.configuration.iter() for child in parent}

    def remove(self, element: ET.Element) -> None:
        """Take an element out, with all in it."""
        self.parents()[element].remove(element)
        self._ids -= {found for child in element.iter() if (found := child.get("id"))}

    def resources(self, opaque: bool = False) -> Iterator[ET.Element]:
        """Every resource and template, each before those within it.

        Args:
            opaque: also those within bundles, which are part of the XML of the bundle.
        """
        section = self.section("resources")
        if section is not None:
            yield from _resources(section, opaque)

    def copy(self) -> Document:
        """Another one, to be edited."""
        other = copy.copy(self)
        other.root = copy.deepcopy(self.root)
        other._configuration = other.root[list(self.root).index(self._configuration)]
        other._ids = set(self._ids)
        return other

    def text(self) -> str:
        """The XML."""
        return ET.tostring(self.root, encoding="unicode")


def _resources(parent: ET.Element, opaque: bool) -> Iterator[ET.Element]:
    for child in parent:
        if child.tag in ("primitive", "template", "group", "clone", "master", "bundle"):
            yield child
            if opaque or child.tag not in ("master", "bundle"):
                yield from _resources(child, opaque)


def canonical(element: ET.Element) -> str:
    """The XML of one element, the same for all ways to write it."""
    return ET.canonicalize(ET.tostring(element, encoding="unicode"), strip_text=True)
