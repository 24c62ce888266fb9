# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`firewall_node`: plain data to nodes, checked against their cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import types as t
from .net import IPAddress, covering, reserved
from .problems import Problems, nearest
from .reader import Reader

NODE_KEYS = ("id", "priority", "addresses", "interfaces")
LAB_KEYS = ("release",)
LAB_RELEASES = ("debian12", "debian13")
FIRST_PRIORITY = 250
STEP = 10


def node(name: str, position: int, raw: Mapping[str, Any], cluster: t.Cluster, problems: Problems) -> t.Node:
    r = Reader(raw.get("firewall_node"), f"firewall_node[{name}]", NODE_KEYS, problems)
    lab = Reader(raw.get("firewall_lab"), f"firewall_lab[{name}]", LAB_KEYS, problems)
    default = max(FIRST_PRIORITY - STEP * position, 1)
    return t.Node(
        name=name,
        priority=r.number("priority", 1, 254, default, code="priority"),
        addresses=_addresses(r, cluster, problems),
        interfaces=_interfaces(r, cluster, problems),
        lab_release=lab.choice("release", LAB_RELEASES, "debian13") if lab.has("release") else None,
        id=r.number("id", 1, 2**31 - 1, position + 1, code="node-id"),
    )


def _addresses(top: Reader, cluster: t.Cluster, problems: Problems) -> dict[str, tuple[IPAddress, ...]]:
    segments = {s.name: s for s in cluster.segments}
    r = Reader(top.raw.get("addresses"), top.at("addresses"), (), problems)
    for key in r.raw:
        if key not in segments:
            problems.error("unknown-key", r.at(key), r.raw[key], "unknown network or link", nearest(key, segments))
    found: dict[str, tuple[IPAddress, ...]] = {}
    vips = {v.address for v in cluster.vips}
    for key, segment in segments.items():
        own = r.addresses(key)
        for number, address in own:
            path = f"{r.at(key)}[{number}]"
            prefix = covering(address, segment.prefixes)
            what = reserved(address, prefix) if prefix is not None else None
            if prefix is None:
                known = ", ".join(str(p) for p in segment.prefixes) or "none"
                problems.error(
                    "outside", path, str(address), f"is outside the network {key}", f"Its prefixes: {known}."
                )
            elif what:
                problems.error("reserved", path, str(address), f"is {what} of {prefix}", "Use a host address.")
            if address in vips:
                problems.error(
                    "clash", path, str(address), "is a VIP of the cluster too", "Give the node an address of its own."
                )
        if not r.has(key) or len(own) == len(r.items(key)):
            for prefix in segment.prefixes:
                if all(address.version != prefix.version for _number, address in own):
                    reason = f"has no IPv{prefix.version} address"
                    problems.error("node-address", r.at(key), None, reason, f"Give the node an address in {prefix}.")
        found[key] = tuple(address for _number, address in own)
    return found


def _interfaces(top: Reader, cluster: t.Cluster, problems: Problems) -> dict[str, str]:
    segments = {s.name: s for s in cluster.segments}
    r = Reader(top.raw.get("interfaces"), top.at("interfaces"), tuple(segments), problems)
    found: dict[str, str] = {}
    used: dict[str, str] = {}
    for key, segment in segments.items():
        name = (r.interface(key) if r.has(key) else "") or segment.interface
        if name and name in used:
            problems.error(
                "interface-twice",
                r.at(key),
                name,
                f"is the interface of {used[name]} too",
                "Each network and link has an interface of its own.",
            )
        used.setdefault(name, key)
        found[key] = name
    return found
