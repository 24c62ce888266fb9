# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""May a bare machine take the place of a node now? And may a node be taken out? Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from .judge import judge
from .types import ERROR, Expectation, Finding, Report

BARE = "a machine with nothing but its system, its addresses and SSH"


def refusals(
    expectation: Expectation,
    reports: Iterable[Report],
    node: str,
    interfaces: Mapping[str, Sequence[str]],
    absent: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Why a machine must not be made a node now; nothing speaks against it when there is no finding.

    Args:
        expectation: the whole cluster as planned.
        reports: the answers of its nodes, the machine's own among them.
        node: the name of the node that it replaces.
        interfaces: the addresses of its own that the machine has to have, by interface.
        absent: other nodes that are known to be dead, too. The rest has to carry the service without them.
    """
    given = {report.node: report for report in reports}
    path = f"{expectation.name}/{node}"
    if node not in expectation.nodes:
        known = ", ".join(expectation.nodes)
        return (Finding(path, "no such node in this cluster", f"one of {known}", "Correct firewall_replace."),)
    machine = given.get(node, Report(node, None, "it was not asked"))
    found = [*_machine(path, machine, interfaces)]
    found += _absent(expectation, given, node, absent)
    survivors = [name for name in expectation.nodes if name != node and name not in absent]
    found += [_or_absent(expectation.name, item, given) for item in serving(expectation, given.values(), survivors)]
    for dead in (node, *absent):
        found += _alive(expectation.name, survivors, given, dead)
    return tuple(found)


def _absent(
    expectation: Expectation, given: Mapping[str, Report], node: str, absent: Collection[str]
) -> Iterator[Finding]:
    """Who is named as dead has to be another node of the cluster, and silent."""
    for name in absent:
        path = f"{expectation.name}/{name}"
        if name == node or name not in expectation.nodes:
            others = ", ".join(other for other in expectation.nodes if other != node) or "none"
            what = "it is the machine" if name == node else "no such node in this cluster"
            yield Finding(
                path, what, f"of the others ({others}) those that are dead", "Correct firewall_replace_absent."
            )
        elif name in given and given[name].info is not None:
            remedy = "Leave it out of firewall_replace_absent. If it is ill, mend it first: the site playbook."
            yield Finding(path, "it answers", "a node that is dead, since it is named as absent", remedy)


def _or_absent(cluster: str, finding: Finding, given: Mapping[str, Report]) -> Finding:
    """Of two dead nodes each would keep the other from being replaced."""
    silent = [name for name in finding.keeps if finding.path == f"{cluster}/{name}"]
    if not silent or (silent[0] in given and given[silent[0]].info is not None):
        return finding
    word = f"-e firewall_replace_absent={silent[0]}"
    return replace(
        finding, remedy=f"Bring the node back. If it is dead and off too, say so: {word}; it needs site later."
    )


def serving(expectation: Expectation, reports: Iterable[Report], nodes: Sequence[str]) -> list[Finding]:
    """What keeps these nodes from carrying the service alone, all of it found by the checks of verify."""
    if not nodes:
        return [
            Finding(
                expectation.name,
                "no other node is left",
                "a node that serves meanwhile",
                "Deploy the cluster anew with the site playbook.",
            )
        ]
    rest = replace(expectation, nodes=list(nodes))
    theirs = [report for report in reports if report.node in nodes]
    return [finding for finding in judge(rest, theirs) if finding.severity == ERROR]


def _machine(path: str, report: Report, interfaces: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    info = report.info
    if info is None:
        yield Finding(
            path,
            f"no answer from the machine: {report.reason}",
            f"{BARE}, reached as ansible_host says",
            "Install the system, give it the addresses of the node, put its host key where yours are pinned.",
        )
        return
    if info["held"]:
        yield Finding(
            path,
            f"it holds {', '.join(info['held'])}: the node lives and serves",
            BARE,
            "Do not replace a node that serves. Move the service away first, then shut it down.",
        )
    running = sorted(name for name, unit in info["units"].items() if unit["active"] in ("active", "activating"))
    if running:
        yield Finding(
            path,
            f"it runs {', '.join(running)}: the node lives, or was deployed already",
            BARE,
            "A node that differs from the inventory, or whose replacement was interrupted, wants the site playbook.",
        )
    for interface, addresses in interfaces.items():
        if interface not in info["addresses"]:
            yield Finding(
                path,
                f"there is no interface {interface}; it has {', '.join(sorted(info['addresses'])) or 'none'}",
                f"{interface} with {', '.join(addresses) or 'a link'}",
                "Name the interface so, by its MAC address in a .link file, or correct the inventory.",
            )
            continue
        missing = [address for address in addresses if address not in info["addresses"][interface]]
        if missing:
            yield Finding(
                path,
                f"{interface} has not {', '.join(missing)}",
                "the addresses of the node that it replaces",
                "Configure them on the machine, or correct the inventory. Is this the right machine?",
            )


def _alive(cluster: str, survivors: Iterable[str], given: Mapping[str, Report], node: str) -> Iterator[Finding]:
    """What the others, who can hear more than the controller, know of the node."""
    for name in survivors:
        seen = member(given.get(name), node)
        if seen is None:
            continue
        if seen["online"]:
            yield Finding(
                f"{cluster}/{name}/pacemaker",
                f"sees {node} online",
                "offline: its place is free",
                "Somewhere the old machine still runs: shut it down.",
            )
        if seen["unclean"]:
            yield Finding(
                f"{cluster}/{name}/pacemaker",
                f"waits for {node} to be fenced: nobody knows that the old machine is off",
                "a node that is known to be off",
                f"Let the fencing work, or make sure with your own eyes, then: stonith_admin --confirm {node}.",
            )


def member(report: Optional[Report], node: str) -> Optional[Mapping[str, Any]]:
    """A node as the Pacemaker of another sees it; None when that does not know it, or does not run."""
    cluster = (report.info or {}).get("cluster") if report else None
    if not cluster or cluster["problem"]:
        return None
    found: Optional[Mapping[str, Any]] = next((item for item in cluster["nodes"] if item["name"] == node), None)
    return found
