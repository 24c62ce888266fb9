# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Zones of prefixes inside zones of interfaces: every address has one zone, the longest prefix wins."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.zones import flatten, parse_zones

BASE = 0xC6336400  # 198.51.100.0
nets = st.builds(
    lambda value, length: str(ipaddress.ip_network((value, length), strict=False)),
    st.integers(BASE, BASE + 31),
    st.integers(27, 32),
)


@given(st.dictionaries(nets, st.sampled_from(["a", "b", "c"]), max_size=6), st.integers(BASE, BASE + 40))
def test_the_longest_prefix_wins(owners: dict[str, str], value: int) -> None:
    raw: dict[str, object] = {"lan": {"interfaces": ["eth2"]}, "wan": {"interfaces": ["eth1"]}}
    for name in sorted(set(owners.values())):
        raw[name] = {"within": "lan", "networks": [net for net, owner in owners.items() if owner == name]}
    zones, problems = parse_zones(raw)
    assert problems == ()
    address = ipaddress.ip_address(value)
    holding = [net for net in map(ipaddress.ip_network, owners) if address in net]
    wanted = owners[str(max(holding, key=lambda net: net.prefixlen))] if holding else "lan"
    found = [
        zone.name
        for zone in flatten(zones)
        if zone.interfaces == ("eth2",) and any(low <= value <= high for low, high in zone.spans[4])
    ]
    assert found == [wanted]


def test_a_zone_of_prefixes_has_the_interfaces_of_the_zone_around_it() -> None:
    raw = {
        "printers": {"within": "guests", "networks": ["198.51.100.16/28"]},
        "guests": {"within": "lan", "networks": ["198.51.100.0/25"]},
        "lan": {"interfaces": ["eth2", "eth3"]},
    }
    zones, problems = parse_zones(raw)
    assert problems == ()
    assert {zone.interfaces for zone in zones} == {("eth2", "eth3")}
    # What is named in one family only is of the zone around it in the other.
    assert [zone.spans[6] for zone in flatten(zones)] == [(), (), ((0, 2**128 - 1),)]
