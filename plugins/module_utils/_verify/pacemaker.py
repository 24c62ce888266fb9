# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What Pacemaker says of itself: membership, quorum, failures, and what operators have ordered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._cib.shapes import OPERATOR_CONSTRAINTS
from .types import WARNING, Answers, Expectation, Finding


def check(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    controllers = set()
    for node, info in answers.items():
        path = f"{expectation.name}/{node}/pacemaker"
        cluster = info["cluster"]
        if cluster["problem"]:
            yield Finding(
                path,
                cluster["problem"],
                "a cluster that answers",
                "Read why: systemctl status pacemaker corosync.",
                settles=True,
                keeps=[node],
            )
            continue
        controllers.add(cluster["dc"])
        yield from _membership(path, node, expectation, cluster)
    if expectation.device:
        yield from _device(expectation, answers)
    if len(controllers - {""}) > 1:
        yield Finding(
            f"{expectation.name}/pacemaker",
            f"the nodes follow different controllers: {', '.join(sorted(controllers))}",
            "one cluster",
            "They do not see each other: check the sync links, corosync-cfgtool -n on every node.",
            settles=True,
            busy=True,
        )
    yield from _unsettled(f"{expectation.name}/pacemaker", answers)
    told = next((info["cluster"] for info in answers.values() if not info["cluster"]["problem"]), None)
    if told is not None:
        yield from _orders(f"{expectation.name}/pacemaker", expectation, told)
        yield from _margin(f"{expectation.name}/pacemaker", expectation, told)


def _membership(path: str, own: str, expectation: Expectation, cluster: Mapping[str, Any]) -> Iterator[Finding]:
    if not cluster["quorum"]:
        yield Finding(
            path,
            "this node is in a partition without quorum",
            "quorum",
            "Bring the other nodes or the quorum device back: corosync-quorumtool -s.",
            settles=True,
            keeps=[own],
        )
    online = {node["name"] for node in cluster["nodes"] if node["online"]}
    missing = [name for name in expectation.nodes if name not in online]
    if missing:
        yield Finding(
            path,
            f"sees {', '.join(missing)} offline",
            "every node online",
            "Start the cluster there, or find out why the nodes do not see each other: corosync-cfgtool -n.",
            settles=True,
            keeps=missing,
        )


def _unsettled(path: str, answers: Answers) -> Iterator[Finding]:
    """Told once, whoever sees it: a transition may have reached the status of one node and not yet that of another."""
    views = [info["cluster"] for info in answers.values() if not info["cluster"]["problem"]]
    found = list(dict.fromkeys(line for view in views for line in view["unsettled"]))
    if found:
        yield Finding(
            path,
            "; ".join(found[:4]),
            "a settled cluster",
            "Wait until it has settled; crm_mon -1rf shows what it does.",
            settles=True,
            busy=True,
        )


def _margin(path: str, expectation: Expectation, cluster: Mapping[str, Any]) -> Iterator[Finding]:
    """Three nodes or more need a majority; a pair without a device is allowed to go on alone."""
    total, online = len(expectation.nodes), sum(bool(node["online"]) for node in cluster["nodes"])
    if expectation.device or total < 3 or not cluster["quorum"] or 2 * (online - 1) > total:
        return
    yield Finding(
        path,
        f"{online} of {total} nodes are online: with the next lost node quorum is lost",
        "a majority also after the loss of one node",
        "Bring the missing nodes back.",
        WARNING,
        settles=True,
        keeps=expectation.nodes,
        unplanned=True,
    )


def _device(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    for node, info in answers.items():
        device = info["device"]
        if not device["votes"]:
            reason = device["problem"] or f"flags {device['flags'] or 'of no device'}"
            # While all nodes are there, quorum stands without it.
            yield Finding(
                f"{expectation.name}/{node}/corosync",
                f"the quorum device does not vote ({reason}): with the next lost node quorum is lost too",
                "the vote of the quorum device",
                "Is its host up, and reached from this node? corosync-qdevice-tool -s, journalctl -u corosync-qdevice.",
                WARNING,
                settles=True,
                keeps=[node],
                unplanned=True,
            )


def _orders(path: str, expectation: Expectation, cluster: Mapping[str, Any]) -> Iterator[Finding]:
    """The same on every node: told once."""
    if cluster["maintenance"]:
        yield Finding(
            path,
            "the cluster is in maintenance mode: nothing would take over",
            "a cluster that acts",
            "When the work is done: crm_attribute --name maintenance-mode --delete.",
            WARNING,
            keeps=expectation.nodes,
        )
    for node in cluster["nodes"]:
        for word in ("standby", "maintenance", "unclean", "pending"):
            if node.get(word):
                yield Finding(
                    f"{path}/{node['name']}",
                    f"the node is {word}",
                    "every node ready",
                    "Module cluster_node with state online takes an order back; an unclean node waits to be fenced.",
                    WARNING,
                    keeps=[node["name"]],
                )
    for failure in cluster["failures"]:
        reason = failure.get("exitreason") or failure.get("exitstatus", "?")
        yield Finding(
            path,
            f"failed: {failure.get('op_key', '?')} on {failure.get('node', '?')}: {reason}",
            "no failures",
            "Remove the cause, then crm_resource --cleanup.",
            WARNING,
        )
    for ban in cluster["bans"]:
        # A fence device is kept off the node that it cuts off: that is meant.
        if not str(ban.get("id", "")).startswith(OPERATOR_CONSTRAINTS):
            continue
        resource = str(ban.get("resource", "?"))
        yield Finding(
            path,
            f"{resource} is kept off {ban.get('node', '?')} by {ban.get('id', '?')}",
            "no bans",
            "If nobody needs it any more: module cluster_resource with action clear.",
            WARNING,
            keeps=[str(ban.get("node", ""))],
            of=resource.partition("-")[2] if resource.startswith("vips-") else "",
        )
