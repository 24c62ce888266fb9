# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Ruleset -> the text that iptables-restore, ip6tables-restore and ipset restore read.

The same ruleset always gives the same text. Order and reasons are told in docs/guides/rules.md.
"""

from __future__ import annotations

import hashlib
import json

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import bogons, cluster_lines
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import families
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.filter_table import GATES, filter_table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.memory import uncollected
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.nat import empty_table, nat_table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.raw_table import raw_table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import SetBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table


@uncollected()
def render(ruleset: Ruleset) -> dict[str, str]:
    """File name -> content, for /etc/linuxha/rules."""
    policy = policy_id(ruleset)
    sets = SetBook({**_zone_labels(ruleset), **ruleset.labels})
    rules = {family: _family(ruleset, sets, family) for family in (4, 6)}
    return {
        "ipsets": _header(policy, "IP sets") + _gates(ruleset) + sets.text(),
        "rules.v4": _header(policy, "IPv4 rules") + rules[4],
        "rules.v6": _header(policy, "IPv6 rules") + rules[6],
        "closed.v4": _header(policy, "IPv4 rules when closed") + _closed(ruleset, 4),
        "closed.v6": _header(policy, "IPv6 rules when closed") + _closed(ruleset, 6),
    }


def _zone_labels(ruleset: Ruleset) -> dict[tuple[int, Ranges], str]:
    """What sets are called that stand for a zone or for what it never sends, unless a group has the same content."""
    found: dict[tuple[int, Ranges], str] = {}
    for zone in ruleset.zones:
        found.update({(family, bogons.of_zone(ruleset.zones, zone, family)): "bogons" for family in (4, 6)})
    for flat in ruleset.flat_zones:
        found.update(dict.fromkeys(flat.spans.items(), flat.name))
    return found


def policy_id(ruleset: Ruleset) -> str:
    """Equal on all nodes of a cluster that enforce the same policy, whatever their own addresses and interfaces."""
    content: dict[str, object] = {
        "zones": sorted(
            [zone.name, zone.within, zone.antispoof, zone.bogons, [str(net) for net in zone.networks]]
            for zone in ruleset.zones
        ),
        "rules": [rule.as_dict() for rule in ruleset.rules],
        "nat": [entry.as_dict() for entry in ruleset.nat],
        "options": ruleset.options.__dict__,
    }
    more: dict[str, object] = {
        "defaults": [rule.as_dict() for rule in ruleset.defaults],
        "untracked": [rule.as_dict() for rule in ruleset.untracked],
        "mss": [clamp.__dict__ for clamp in ruleset.clamps],
        "raw": [entry.__dict__ for entry in ruleset.raw],
        "used": ruleset.used,
    }
    content.update({key: value for key, value in more.items() if value})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _header(policy: str, what: str) -> str:
    note = "Written by Ansible (linuxha.firewall); a changed file is refused."
    return f"# {what}\n# {note}\n# policy {policy}\n"


def _gates(ruleset: Ruleset) -> str:
    # Created empty, which is closed. The loader uses -exist, so a gate that is there keeps its content over reloads.
    lines = [f"create {GATES[family]} hash:net family {'inet' if family == 4 else 'inet6'}" for family in (4, 6)]
    return "".join(line + "\n" for line in (lines if ruleset.options.gate else []))


def _family(ruleset: Ruleset, sets: SetBook, family: int) -> str:
    tables = (
        raw_table(ruleset, sets, family),
        nat_table(ruleset.flat, ruleset.raw, sets, family),
        filter_table(ruleset, sets, family),
    )
    return "".join(table.text() for table in tables)


def _closed(ruleset: Ruleset, family: int) -> str:
    """Loaded when the real rules cannot be: this node talks to its administrators and to nobody else."""
    table = Table("filter", INPUT="DROP", FORWARD="DROP", OUTPUT="DROP")
    table.add("INPUT", "-i lo", "loopback", "-j ACCEPT")
    table.add("OUTPUT", "-o lo", "loopback", "-j ACCEPT")
    cluster_lines.management(table, ruleset.management, family, "INPUT", "OUTPUT", "-j ACCEPT")
    if family == 6 and ruleset.management and 6 in families(ruleset.management.sources):
        cluster_lines.neighbours(table)
    raw = Table("raw", PREROUTING="ACCEPT", OUTPUT="ACCEPT")
    return raw.text() + empty_table().text() + table.text()
