# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Addresses and services of packets as assertions spell them: in place, or by the names of the policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import span
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import (
    PORT_PROTOCOLS,
    PROTOCOLS,
    Reader,
    number_of,
    to_int,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    ANY,
    FIREWALL,
    PORTS,
    TYPES,
    Ranges,
    Service,
)

Spans = Mapping[int, Ranges]


@dataclass(frozen=True)
class Names:
    """What names stand for: zones, rules, and objects of the policy with what they are by IP version."""

    zones: Sequence[str] = ()
    rules: Collection[str] = ()
    addresses: Mapping[str, Spans] = field(default_factory=dict)
    services: Mapping[str, Mapping[int, tuple[Service, ...]]] = field(default_factory=dict)


def addresses(reader: Reader, key: str, names: Names) -> Spans:
    items = reader.items(key)
    return union(reader, key, items, names) if items else ADDRESSES


def union(reader: Reader, key: str, items: Sequence[object], names: Names) -> Spans:
    found: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for item in items:
        known = names.addresses.get(str(item)) or _literal(str(item))
        if known is None:
            zones = f" or a zone ({', '.join((*names.zones, FIREWALL, ANY))})" if key == "to" else ""
            remedy = f"Write an address, a prefix, a range first-last, the name of an object{zones}."
            reader.problem(key, item, "is not known", remedy)
            continue
        for family in (4, 6):
            found[family] += known.get(family, ())
    return {family: spans.normal(pairs) for family, pairs in found.items()}


def _literal(text: str) -> Optional[Spans]:
    first, dash, last = text.partition("-")
    try:
        if not dash:
            net = ipaddress.ip_network(text)
            return {net.version: span(net.version, [net])}
        low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    except ValueError:
        return None
    if low.version != high.version or int(low) > int(high):
        return None
    return {low.version: ((int(low), int(high)),)}


def services(reader: Reader, names: Names) -> Mapping[int, tuple[Service, ...]]:
    if reader.get("service") is None:
        return _protocol(reader)
    for key in ("protocol", "port", "ports", "source_ports", "type", "code"):
        if reader.get(key) is not None:
            reader.problem(key, reader.get(key), "is given with service", "Write one of the two.")
    found: dict[int, list[Service]] = {4: [], 6: []}
    for item in reader.items("service"):
        known = names.services.get(str(item)) or {family: _short(str(item), family) for family in (4, 6)}
        if not any(known.values()):
            reader.problem("service", item, "is not known", "Write tcp/443, udp/5000-5010, icmp, or a known name.")
        for family in (4, 6):
            found[family] += known.get(family, ())
    return {family: tuple(some) for family, some in found.items()}


def _short(text: str, family: int) -> tuple[Service, ...]:
    """`tcp/443`, `udp/5000-5010`, `icmp`, `gre`."""
    protocol, slash, ports = text.lower().partition("/")
    if protocol not in PROTOCOLS:
        return ()
    number = number_of(protocol, family)
    if not slash:
        return (Service(number),)
    ends = [to_int(end) for end in ports.split("-")]
    low, high = ends[0], ends[-1]
    if protocol not in PORT_PROTOCOLS or len(ends) > 2 or low is None or high is None or not 0 <= low <= high <= 65535:
        return ()
    return (Service(number, ports=((low, high),)),)


def _protocol(reader: Reader) -> Mapping[int, tuple[Service, ...]]:
    protocol = reader.protocol()
    if reader.get("port") is not None and reader.get("ports") is not None:
        reader.problem("ports", reader.get("ports"), "is given with port", "Write one of the two.")
    ports = (*reader.ports("port", protocol), *reader.ports("ports", protocol))
    sources = reader.ports("source_ports", protocol)
    types, codes = _icmp(reader, "type", protocol), _icmp(reader, "code", protocol)
    return {
        family: (
            Service(
                number_of(protocol, family) if protocol else None,
                spans.normal(sources) or PORTS,
                spans.normal(ports) or PORTS,
                types,
                codes,
            ),
        )
        for family in (4, 6)
    }


def _icmp(reader: Reader, key: str, protocol: Optional[str]) -> Ranges:
    value = reader.number(key, 0, 255)
    if value is None:
        return TYPES
    if protocol != "icmp":
        reader.problem(key, value, "belongs to ICMP", "Add protocol: icmp.")
    return ((value, value),)
