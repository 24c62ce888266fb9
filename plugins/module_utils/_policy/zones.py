# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Zones: sets of interfaces, and prefixes inside of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import names, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Net, Reader, valid_zone
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    ANY,
    FIREWALL,
    FlatZone,
    Ranges,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

KEYS = ("interfaces", "networks", "within", "antispoof", "bogons")
ANTISPOOF = ("strict", "loose", "off")


@dataclass(frozen=True)
class Zone:
    name: str
    interfaces: tuple[str, ...]
    networks: tuple[Net, ...] = ()
    #: The zone whose interfaces these networks are behind; None for a zone of interfaces.
    within: Optional[str] = None
    #: None: as for all zones.
    antispoof: Optional[str] = None
    bogons: bool = False


def parse_zones(raw: object, path: str = "iptables_zones") -> tuple[tuple[Zone, ...], tuple[Problem, ...]]:
    problems: list[Problem] = []
    if raw is not None and not isinstance(raw, Mapping):
        return (), (Problem(path, raw, "is not a mapping", "Write zone: {interfaces: [...]}."),)
    zones: list[Zone] = []
    readers: dict[str, Reader] = {}
    for name, body in (raw or {}).items():
        reader = Reader(body, f"{path}.{name}", KEYS, problems)
        if not isinstance(name, str) or not valid_zone(name):
            reader.problem(
                "",
                name,
                "is not a usable zone name",
                "1 to 15 of a-z 0-9 _ -, a letter first, and not any or firewall.",
            )
            continue
        readers[str(name)] = reader
        zones.append(_zone(str(name), reader))
    _one_zone_per_interface(zones, readers)
    return _nested(zones, readers), tuple(problems)


def _zone(name: str, reader: Reader) -> Zone:
    within = reader.text("within") or None
    if within is None:
        interfaces = reader.interfaces("interfaces", required=True)
    else:
        interfaces = ()
        if not reader.items("networks"):
            reader.problem("networks", reader.get("networks"), "is missing", f"Write the prefixes inside {within}.")
        for key in ("interfaces", "antispoof", "bogons"):
            if reader.get(key) is not None:
                reader.problem(key, reader.get(key), "belongs to a zone of interfaces", f"Write it in zone {within}.")
    antispoof = "off" if reader.get("antispoof") is False else reader.text("antispoof")
    if antispoof and antispoof not in ANTISPOOF:
        reader.problem("antispoof", antispoof, "unknown value", f"One of: {', '.join(ANTISPOOF)}.")
        antispoof = ""
    return Zone(name, interfaces, reader.networks("networks"), within, antispoof or None, reader.flag("bogons", False))


def _one_zone_per_interface(zones: Sequence[Zone], readers: Mapping[str, Reader]) -> None:
    owner: dict[str, str] = {}
    for zone in zones:
        for interface in zone.interfaces:
            if interface in owner:
                readers[zone.name].problem(
                    "interfaces", interface, f"belongs to zone {owner[interface]} too", "An interface is in one zone."
                )
            owner[interface] = zone.name


def _nested(zones: Sequence[Zone], readers: Mapping[str, Reader]) -> tuple[Zone, ...]:
    """Zones of prefixes get the interfaces of the zone at the end of their `within`."""
    known = {zone.name: zone for zone in zones}
    found: list[Zone] = []
    for zone in zones:
        way = [zone.name]
        while (upper := known[way[-1]].within) is not None:
            if upper not in known:
                if way[-1] == zone.name:
                    readers[zone.name].problem("within", upper, "unknown zone", names.nearest(upper, list(known)))
                break
            if upper in way:
                if upper == zone.name:
                    reason = "contains itself"
                    readers[zone.name].problem(
                        "within", " -> ".join([*way, upper]), reason, "Name a zone of interfaces."
                    )
                break
            way.append(upper)
        found.append(replace(zone, interfaces=known[way[-1]].interfaces))
    _no_network_twice(found, readers)
    return tuple(found)


def _no_network_twice(zones: Sequence[Zone], readers: Mapping[str, Reader]) -> None:
    owner: dict[tuple[tuple[str, ...], Net], str] = {}
    for zone in zones:
        for net in zone.networks if zone.within is not None else ():
            other = owner.setdefault((zone.interfaces, net), zone.name)
            if other != zone.name:
                readers[zone.name].problem(
                    "networks", str(net), f"belongs to zone {other} too", "A prefix inside a zone is in one zone."
                )


def flatten(zones: Sequence[Zone]) -> tuple[FlatZone, ...]:
    """The longest prefix wins; what no prefix claims is the zone of the interfaces."""
    claims: dict[tuple[str, ...], list[tuple[Net, str]]] = {}
    for zone in zones:
        if zone.within is not None:
            claims.setdefault(zone.interfaces, []).extend((net, zone.name) for net in zone.networks)
    found: list[FlatZone] = []
    for zone in zones:
        here = claims.get(zone.interfaces)
        if here:
            found.append(FlatZone(zone.name, zone.interfaces, {family: _span(zone, here, family) for family in (4, 6)}))
        else:
            found.append(FlatZone(zone.name, zone.interfaces))
    return tuple(found)


def _span(zone: Zone, claims: Collection[tuple[Net, str]], family: int) -> Ranges:
    here = [(net, name) for net, name in claims if net.version == family]
    if zone.within is None:
        return spans.subtract(ADDRESSES[family], _ranges(net for net, _name in here))
    found: Ranges = ()
    for net in (net for net, name in here if name == zone.name):
        longer = (other for other, name in here if name != zone.name and _inside(other, net))
        mine = spans.subtract(_ranges([net]), _ranges(longer))
        # A network of this zone inside one of another zone inside this network comes back with its own turn.
        found = spans.union(found, mine)
    return found


def _inside(inner: Net, outer: Net) -> bool:
    first = int(inner.network_address)
    within = int(outer.network_address) <= first <= int(outer.broadcast_address)
    return inner.prefixlen > outer.prefixlen and within


def _ranges(nets: Iterable[Net]) -> Ranges:
    return spans.normal((int(net.network_address), int(net.broadcast_address)) for net in nets)


def parse_pair(
    reader: Reader, key: str, zones: Collection[str], firewall: bool = False, default: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The zones that `from` or `to` names, as written."""
    found: list[str] = []
    items = reader.items(key)
    for item in items:
        if isinstance(item, str) and (item in zones or item == ANY or (firewall and item == FIREWALL)):
            found.append(str(item))
        else:
            allowed = [*zones, ANY] + ([FIREWALL] if firewall else [])
            reader.problem(key, item, "unknown zone", f"{_hint(item, allowed)}Known: {', '.join(allowed)}.")
    if not items and not default:
        allowed = [*zones, ANY] + ([FIREWALL] if firewall else [])
        reader.problem(key, None, "is missing", f"One or more of: {', '.join(allowed)}.")
    return tuple(dict.fromkeys(found)) or default


def _hint(item: object, allowed: Collection[str]) -> str:
    hint = names.nearest(item, allowed)
    return f"{hint} " if hint.startswith("Did") else ""


def expand(written: Sequence[str], zones: Sequence[str]) -> tuple[str, ...]:
    """`any` is every zone; the firewall itself must be named."""
    if ANY not in written:
        return tuple(written)
    return (*zones, FIREWALL) if FIREWALL in written else tuple(zones)
