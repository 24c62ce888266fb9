# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What is expected, what was answered, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass(frozen=True)
class Finding:
    """One difference between the plan and the running system.

    `settles` marks what may be right a moment after a deployment or a takeover and is worth asking again. `keeps` names
    the nodes that could not take over as they should because of it, of the group `of`, or of all groups. They would
    lose connections and no more where it `loses`; where it is `unplanned` they can, but not from a node that dies.
    While the cluster is `busy` with itself nobody orders anything of it; what it does by itself is no worse for that.
    """

    path: str
    what: str
    expected: str
    remedy: str
    severity: str = ERROR
    settles: bool = False
    keeps: Sequence[str] = ()
    of: str = ""
    loses: bool = False
    unplanned: bool = False
    busy: bool = False

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.what}; expected: {self.expected}. {self.remedy}"


@dataclass(frozen=True)
class Expectation:
    """One cluster as planned.

    `manager` is what moves the addresses: keepalived or pacemaker. `instances` are the names of the VRRP instances of
    each node, or of the promotable resource. `groups` are the addresses that move together, by name; without any all.
    `device`: a quorum device has a vote. `sync_interval_s`: so often config sync runs; 0 where it is not used.
    `preempt`: a preferred node takes its role back.
    """

    name: str
    nodes: Sequence[str]
    vips: Sequence[str]
    replicated: bool = True
    immediate: bool = True
    gate: bool = True
    instances: Mapping[str, Sequence[str]] = field(default_factory=dict)
    manager: str = "keepalived"
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    device: bool = False
    sync_interval_s: int = 0
    preempt: bool = False


@dataclass(frozen=True)
class Report:
    """What module node_info returned for a node; None and the reason when it could not be asked."""

    node: str
    info: Optional[Mapping[str, Any]] = None
    reason: str = ""


Answers = Mapping[str, Mapping[str, Any]]
