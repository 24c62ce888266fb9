# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""From what the roles have found on every node to one table for a cluster, and to who is restarted when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._verify.report import grid
from .classify import CHECK, NOTHING, REJOIN, RELOAD, RESTART, START

LOAD, LIVE, ASIDE, RESYNC, HANDOVER = "load", "live", "aside", "resync", "switchover, then restart"
RELOAD_CHECK, LIVE_CHECK = "reload, new check", "live, new check"
# What has Pacemaker look after a ping group.
PING_AGENT = "(ocf:pacemaker:ping)"
WORDS = {
    START: "it does not run",
    LOAD: "as a whole; connections go on",
    LIVE: "in one transaction",
    ASIDE: "a restart beside the traffic",
    RELOAD: "nothing moves",
    RELOAD_CHECK: "nothing moves, unless the check fails on this node: its first result counts",
    LIVE_CHECK: "in one transaction; a node that reaches no host of the group is worth less from then on",
    RESYNC: "a restart; the kernel keeps the states, conntrackd fetches them again",
    RESTART: "this node serves nothing meanwhile",
    HANDOVER: "the addresses move once",
    REJOIN: "the nodes do not hear each other until all have changed",
}
MOST = 3  # lines of a reason


@dataclass(frozen=True)
class Row:
    """What one daemon of one node needs, and why."""

    node: str
    daemon: str
    kind: str
    why: str = ""


def rows(node: str, found: Mapping[str, Any], serves: bool) -> list[Row]:
    """What the roles have registered on one node; what was not looked at, or needs nothing, is left out.

    Args:
        node: its name.
        found: by the name of a part (rules, conntrackd, takeover, journal, keepalived, corosync, cib) its result.
        serves: the node holds addresses.
    """
    result = [
        *_rules(node, found.get("rules")),
        *_daemon(node, "conntrackd", found.get("conntrackd"), RESYNC),
        *_daemon(node, "keepalived", found.get("keepalived"), HANDOVER if serves else RESTART),
        *_aside(node, "takeover worker", found.get("takeover")),
        *_aside(node, "failover journal", found.get("journal")),
        *_corosync(node, found.get("corosync")),
        *_cib(node, found.get("cib")),
    ]
    return [row for row in result if row.kind != NOTHING]


def _short(items: Iterable[Any]) -> str:
    texts = [" ".join(str(item).split()) for item in items]
    more = len(texts) - MOST
    return "; ".join(texts[:MOST]) + (f"; {more} more" if more > 0 else "")


def _rules(node: str, given: Any) -> list[Row]:
    if not isinstance(given, Mapping) or not given.get("changed"):
        return []
    return [Row(node, "rules", LOAD, _short(given.get("changes") or []))]


def _daemon(node: str, name: str, given: Any, restart: str) -> list[Row]:
    if not isinstance(given, Mapping) or "kind" not in given:
        return []
    kind = {RESTART: restart, CHECK: RELOAD_CHECK}.get(str(given["kind"]), str(given["kind"]))
    # Of a daemon that does not run every line is new.
    why = [] if kind == START else [*given.get("older", ()), *given.get("lines", ())]
    return [Row(node, name, kind, _short(why))]


def _aside(node: str, daemon: str, given: Any) -> list[Row]:
    parts = given if isinstance(given, Mapping) else {}
    names = [name for name, part in parts.items() if isinstance(part, Mapping) and part.get("changed")]
    return [Row(node, daemon, ASIDE, _short(names))] if names else []


def _corosync(node: str, given: Any) -> list[Row]:
    if not isinstance(given, Mapping) or "needs" not in given:
        return []
    kinds = {"restart": HANDOVER, "reload": RELOAD, "start": START}
    why = given.get("restart_keys") or given.get("changes") or []
    return [Row(node, "corosync", kinds.get(str(given["needs"]), NOTHING), _short(why))]


def _cib(node: str, given: Any) -> list[Row]:
    if not isinstance(given, Mapping) or not given.get("changed"):
        return []
    felt = list(given.get("effects") or [])
    changes = [str(line) for line in given.get("changes") or []]
    # No simulation knows what the new check will say.
    kind = LIVE_CHECK if any(line.startswith("create ") and PING_AGENT in line for line in changes) else LIVE
    # Only what was allowed gets this far.
    return [Row(node, "cib", "allowed: " + _short(felt) if felt else kind, _short(changes))]


def table(cluster: str, nodes: Sequence[str], found: Sequence[Row], checked: bool) -> list[str]:
    """For people. Check mode says what would be done."""
    head = f"cluster {cluster}: " + ("what site would do" if checked else "what site did")
    lines = [["node", "daemon", "class", "", "why"]]
    for node in nodes:
        own = [row for row in found if row.node == node]
        lines += [[row.node, row.daemon, row.kind, WORDS.get(row.kind, ""), row.why] for row in own]
        if not own:
            lines.append([node, "all", NOTHING, "", ""])
    return [head, *grid(lines)]


def turns(nodes: Sequence[str], found: Sequence[Row]) -> list[str]:
    """Whose keepalived has to be restarted: those that serve last."""
    mine = {row.node: row.kind for row in found if row.daemon == "keepalived" and row.kind in (RESTART, HANDOVER)}
    return sorted((node for node in nodes if node in mine), key=lambda node: mine[node] == HANDOVER)
