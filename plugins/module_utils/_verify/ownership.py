# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Who holds the virtual addresses, and does VRRP say the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .types import INFO, WARNING, Answers, Expectation, Finding

# What to look at, by what moves the addresses.
REMEDIES = {
    "keepalived": {
        "split": "Stop keepalived on all but one of them now, then find out why they do not hear each other's adverts.",
        "nobody": "Look at keepalived on every node: journalctl -u keepalived.",
        "divided": "Compare the instances and the sync group of keepalived on the nodes; run the site playbook again.",
        "unheard": "Nothing to do: it knows them after the next change or reload of keepalived.",
        "fault": "An interface or a track script of this node fails: journalctl -u keepalived names it.",
        "left": "Addresses left behind by a crash: restart keepalived on this node, which removes them.",
        "lost": "Somebody removed them, or they could not be added: journalctl -u keepalived; restart keepalived.",
    },
    "pacemaker": {
        "split": "The nodes do not see each other: stop pacemaker on all but one now, then check the sync links.",
        "nobody": "Read crm_mon -1rf: failed actions, bans, standby, missing quorum.",
        "divided": "Read crm_mon -1rf; Pacemaker moves the addresses of a group as one resource.",
        "unheard": "The agent tells the worker again within seconds; else crm_resource --refresh --resource states.",
        "fault": "The resource states does not run here: crm_mon -1rf says why.",
        "left": "Addresses left behind by a crash: crm_resource --refresh finds them, and Pacemaker stops them.",
        "lost": "Somebody removed them: the monitor of the resource finds it within seconds and adds them again.",
    },
}


def holders(vip: str, answers: Answers) -> list[str]:
    return [node for node, info in answers.items() if vip in info["held"]]


def groups_of(expectation: Expectation) -> Mapping[str, Sequence[str]]:
    """The addresses that move together, by the name of their group."""
    return expectation.groups or {expectation.name: expectation.vips}


def owners_of(expectation: Expectation, answers: Answers) -> Mapping[str, str]:
    """By group the node that holds all of it while nobody else holds any; nothing at all if one has no such node."""
    found = {}
    for name, group in groups_of(expectation).items():
        nodes = [node for node, info in answers.items() if set(group) & set(info["held"])]
        if len(nodes) != 1 or not set(group) <= set(answers[nodes[0]]["held"]):
            return {}
        found[name] = nodes[0]
    return found


def check(expectation: Expectation, answers: Answers, complete: bool) -> Iterator[Finding]:
    remedies = REMEDIES[expectation.manager]
    by_vip = {vip: holders(vip, answers) for vip in expectation.vips}
    twice = {vip: nodes for vip, nodes in by_vip.items() if len(nodes) > 1}
    nobody = [vip for vip, nodes in by_vip.items() if not nodes]
    if twice:
        nodes = sorted({node for found in twice.values() for node in found})
        yield Finding(
            expectation.name,
            f"split brain: {', '.join(nodes)} hold the same addresses: {_few(twice)}",
            "one owner for every virtual address",
            remedies["split"],
        )
    if nobody:
        remark = "" if complete else "; a node did not answer and may hold them"
        yield Finding(
            expectation.name,
            f"no node holds {_few(nobody)}{remark}",
            "one owner for every virtual address",
            remedies["nobody"],
            settles=True,
        )
    for name, group in groups_of(expectation).items():
        single = {by_vip[vip][0] for vip in group if len(by_vip.get(vip, ())) == 1}
        if len(single) > 1:
            share = "; ".join(f"{node}: {_few([v for v in group if by_vip[v] == [node]])}" for node in sorted(single))
            yield Finding(
                expectation.name,
                f"the virtual addresses of {name} are divided: {share}",
                "all of them, of both families, on one node",
                remedies["divided"],
                settles=True,
            )
    for node, info in answers.items():
        if info["duplicate"]:
            yield Finding(
                f"{expectation.name}/{node}",
                f"another host answers for {_few(info['duplicate'])}: duplicate address detection failed",
                "addresses that nobody else uses",
                "Find the other host by its MAC address and remove the address there.",
            )


def check_vrrp(expectation: Expectation, answers: Answers, owners: Collection[str]) -> Iterator[Finding]:
    remedies = REMEDIES[expectation.manager]
    for node, info in answers.items():
        path = f"{expectation.name}/{node}/{expectation.manager}"
        worker = info["worker"]
        if worker["problem"]:
            yield Finding(
                path,
                worker["problem"],
                "a takeover worker that publishes its state",
                "Look at the worker: systemctl status linuxha-takeover.",
                settles=True,
            )
            continue
        known = worker["instances"]
        missing = [name for name in expectation.instances.get(node, ()) if name not in known]
        if missing:
            # A worker that was restarted learns the states again with the next change.
            yield Finding(
                path,
                f"the worker has not heard of {', '.join(missing)} since its start",
                "every instance known",
                remedies["unheard"],
                INFO,
            )
        flag = info.get("maintenance")
        if flag:
            yield _maintenance(f"{expectation.name}/{node}/maintenance", flag, bool(info["held"]))
        for name, one in sorted(known.items()):
            if flag and one["state"] in ("FAULT", "STOP"):
                break
            if one["state"] == "FAULT" and info["drained"]:
                yield Finding(
                    path,
                    "the node is drained and will not take over",
                    "both nodes ready",
                    "Write 0 to /run/linuxha/drain when the work on it is done.",
                    WARNING,
                )
                break
            if one["state"] in ("FAULT", "STOP"):
                yield Finding(
                    path,
                    f"instance {name} is in state {one['state']}",
                    "MASTER or BACKUP",
                    remedies["fault"],
                    settles=True,
                )
        yield from _agreement(path, info, node in owners, expected_masters(expectation, info), remedies)


def _maintenance(path: str, flag: Mapping[str, Any], serves: bool) -> Finding:
    until = f"until {flag['until']}" if flag["until"] else "without an end"
    by = f" by {flag['by']}" if flag["by"] else ""
    role = "and serves all the same" if serves else "and will not take over"
    return Finding(
        path,
        f"in maintenance since {flag['since']}{by}, {until} ({flag['reason'] or 'no reason given'}), {role}",
        "every node ready",
        "When the work is done: playbook maintenance with firewall_maintenance=off.",
        WARNING,
    )


def expected_masters(expectation: Expectation, info: Mapping[str, Any]) -> Collection[str]:
    """The instances of which a node that holds what it does is MASTER."""
    if len(expectation.groups) > 1:
        # Each group has an instance of its own in the worker's eyes (ocf:linuxha:vips).
        return [f"vips-{name}" for name, group in expectation.groups.items() if set(group) & set(info["held"])]
    return list(info["worker"]["instances"]) if info["held"] else []


def _agreement(
    path: str, info: Mapping[str, Any], may_lead: bool, expected: Collection[str], remedies: Mapping[str, str]
) -> Iterator[Finding]:
    worker, held = info["worker"], bool(info["held"])
    # After a restart of the worker its own view is all there is.
    if not worker["instances"] and worker["active"] is not None and worker["active"] != held:
        yield Finding(
            path,
            f"the takeover worker believes that the node is {'active' if worker['active'] else 'passive'}",
            "active where the virtual addresses are",
            "Restart the worker: systemctl restart linuxha-takeover.",
            settles=True,
        )
    masters = sorted(name for name, one in worker["instances"].items() if one["state"] == "MASTER")
    others = sorted(set(expected) - set(masters)) if worker["instances"] else []
    if others:
        yield Finding(
            path,
            f"the node holds virtual addresses and is not MASTER of {', '.join(others)}",
            "virtual addresses only where the node is MASTER",
            remedies["left"],
            settles=True,
        )
    if masters and not may_lead and not held:
        yield Finding(
            path,
            f"the node is MASTER of {', '.join(masters)} and holds no virtual address",
            "the MASTER holds the virtual addresses",
            remedies["lost"],
            settles=True,
        )


def _few(items: Iterable[str]) -> str:
    """A pair may have hundreds of addresses; the first ones are enough to see which."""
    found = list(items)
    return ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
