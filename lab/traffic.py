# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Which traffic a cluster's policy allows and forbids, so that the monitors can be run on any inventory. Pure.

Every result is checked against a small model of the ruleset (first matching rule wins, otherwise drop; DNAT before,
SNAT after), not merely read off one rule: an earlier rule may forbid what a later one allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from netaddr import IPAddress, IPNetwork

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from lab.monitors.paths import Canary, Family, Path, RouteKind
from lab.traffic_policy import Filter, Packet, Protocol, Translation

# Where a rule allows any port. Below the range of ephemeral ports, so that no client takes them by chance.
TCP_PORT, UDP_PORT = 7001, 7002
CANARY_PORTS = range(7301, 7399)
MOST_PATHS = 4  # of one family and kind
PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")


class TrafficError(ValueError):
    """The policy leaves nothing to send."""


@dataclass(frozen=True)
class TrafficPlan:
    streams: tuple[Path, ...]  # UDP, one per family and group of addresses
    flows: tuple[Path, ...]  # TCP, per family and kind one for each pair of networks
    canaries: tuple[Canary, ...]
    extra_addresses: Mapping[str, tuple[str, ...]]  # network -> what its probe host must own besides its own address
    notes: tuple[str, ...]  # what the policy leaves no way for

    def require(self) -> TrafficPlan:
        """This plan, if it can measure anything."""
        if not self.streams or not self.flows:
            raise TrafficError("the policy leaves nothing to measure: " + "; ".join(self.notes))
        return self


def plans(clusters: Iterable[model.Cluster]) -> dict[str, TrafficPlan]:
    """A plan for each cluster, by its name; clusters that share a network get different addresses in it."""
    clusters = tuple(clusters)
    taken = {address for cluster in clusters for address in _used(cluster)}
    found = {}
    for cluster in clusters:
        found[cluster.name] = plan(cluster, taken)
        taken |= {IPAddress(a) for items in found[cluster.name].extra_addresses.values() for a in items}
    return found


def plan(cluster: model.Cluster, avoid: Iterable[IPAddress] = ()) -> TrafficPlan:
    """What to send through one cluster; avoid: addresses that other hosts have."""
    planner = _Planner(cluster, {*avoid, *_used(cluster)})
    streams: list[Path] = []
    flows: list[Path] = []
    for family in planner.families():
        for group in cluster.vip_groups:
            streams += planner.stream(family, group.name)
        for kind in ("routed", "snat"):
            flows += planner.direct(family, kind, "tcp", MOST_PATHS)
        flows += planner.translated(family, "tcp", MOST_PATHS)
        if not any(item.family == family for item in flows):
            planner.notes.append(f"IPv{family}: no rule accepts TCP from one network to another")
    canaries = list(planner.canaries())
    if not planner.families():
        planner.notes.append("no two networks have virtual addresses of the same family")
    if not canaries:
        planner.notes.append("everything is accepted: there is nothing that must be dropped")
    extra = {
        network.name: tuple(
            dict.fromkeys(str(a) for a in (*planner.owned.get(network.name, ()), *_pinged(cluster, network)))
        )
        for network in cluster.networks
    }
    return TrafficPlan(tuple(streams), tuple(flows), tuple(canaries), extra, tuple(planner.notes))


def _pinged(cluster: model.Cluster, network: model.Network) -> list[IPAddress]:
    """Neighbours in this network that the cluster pings: somebody has to answer."""
    hosts = (host for group in cluster.pacemaker.ping_groups for host in group.hosts)
    return [host for host in hosts if any(host in prefix for prefix in network.prefixes)]


def _used(cluster: model.Cluster) -> set[IPAddress]:
    nodes = {address for node in cluster.nodes for found in node.addresses.values() for address in found}
    return nodes | {vip.address for network in cluster.networks for vip in network.vips}


@dataclass
class _Planner:
    cluster: model.Cluster
    used: set[IPAddress]
    notes: list[str] = field(default_factory=list)
    owned: dict[str, list[IPAddress]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.filter = Filter(self.cluster.policy)
        self._points: dict[tuple[str, int], list[IPAddress]] = {}

    def families(self) -> list[Family]:
        return [family for family in _FAMILIES if len(self.networks(family)) > 1]

    def networks(self, family: Family) -> list[model.Network]:
        """Those through which packets of that family can be sent: they have a gateway."""
        return [
            item
            for item in self.cluster.networks
            if _prefix(item, family) is not None and any(vip.address.version == family for vip in item.vips)
        ]

    def pairs(self, family: Family, group: str | None = None) -> Iterator[tuple[model.Network, model.Network]]:
        """Client and server; only clients whose gateway is of a group of addresses, if one is named."""
        found = self.networks(family)
        return ((a, b) for a in found for b in found if a.name != b.name and group in (None, _gateway_group(a, family)))

    def stream(self, family: Family, group: str) -> list[Path]:
        """The best way for the UDP stream: an explicit rule before a general one, no translation before one."""
        for explicit in (True, False):
            for kind in ("routed", "snat"):
                if found := self.direct(family, kind, "udp", 1, explicit, group):
                    return found
        if found := self.translated(family, "udp", 1, group):
            return found
        self.notes.append(f"IPv{family}: no rule accepts UDP from one network to another through {group}")
        return []

    def direct(
        self,
        family: Family,
        kind: RouteKind,
        protocol: Protocol,
        most: int,
        explicit: bool = False,
        group: str | None = None,
    ) -> list[Path]:
        found: list[Path] = []
        for client, server in self.pairs(family, group):
            if len(found) == most:
                break
            if path := self._direct(family, kind, protocol, client, server, explicit):
                found.append(path)
        return found

    def _direct(
        self,
        family: Family,
        kind: RouteKind,
        protocol: Protocol,
        client: model.Network,
        server: model.Network,
        explicit: bool,
    ) -> Path | None:
        for rule in self.filter.accepting(client.zone, server.zone, protocol, family):
            if explicit and not rule.explicit:
                continue
            sources = self._matching(client, family, rule.source)
            targets = self._matching(server, family, rule.destination)
            port = rule.port or _default_port(protocol)
            for source, target in _nearest_first(sources, targets):
                packet = Packet(client.zone, server.zone, source, target, protocol, port)
                hidden = self.filter.snat(packet)
                if (
                    (hidden is not None) != (kind == "snat")
                    or self.filter.dnat(packet)
                    or not self.filter.accepts(packet)
                ):
                    continue
                self._own(client, source)
                self._own(server, target)
                return Path(
                    kind, family, protocol, client.name, str(source), server.name, str(target), port, str(target), port,
                    str(hidden or source),
                )  # fmt: skip
        return None

    def translated(self, family: Family, protocol: Protocol, most: int, group: str | None = None) -> list[Path]:
        found: list[Path] = []
        for entry in self.filter.translations(family, protocol):
            for client, server in self.pairs(family, group):
                prefix = _prefix(server, family)
                if len(found) < most and prefix is not None and entry.to_address in prefix:
                    found += self._translated(entry, family, protocol, client, server)
        return found

    def _translated(
        self, entry: Translation, family: Family, protocol: Protocol, client: model.Network, server: model.Network
    ) -> list[Path]:
        port = entry.ports[0][0] if entry.ports else entry.to_port or _default_port(protocol)
        target = entry.to_address
        if target in self.used:
            return []
        for source in self._matching(client, family, entry.source):
            for net in entry.destination:
                packet = Packet(client.zone, server.zone, source, IPAddress(net.first, family), protocol, port)
                if self.filter.dnat(packet) is not entry.entry:
                    continue
                inner = packet.translated(target, entry.to_port or port)
                if not self.filter.accepts(inner):
                    continue
                self._own(client, source)
                self._own(server, target)
                peer = self.filter.snat(inner) or source
                return [
                    Path(
                        "dnat", family, protocol, client.name, str(source), server.name, str(target), inner.port,
                        str(packet.target), port, str(peer),
                    )
                ]  # fmt: skip
        return []

    def canaries(self) -> Iterator[Canary]:
        for family in self.families():
            for client, server in self.pairs(family):
                for protocol in PROTOCOLS:
                    if found := self._canary(family, protocol, client, server):
                        yield found

    def _canary(
        self, family: Family, protocol: Protocol, client: model.Network, server: model.Network
    ) -> Canary | None:
        sources = self._matching(client, family, ())
        targets = self._matching(server, family, ())
        for port in CANARY_PORTS:
            for source, target in _nearest_first(sources, targets):
                packet = Packet(client.zone, server.zone, source, target, protocol, port)
                if not self.filter.drops(packet) or self.filter.dnat(packet):
                    continue
                self._own(client, source)
                self._own(server, target)
                return Canary(family, protocol, client.name, str(source), server.name, str(target), port)
        return None

    def _own(self, network: model.Network, address: IPAddress) -> None:
        items = self.owned.setdefault(network.name, [])
        if address not in items:
            items.append(address)

    def _matching(self, network: model.Network, family: Family, nets: Iterable[IPNetwork]) -> list[IPAddress]:
        """Usable addresses of a network inside any of these prefixes (none: everywhere), those in use already first."""
        nets = tuple(nets)
        mine = [a for a in self.owned.get(network.name, ()) if a.version == family]
        both = [*mine, *(a for a in self._candidates(network, family) if a not in mine)]
        return [a for a in both if not nets or any(a in net for net in nets)]

    def _candidates(self, network: model.Network, family: Family) -> list[IPAddress]:
        """Free addresses on both sides of every border that the policy draws through a network.

        Whatever combination of rules there is, two addresses between the same borders are treated alike.
        """
        key = (network.name, family)
        if key not in self._points:
            prefix = _prefix(network, family)
            if prefix is None:
                return []
            borders = [prefix, *(net for net in self.filter.prefixes() if net.version == family and net != prefix)]
            points: dict[IPAddress, None] = {}
            for net in borders:
                # The end of a wide prefix, but at most 2^16 from its start: short to read in IPv6.
                last = min(net.last, net.first + 0xFFFF)
                for start, step in ((last, -1), (net.first, 1), (net.first - 1, -1), (net.last + 1, 1)):
                    if free := self._free(prefix, start, step):
                        points[free] = None
            self._points[key] = list(points)
        return self._points[key]

    def _free(self, prefix: IPNetwork, value: int, step: int) -> IPAddress | None:
        for number in range(value, value + 512 * step, step):
            # Neither the network's own address nor its broadcast; IPv6 has no broadcast, but symmetry costs nothing.
            if not prefix.first < number < prefix.last:
                if number in (prefix.first, prefix.last):
                    continue
                return None
            address = IPAddress(number, prefix.version)
            if address not in self.used:
                return address
        return None


_FAMILIES: tuple[Family, ...] = (4, 6)


def _gateway_group(network: model.Network, family: Family) -> str:
    """The group of the address that hosts of this network have as their gateway: the first of the family."""
    return next(vip.group for vip in network.vips if vip.address.version == family)


def _prefix(network: model.Network, family: Family) -> IPNetwork | None:
    return network.ipv4 if family == 4 else network.ipv6


def _default_port(protocol: Protocol) -> int:
    return TCP_PORT if protocol == "tcp" else UDP_PORT


def _nearest_first(first: list[IPAddress], second: list[IPAddress]) -> Iterator[tuple[IPAddress, IPAddress]]:
    """All pairs, those of early members first."""
    pairs = [(i + k, i, k) for i in range(len(first)) for k in range(len(second))]
    return ((first[i], second[k]) for _unused, i, k in sorted(pairs))
