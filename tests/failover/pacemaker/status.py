# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the nodes of a live pair say of their cluster."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from lab.hosts import NodeHost
from lab.pair import Pair


def status(pair: Pair, node: NodeHost | None = None) -> ET.Element:
    """The state of the cluster as a node sees it, by default the first."""
    asked = node or next(iter(pair.nodes.values()))
    return ET.fromstring(asked.exec("crm_mon", "--one-shot", "--inactive", "--output-as=xml"))


def controller(seen: ET.Element) -> tuple[str | None, bool]:
    """The designated controller, and whether it is of a part with quorum."""
    found = seen.find("summary/current_dc")
    return (None, False) if found is None else (found.get("name"), found.get("with_quorum") == "true")


def unclean(seen: ET.Element) -> set[str | None]:
    """The nodes that have to be fenced."""
    return {node.get("name") for node in seen.iterfind("nodes/node") if node.get("unclean") == "true"}
