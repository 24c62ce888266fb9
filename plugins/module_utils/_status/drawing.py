# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A cluster as a drawing: networks as bars, nodes as boxes between them, links between the nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words
from .markup import Markup, join, tag

BOX, GAP, HEIGHT = 210, 70, 104
BAR, ROW, MARGIN = 30, 46, 20
LETTERS = 24


def drawing(cluster: Mapping[str, Any], identity: str) -> Markup:
    """The first network above the nodes, the others below them."""
    nodes, networks = cluster["nodes"], cluster["networks"]
    above, below = networks[:1], networks[1:]
    width = 2 * MARGIN + len(nodes) * BOX + (len(nodes) - 1) * GAP
    top = MARGIN + len(above) * ROW
    bottom = top + HEIGHT + 16
    bars = [(network, MARGIN + row * ROW) for row, network in enumerate(above)]
    bars += [(network, bottom + row * ROW) for row, network in enumerate(below)]
    height = bottom + len(below) * ROW + MARGIN // 2
    parts = [
        tag("title", f"Cluster {cluster['name']}", id=f"{identity}-title"),
        tag("desc", _described(cluster), id=f"{identity}-desc"),
        *_cables(nodes, bars, top),
        *[_bar(network, y, width, cluster) for network, y in bars],
        *_links(cluster, top),
        *[_box(node, MARGIN + column * (BOX + GAP), top) for column, node in enumerate(nodes)],
    ]
    return tag(
        "svg",
        join(parts),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
        class_="drawing",
    )


def _described(cluster: Mapping[str, Any]) -> str:
    """What somebody who does not see the drawing hears."""
    nodes = [f"{node['name']} is {words.roles(node, 'is') or 'standby'}, {node['health']}" for node in cluster["nodes"]]
    networks = [f"{network['name']} with {_count(network)}" for network in cluster["networks"]]
    return f"{'; '.join(nodes)}. Networks: {', '.join(networks) or 'none'}."


def _count(network: Mapping[str, Any]) -> str:
    count = len(network["vips"])
    return f"{count} virtual address{'' if count == 1 else 'es'}"


def _short(text: Any, letters: int = LETTERS) -> str:
    plain = words.clean(text)
    return plain if len(plain) <= letters else plain[: letters - 1] + "…"


def _bar(network: Mapping[str, Any], y: int, width: int, cluster: Mapping[str, Any]) -> Markup:
    vips = ", ".join(str(vip) for vip in network["vips"][:2]) + (" …" if len(network["vips"]) > 2 else "")
    return tag(
        "g",
        tag("rect", x=MARGIN, y=y, width=width - 2 * MARGIN, height=BAR, rx=4, class_="bar"),
        tag("text", _short(f"{network['name']}: {vips}", (width - 3 * MARGIN) // 8), x=MARGIN + 12, y=y + 20),
    )


def _cables(nodes: Sequence[Mapping[str, Any]], bars: Sequence[tuple[Any, int]], top: int) -> list[Markup]:
    found = []
    for column, node in enumerate(nodes):
        left = MARGIN + column * (BOX + GAP)
        for number, (_network, y) in enumerate(bars):
            # Side by side, so that a cable to the last bar passes the others where it can be told from theirs.
            x = left + BOX - 30 - 22 * number
            ends = (y + BAR, top) if y < top else (top + HEIGHT, y)
            found.append(tag("line", x1=x, y1=ends[0], x2=x, y2=ends[1], class_=f"cable {_class(node)}"))
    return found


def _links(cluster: Mapping[str, Any], top: int) -> list[Markup]:
    """The links between neighbours stand for those among all nodes."""
    found = []
    for column in range(len(cluster["nodes"]) - 1):
        x = MARGIN + column * (BOX + GAP) + BOX
        for number, name in enumerate(cluster["sync_links"][:3]):
            y = top + 30 + 28 * number
            found.append(tag("line", x1=x, y1=y, x2=x + GAP, y2=y, class_="link"))
            found.append(tag("text", _short(name, 9), x=x + GAP // 2, y=y - 4, class_="small", text_anchor="middle"))
    return found


def _class(node: Mapping[str, Any]) -> str:
    return "dead" if not node["answers"] else "active" if any(
        one["is"] == "active" for one in node["roles"].values()
    ) else "standby"  # fmt: skip


def _box(node: Mapping[str, Any], x: int, y: int) -> Markup:
    states = node.get("states") or {}
    lines = [
        _short(words.roles(node, "is") or "standby"),
        _short(f"health: {node['health']}"),
        _short(f"states: {states['state']}, {words.number(states['entries'])}") if states else "no answer",
    ]
    return tag(
        "g",
        tag("rect", x=x, y=y, width=BOX, height=HEIGHT, rx=8, class_=f"box {_class(node)}"),
        tag("text", _short(node["name"], 16), x=x + 14, y=y + 27, class_="name"),
        *[tag("text", line, x=x + 14, y=y + 50 + 19 * number) for number, line in enumerate(lines)],
    )
