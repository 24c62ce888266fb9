# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The report: for people as a table, for programs as data."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._verify.report import grid
from .types import LAYERS, UNKNOWN, Difference


@dataclass(frozen=True)
class Compared:
    """What was compared and what differs. `compared` counts the tasks of the site playbook that gave an answer."""

    clusters: Sequence[str]
    nodes: Sequence[str]
    differences: Sequence[Difference]
    remarks: Sequence[str] = ()
    compared: int = 0


def _order(item: Difference) -> tuple[str, int, str, str]:
    return (item.cluster, LAYERS.index(item.layer), item.node, item.path)


def summary(found: Compared) -> str:
    """One line."""
    unknown = sum(item.layer == UNKNOWN for item in found.differences)
    count = len(found.differences) - unknown
    text = "no drift" if not count else "1 difference" if count == 1 else f"{count} differences"
    if unknown:
        text += f", {unknown} things could not be compared"
    return f"{', '.join(found.clusters) or 'no cluster'}: {text} on {len(found.nodes)} nodes"


def table(found: Compared, width: int = 110) -> list[str]:
    """How many of each layer on which node, then each with what is expected and what to do."""
    lines = [summary(found)]
    if found.differences:
        rows = [["node", *LAYERS]]
        others = {item.node for item in found.differences} - {*found.nodes, ""}
        for node in [*found.nodes, *sorted(others), ""]:
            here = [item.layer for item in found.differences if item.node == node]
            if here or node:
                rows.append([node or "(cluster)", *(str(here.count(layer) or "-") for layer in LAYERS)])
        lines += grid(rows)
    for item in sorted(found.differences, key=_order):
        where = "/".join(part for part in (item.cluster, item.node) if part)
        lines.append(f"  {item.layer.upper():10} {where}: {item.path}")
        for label, text in (("found", item.what), ("expected", item.expected), ("remedy", item.remedy)):
            lines += textwrap.wrap(text, width, initial_indent=f"    {label + ':':10}", subsequent_indent=" " * 14)
    lines += [f"  remark: {remark}" for remark in found.remarks]
    return lines


def plain(found: Compared) -> dict[str, Any]:
    """For programs."""
    return {
        "drift": bool(found.differences),
        "clusters": list(found.clusters),
        "nodes": list(found.nodes),
        "compared": found.compared,
        "counts": {layer: sum(item.layer == layer for item in found.differences) for layer in LAYERS},
        "differences": [asdict(item) for item in sorted(found.differences, key=_order)],
        "remarks": list(found.remarks),
    }
