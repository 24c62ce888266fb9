# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""View for the role config_sync, and the settings that its program reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import types as t
from .net import HAS_NETADDR
from .parse_sync import KEYS, MANAGED, check_primary, plain, read
from .problems import Problems
from .reader import Reader

DIRECTORY = "/etc/linuxha/sync"
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def role_variables(cluster: t.Cluster) -> dict[str, Any]:
    sync = cluster.config_sync
    if sync is None:
        return {}
    first = max(cluster.nodes, key=lambda node: node.priority)
    return {
        "config_sync_nodes": [{"name": node.name, "addresses": addresses(cluster, node)} for node in cluster.nodes],
        "config_sync_entries": [plain(entry) for entry in sync.entries],
        "config_sync_conflict": sync.conflict,
        "config_sync_primary": sync.primary or first.name,
        "config_sync_skew_limit_ms": sync.skew_limit_ms,
        "config_sync_keep_days": sync.keep_days,
        "config_sync_object_limit_bytes": sync.object_limit_bytes,
        "config_sync_batch_limit_bytes": sync.batch_limit_bytes,
        "config_sync_reserve_percent": sync.reserve_percent,
        "config_sync_interval_s": sync.interval_s,
        "config_sync_port": sync.port,
    }


def addresses(cluster: t.Cluster, node: t.Node) -> list[str]:
    """Where the others reach a node: its sync links, the first one first."""
    return [str(a) for link in cluster.sync_links for a in node.addresses.get(link.name, ())]


class Variables(Reader):
    """Variables of a role: `config_sync_entries` rather than `config_sync.entries`."""

    def at(self, key: str) -> str:
        return f"{self.path}_{key}"


def settings(raw: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What stands in the settings file of a node, and every mistake in the role's variables.

    Args:
        raw: the variables of the role without their prefix. Plain data.
    """
    problems = Problems()
    if not HAS_NETADDR:
        return {}, ("netaddr: the Python package is missing on the controller. Install it: pip install netaddr.",)
    r = Variables(raw, "config_sync", (*KEYS, "node", "nodes", "user"), problems)
    sync = read(r, problems)
    nodes = _nodes(r, problems)
    check_primary(sync, nodes, r.at("primary"), problems)
    node = str(r.raw.get("node") or "")
    if node not in nodes:
        r.error("choice", "node", "is not one of config_sync_nodes", f"They are: {', '.join(nodes) or 'none'}.")
    user = r.name("user", r"[a-z_][a-z0-9_-]{0,30}", "a name of a user")
    if user == "root":
        r.error("user", "user", "must not be root", "Use an account of its own.")
    found = {
        "node": node,
        "primary": sync.primary or next(iter(nodes), ""),
        "conflict": sync.conflict,
        "skew_limit_s": sync.skew_limit_ms / 1000,
        "keep_days": sync.keep_days,
        "object_limit_bytes": sync.object_limit_bytes,
        "batch_limit_bytes": sync.batch_limit_bytes,
        "reserve_percent": sync.reserve_percent,
        "port": sync.port,
        "user": user,
        "peers": [{"name": name, "addresses": own} for name, own in nodes.items() if name != node],
        "key": f"{DIRECTORY}/id_ed25519",
        "known_hosts": f"{DIRECTORY}/known_hosts",
        "entries": [plain(entry) for entry in sync.entries],
        "managed": list(MANAGED),
    }
    return found, tuple(str(problem) for problem in problems.found)


def _nodes(top: Reader, problems: Problems) -> dict[str, list[str]]:
    """Name to addresses."""
    found: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    items = top.items("nodes")
    if len(items) < 2:
        top.error("too-few-nodes", "nodes", "has fewer than two nodes", "List every node of the cluster.")
    for number, item in enumerate(items):
        r = Reader(item, f"{top.at('nodes')}[{number}]", ("name", "addresses"), problems)
        name = r.name("name", _NODE.pattern, "1 to 64 letters, digits and . _ -, a letter or digit first")
        if name in found:
            r.error("duplicate", "name", "is used twice", "Give each node a name of its own.")
        own = [str(address) for _position, address in r.addresses("addresses")]
        if not own:
            r.missing("addresses", "Write by which addresses the other nodes reach it.")
        for address in own:
            if address in owners:
                r.error("clash", "addresses", f"{address} belongs to {owners[address]} too", "Correct one of them.")
            owners.setdefault(address, name)
        found[name] = own
    return {name: own for name, own in found.items() if name}
