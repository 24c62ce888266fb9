# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A whole fleet as one page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import words
from .drawing import drawing
from .markup import Child, Markup, join, tag

# Browsers refuse what is not in the page, whatever a node's answer might have smuggled into it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; --back: #fff; --fore: #1a1d21; --soft: #545b63; --line: #aab1b9; --panel: #f4f6f8;
  --good: #14622f; --warn: #7a4a00; --bad: #a11212; --goodback: #e3f4e8; --warnback: #fdf0d5; --badback: #fde4e4; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --fore: #eceff2; --soft: #b3bbc4; --line: #59626c;
  --panel: #1e2327; --good: #7fdc9b; --warn: #f5c36b; --bad: #ff9d9d; --goodback: #14311f; --warnback: #3a2b0c;
  --badback: #451a1a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--back); color: var(--fore);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; }
h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; }
a { color: inherit; }
a:focus-visible, .scroll:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
section { margin: 1.5rem 0; padding: .5rem 1rem 1rem; border: 1px solid var(--line); border-radius: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding: .6rem 0 .2rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
.word { padding: .1rem .5rem; border: 1px solid currentColor; border-radius: 1rem; font-weight: 600;
  white-space: nowrap; }
td ul { margin: 0; padding-left: 1.1rem; }
.good { color: var(--good); background: var(--goodback); } .warn { color: var(--warn); background: var(--warnback); }
.bad { color: var(--bad); background: var(--badback); }
.soft { color: var(--soft); }
svg.drawing { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--fore); font: 14px system-ui, sans-serif; }
svg .name { font-weight: 700; font-size: 17px; } svg .small { font-size: 11px; fill: var(--soft); }
svg .bar { fill: var(--panel); stroke: var(--line); }
svg .box { fill: var(--panel); stroke: var(--line); stroke-width: 2; }
svg .box.active { fill: var(--goodback); stroke: var(--good); stroke-width: 4; }
svg .box.dead { fill: var(--badback); stroke: var(--bad); stroke-dasharray: 7 5; }
svg .cable { stroke: var(--line); stroke-width: 2; } svg .cable.active { stroke: var(--good); stroke-width: 4; }
svg .cable.dead { stroke: var(--bad); stroke-dasharray: 4 4; }
svg .link { stroke: var(--soft); stroke-width: 2; stroke-dasharray: 6 3; }
@media print { :root { --back: #fff; --fore: #000; --soft: #333; --line: #777; --panel: #fff; --good: #14622f;
  --warn: #7a4a00; --bad: #a11212; --goodback: #fff; --warnback: #fff; --badback: #fff; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } .scroll { overflow: visible; }
  section { break-inside: auto; border: 0; padding: 0; } tr, svg, h2, h3 { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; } }
"""
KIND = {
    "ok": "good",
    "up": "good",
    "YES": "good",
    "degraded": "warn",
    "warning": "warn",
    "info": "soft",
}


def page(fleet: Mapping[str, Any]) -> str:
    clusters = fleet["clusters"]
    states = [one["state"] for one in clusters]
    told = ", ".join(f"{states.count(state)} {state}" for state in ("down", "degraded", "ok") if state in states)
    title = f"Firewall clusters: {told or 'none'}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", f"As of {fleet['at']}. ", _hint(), class_="soft")),
        _overview(clusters),
        tag("main", join([_cluster(one, f"cluster-{number}") for number, one in enumerate(clusters)])),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _hint() -> str:
    return "It shows one moment and does not renew itself."


def _word(word: str) -> Markup:
    return tag("span", word, class_=f"word {KIND.get(word, 'bad')}")


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Child]]) -> Markup:
    cells = [tag("tr", *[tag("th", row[0], scope="row"), *[tag("td", cell) for cell in row[1:]]]) for row in rows]
    # What can be scrolled has to be reached by the keyboard, too.
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *[tag("th", name, scope="col") for name in head])),
            tag("tbody", *cells),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def _overview(clusters: Sequence[Mapping[str, Any]]) -> Markup:
    rows = [
        [
            tag("a", one["name"], href=f"#cluster-{number}"),
            _word(one["state"]),
            ", ".join(str(group["owner"] or "nobody") for group in one["groups"]),
            _word("YES" if all(group["takeover"]["able"] for group in one["groups"]) else "NO"),
        ]
        for number, one in enumerate(clusters)
    ]
    head = ("cluster", "state", "active", "can another node take over now?")
    return tag("nav", _table("All clusters", head, rows), aria_label="Clusters")


def _cluster(cluster: Mapping[str, Any], identity: str) -> Markup:
    nodes = [node for node in cluster["nodes"] if node["answers"]]
    parts = [
        tag("h2", f"{cluster['name']} ", _word(cluster["state"]), id=f"{identity}-name"),
        tag("p", f"{cluster['topology']}, profile {cluster['profile']}, as of {cluster['at']}", class_="soft"),
        drawing(cluster, identity),
        _groups(cluster),
        _addresses(cluster),
        _nodes(cluster),
        tag("p", tag("strong", "Rules: "), words.rules(cluster)),
        _pings(cluster),
        _table("Daemons and versions", ("nodes", "run"), words.versions(cluster["nodes"])),
        _table(
            "Config sync, maintenance, damping",
            ("node", "config sync", "maintenance", "damping"),
            [[node["name"], words.sync(node), words.maintenance(node), words.damping(node)] for node in nodes],
        ),
        _list("Failover journal", [words.move(line) for line in cluster["journal"]], "no moves recorded"),
        _findings(cluster),
    ]
    return tag("section", join([part for part in parts if part]), id=identity, aria_labelledby=f"{identity}-name")


def _groups(cluster: Mapping[str, Any]) -> Markup:
    rows = [
        [
            group["name"],
            group["primary"] or "-",
            words.owner(group, cluster["at"]),
            _word(words.takeover(group)),
            tag("ul", *[tag("li", reason) for reason in group["takeover"]["why"]]),
        ]
        for group in cluster["groups"]
    ]
    head = ("virtual cluster", "primary node", "active", "can another node take over now?", "why")
    return _table("Virtual clusters", head, rows)


def _addresses(cluster: Mapping[str, Any]) -> Markup:
    rows = [
        [vip["address"], group["name"], ", ".join(vip["owners"]) or _word("nobody")]
        for group in cluster["groups"]
        for vip in group["vips"]
    ]
    return _table("Virtual addresses", ("address", "virtual cluster", "held by"), rows)


def _nodes(cluster: Mapping[str, Any]) -> Markup:
    head = (
        "node",
        "wants",
        "is",
        "health",
        "states",
        "entries",
        "offered",
        "cached",
        "lag",
        "overruns",
        "gate",
        "rules",
    )
    rows: list[list[Child]] = []
    for node in cluster["nodes"]:
        row: list[Child] = [
            node["name"],
            words.roles(node, "wants"),
            words.roles(node, "is") or "standby",
            _word(node["health"]),
        ]
        if node["answers"]:
            states = node["states"]
            row += [
                states["state"],
                *[words.number(states[key]) for key in ("entries", "internal", "external", "lag", "overruns")],
            ]
            row += [states["gate"], node["rules"]["state"]]
        else:
            row += [node["reason"], *["-"] * 7]
        rows.append(row)
    return _table("Nodes", head, rows)


def _pings(cluster: Mapping[str, Any]) -> Markup:
    rows = [
        [node["name"], group, host, words.ANSWERS[answer]]
        for node in cluster["nodes"]
        for group, host, answer in words.pings(node)
    ]
    return _table("Ping targets", ("node", "ping group", "target", "result"), rows) if rows else Markup("")


def _list(title: str, lines: Sequence[Child], without: str) -> Markup:
    body = tag("ol", *[tag("li", line) for line in lines]) if lines else tag("p", without)
    return Markup(tag("h3", title) + body)


def _findings(cluster: Mapping[str, Any]) -> Markup:
    lines = [
        tag(
            "span", _word(one["severity"]), " ", tag("strong", one["path"]), f": {one['what']}. ",
            tag("span", f"Expected: {one['expected']}. {one['remedy']}", class_="soft"),
        )
        for one in cluster["findings"]
    ]  # fmt: skip
    return _list("Findings", lines, "nothing to report")
