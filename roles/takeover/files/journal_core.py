# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Why a node changed its role: pure decisions of the failover journal, without I/O and without a clock.

The takeover worker reports each change of a group. The journal looks at what the node knows at that moment, and a
moment later at what the cluster software says; `cause` names the reason.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Tuple
from xml.etree import ElementTree as ET

from takeover_core import NONE

# What a change can come from.
PEER_SILENT = "peer_silent"
LINK = "link"
PING = "ping"
OPERATOR = "operator"
FAULT = "fault"
START = "start"
STOP = "stop"
PRIORITY = "priority"
UNKNOWN = "unknown"
CAUSES = (PEER_SILENT, LINK, PING, OPERATOR, FAULT, START, STOP, PRIORITY, UNKNOWN)

GONE = ("STOP", "DELETED", NONE)
# A node that came back with a higher claim takes over within its down timer; what is later has another reason.
PREEMPT_SLACK_S = 2.0
# How long before the change the peer may have said that it gives way.
FAREWELL_S = 1.0
PING_PREFIX = "ping-"
# Resources of which a failure moves the addresses.
OURS = ("states", "vips-")

Reason = Tuple[str, str]


@dataclass(frozen=True)
class Change:
    """A group changed its state on this node. `at` and `mono` are the clocks when the worker read it."""

    group: str
    old: str
    new: str
    at: float
    mono: float
    # Milliseconds until the worker had done what a node needs to serve; None for a node that gave way.
    served_ms: Optional[float] = None
    # Clock when the states of a node that waited for them were complete.
    lifted: Optional[float] = None

    @property
    def gained(self) -> bool:
        return self.new == "MASTER"

    @property
    def lost(self) -> bool:
        return self.old == "MASTER"


@dataclass(frozen=True)
class Daemon:
    """A unit as systemd tells it."""

    active: bool = True
    # Starts that were not ordered: systemd found the daemon dead.
    restarts: int = 0
    started: int = 0


@dataclass(frozen=True)
class Member:
    """A node as Pacemaker tells it."""

    online: bool = True
    standby: bool = False
    expected: bool = True
    fenced: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    failures: Tuple[str, ...] = ()
    banned: bool = False


@dataclass(frozen=True)
class Evidence:
    """What is known of a change. The defaults say: nothing was seen."""

    topology: str = "keepalived"
    node: str = ""
    # Tracked interfaces without a carrier, now or within the last moments.
    links_down: Tuple[str, ...] = ()
    drained: bool = False
    maintenance: bool = False
    scripts: Tuple[str, ...] = ()
    # The machine is shutting down.
    stopping: bool = False
    # Seconds since a peer said that it gives way (an advert with priority 0); None: it has not.
    farewell_s: Optional[float] = None
    preempt: bool = False
    # Seconds for which the group had its old state; None: not known.
    old_for_s: Optional[float] = None
    down_s: float = 0.0
    held: bool = False
    # Daemons that systemd found dead since the last change, and those that were started by order.
    crashed: Tuple[str, ...] = ()
    restarted: Tuple[str, ...] = ()
    # Why the group went to its old state, where that was a fault or a stop.
    before: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)
    links_attribute: str = "linuxha-links"


def cause(change: Change, seen: Evidence) -> Reason:
    """Why a group changed its state: one of CAUSES, and a sentence about it."""
    if seen.crashed:
        return FAULT, "{} died and was started again".format(" and ".join(seen.crashed))
    if change.new == "DELETED":
        return OPERATOR, "the configuration has it no more"
    if change.old == NONE and not change.gained:
        return START, "the cluster software started"
    if change.gained:
        return _gained_by_pacemaker(change, seen) if seen.topology == "pacemaker" else _gained_by_vrrp(change, seen)
    if change.old in ("FAULT", *GONE) and change.new == "BACKUP":
        return _returned(change, seen)
    return _lost(change, seen)


def _returned(change: Change, seen: Evidence) -> Reason:
    if change.old in GONE and seen.before != OPERATOR:
        return START, "the cluster software started"
    return seen.before or UNKNOWN, "what kept this node from serving is over"


def _lost(change: Change, seen: Evidence) -> Reason:
    """This node gave way, or cannot serve any more."""
    if seen.stopping:
        return STOP, "the machine is shutting down"
    ordered = _ordered(seen)
    if ordered:
        return OPERATOR, ordered
    if seen.links_down:
        return LINK, "no carrier: {}".format(", ".join(seen.links_down))
    if seen.topology == "pacemaker":
        own = seen.members.get(seen.node, Member())
        found = _failed(own) or _blind(own)
        if found is not None:
            return found
    if change.new in GONE:
        return STOP, "the cluster software was stopped"
    if change.new == "FAULT":
        if seen.scripts:
            return PING, "a check failed: {}".format(", ".join(seen.scripts))
        return UNKNOWN, "keepalived reports a fault, but all tracked links have a carrier and nobody drained the node"
    if seen.held:
        return PRIORITY, "this node holds back, since its role moved too often"
    return PRIORITY, "a node with a higher claim took over"


def _ordered(seen: Evidence) -> str:
    if seen.drained:
        return "this node was drained"
    if seen.maintenance:
        return "this node is in maintenance"
    own = seen.members.get(seen.node, Member())
    if own.standby:
        return "this node was put into standby"
    return "the addresses were moved away from this node" if own.banned else ""


def _gained_by_vrrp(change: Change, seen: Evidence) -> Reason:
    if seen.farewell_s is not None and seen.farewell_s <= seen.down_s + FAREWELL_S:
        return PRIORITY, "the peer gave way (advert with priority 0); its own journal says why"
    if change.old == NONE:
        return START, "nobody else served when this node started"
    if seen.preempt and seen.old_for_s is not None and seen.old_for_s <= seen.down_s + PREEMPT_SLACK_S:
        return PRIORITY, "this node took back what it is preferred for"
    return PEER_SILENT, f"no advert of the peer for {1000 * seen.down_s:.0f} ms"


def _gained_by_pacemaker(change: Change, seen: Evidence) -> Reason:
    others = {name: member for name, member in sorted(seen.members.items()) if name != seen.node}
    if not seen.members:
        return UNKNOWN, "Pacemaker did not tell its state"
    own = seen.members.get(seen.node, Member())
    # First what an order or a fault of a node that is there says: one that is gone may be gone for a long time.
    for name, member in others.items():
        if member.online and member.standby:
            return OPERATOR, f"{name} was put into standby"
        if member.online and member.banned:
            return OPERATOR, f"the addresses were moved away from {name}"
    for name, member in others.items():
        if member.online:
            mine, theirs = (_number(one.attributes.get(seen.links_attribute)) for one in (own, member))
            if mine is not None and theirs is not None and theirs < mine:
                return LINK, f"{name} has fewer links with a carrier"
            found = _blind(member, own) or _failed(member)
            if found is not None:
                return found[0], f"{name}: {found[1]}"
    for name, member in others.items():
        if not member.online:
            if not member.expected and not member.fenced:
                return STOP, f"{name} left the cluster in order"
            return PEER_SILENT, f"{name} is lost" + (" and was cut off" if member.fenced else "")
    if change.old in GONE:
        return START, "nobody else served when this node started"
    return PRIORITY, "this node is preferred"


def _blind(member: Member, better: Optional[Member] = None) -> Optional[Reason]:
    """A ping group of which nobody answers; where another node is given, one in which that is better off."""
    for name, value in sorted(member.attributes.items()):
        worse = better is None or (_number(better.attributes.get(name)) or 0) > 0
        if name.startswith(PING_PREFIX) and _number(value) == 0 and worse:
            return PING, f"no host of {name[len(PING_PREFIX) :]} answers"
    return None


def _failed(member: Member) -> Optional[Reason]:
    failures = [name for name in member.failures if name.startswith(OURS)]
    return (FAULT, "{} failed".format(", ".join(failures))) if failures else None


def _number(text: Optional[str]) -> Optional[int]:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def blackout(change: Change, reason: str, down_s: float) -> Optional[float]:
    """Milliseconds for which nobody served, as far as the node that takes over can tell.

    A silent peer was noticed after the down timer at the latest; one that gave way goes on until it has.
    """
    if not change.gained or reason == START or change.served_ms is None:
        return None
    waited = 1000 * down_s if reason == PEER_SILENT else 0.0
    return round(waited + change.served_ms, 1)


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    at: float
    cluster_group: str
    old: str
    new: str
    cause: str
    detail: str
    blackout_ms: Optional[float] = None
    states: Optional[int] = None
    held: bool = False

    def plain(self) -> Dict[str, Any]:
        found = asdict(self)
        found["at"] = iso(self.at)
        old, new = found.pop("old"), found.pop("new")
        return {"at": found.pop("at"), "cluster_group": found.pop("cluster_group"), "from": old, "to": new, **found}


def iso(at: float) -> str:
    text = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse_iso(text: object) -> Optional[float]:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def read_members(text: str) -> Dict[str, Member]:
    """`crm_mon --output-as=xml`; {} for what is none."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return {}
    attributes: Dict[str, Dict[str, str]] = {}
    for node in root.iterfind("node_attributes/node"):
        attributes[node.get("name", "")] = {
            item.get("name", ""): item.get("value", "") for item in node.iterfind("attribute")
        }
    failures: Dict[str, List[str]] = {}
    for item in root.iterfind("failures/failure"):
        resource = item.get("op_key", "").rsplit("_", 2)[0]
        failures.setdefault(item.get("node", ""), []).append(resource)
    banned = {item.get("node") for item in root.iterfind("bans/ban") if item.get("id", "").startswith("cli-ban-")}
    fenced = {
        item.get("target")
        for item in root.iterfind("fence_history/fence_event")
        if item.get("status") in ("success", "pending")
    }
    return {
        node.get("name", ""): Member(
            online=node.get("online") == "true" and node.get("unclean") != "true",
            standby=node.get("standby") == "true",
            expected=node.get("expected_up") == "true",
            fenced=node.get("name") in fenced,
            attributes=attributes.get(node.get("name", ""), {}),
            failures=tuple(dict.fromkeys(failures.get(node.get("name", ""), []))),
            banned=node.get("name") in banned,
        )
        for node in root.iterfind("nodes/node")
    }


def read_daemons(text: str) -> Dict[str, Daemon]:
    """`systemctl show --property=Id,ActiveState,NRestarts,ExecMainStartTimestampMonotonic UNIT...`."""
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            found[values["Id"].rpartition(".")[0]] = Daemon(
                values.get("ActiveState") in ("active", "activating", "reloading"),
                _number(values.get("NRestarts")) or 0,
                _number(values.get("ExecMainStartTimestampMonotonic")) or 0,
            )
    return found


def crashed(before: Mapping[str, Daemon], after: Mapping[str, Daemon]) -> Tuple[str, ...]:
    """Daemons that systemd had to start again. An ordered start sets its counter back."""
    return tuple(
        name
        for name, now in sorted(after.items())
        if name in before and now.restarts > before[name].restarts and now.started != before[name].started
    )
