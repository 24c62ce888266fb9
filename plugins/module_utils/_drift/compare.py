# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the nodes say of themselves as differences: of daemons from their files, and of nodes from one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._verify import Finding
from .types import DAEMON, FILE, KERNEL, PEER, UNKNOWN, Difference

Answers = Mapping[str, Mapping[str, Any]]


def running(cluster: str, answers: Answers) -> Iterator[Difference]:
    """Daemons that were not told of what is on the disk."""
    for node, info in answers.items():
        if info.get("problem"):
            yield Difference(
                cluster, node, UNKNOWN, "units", str(info["problem"]), "an answer of systemd", "Look at that node."
            )
        for unit, state in info.get("units", {}).items():
            if state["active"] != "active":
                continue  # that it does not run is found by others
            if state["reload"]:
                what, remedy = "systemd has older files of the unit than the disk", "Run systemctl daemon-reload."
                yield Difference(cluster, node, DAEMON, unit, what, "the files of the disk", remedy)
            for path in state["newer"]:
                what = f"{path} was written after the daemon has last read it"
                remedy = f"Look what has changed there, then reload {unit}, or restart it where it cannot reload."
                yield Difference(cluster, node, DAEMON, unit, what, "a daemon that has read its files", remedy)


def between_peers(cluster: str, answers: Answers) -> Iterator[Difference]:
    """What the inventory does not name, and should be the same everywhere all the same."""
    for part, named in (("parameters", "kernel parameter"), ("files", "file")):
        for key in sorted({key for info in answers.values() for key in info.get(part, {})}):
            values = {node: info.get(part, {}).get(key) for node, info in answers.items()}
            # A parameter that one kernel does not have is a matter of its version.
            known = {node: value for node, value in values.items() if part == "files" or value is not None}
            if len(set(known.values())) > 1:
                shown = ", ".join(f"{node} {_shown(part, value)}" for node, value in known.items())
                remedy = f"Make it equal; put the {named} into the inventory if it matters."
                yield Difference(cluster, "", PEER, key, f"the nodes differ: {shown}", "equal on all nodes", remedy)


def _shown(part: str, value: Any) -> str:
    if part == "parameters":
        return str(value)
    return "has none" if value is None else f"sha256 {str(value)[:12]}"


def verdicts(cluster: str, findings: Iterable[Finding]) -> tuple[list[Difference], list[str]]:
    """The findings of verify by layer, and those that are mere remarks as text."""
    found, remarks = [], []
    for finding in findings:
        if finding.severity == "info":
            remarks.append(str(finding))
            continue
        _cluster, *rest = finding.path.split("/", 2)
        node, part = (rest[0], rest[1]) if len(rest) == 2 else ("", rest[0] if rest else "")
        layer = _layer(node, part, finding)
        if layer == UNKNOWN and not node:
            node, part = part, "connection"
        path = part or "cluster"
        found.append(Difference(cluster, node, layer, path, finding.what, finding.expected, finding.remedy))
    return found, remarks


def _layer(node: str, part: str, finding: Finding) -> str:
    if finding.what.startswith("no answer from the node"):
        return UNKNOWN
    if not node and part in ("rules", "versions"):
        return PEER
    if part == "rules":
        return FILE if "files" in finding.what else KERNEL
    return KERNEL if part in ("forwarding", "conntrack") else DAEMON
