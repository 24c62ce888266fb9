# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Connection states: a daemon without losses, a standby in step, the takeover gate where it belongs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from .types import INFO, WARNING, Answers, Expectation, Finding

# Both have the peers told anew; the first counts the overruns for which it did.
WATCHER, WORKER = "linuxha-conntrackd-watch", "linuxha-takeover"


def tolerance(entries: int) -> int:
    """Flows come and go while the nodes are asked, and those of the firewall itself are not replicated."""
    return max(50, entries // 100)


def check(expectation: Expectation, answers: Answers, owners: Collection[str]) -> Iterator[Finding]:
    for node, info in answers.items():
        path = f"{expectation.name}/{node}/conntrackd"
        daemon = info["conntrackd"]
        peers = [other for other in expectation.nodes if other != node]
        if daemon["problem"]:
            yield Finding(
                path,
                f"no statistics: {daemon['problem']}",
                "a running conntrackd",
                "Read why: systemctl status conntrackd.",
                settles=True,
                # Of the connections of a node that serves the others learn from it alone.
                keeps=expectation.nodes if node in owners else [node],
                loses=True,
            )
            continue
        yield from _losses(path, daemon, info.get("watch") or {}, peers, _anew(expectation, WATCHER))
        if info["worker"].get("untold"):
            yield Finding(
                path,
                f"the peers are not told of all connections of this node: {info['worker']['untold']}",
                "of all of its groups",
                "The worker tries again by itself; why it failed: journalctl -u linuxha-takeover.",
                settles=True,
                keeps=peers,
                loses=True,
            )
        if daemon["immediate"] != expectation.immediate:
            words = {True: "immediate injection", False: "an external cache"}
            yield Finding(
                path,
                f"the daemon runs with {words[daemon['immediate']]}",
                words[expectation.immediate],
                "It runs an old configuration: run the site playbook again.",
                keeps=[node],
                loses=True,
            )
        if owners and node not in owners:
            yield from _standby(path, node, info)
    if owners and not any(answers[node]["conntrackd"]["problem"] for node in owners):
        yield from _in_step(expectation, answers, owners)


def _anew(expectation: Expectation, unit: str) -> str:
    """How an administrator has a node tell its peers anew."""
    if len(expectation.groups) > 1:
        # conntrackd -R would offer what the peers serve as well.
        return f"on this node: systemctl restart {unit}"
    return "on this node: conntrackd -R, then conntrackd -B"


def _losses(
    path: str, daemon: Mapping[str, Any], watch: Mapping[str, Any], peers: Sequence[str], anew: str
) -> Iterator[Finding]:
    mended = daemon["kernel_resyncs"] or 0
    if watch:
        # The watcher knows the order; the daemon's own counter also has the resyncs from before the overrun.
        mended = 0 if (watch.get("overruns") or 0) < (daemon["overruns"] or 0) else watch.get("mended") or 0
        if watch.get("problem"):
            yield Finding(
                path,
                f"the watcher of overruns reports: {watch['problem']}",
                "no problem",
                "Look at conntrackd and its watcher in the journal.",
                settles=True,
            )
    if daemon["overruns"] and not mended:
        yield Finding(
            path,
            f"{daemon['overruns']} netlink overruns and no resync since: states were lost on the way to the peers",
            "no overrun, or a resync from the kernel after it",
            f"{anew[0].upper()}{anew[1:]}. Larger netlink buffers prevent the next one.",
            settles=True,
            keeps=peers,
            loses=True,
        )
    if daemon["no_space"] or daemon["no_memory"]:
        yield Finding(
            path,
            f"the cache refused {(daemon['no_space'] or 0) + (daemon['no_memory'] or 0)} states since the start",
            "room for every state",
            "Raise conntrackd.table_max in firewall_cluster; restarting conntrackd (standby first) clears the counter.",
            WARNING,
        )
    if daemon["malformed"]:
        yield Finding(
            path,
            f"{daemon['malformed']} malformed messages on the sync link",
            "none",
            "Check for different versions of conntrackd, or for a stranger on the sync link.",
            WARNING,
        )
    if daemon["lost"]:
        yield Finding(
            path,
            f"{daemon['lost']} messages of peers were missed since the start",
            "none, outside of faults",
            "Expected after a cut or a restart; else look at errors of the sync link's interface.",
            INFO,
        )


def _standby(path: str, node: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    worker = info["worker"]
    if worker["problem"] or info["drained"] or info.get("maintenance") or worker["states"] == "in-step":
        return
    waits = ", so it takes nothing back by preference" if worker.get("behind") else ""
    yield Finding(
        path,
        f"the standby's states are {worker['states']}{waits}",
        "in-step",
        "It asks the peers again by itself; if that does not end, check the sync links.",
        settles=True,
        keeps=[node],
        loses=True,
    )


def _in_step(expectation: Expectation, answers: Answers, owners: Collection[str]) -> Iterator[Finding]:
    """Every node has what the nodes that serve tell their peers about, all of them together."""
    offered = _offered(answers, owners)
    everything, who = sum(offered.values()), " and ".join(offered)
    for node in offered:
        in_kernel = _at_least(answers[node]["conntrack"])
        # In the kernel of a node that serves beside others are theirs, too.
        known = everything if answers[node]["conntrackd"]["immediate"] else offered[node]
        if in_kernel is not None and in_kernel - known > tolerance(in_kernel):
            # Not an error: flows of the firewall itself and those on the ignore list are not meant to be there.
            yield Finding(
                f"{expectation.name}/{node}/conntrackd",
                f"{known} of the {in_kernel} connections of the owner are offered to the peers",
                f"all but {tolerance(in_kernel)} of them",
                f"Many flows of the firewall itself are harmless; else {_anew(expectation, WORKER)}.",
                WARNING,
                settles=True,
            )
    for node, one in copies(answers, owners).items():
        where, copy, replicated = one.where, one.count, one.replicated
        if copy is None:
            yield Finding(
                f"{expectation.name}/{node}/conntrackd",
                "the kernel does not tell how many connections it has",
                "a number",
                "Is nf_conntrack loaded?",
                keeps=[node],
                loses=True,
            )
        elif replicated - copy > tolerance(replicated):
            yield Finding(
                f"{expectation.name}/{node}/conntrackd",
                f"{copy} states in the {where}, {replicated} offered by {who}",
                f"at most {tolerance(replicated)} apart",
                "A takeover would lose the difference. Check the sync links, then conntrackd -n on this node.",
                settles=True,
                keeps=[node],
                loses=True,
            )
        elif copy - replicated > tolerance(replicated):
            # Nothing is lost by a takeover: old states that their timers remove.
            yield Finding(
                f"{expectation.name}/{node}/conntrackd",
                f"{copy} states in the {where}, only {replicated} offered by {who}",
                f"at most {tolerance(replicated)} apart",
                "Left over from before a fault; they expire. If the number does not fall, check the sync links.",
                WARNING,
                settles=True,
            )


@dataclass(frozen=True)
class Copy:
    """What a node has of the states that others replicate: `count` of `replicated`, None where nobody can tell."""

    where: str
    count: Optional[int]
    replicated: int


def _at_least(table: Mapping[str, Any]) -> Optional[int]:
    """The fewer of the entries before and after conntrackd was asked: a table in motion is no difference."""
    return min((table[key] for key in ("entries_before", "entries") if table.get(key) is not None), default=None)


def _offered(answers: Answers, owners: Collection[str]) -> Mapping[str, int]:
    return {node: answers[node]["conntrackd"]["internal"] for node in answers if node in owners}


def copies(answers: Answers, owners: Collection[str]) -> Mapping[str, Copy]:
    """By node its copy; of those alone that serve and those whose daemon gives no numbers there is none."""
    if not owners or any(answers[node]["conntrackd"]["problem"] for node in owners):
        return {}
    offered = _offered(answers, owners)
    everything = sum(offered.values())
    found = {}
    for node, info in answers.items():
        if list(offered) == [node] or info["conntrackd"]["problem"]:
            continue
        immediate = info["conntrackd"]["immediate"]
        found[node] = Copy(
            "kernel" if immediate else "external cache",
            info["conntrack"]["entries"] if immediate else info["conntrackd"]["external"],
            everything if immediate else everything - offered.get(node, 0),
        )
    return found


def check_gate(expectation: Expectation, answers: Answers, owners: Collection[str]) -> Iterator[Finding]:
    for node, info in answers.items():
        path = f"{expectation.name}/{node}/gate"
        status = info["rules"]["status"]
        if status is None:
            continue  # reported with the rules
        sets, again = status.get("gate") or {}, "Run the site playbook again."
        for family, state in sorted(sets.items()):
            if state == "absent":
                yield Finding(path, f"the {family} gate does not exist", "a gate", again, keeps=[node], loses=True)
        kernel = set(sets.values()) - {"absent"}
        if len(kernel) > 1:
            yield Finding(
                path,
                f"half open: {', '.join(f'{family} {state}' for family, state in sorted(sets.items()))}",
                "the same for both families",
                "Restart the worker: systemctl restart linuxha-takeover.",
                settles=True,
                keeps=[node],
                loses=True,
            )
            continue
        state = kernel.pop() if kernel else "absent"
        told = "unknown" if info["worker"]["problem"] else info["worker"]["gate"]
        if {told, state} == {"open", "closed"}:
            yield Finding(
                path,
                f"{state} in the kernel, {told} for the takeover worker",
                "the same",
                "Somebody else changed the sets: systemctl restart linuxha-takeover.",
                settles=True,
                keeps=[node],
                loses=True,
            )
        ready = expectation.immediate and owners and not info["drained"]
        if state == "closed" and (node in owners or ready):
            yield Finding(
                path,
                "closed on the owner: nothing is forwarded" if node in owners else "closed on the standby",
                "open" if node in owners else "open as soon as the states have arrived",
                "Look at the worker's steps: journalctl -u linuxha-takeover.",
                settles=True,
                keeps=[node],
                loses=True,
            )
        if state == "open" and owners and node not in owners and not expectation.immediate:
            yield Finding(
                path,
                "open on the standby",
                "closed until the states are committed",
                "It closes some seconds after a switchover; else systemctl restart linuxha-takeover.",
                WARNING,
                settles=True,
            )
