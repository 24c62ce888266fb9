# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The cluster as the rest of the collection sees it: frozen, complete, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatPolicy
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.review import Review

from .net import IPAddress, IPNetwork
from .problems import Problem

MANAGEMENT = "mgmt"
TOPOLOGIES = ("keepalived", "pacemaker")


@dataclass(frozen=True)
class Profile:
    """One word for all timers."""

    name: str
    advert_ms: int
    down_timer_adverts: int
    track_interval_ms: int
    realtime: bool
    # corosync.conf(5); the role corosync writes the same numbers.
    token_ms: int
    consensus_ms: int


PROFILES = {
    "instant": Profile("instant", 10, 2, 50, True, 150, 180),
    "fast": Profile("fast", 100, 3, 200, True, 300, 360),
    "patient": Profile("patient", 1000, 3, 1000, False, 3000, 3600),
}


@dataclass(frozen=True)
class Vip:
    """A shared address. `prefixlen` is the one of its network."""

    address: IPAddress
    prefixlen: int
    label: Optional[str] = None
    group: str = ""

    def __str__(self) -> str:
        return f"{self.address}/{self.prefixlen}"


@dataclass(frozen=True)
class Segment:
    """A layer-2 network of one cluster."""

    name: str
    interface: str
    ipv4: Optional[IPNetwork]
    ipv6: Optional[IPNetwork]

    @property
    def prefixes(self) -> tuple[IPNetwork, ...]:
        return tuple(p for p in (self.ipv4, self.ipv6) if p is not None)


@dataclass(frozen=True)
class Network(Segment):
    """A network whose traffic the cluster forwards."""

    zone: str = ""
    vips: tuple[Vip, ...] = ()
    vrid: int = 0
    track: bool = True


@dataclass(frozen=True)
class SyncLink(Segment):
    """A dedicated link between the nodes: adverts and connection states."""


@dataclass(frozen=True)
class Management(Segment):
    """How administrators and Ansible reach the nodes."""

    sources: tuple[IPNetwork, ...] = ()
    ssh_port: int = 22


@dataclass(frozen=True)
class Node:
    name: str
    priority: int
    addresses: Mapping[str, tuple[IPAddress, ...]]
    interfaces: Mapping[str, str]
    lab_release: Optional[str] = None
    id: int = 0

    def address(self, key: str, version: int) -> Optional[IPAddress]:
        """The node's first address of one family on a network, a link or `mgmt`."""
        return next((a for a in self.addresses.get(key, ()) if a.version == version), None)

    @property
    def all_addresses(self) -> tuple[IPAddress, ...]:
        return tuple(a for found in self.addresses.values() for a in found)


@dataclass(frozen=True)
class TrackScript:
    name: str
    command: str
    interval_ms: int
    timeout_ms: int
    fall: int
    rise: int
    weight: int


@dataclass(frozen=True)
class Vrrp:
    mode: str
    vrid: int
    transport: str
    version: int
    advert_interval_ms: int
    down_timer_adverts: int
    use_vmac: bool
    track_scripts: tuple[TrackScript, ...] = ()
    garp: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conntrackd:
    mode: str
    immediate: bool
    transport: str
    port: int
    table_max: int
    expectations: tuple[str, ...] = ()
    hash_limit: Optional[int] = None


@dataclass(frozen=True)
class FenceDevice:
    """What cuts the power of nodes: an agent with its parameters."""

    name: str
    agent: str
    nodes: tuple[str, ...]
    parameters: Mapping[str, Any]
    delay_s: int
    level: int


@dataclass(frozen=True)
class Fencing:
    """The choice about fencing: devices, or a reason to do without."""

    reason: str = ""
    devices: tuple[FenceDevice, ...] = ()
    priority_delay_s: int = 0


@dataclass(frozen=True)
class PingGroup:
    """Hosts of which one has to answer."""

    name: str
    hosts: tuple[IPAddress, ...]
    interval_ms: int


@dataclass(frozen=True)
class QuorumDevice:
    host: IPAddress
    algorithm: str
    name: str = ""
    timeout_ms: int = 2000


@dataclass(frozen=True)
class Pacemaker:
    fencing: Fencing = Fencing()
    stickiness: int = 200
    ping_groups: tuple[PingGroup, ...] = ()
    quorum_device: Optional[QuorumDevice] = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Damping:
    """When a node whose role moves too often holds back; `moves` 0 for never."""

    moves: int = 4
    window_s: int = 600
    wait_s: int = 30
    hold_s: int = 1800
    alarm_command: tuple[str, ...] = ()


@dataclass(frozen=True)
class VipGroup:
    """Virtual addresses that move together. `primary` is the node that they prefer, or empty."""

    name: str
    primary: str = ""


@dataclass(frozen=True)
class SyncEntry:
    """A file or directory that is the same on all nodes. An empty `conflict` is that of the cluster."""

    name: str
    path: str
    kind: str = "file"
    delete: bool = False
    exclude: tuple[str, ...] = ()
    conflict: str = ""
    check: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfigSync:
    """Files that the nodes keep the same among themselves. An empty `primary` is the node of the highest priority."""

    entries: tuple[SyncEntry, ...]
    conflict: str
    primary: str
    skew_limit_ms: int
    keep_days: int
    object_limit_bytes: int
    batch_limit_bytes: int
    reserve_percent: int
    interval_s: int
    port: int


@dataclass(frozen=True)
class Policy:
    """`plain` has the keys of firewall_policy that become rules, normalised; `flat` has every name resolved."""

    plain: Mapping[str, Any] = field(default_factory=dict)
    flat: FlatPolicy = field(default_factory=FlatPolicy)
    review: Review = field(default_factory=Review, compare=False)

    def as_dicts(self) -> dict[str, Any]:
        return dict(self.plain)


@dataclass(frozen=True)
class Cluster:
    name: str
    topology: str
    profile: Profile
    preempt: bool
    networks: tuple[Network, ...]
    sync_links: tuple[SyncLink, ...]
    management: Optional[Management]
    nodes: tuple[Node, ...]
    vrrp: Vrrp
    conntrackd: Conntrackd
    policy: Policy
    vip_groups: tuple[VipGroup, ...] = ()
    pacemaker: Pacemaker = Pacemaker()
    damping: Damping = Damping()
    config_sync: Optional[ConfigSync] = None
    budget_limit_ms: Optional[int] = None
    accept_warnings: tuple[str, ...] = ()
    role_overrides: Mapping[str, Any] = field(default_factory=dict)

    def node(self, name: str) -> Optional[Node]:
        return next((n for n in self.nodes if n.name == name), None)

    def peers(self, node: Node) -> tuple[Node, ...]:
        return tuple(n for n in self.nodes if n.name != node.name)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Networks, sync links and management, in this order."""
        last = (self.management,) if self.management else ()
        return (*self.networks, *self.sync_links, *last)

    @property
    def vips(self) -> tuple[Vip, ...]:
        return tuple(v for n in self.networks for v in n.vips)

    def vips_of(self, group: str) -> tuple[Vip, ...]:
        return tuple(v for v in self.vips if v.group == group)

    def primary_of(self, group: VipGroup) -> str:
        """The node that should serve a group while all are well, or empty."""
        first = max(self.nodes, key=lambda node: node.priority).name if self.nodes else ""
        return group.primary or first

    @property
    def families(self) -> tuple[int, ...]:
        """IP versions in which the cluster holds a shared address."""
        return tuple(sorted({v.address.version for v in self.vips}))


@dataclass(frozen=True)
class Loaded:
    """`clusters` has only those without an error; `problems` has everything that was found."""

    clusters: tuple[Cluster, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "warning")
