# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A cluster on one screen of a terminal, 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._verify.report import grid
from . import words

WIDTH = 100
LABEL = 13
# A firewall may have hundreds of addresses; the page and the JSON have all of them.
ADDRESSES = 8
FINDINGS = 8
LINES = 4

Paint = Callable[[str, str], str]
COLOURS = {
    "ok": "green",
    "degraded": "yellow",
    "down": "red",
    "up": "green",
    "warning": "yellow",
    "error": "red",
    "fault": "red",
    "no answer": "red",
    "info": "normal",
    "YES": "green",
    "NO": "red",
}


def plain(text: str, colour: str) -> str:
    return text


def screen(cluster: Mapping[str, Any], paint: Paint = plain) -> list[str]:
    """The lines. `paint` colours one of them; nothing says something by its colour alone."""
    lines = [paint(_cut(_headline(cluster)), COLOURS[cluster["state"]])]
    for group in cluster["groups"]:
        lines += _group(cluster, group, paint)
    lines += _nodes(cluster, paint)
    lines += _labelled("rules", words.rules(cluster))
    for label, tell in (("config sync", words.sync), ("maintenance", words.maintenance), ("damping", words.damping)):
        lines += _labelled(label, _alike(cluster["nodes"], tell))
    lines += _pings(cluster)
    for names, text in words.versions(cluster["nodes"]):
        lines += _labelled("versions", f"{names}: {text}")
    for number, move in enumerate(cluster["journal"][:5]):
        lines += _labelled("journal" if number == 0 else "", words.move(move))
    if not cluster["journal"]:
        lines += _labelled("journal", "no moves recorded")
    return lines + list(_findings(cluster, paint))


def _headline(cluster: Mapping[str, Any]) -> str:
    name, profile = words.clean(cluster["name"]), words.clean(cluster["profile"])
    return f"cluster {name}: {cluster['state'].upper()}   {cluster['topology']}, profile {profile}   {cluster['at']}"


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _labelled(label: str, text: str) -> list[str]:
    begin = f"  {label:{LABEL}} "
    rest = " " * len(begin)
    found = textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=rest, max_lines=LINES, placeholder=" …")
    return found or [begin.rstrip()]


def _group(cluster: Mapping[str, Any], group: Mapping[str, Any], paint: Paint) -> list[str]:
    name = f"{words.clean(group['name'])}: " if len(cluster["groups"]) > 1 else ""
    place = words.place(group)
    lines = _labelled("owner", f"{name}{words.owner(group, cluster['at'])}" + (f"; {place}" if place else ""))
    word = words.takeover(group)
    told = _labelled("take over?", f"{name}{word}, {words.clean('; '.join(group['takeover']['why']))}")
    lines += [paint(line, COLOURS[word]) for line in told]
    return lines + _labelled("addresses", name + _addresses(group))


def _addresses(group: Mapping[str, Any]) -> str:
    """All of them where one node has them, and the odd ones first where not."""
    odd = [vip for vip in group["vips"] if vip["owners"] != [group["owner"]]]
    rest = [vip for vip in group["vips"] if vip not in odd]
    told = [f"{vip['address']} (held by {' and '.join(vip['owners']) or 'nobody'})" for vip in odd]
    shown = [words.clean(text) for text in [*told, *(vip["address"] for vip in rest)][:ADDRESSES]]
    more = len(group["vips"]) - len(shown)
    owner = f", on {words.clean(group['owner'])}" if group["owner"] and not odd else ""
    return f"{', '.join(shown)}{f' and {more} more' if more else ''}{owner}"


def _nodes(cluster: Mapping[str, Any], paint: Paint) -> list[str]:
    rows = [["node", "wants", "is", "health", "states", "entries", "offered", "cached", "lag", "gate", "rules"]]
    for node in cluster["nodes"]:
        row = [words.clean(node["name"]), words.roles(node, "wants"), words.roles(node, "is"), node["health"]]
        if node["answers"]:
            states, rules = node["states"], node["rules"]
            numbers = [words.number(states[key]) for key in ("entries", "internal", "external", "lag")]
            row += [words.clean(states["state"]), *numbers, words.clean(states["gate"]), words.clean(rules["state"])]
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    short = [[_cut(cell, 24) for cell in row] for row in rows]
    head, *lines = [_cut(line) for line in grid(short)]
    return [head, *(paint(line, COLOURS[node["health"]]) for line, node in zip(lines, cluster["nodes"]))]


def _alike(nodes: Sequence[Mapping[str, Any]], tell: Callable[[Mapping[str, Any]], str]) -> str:
    """What the nodes say, in one word where they agree."""
    told: dict[str, list[str]] = {}
    for node in nodes:
        told.setdefault(tell(node) if node["answers"] else "not known", []).append(words.clean(node["name"]))
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in told.items())


def _pings(cluster: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for node in cluster["nodes"]:
        told = [f"{group} {host} {words.ANSWERS[answer]}" for group, host, answer in words.pings(node)]
        if told:
            found += _labelled("" if found else "ping", f"{words.clean(node['name'])}: {', '.join(told)}")
    return found


def _findings(cluster: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    for finding in cluster["findings"][:FINDINGS]:
        text = f"{words.clean(finding['path'])}: {words.clean(finding['what'])}. {words.clean(finding['remedy'])}"
        for line in _labelled(finding["severity"].upper(), text):
            yield paint(line, COLOURS[finding["severity"]])
    more = len(cluster["findings"]) - FINDINGS
    if more > 0:
        yield f"  and {more} more: run the playbook verify"
