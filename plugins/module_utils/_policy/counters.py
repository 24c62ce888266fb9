# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the kernel has counted, by the names of the rules: `iptables-save --counters` of both families together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import saved


def by_name(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry per name, in the order in which the kernel has them.

    Args:
        texts: address family (ipv4, ipv6) to the text of its iptables-save with counters.

    Returns:
        Entries with `name`, `tables`, `chains`, and for each family in which the rule exists, `rules` (how many the
        name became), `packets` and `bytes`. What somebody added without a comment stands under the name of its
        chain, in brackets.
    """
    found: dict[str, dict[str, Any]] = {}
    for family, text in texts.items():
        for rule in saved.parse(text).rules:
            name = rule.name or f"[{rule.table} {rule.chain}]"
            entry = found.setdefault(name, {"name": name, "tables": [], "chains": []})
            for key, value in (("tables", rule.table), ("chains", rule.chain)):
                if value not in entry[key]:
                    entry[key].append(value)
            counted = entry.setdefault(family, {"rules": 0, "packets": 0, "bytes": 0})
            counted["rules"] += 1
            counted["packets"] += rule.packets
            counted["bytes"] += rule.bytes
    return list(found.values())


def unused(rules: list[dict[str, Any]], families: tuple[str, ...] = ("ipv4", "ipv6")) -> list[str]:
    """Names that no packet has met in any family."""
    return [rule["name"] for rule in rules if not any(rule.get(family, {}).get("packets") for family in families)]
