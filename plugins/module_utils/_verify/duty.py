# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Is a node on duty: moves that are held, sight of its neighbours, files in step. Nobody asked: no finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Optional

from .._model.view_cib import LINKS
from .types import WARNING, Answers, Expectation, Finding

# As long as a run may take.
SLACK_S = 300
PING = "ping-"


def check(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    for node, info in answers.items():
        path = f"{expectation.name}/{node}"
        yield from _held(f"{path}/damping", info.get("damping") or {}, expectation.preempt)
        yield from _sync(f"{path}/config_sync", info.get("sync") or {})
        if expectation.sync_interval_s and not (info.get("sync") or {}).get("problem"):
            yield from _ran(f"{path}/config_sync", expectation.sync_interval_s, info)
    yield from _pings(expectation, answers)
    yield from _links(expectation, answers)


def _held(path: str, damping: Mapping[str, Any], preempt: bool) -> Iterator[Finding]:
    if damping.get("problem"):
        yield Finding(
            path,
            str(damping["problem"]),
            "a state that can be read",
            "Look at its service: systemctl status linuxha-journal.",
            WARNING,
        )
    if damping.get("held"):
        often = f"{damping.get('moves', '?')} moves in {damping.get('window_s', '?')} s"
        yield Finding(
            path,
            f"the node is held back after {often}: it takes over only when no other can"
            if preempt
            # There is no preference that it could give up.
            else f"the role of the node moved too often: {often}",
            "a role that stays where it is",
            "Find the cause in the failover journal and remove it, then on this node: linuxha-journal release.",
            WARNING,
        )


def _sync(path: str, sync: Mapping[str, Any]) -> Iterator[Finding]:
    # The node serves with the files that it has: no reason not to take over.
    problems = [sync["problem"]] if sync.get("problem") else sync.get("problems") or sync.get("behind") or []
    if problems or sync.get("in_step") is False:
        yield Finding(
            path,
            "; ".join(str(problem) for problem in problems[:4]) or "the files are not in step",
            "the same files on every node",
            "On this node: linuxha-sync status.",
            WARNING,
        )


def _ran(path: str, interval_s: int, info: Mapping[str, Any]) -> Iterator[Finding]:
    """What is in step was so at the last run; who runs no more does not know."""
    told = str((info.get("sync") or {}).get("last_run"))
    age_s: Optional[float] = None
    try:
        age_s = float(info["clock"]) - datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()
    except (KeyError, TypeError, ValueError):
        pass  # never since the boot
    if age_s is None or age_s > 3 * interval_s + SLACK_S:
        yield Finding(
            path,
            "config sync has not run since the boot" if age_s is None else f"config sync ran last {age_s:.0f} s ago",
            f"a run every {interval_s} s",
            "On this node: systemctl status linuxha-sync.timer linuxha-sync.service.",
            WARNING,
            settles=age_s is None,
        )


def seen(info: Mapping[str, Any]) -> Mapping[str, bool]:
    """By ping group that could be asked whether one of its hosts answers."""
    found = {}
    for group, hosts in (info.get("pings") or {}).items():
        told = [answers for answers in hosts.values() if answers is not None]
        if told:
            found[str(group)] = any(told)
    return found


def _pings(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    views = {node: seen(info) for node, info in answers.items()}
    for node, view in views.items():
        for group, answered in view.items():
            if answered:
                continue
            # What no node reaches is not a reason to stay where one is.
            elsewhere = [other for other in views if views[other].get(group)]
            yield Finding(
                f"{expectation.name}/{node}/ping",
                f"no host of the ping group {group} answers this node"
                + (f"; {' and '.join(elsewhere)} can reach it" if elsewhere else ", nor to any other node"),
                "one host of each ping group answers",
                "Look at the cable, the switch and the router behind that network.",
                WARNING,
                keeps=[node] if elsewhere else (),
            )


def _links(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    """Pacemaker prefers the node with more carriers, and with neighbours; another would give the addresses back."""
    told = next((i["cluster"] for i in answers.values() if i.get("cluster") and not i["cluster"]["problem"]), None)
    if told is None:
        return
    online = {node["name"]: node.get("attributes") or {} for node in told["nodes"] if node["online"]}
    for name in sorted({name for own in online.values() for name in own if name == LINKS or name.startswith(PING)}):
        scores = {node: _number(own.get(name)) for node, own in online.items()}
        for node, score in scores.items():
            if score >= max(scores.values()) or (name != LINKS and score > 0):
                continue
            yield Finding(
                f"{expectation.name}/{node}/{'links' if name == LINKS else 'ping'}",
                f"Pacemaker does not know {name} of the node"
                if name not in online[node]
                else "the node has a carrier on fewer tracked networks than another one"
                if name == LINKS
                else f"for Pacemaker no host of the ping group {name[len(PING) :]} answers the node, but others",
                "every tracked network connected, one host of each ping group in reach",
                "Look at its cables: ip -brief link.",
                WARNING,
                keeps=[node],
            )


def _number(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0
