# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The words in rules that differ from node to node, and what to read instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def mask(plan: Mapping[str, Any], node: Mapping[str, Any], interfaces: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every node's address becomes the name of its network, and so does every interface of this node.

    Args:
        plan: the fact `firewall_plan`.
        node: `firewall_node` of this node.
        interfaces: pairs of network and interface beside those of the plan.
    """
    found: dict[str, str] = {}
    sources: Sequence[Mapping[str, Any]] = [node.get("addresses") or {}, *(plan.get("peer_addresses") or {}).values()]
    for addresses in sources:
        for network, own in addresses.items():
            for address in own:
                found[str(address)] = str(network)
    pairs = [(network["name"], network["interface"]) for network in plan.get("networks") or []]
    for network, interface in [*pairs, *interfaces]:
        found[str(interface)] = f"dev {network}"
    return found
