# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Services to products of protocol and ports per family, with names, unions and negation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import library, names, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import PROTOCOLS, Reader, to_int
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ICMP, PORTS, TYPES, Ranges, Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.library import HELPERS, SERVICES
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

KEYS = ("protocol", "ports", "source_ports", "types", "helper")
EVERY: tuple[Service, ...] = (Service(),)


class Products(NamedTuple):
    """Unions of products per family, and what helpers of the kernel look at."""

    four: tuple[Service, ...] = ()
    six: tuple[Service, ...] = ()
    helpers: tuple[tuple[str, Service], ...] = ()

    def of(self, family: int) -> tuple[Service, ...]:
        return self.four if family == 4 else self.six


NOTHING = Products()
EVERYTHING = Products(EVERY, EVERY)


class ServiceBook:
    def __init__(self, own: Mapping[str, object], path: str, problems: list[Problem]) -> None:
        self._problems = problems
        self.groups: names.Groups[Products] = names.Groups("services", {**SERVICES, **own}, path, NOTHING, problems)
        self.own = tuple(own)
        self._inline: dict[tuple[object, ...], Products] = {}

    def check(self) -> None:
        """Compute every service that the user defined, so that mistakes in unused ones are seen as well."""
        used = set(self.groups.used)
        for name in self.own:
            self.named(name)
        self.groups.used = used

    def resolve(self, items: Sequence[object], path: str) -> Products:
        """As with addresses: what begins with "!" is taken away, alone it is taken from everything."""
        if not items:
            return EVERYTHING
        wanted: list[Products] = []
        without: list[Products] = []
        positive = False
        for item in items:
            if isinstance(item, str) and item.strip().startswith("!"):
                without.append(self._item(item.strip()[1:].strip(), path, item))
            else:
                positive = True
                wanted.append(self._item(item, path, item))
        base = _union(wanted) if positive else EVERYTHING
        for minus in without:
            base = Products(subtract(base.four, minus.four), subtract(base.six, minus.six), base.helpers)
        return base

    def _item(self, item: object, path: str, shown: object) -> Products:
        name = item.strip() if isinstance(item, str) else ""
        if name in self.groups:
            return self.named(name)
        if isinstance(item, Mapping):
            return self.product(Reader(item, path, KEYS, self._problems))
        own = sorted({*self.own, *SERVICES})
        self._problems.append(
            Problem(
                path,
                shown,
                "unknown service",
                names.nearest(name, own, "Define it in services, or write protocol and ports."),
            )
        )
        return NOTHING

    def named(self, name: str) -> Products:
        return self.groups.value(name, self._group) or NOTHING

    def _group(self, raw: object, path: str) -> Products:
        items = list(raw) if isinstance(raw, (list, tuple)) else [raw]
        if not items or raw is None:
            self._problems.append(Problem(path, raw, "is empty", "Write protocol and ports, or remove the service."))
            return NOTHING
        return self.resolve(items, path)

    def product(self, reader: Reader) -> Products:
        """What `protocol`, `ports`, `source_ports`, `types` and `helper` of one mapping say together."""
        raw = reader.raw
        key = tuple(repr(raw.get(name)) for name in KEYS)
        known = self._inline.get(key)
        if known is not None:
            return known
        before = len(reader.problems)
        found = self._product(reader)
        if len(reader.problems) == before:
            self._inline[key] = found
        return found

    def _product(self, reader: Reader) -> Products:
        reader.filled("ports", "source_ports", "types")
        protocol = reader.protocol()
        ports = spans.normal(reader.ports("ports", protocol))
        source_ports = spans.normal(reader.ports("source_ports", protocol))
        helper = self._helper(reader, protocol)
        if protocol in ("icmp", "icmpv6") or reader.get("types") is not None:
            return _icmp(reader, protocol)
        number = None if protocol is None else PROTOCOLS.get(protocol) or int(protocol)
        service = Service(number, source_ports or PORTS, ports or PORTS)
        return Products((service,), (service,), ((helper, service),) if helper else ())

    def _helper(self, reader: Reader, protocol: Optional[str]) -> str:
        helper = reader.text("helper")
        if not helper:
            return ""
        if helper not in HELPERS:
            reader.problem("helper", helper, "unknown helper of connection tracking", names.nearest(helper, HELPERS))
            return ""
        if protocol not in HELPERS[helper][0]:
            wanted = " or ".join(HELPERS[helper][0])
            reader.problem(
                "helper", helper, f"does not look at {protocol or 'every protocol'}", f"Write protocol: {wanted}."
            )
            return ""
        if not reader.items("ports"):
            reader.problem("helper", helper, "needs ports", "Write the port of the control connection.")
            return ""
        return helper


def helper_families(name: str) -> tuple[int, ...]:
    return HELPERS[name][1]


def _icmp(reader: Reader, protocol: Optional[str]) -> Products:
    if protocol not in ("icmp", "icmpv6"):
        reader.problem("types", reader.get("types"), "types need ICMP", "Write protocol: icmp or icmpv6.")
        return NOTHING
    items = reader.items("types")
    if not items:
        both = Service(ICMP[4]), Service(ICMP[6])
        return Products((both[0],) if protocol == "icmp" else (), (both[1],))
    found: dict[int, list[Service]] = {4: [], 6: []}
    for item in items:
        for family, service in _kinds(reader, item, protocol):
            found[family].append(service)
    return Products(tuple(found[4]), tuple(found[6]))


def _kinds(reader: Reader, item: object, protocol: str) -> Iterable[tuple[int, Service]]:
    """A message by name stands for both families that have it; a number belongs to the protocol that is written."""
    if isinstance(item, str) and item in library.ICMP:
        kinds = [(family, kind) for family, kind in zip((4, 6), library.ICMP[item]) if kind is not None]
        kinds = [(family, kind) for family, kind in kinds if protocol == "icmp" or family == 6]
        if not kinds:
            reader.problem("types", item, "does not exist in ICMPv6", "Write protocol: icmp.")
    else:
        left, slash, right = str(item).partition("/")
        number, code = to_int(left), to_int(right) if slash else None
        if isinstance(item, bool) or number is None or number > 254 or (slash and (code is None or code > 255)):
            hint = names.nearest(item, library.ICMP, "Write a name, 8 or 3/4.")
            reader.problem("types", item, "unknown type of ICMP", hint)
            return []
        kinds = [(4 if protocol == "icmp" else 6, (number, code))]
    return [
        (
            family,
            Service(
                ICMP[family],
                types=((kind[0], kind[0]),),
                codes=TYPES if kind[1] is None else ((kind[1], kind[1]),),
            ),
        )
        for family, kind in kinds
    ]


def _union(found: Sequence[Products]) -> Products:
    if len(found) == 1:
        return found[0]
    return Products(
        tuple(dict.fromkeys(service for item in found for service in item.four)),
        tuple(dict.fromkeys(service for item in found for service in item.six)),
        tuple(dict.fromkeys(helper for item in found for helper in item.helpers)),
    )


def subtract(services: Sequence[Service], minus: Sequence[Service]) -> tuple[Service, ...]:
    """What is in `services` and in none of `minus`."""
    left = list(services)
    for other in minus:
        left = [rest for service in left for rest in _without(service, other)]
    return tuple(left)


def _without(service: Service, other: Service) -> list[Service]:
    if other.protocol is not None and service.protocol is None:
        # There is no "all but one" in a product: every other protocol is one.
        rest = [replace(service, protocol=number) for number in range(256) if number != other.protocol]
        return [*rest, *_without(replace(service, protocol=other.protocol), other)]
    if other.protocol not in (None, service.protocol):
        return [service]
    found: list[Service] = []
    inside = service
    for axis in _AXES:
        mine, theirs = getattr(inside, axis), getattr(other, axis)
        outside, common = spans.subtract(mine, theirs), spans.intersect(mine, theirs)
        if not common:
            return [service]
        if outside:
            found.append(_with(inside, axis, outside))
        inside = _with(inside, axis, common)
    return found


_AXES = ("source_ports", "ports", "types", "codes")


def _with(service: Service, axis: str, ranges: Ranges) -> Service:
    sides = {name: ranges if name == axis else getattr(service, name) for name in _AXES}
    return Service(service.protocol, sides["source_ports"], sides["ports"], sides["types"], sides["codes"])
