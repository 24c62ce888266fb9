# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What a lab consists of, computed from the clusters alone: switches, nodes, ports, probe hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from netaddr import AddrFormatError, IPAddress, IPNetwork

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans

from .run import LabError

DEFAULT_RELEASE = "debian13"


@dataclass(frozen=True)
class Segment:
    """One network of one cluster, before networks that share a prefix are joined to one switch."""

    cluster: str
    key: str
    prefixes: tuple[IPNetwork, ...]


@dataclass(frozen=True)
class Switch:
    """A Linux bridge; `name` is the device, `alias` what people read."""

    name: str
    alias: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Port:
    """A veth pair: `switch_end` sits on the bridge, `interface` inside the host."""

    switch: str
    switch_end: str
    interface: str
    mac: str
    addresses: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class NodePlan:
    """A machine that boots: a node of a cluster, or a bystander, whose cluster is empty."""

    name: str
    cluster: str
    release: str
    ports: tuple[Port, ...]
    management: str


@dataclass(frozen=True)
class ProbePlan:
    """One traffic host on one network of one cluster."""

    name: str
    cluster: str
    key: str
    port: Port
    ipv4: str | None
    ipv6: str | None
    gateways: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True)
class LabPlan:
    """Everything the lab has to build."""

    switches: tuple[Switch, ...]
    nodes: tuple[NodePlan, ...]
    probes: tuple[ProbePlan, ...]
    controller: tuple[Port, ...]


def _segments(cluster: model.Cluster) -> list[Segment]:
    return [Segment(cluster.name, item.name, item.prefixes) for item in cluster.segments]


def _switches(segments: Iterable[Segment]) -> tuple[Switch, ...]:
    """Segments that share a prefix are one broadcast domain, hence one switch."""
    groups: list[list[Segment]] = []
    for segment in segments:
        same = [g for g in groups if any(set(segment.prefixes) & set(other.prefixes) for other in g)]
        merged = [segment, *(other for group in same for other in group)]
        groups = [g for g in groups if g not in same] + [merged]
    return tuple(
        Switch(f"sw{n}", "+".join(sorted(f"{s.cluster}.{s.key}" for s in group)), tuple(group))
        for n, group in enumerate(groups)
    )


def _mac(*parts: str) -> str:
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


def _free(prefix: IPNetwork, used: set[IPAddress], count: int = 1) -> list[IPAddress]:
    """The highest unused host addresses of a prefix (an IPv6 prefix is searched from its 65 534th address down)."""
    last = prefix.last - 1 if prefix.version == 4 else min(prefix.last, prefix.first + 0xFFFE)
    first = prefix.first + 1
    candidates = (IPAddress(value, prefix.version) for value in range(last, first - 1, -1))
    found = list(islice((a for a in candidates if a not in used), count))
    if len(found) < count:
        raise LabError(f"network {prefix}: no free address for the lab's own host; make the prefix larger")
    used.update(found)
    return found


def _with_prefix(address: IPAddress, prefixes: Iterable[IPNetwork]) -> str:
    for prefix in prefixes:
        if address in prefix:
            return f"{address}/{prefix.prefixlen}"
    return f"{address}/{32 if address.version == 4 else 128}"


def make(
    clusters: Iterable[model.Cluster],
    ansible_host: Mapping[str, str],
    extra: Mapping[tuple[str, str], Iterable[str]],
    release: str | None = None,
    bystanders: Mapping[str, str | None] | None = None,
) -> LabPlan:
    """Plan the lab.

    Args:
        clusters: validated clusters.
        ansible_host: address by which Ansible reaches each node and bystander.
        extra: additional addresses of the probe host of (cluster, network), for example DNAT targets.
        release: image for all nodes, overriding `firewall_lab.release`.
        bystanders: machines beside the clusters, and the release of each; they have one interface, where Ansible
            reaches them.
    """
    clusters = tuple(clusters)
    switches = _switches(s for c in clusters for s in _segments(c))
    by_segment = {(s.cluster, s.key): (switch, s) for switch in switches for s in switch.segments}
    used: set[IPAddress] = set()
    for cluster in clusters:
        for node in cluster.nodes:
            used.update(a for addresses in node.addresses.values() for a in addresses)
        used.update(v.address for n in cluster.networks for v in n.vips)
        used.update(
            IPAddress(spans.address_text(end, nat.family))
            for nat in cluster.policy.flat.nat
            for end in nat.to_addresses or ()
        )
    used.update(IPAddress(a) for addresses in extra.values() for a in addresses)
    beside = {name: _management(name, ansible_host[name]) for name in bystanders or {}}
    used.update(beside.values())
    ports = iter(range(10_000))

    nodes = []
    for cluster in clusters:
        for node in cluster.nodes:
            nodes.append(_node(cluster, node, by_segment, ports, ansible_host, release))
    for name, own in (bystanders or {}).items():
        switch, prefix = _network(name, beside[name], switches)
        port = Port(
            switch.name, f"s{next(ports)}", "eth0", _mac("bystander", name), (f"{beside[name]}/{prefix.prefixlen}",),
            model.MANAGEMENT,
        )  # fmt: skip
        nodes.append(NodePlan(name, "", release or own or DEFAULT_RELEASE, (port,), str(beside[name])))

    probes: list[ProbePlan] = []
    for cluster in clusters:
        for network in cluster.networks:
            switch, segment = by_segment[cluster.name, network.name]
            name = f"p{len(probes)}"
            main = {p.version: _free(p, used)[0] for p in segment.prefixes}
            gateways = {v.address.version: str(v.address) for v in reversed(network.vips)}
            more = tuple(
                _with_prefix(IPAddress(a), segment.prefixes) for a in extra.get((cluster.name, network.name), ())
            )
            addresses = tuple(_with_prefix(a, segment.prefixes) for a in main.values())
            port = Port(
                switch.name, f"s{next(ports)}", "eth0", _mac(cluster.name, network.name, name), addresses, network.name
            )
            probes.append(
                ProbePlan(
                    name, cluster.name, network.name, port,
                    str(main[4]) if 4 in main else None, str(main[6]) if 6 in main else None,
                    tuple(gateways.values()), more,
                )
            )  # fmt: skip
    return LabPlan(switches, tuple(nodes), tuple(probes), _controller(switches, nodes, used, ports))


def _node(
    cluster: model.Cluster,
    node: model.Node,
    by_segment: Mapping[tuple[str, str], tuple[Switch, Segment]],
    ports: Iterator[int],
    ansible_host: Mapping[str, str],
    release: str | None,
) -> NodePlan:
    node_ports = []
    for key, interface in node.interfaces.items():
        switch, segment = by_segment[cluster.name, key]
        addresses = tuple(_with_prefix(a, segment.prefixes) for a in node.addresses.get(key, ()))
        mac = _mac(cluster.name, node.name, key)
        node_ports.append(Port(switch.name, f"s{next(ports)}", interface, mac, addresses, key))
    return NodePlan(
        node.name, cluster.name, release or node.lab_release or DEFAULT_RELEASE, tuple(node_ports),
        ansible_host[node.name],
    )  # fmt: skip


def _management(name: str, text: str) -> IPAddress:
    try:
        return IPAddress(text)
    except (AddrFormatError, ValueError) as problem:
        raise LabError(f"{name}: ansible_host {text!r} must be an address in the lab") from problem


def _network(name: str, address: IPAddress, switches: Iterable[Switch]) -> tuple[Switch, IPNetwork]:
    """Where a management address belongs."""
    for switch in switches:
        for segment in switch.segments:
            for prefix in segment.prefixes:
                if address in prefix:
                    return switch, prefix
    raise LabError(f"{name}: ansible_host {address} is in no network of a cluster")


def _controller(
    switches: Iterable[Switch], nodes: Iterable[NodePlan], used: set[IPAddress], ports: Iterator[int]
) -> tuple[Port, ...]:
    """The controller joins every switch on which a node is reached by Ansible."""
    found: dict[str, Port] = {}
    for node in nodes:
        switch, prefix = _network(node.name, _management(node.name, node.management), switches)
        if switch.name not in found:
            own = _free(prefix, used)[0]
            found[switch.name] = Port(
                switch.name, f"s{next(ports)}", f"c-{switch.name}", _mac("controller", switch.alias),
                (f"{own}/{prefix.prefixlen}",), model.MANAGEMENT,
            )  # fmt: skip
    return tuple(found.values())
