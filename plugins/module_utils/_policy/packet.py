# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One packet, as people write it, and the choice of a readable one out of many."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ICMP, WITH_PORTS, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.icmp import ECHO_REQUEST
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, Point

#: Names for reading; fields.PROTOCOLS is what may be written.
NAMES = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmpv6",
    112: "vrrp",
    132: "sctp",
}

_DOCUMENTATION = {
    # RFC 5737 and RFC 3849: nobody takes them for an address of somebody.
    4: ("203.0.113.10", "198.51.100.10", "192.0.2.10"),
    6: ("2001:db8::10", "2001:db8:1::10"),
}
_HOSTS = {family: tuple(int(ipaddress.ip_address(text)) for text in texts) for family, texts in _DOCUMENTATION.items()}
#: What packets of every day look like, the best known first: service numbers of `space`.
_SERVICES = (
    *(6 << 16 | port for port in (443, 80, 22, 25, 8080)),
    *(17 << 16 | port for port in (53, 123)),
    *(ICMP[family] << 16 | kind << 8 for family, kind in ECHO_REQUEST.items()),
    6 << 16 | 5000,
    17 << 16 | 5000,
    47 << 16,
    50 << 16,
)
_SOURCE_PORTS = (40000, 50000, 1024)
#: 0.0.0.0/8 and ::/16 hold no hosts that send.
_FIRST_HOST = {4: 1 << 24, 6: 1 << 112}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection. Zones are names, `firewall` is the node; no `to_zone`: the route decides.

    `port` is the destination's. Ports, type and code are 0 where the protocol has none.
    """

    from_zone: str
    source: Address
    destination: Address
    protocol: int
    source_port: int = 0
    port: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    to_zone: str = ""

    @property
    def family(self) -> int:
        return self.source.version

    @property
    def point(self) -> Point:
        rest = 0
        if self.protocol in WITH_PORTS:
            rest = self.port
        elif self.protocol == ICMP[self.family]:
            rest = self.icmp_type << 8 | self.icmp_code
        source_port = self.source_port if self.protocol in WITH_PORTS else 0
        return Point(int(self.source), int(self.destination), self.protocol << 16 | rest, source_port)

    def __str__(self) -> str:
        source, destination, more = str(self.source), str(self.destination), ""
        if self.protocol in WITH_PORTS:
            source, destination = (
                f"{_bracketed(self.source)}:{self.source_port}",
                f"{_bracketed(self.destination)}:{self.port}",
            )
        elif self.protocol == ICMP[self.family]:
            more = f" type {self.icmp_type} code {self.icmp_code}"
        way = f" from {self.from_zone}" if self.from_zone else ""
        way += f" to {self.to_zone}" if self.to_zone else ""
        return f"{protocol_name(self.protocol)}{more} {source} -> {destination}{way}"


def protocol_name(number: int) -> str:
    return NAMES.get(number, f"protocol {number}")


def from_point(point: Point, family: int, from_zone: str, to_zone: str = "") -> Packet:
    protocol, rest = point.service >> 16, point.service & 0xFFFF
    ports, icmp = protocol in WITH_PORTS, protocol == ICMP[family]
    return Packet(
        from_zone=from_zone,
        source=to_address(point.source, family),
        destination=to_address(point.destination, family),
        protocol=protocol,
        source_port=point.source_port if ports else 0,
        port=rest if ports else 0,
        icmp_type=rest >> 8 if icmp else 0,
        icmp_code=rest & 0xFF if icmp else 0,
        to_zone=to_zone,
    )


def to_address(number: int, family: int) -> Address:
    # ip_address() of a small number would be IPv4.
    return ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number)


@dataclass(frozen=True)
class Taste:
    """Addresses that a reader knows, to be preferred: as those of the zones."""

    sources: Sequence[int] = ()
    destinations: Sequence[int] = ()


NO_TASTE = Taste()


def choose(box: Box, family: int, taste: Taste = NO_TASTE) -> Point:
    """A packet of a box that is not empty, as ordinary as there is."""
    return Point(
        _host(box.source, family, taste.sources),
        _host(box.destination, family, taste.destinations),
        _first(box.service, _SERVICES) or _service(box.service),
        _first(box.source_port, _SOURCE_PORTS) or box.source_port[-1][1],
    )


def _first(found: Ranges, preferred: Iterable[int]) -> Optional[int]:
    for value in preferred:
        if spans.contains(found, value):
            return value
    return None


def _host(found: Ranges, family: int, preferred: Sequence[int]) -> int:
    if len(found) == 1 and found[0][0] == found[0][1]:
        return found[0][0]
    value = _first(found, preferred) or _first(found, _HOSTS[family])
    if value is not None:
        return value
    low, high = next((pair for pair in found if pair[1] >= _FIRST_HOST[family]), found[-1])
    low = max(low, min(high, _FIRST_HOST[family]))
    # The tenth of a network rather than the address of the network itself.
    return min(low + 10, high - 1) if low & 0xFF == 0 and low < high else low


def _service(found: Ranges) -> int:
    low, high = found[0]
    protocol = low >> 16
    if protocol in WITH_PORTS and low & 0xFFFF == 0 and low < high:
        return low + 1
    return low


def _bracketed(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
