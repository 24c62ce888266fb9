# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Exact algebra on sets of packets of one family and one pair of zones.

A box is a product of four sets. Protocol and what comes with it are one number, `protocol << 16 | rest`: the rest is
the destination port where the protocol has ports, `type << 8 | code` for ICMP, and elsewhere all 65536 values stand for
the one packet there is. So any protocol is one range, and a protocol without ports needs no case of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    ICMP,
    PORTS,
    TYPES,
    WITH_PORTS,
    Match,
    Ranges,
    Service,
)

SERVICES: Ranges = ((0, (256 << 16) - 1),)


class Point(NamedTuple):
    """One packet. Where the protocol has no ports, `source_port` and the low bits of `service` mean nothing."""

    source: int
    destination: int
    service: int
    source_port: int


class Box(NamedTuple):
    """The product of four sets; empty when one of them is."""

    source: Ranges
    destination: Ranges
    service: Ranges
    source_port: Ranges


def everything(family: int) -> Box:
    return Box(ADDRESSES[family], ADDRESSES[family], SERVICES, PORTS)


def boxes(match: Match, family: int) -> tuple[Box, ...]:
    """The packets of a match as boxes that are not empty; none when it matches nothing."""
    if not match.source or not match.destination:
        return ()
    by_source_port: dict[Ranges, list[tuple[int, int]]] = {}
    for service in match.services:
        numbers = service_numbers(service, family)
        source_ports = service.source_ports if service.protocol in WITH_PORTS else PORTS
        if numbers and source_ports:
            by_source_port.setdefault(source_ports, []).extend(numbers)
    return tuple(
        Box(match.source, match.destination, spans.normal(numbers), source_ports)
        for source_ports, numbers in by_source_port.items()
    )


def service_numbers(service: Service, family: int) -> Ranges:
    if service.protocol is None:
        return SERVICES
    base = service.protocol << 16
    if service.protocol in WITH_PORTS:
        return spans.shift(service.ports, base)
    if service.protocol == ICMP[family]:
        return _icmp_numbers(service, base)
    return ((base, base | 0xFFFF),)


def _icmp_numbers(service: Service, base: int) -> Ranges:
    if service.codes == TYPES:
        return tuple((base | low << 8, base | high << 8 | 255) for low, high in service.types)
    return tuple(
        (base | number << 8 | first, base | number << 8 | last)
        for low, high in service.types
        for number in range(low, high + 1)
        for first, last in service.codes
    )


def contains(box: Box, point: Point) -> bool:
    return all(spans.contains(box[d], point[d]) for d in range(4))


def intersect(left: Box, right: Box) -> Optional[Box]:
    """None when they have no packet in common."""
    source = spans.intersect(left[0], right[0])
    if not source:
        return None
    destination = spans.intersect(left[1], right[1])
    if not destination:
        return None
    service = spans.intersect(left[2], right[2])
    if not service:
        return None
    source_port = spans.intersect(left[3], right[3])
    return Box(source, destination, service, source_port) if source_port else None


def replace(box: Box, d: int, found: Ranges) -> Box:
    """The box with another set on axis `d`."""
    return Box._make((*box[:d], found, *box[d + 1 :]))


def covers(outer: Box, inner: Box) -> bool:
    return all(spans.covers(outer[d], inner[d]) for d in range(4))


def subtract(left: Box, right: Box) -> list[Box]:
    """What of `left` is not in `right`, as at most four disjoint boxes."""
    common = intersect(left, right)
    if common is None:
        return [left]
    found = []
    rest: list[Ranges] = list(left)
    # Destinations first: translations and rules for servers then leave one piece per server, not one per pair of them.
    for d in (1, 2, 0, 3):
        outside = spans.subtract(rest[d], right[d])
        if outside:
            found.append(replace(Box(*rest), d, outside))
        rest[d] = common[d]
    return found


def merged(found: Iterable[Box]) -> list[Box]:
    """The same packets in fewer boxes: those that differ on one axis only become one."""
    rest = list(found)
    for d in (2, 1, 0, 3):
        groups: dict[Box, list[tuple[int, int]]] = {}
        for box in rest:
            groups.setdefault(replace(box, d, ()), []).extend(box[d])
        rest = [replace(box, d, spans.normal(pairs)) for box, pairs in groups.items()]
    return rest


def subtract_all(left: Iterable[Box], right: Iterable[Box]) -> list[Box]:
    rest = list(left)
    for box in right:
        rest = [piece for mine in rest for piece in subtract(mine, box)]
        if not rest:
            break
    return rest
