# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The nat table of a ruleset."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import extras, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatNat, FlatPolicy
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import Lines
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import SetBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ways import arriving, leaving

# The node's own packets keep their own address: a standby does not hold the shared one.
_FORWARDED = "-m addrtype ! --src-type LOCAL"


def empty_table() -> Table:
    # The policies of nat say nothing about what may pass: only the filter table decides that.
    return Table("nat", PREROUTING="ACCEPT", INPUT="ACCEPT", OUTPUT="ACCEPT", POSTROUTING="ACCEPT")


def nat_table(policy: FlatPolicy, raw: Sequence[extras.RawRule], sets: SetBook, family: int) -> Table:
    table = empty_table()
    extras.add_raw(table, raw, family)
    lines = Lines(table, sets, family)
    zones = {zone.name: zone for zone in policy.zones}
    for entry in policy.nat:
        if entry.family != family:
            continue
        target = _target(entry)
        for way, found in arriving(zones, entry.from_zones, entry.match, family):
            table.extend("PREROUTING", lines.simple(found, entry.name, target, way))
        for way, found in leaving(zones, entry.to_zones, entry.match, family):
            more = _FORWARDED if entry.type == "snat" else ""
            table.extend("POSTROUTING", lines.simple(found, entry.name, target, way, more))
    return table


def _target(entry: FlatNat) -> str:
    if entry.to_addresses is None:
        return "-j ACCEPT"
    if entry.one_to_one:
        block = next(iter(spans.texts((entry.to_addresses,), entry.family)), "")
        return f"-j NETMAP --to {block}"
    low, high = (spans.address_text(end, entry.family) for end in entry.to_addresses)
    hosts = low if low == high else f"{low}-{high}"
    if entry.type == "snat":
        return f"-j SNAT --to-source {hosts}"
    if entry.to_ports is None:
        return f"-j DNAT --to-destination {hosts}"
    return f"-j DNAT --to-destination {f'[{hosts}]' if entry.family == 6 else hosts}:{_ports(entry)}"


def _ports(entry: FlatNat) -> str:
    low, high = entry.to_ports or (0, 0)
    if low == high:
        return str(low)
    # Without its base a range would be a choice of ports for the kernel, not a shift.
    base = entry.match.services[0].ports[0][0]
    return f"{low}-{high}/{base}"
