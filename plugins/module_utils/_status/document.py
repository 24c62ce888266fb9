# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What is known of a cluster, as plain data. What is wrong, and who could take over, is decided by `_verify`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Optional

from .. import _verify as verify
from .._verify import ownership, states
from .words import moment

FORMAT = 1
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
OK, DEGRADED, DOWN = "ok", "degraded", "down"
MOVES = 10


@dataclass(frozen=True)
class Facts:
    """Of the plan of a cluster what a reader wants to see beside the answers."""

    profile: str = ""
    preempt: bool = False
    primaries: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[Mapping[str, Any]] = ()
    sync_links: Sequence[str] = ()


def fleet(clusters: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """All clusters of a run, the ones in trouble first."""
    order = {DOWN: 0, DEGRADED: 1, OK: 2}
    return {
        "format": FORMAT,
        "at": iso(now),
        "clusters": sorted(clusters, key=lambda one: order[one["state"]]),
    }


def cluster(
    expectation: verify.Expectation, reports: Iterable[verify.Report], facts: Facts, now: float
) -> dict[str, Any]:
    """Everything about one cluster."""
    given = list(reports)
    answers = {report.node: report.info for report in given if report.info is not None}
    findings = verify.judge(expectation, given)
    takeovers = verify.takeovers(expectation, given, findings)
    owners = {group: found.owner for group, found in takeovers.items() if found.owner is not None}
    serving = set(owners.values()) if len(owners) == len(takeovers) else set()
    copies = states.copies(answers, serving) if expectation.replicated else {}
    reasons = {report.node: report.reason for report in given}
    groups = [
        _group(expectation, name, vips, facts, takeovers[name], answers)
        for name, vips in ownership.groups_of(expectation).items()
    ]
    nodes = [
        _node(node, answers[node], copies.get(node), groups, findings, expectation.name)
        if node in answers
        else {**_silent(node, groups), "reason": reasons.get(node) or "it was not asked"}
        for node in expectation.nodes
    ]
    return {
        "name": expectation.name,
        "topology": expectation.manager,
        "profile": facts.profile,
        "preempt": facts.preempt,
        "at": iso(now),
        "state": _state(groups, findings),
        "groups": groups,
        "nodes": nodes,
        "rules": _rules(expectation, findings, answers),
        "networks": [dict(network) for network in facts.networks],
        "sync_links": list(facts.sync_links),
        "journal": _journal(answers),
        "findings": [{**asdict(finding), "keeps": list(finding.keeps)} for finding in findings],
    }


def iso(seconds: Any) -> Optional[str]:
    """A time of a node, in UTC; None for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 2**40:
        return None
    try:
        return (EPOCH + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return None


def _state(groups: Sequence[Mapping[str, Any]], findings: Iterable[verify.Finding]) -> str:
    if any(group["owner"] is None for group in groups):
        return DOWN
    # A warning that passes by itself, such as old states that expire, is shown and is no trouble.
    troubles = any(one.severity == "error" or (one.severity == "warning" and not one.settles) for one in findings)
    return DEGRADED if troubles or not all(group["takeover"]["able"] for group in groups) else OK


def _group(
    expectation: verify.Expectation,
    name: str,
    vips: Sequence[str],
    facts: Facts,
    takeover: verify.Takeover,
    answers: verify.types.Answers,
) -> dict[str, Any]:
    return {
        "name": name,
        "primary": facts.primaries.get(name, ""),
        "owner": takeover.owner,
        "since": _since(expectation, name, answers.get(takeover.owner or "")),
        "vips": [{"address": vip, "owners": ownership.holders(vip, answers)} for vip in vips],
        "takeover": {
            "able": takeover.able,
            "why": list(takeover.why),
            "nodes": {node: list(reasons) for node, reasons in takeover.nodes.items()},
        },
    }


def _since(expectation: verify.Expectation, group: str, info: Optional[Mapping[str, Any]]) -> Optional[str]:
    """Since when the owner has all of it: the last of its instances to become MASTER."""
    if info is None:
        return None
    masters = {name: one for name, one in info["worker"]["instances"].items() if one["state"] == "MASTER"}
    if len(expectation.groups) > 1:
        masters = {name: one for name, one in masters.items() if name == f"vips-{group}"}
    times = [one["since"] for one in masters.values() if isinstance(one["since"], (int, float))]
    return iso(max(times, default=None))


def _roles(node: str, groups: Sequence[Mapping[str, Any]], answers: bool) -> dict[str, Any]:
    """By group what the node should be, and what it is."""
    found = {}
    for group in groups:
        wants = "primary" if node == group["primary"] else "secondary"
        held = sum(node in vip["owners"] for vip in group["vips"])
        if not answers:
            role = "unknown"
        elif node == group["owner"]:
            role = "active"
        else:
            role = f"holds {held} of {len(group['vips'])}" if held else "standby"
        found[group["name"]] = {"wants": wants, "is": role}
    return found


def _silent(node: str, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"name": node, "answers": False, "health": "no answer", "roles": _roles(node, groups, False)}


def _node(
    node: str,
    info: Mapping[str, Any],
    copy: Optional[states.Copy],
    groups: Sequence[Mapping[str, Any]],
    findings: Iterable[verify.Finding],
    name: str,
) -> dict[str, Any]:
    own = [f for f in findings if f.path == f"{name}/{node}" or f.path.startswith(f"{name}/{node}/")]
    daemon, rules = info["conntrackd"], info["rules"]
    status = rules["status"] or {}
    return {
        "name": node,
        "answers": True,
        "health": _health(own),
        "roles": _roles(node, groups, True),
        "clock": iso(info.get("clock")),
        "vrrp": {
            instance: {**one, "since": iso(one["since"])} for instance, one in info["worker"]["instances"].items()
        },
        "drained": bool(info["drained"]),
        "units": {unit: one["active"] for unit, one in info["units"].items()},
        "states": {
            "state": info["worker"]["states"],
            "gate": info["worker"]["gate"],
            "entries": info["conntrack"]["entries"],
            "max": info["conntrack"]["max"],
            "internal": daemon.get("internal"),
            "external": daemon.get("external"),
            "injected": daemon.get("injected"),
            "overruns": daemon.get("overruns"),
            "link": daemon.get("link"),
            "lag": None if copy is None or copy.count is None else max(0, copy.replicated - copy.count),
            "problem": daemon["problem"],
        },
        "rules": {"state": status.get("state", "unknown"), "policy": status.get("policy"), "count": rules["count"]},
        "forwarding": dict(info["forwarding"]),
        "pings": {group: dict(hosts) for group, hosts in (info.get("pings") or {}).items()},
        "maintenance": info.get("maintenance"),
        "damping": info.get("damping"),
        "sync": info.get("sync"),
        "versions": dict(info["versions"]),
    }


def _health(own: Sequence[verify.Finding]) -> str:
    worst = {finding.severity for finding in own}
    return "fault" if "error" in worst else "warning" if "warning" in worst else "up"


def _rules(
    expectation: verify.Expectation, findings: Iterable[verify.Finding], answers: verify.types.Answers
) -> dict[str, Any]:
    """Whether all nodes enforce the same; None when fewer than two can be compared."""
    path = f"{expectation.name}/rules"
    why = [finding.what for finding in findings if finding.path == path and finding.severity == "error"]
    known = [node for node, info in answers.items() if (info["rules"]["status"] or {}).get("state") == "loaded"]
    if why:
        return {"equal": False, "why": why}
    if len(known) < 2:
        return {"equal": None, "why": ["fewer than two nodes told their rules"]}
    missing = [node for node in expectation.nodes if node not in known]
    return {"equal": True, "why": [f"not known of {', '.join(missing)}"] if missing else []}


def _journal(answers: verify.types.Answers) -> list[dict[str, Any]]:
    """The last moves of all nodes, the newest first."""
    moves = [
        {"node": node, **move}
        for node, info in answers.items()
        for move in info.get("journal") or []
        if moment(move["at"]) is not None
    ]
    return sorted(moves, key=lambda move: moment(move["at"]) or EPOCH, reverse=True)[:MOVES]
