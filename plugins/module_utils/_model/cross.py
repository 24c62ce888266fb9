# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What is wrong between clusters that share a network: one broadcast domain has one owner per address and id."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from . import types as t
from .net import IPAddress, overlap
from .problems import Problems
from .validate import segment_path


def check(clusters: tuple[t.Cluster, ...], problems: Problems) -> None:
    for left, right in combinations(clusters, 2):
        for a in left.segments:
            for b in right.segments:
                shared = [(p, q) for p in a.prefixes for q in b.prefixes if overlap(p, q)]
                if shared:
                    _pair(left, a, right, b, problems)
                    for p, q in shared:
                        if p != q:
                            problems.warn(
                                "prefix-differs",
                                segment_path(right, f"firewall_cluster[{right.name}]", b),
                                str(q),
                                f"overlaps {p} of {a.name} in cluster {left.name} but differs",
                                "One network has one prefix.",
                            )


def _pair(left: t.Cluster, a: t.Segment, right: t.Cluster, b: t.Segment, problems: Problems) -> None:
    taken = dict(_owned(left, a))
    for address, path in _owned(right, b):
        if address in taken:
            remedy = "The clusters share this network: use another address."
            problems.error("clash", path, str(address), f"is used at {taken[address]} too", remedy)
    for vrid, families, path in _vrids(left, a):
        for other, other_families, other_path in _vrids(right, b):
            if vrid == other and families & other_families:
                remedy = "The clusters share this network: write another vrid, 1 to 255, for one of them."
                problems.error("vrid-twice", other_path, vrid, f"is used at {path} too", remedy)


def _owned(cluster: t.Cluster, segment: t.Segment) -> Iterator[tuple[IPAddress, str]]:
    for node in cluster.nodes:
        for number, address in enumerate(node.addresses.get(segment.name, ())):
            yield address, f"firewall_node[{node.name}].addresses.{segment.name}[{number}]"
    if isinstance(segment, t.Network):
        for number, vip in enumerate(segment.vips):
            yield vip.address, f"firewall_cluster[{cluster.name}].networks.{segment.name}.vips[{number}]"


def _vrids(cluster: t.Cluster, segment: t.Segment) -> Iterator[tuple[int, frozenset[int], str]]:
    """Virtual router ids that this cluster speaks on this segment."""
    if cluster.topology != "keepalived":
        return
    if cluster.vrrp.mode == "shared" and isinstance(segment, t.SyncLink):
        yield (
            cluster.vrrp.vrid,
            frozenset(p.version for p in segment.prefixes),
            f"firewall_cluster[{cluster.name}].vrrp.vrid",
        )
    if cluster.vrrp.mode == "per_network" and isinstance(segment, t.Network) and segment.vips:
        path = f"firewall_cluster[{cluster.name}].networks.{segment.name}.vrid"
        yield segment.vrid, frozenset(v.address.version for v in segment.vips), path
