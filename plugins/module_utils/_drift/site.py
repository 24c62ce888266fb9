# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The results of the site playbook in check mode as differences, each in its layer.

The roles compare files with files, and some of their modules the running system too: kernel parameters, kernel modules,
units, the rules, corosync's database, the CIB. What they find is sorted here by the module that found it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable, Optional

from .types import DAEMON, FILE, INVENTORY, KERNEL, PEER, UNKNOWN, Difference

AGAIN = "Run site for this cluster (site --check --diff shows the lines), or put what is right into the inventory."
OK, FAILED, UNREACHABLE = "ok", "failed", "unreachable"

Found = tuple[str, str, str]


@dataclass(frozen=True)
class Outcome:
    """How a task of the site playbook ended on a host in check mode.

    Attributes:
        host: the host.
        task: name of the task.
        action: its module, with or without the name of a collection.
        status: OK, FAILED or UNREACHABLE.
        result: what it returned.
    """

    host: str
    task: str
    action: str
    status: str
    result: Mapping[str, Any]


def differences(clusters: Mapping[str, str], outcomes: Iterable[Outcome]) -> list[Difference]:
    """What site would change, and where it could not tell.

    Args:
        clusters: host to the name of its cluster; hosts without one count for themselves.
        outcomes: of all tasks.
    """
    found: list[Difference] = []
    for outcome in outcomes:
        cluster = clusters.get(outcome.host, "")
        for layer, path, what in _layers(outcome):
            expected = "that site can compare this node" if layer == UNKNOWN else "what the inventory says"
            difference = Difference(cluster, outcome.host, layer, path, what, expected, _remedy(layer))
            if difference not in found:
                found.append(difference)
    return _undeployed(clusters, found)


def _remedy(layer: str) -> str:
    return "Mend that first; what comes after this task was not compared." if layer == UNKNOWN else AGAIN


def _undeployed(clusters: Mapping[str, str], found: Sequence[Difference]) -> list[Difference]:
    """A file that is other than planned on every node of a cluster: the inventory has changed, and not each node."""
    sizes: dict[str, int] = defaultdict(int)
    for cluster in clusters.values():
        sizes[cluster] += 1
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in found:
        if item.layer == FILE:
            holders[(item.cluster, item.path)].add(item.node)
    result: list[Difference] = []
    told: set[tuple[str, str]] = set()
    for item in found:
        key = (item.cluster, item.path)
        everywhere = item.cluster and sizes[item.cluster] > 1 and len(holders[key]) == sizes[item.cluster]
        if item.layer != FILE or not everywhere:
            result.append(item)
        elif key not in told:
            told.add(key)
            what = f"no node has what the inventory says ({', '.join(sorted(holders[key]))}): {item.what}"
            remedy = "Run site: the inventory has changed since the last time, or all nodes were changed by hand."
            result.append(replace(item, node="", layer=INVENTORY, what=what, expected="deployed", remedy=remedy))
    return result


def _layers(outcome: Outcome) -> Iterator[Found]:
    if outcome.status == UNREACHABLE:
        yield UNKNOWN, "connection", f"the node was lost: {_message(outcome.result)}"
        return
    if outcome.status == FAILED:
        for result in _each(outcome.result):
            if result.get("failed", True):
                yield UNKNOWN, outcome.task, f"site in check mode fails: {_message(result)}"
        return
    reader = _READERS.get(outcome.action.rpartition(".")[2], _file)
    for result in _each(outcome.result):
        if result.get("changed"):
            yield from reader(outcome, result)


def _each(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The result, or those of the items of a loop."""
    items = result.get("results")
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else [result]


def _message(result: Mapping[str, Any]) -> str:
    return " ".join(str(result.get("msg") or "no reason was given").split())


def _diffs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    diff = result.get("diff")
    found = diff if isinstance(diff, list) else [diff]
    return [item for item in found if isinstance(item, Mapping)]


def _lines(value: Any) -> list[str]:
    # Other parts of a diff, such as the state of a file, are no text.
    return str(value).splitlines() if isinstance(value, str) else []


def _extent(diff: Mapping[str, Any]) -> str:
    """How much differs. The lines themselves may hold secrets."""
    before, after = _lines(diff.get("before")), _lines(diff.get("after"))
    if not before:
        return "is missing" if after else ""
    more = len([line for line in after if line not in set(before)])
    less = len([line for line in before if line not in set(after)])
    return f"differs: {less} lines here are other, {more} lines are missing" if more or less else "order differs"


def _where(result: Mapping[str, Any], diff: Mapping[str, Any]) -> str:
    header = diff.get("before_header") or diff.get("after_header") or ""
    named = result.get("dest") or result.get("path") or str(header).partition(" (")[0]
    return str(named)


def _file(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    """template, copy, file, and whatever else changes something: by its diff."""
    diff = next(iter(_diffs(result)), {})
    before, after = diff.get("before"), diff.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [key for key in sorted(after) if key != "path" and before.get(key) != after[key]]
        what = ", ".join(f"{key} is {before.get(key)}" for key in keys) or "differs"
    else:
        what = _extent(diff) or "differs"
    yield FILE, _where(result, diff) or outcome.task, what


def _sysctl(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    for line in result.get("changes") or []:
        key, _colon, values = str(line).partition(": ")
        live, _arrow, wanted = values.partition(" -> ")
        yield KERNEL, key, f"is {live}, planned {wanted}"
    for diff in _diffs(result)[:1]:
        if diff.get("before") != diff.get("after"):
            yield FILE, _where(result, diff), _extent(diff)


def _modules(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    for diff in _diffs(result):
        if diff.get("before") != diff.get("after"):
            yield FILE, _where(result, diff), _extent(diff)
            return
    yield KERNEL, "modules", "a planned kernel module is not loaded"


def _unit(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    given = result.get("status")
    status = given if isinstance(given, Mapping) else {}
    states = [str(status[key]) for key in ("ActiveState", "UnitFileState") if key in status]
    yield DAEMON, str(result.get("name") or outcome.task), ", ".join(states) or "is not as planned"


def _ruleset(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    live = ("the kernel holds other rules", "the rules are not loaded", "forwarding is off", "newer than the rules")
    for line in result.get("changes") or []:
        text = str(line)
        yield (KERNEL if any(words in text for words in live) else FILE), "rules", text


def _corosync(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    for diff in _diffs(result)[:1]:
        if diff.get("before") != diff.get("after"):
            yield FILE, _where(result, diff) or "/etc/corosync/corosync.conf", _extent(diff)
    for line in result.get("changes") or []:
        yield DAEMON, "corosync", str(line)


def _cib(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    for line in result.get("changes") or []:
        yield DAEMON, "CIB", f"site would {line}"


def _packages(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    yield FILE, "packages", f"not installed: {', '.join(map(str, result.get('installed') or [])) or 'unknown'}"


def _key(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    yield PEER, "/etc/corosync/authkey", "is not the key of the first node that has one"


def _certificate(outcome: Outcome, result: Mapping[str, Any]) -> Iterator[Found]:
    reason: Optional[object] = result.get("reason")
    yield FILE, "/etc/corosync/qdevice/net", str(reason or "is not as planned")


_READERS: Mapping[str, Callable[[Outcome, Mapping[str, Any]], Iterator[Found]]] = {
    "cib": _cib,
    "corosync_authkey": _key,
    "corosync_conf": _corosync,
    "kernel_modules": _modules,
    "packages": _packages,
    "qdevice_certificate": _certificate,
    "ruleset": _ruleset,
    "service": _unit,
    "sysctl": _sysctl,
    "systemd": _unit,
    "systemd_service": _unit,
}
