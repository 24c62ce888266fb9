# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Sources that no packet from the public network has: the IANA special-purpose registries of RFC 6890, and multicast.

Left out is what a neighbour on the link rightly uses: link-local IPv6 addresses, and `::` of a host without an address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Net
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.zones import Zone

#: Prefix and the document that took it out of public use.
BOGONS = (
    ("0.0.0.0/8", "RFC 791, this network"),
    ("10.0.0.0/8", "RFC 1918, private"),
    ("100.64.0.0/10", "RFC 6598, shared by providers"),
    ("127.0.0.0/8", "RFC 1122, loopback"),
    ("169.254.0.0/16", "RFC 3927, link-local"),
    ("172.16.0.0/12", "RFC 1918, private"),
    ("192.0.0.0/24", "RFC 6890, protocol assignments"),
    ("192.0.2.0/24", "RFC 5737, documentation"),
    ("192.168.0.0/16", "RFC 1918, private"),
    ("198.18.0.0/15", "RFC 2544, benchmarks"),
    ("198.51.100.0/24", "RFC 5737, documentation"),
    ("203.0.113.0/24", "RFC 5737, documentation"),
    ("224.0.0.0/4", "RFC 5771, multicast is never a source"),
    ("240.0.0.0/4", "RFC 1112, reserved, and limited broadcast"),
    ("::1/128", "RFC 4291, loopback"),
    ("::ffff:0:0/96", "RFC 4291, mapped IPv4"),
    ("64:ff9b:1::/48", "RFC 8215, local translation"),
    ("100::/64", "RFC 6666, discard only"),
    ("2001:2::/48", "RFC 5180, benchmarks"),
    ("2001:10::/28", "RFC 4843, deprecated ORCHID"),
    ("2001:db8::/32", "RFC 3849, documentation"),
    ("3fff::/20", "RFC 9637, documentation"),
    ("5f00::/16", "RFC 9602, segment routing"),
    ("fc00::/7", "RFC 4193, unique local"),
    ("fec0::/10", "RFC 3879, deprecated site-local"),
    ("ff00::/8", "RFC 4291, multicast is never a source"),
)


def of_zone(zones: Iterable[Zone], zone: Zone, family: int) -> Ranges:
    """The bogons of a zone: all but the networks behind its interfaces."""
    return of(family, [net for other in zones if other.interfaces == zone.interfaces for net in other.networks])


def of(family: int, own: Iterable[Net]) -> Ranges:
    nets = [net for net in (ipaddress.ip_network(text) for text, _reason in BOGONS) if net.version == family]
    mine = [net for net in own if net.version == family]
    return spans.subtract(_ranges(nets), _ranges(mine))


def _ranges(nets: Iterable[Net]) -> Ranges:
    return spans.normal((int(net.network_address), int(net.broadcast_address)) for net in nets)
