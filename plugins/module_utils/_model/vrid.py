# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Virtual router ids: a stable number from the cluster's name, moved aside only where another cluster has it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

from . import types as t


def preferred(name: str) -> int:
    """1 to 255, the same on every machine and in every run."""
    return 1 + zlib.crc32(name.encode()) % 255


def assign(clusters: Iterable[t.Cluster]) -> tuple[t.Cluster, ...]:
    """Fill in every id that is not written down.

    Written ids win. The others are handed out in the order of the names, so that the order of the inventory does
    not matter. With more than 255 clusters ids repeat; the check for shared networks then tells where it hurts.
    """
    clusters = tuple(clusters)
    taken = {c.vrrp.vrid for c in clusters} | {n.vrid for c in clusters for n in c.networks}
    chosen: dict[str, int] = {}
    for name in sorted(c.name for c in clusters if not c.vrrp.vrid):
        first = preferred(name)
        ring = [(first - 1 + step) % 255 + 1 for step in range(255)]
        chosen[name] = next((vrid for vrid in ring if vrid not in taken), first)
        taken.add(chosen[name])
    done = []
    for cluster in clusters:
        vrid = cluster.vrrp.vrid or chosen[cluster.name]
        networks = tuple(replace(n, vrid=n.vrid or vrid) for n in cluster.networks)
        done.append(replace(cluster, vrrp=replace(cluster.vrrp, vrid=vrid), networks=networks))
    return tuple(done)
