# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What decides before the rules of a policy: administrators, the cluster's own traffic, exemptions, echo requests.

Says in rules between zones what cluster_lines, raw_table and filter_table write as lines between interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import bogons, icmp, services, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cluster import ClusterRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import span
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.extras import RawRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Net, families, number_of
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FIREWALL,
    ICMP,
    PORTS,
    FlatRule,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset

_ON_LINK = "its hop limit is 255, so it comes from the link itself"
_ONE_HOP = "its hop limit is 1"
_MULTICAST: Ranges = ((0xE0000000, 0xEFFFFFFF),)
_NDP = tuple((number, number) for number, _name in icmp.NDP)
Matches = Mapping[int, Match]


@dataclass(frozen=True)
class Early:
    """Rules in the order of these fields. The path of each says where it comes from."""

    #: Sources that no packet from there has: dropped.
    forged: tuple[FlatRule, ...] = ()
    #: What connection tracking does not see. Nothing translates it, and it passes by `accepted` or `untracked` alone.
    stateless: tuple[FlatRule, ...] = ()
    accepted: tuple[FlatRule, ...] = ()
    untracked: tuple[FlatRule, ...] = ()
    #: Answers of exemptions that are tracked, and pass all the same.
    answers: tuple[FlatRule, ...] = ()
    echo: tuple[FlatRule, ...] = ()
    #: Known by name and place only.
    raw: tuple[RawRule, ...] = ()


def together(nodes: Sequence[Early]) -> Early:
    """What holds on any of the nodes; what is the same on several of them once."""
    found: dict[str, Any] = {}
    for each in fields(Early):
        kept: list[object] = []
        for early in nodes:
            kept += [rule for rule in getattr(early, each.name) if rule not in kept]
        found[each.name] = tuple(kept)
    return Early(**found)


@dataclass(frozen=True)
class _Maker:
    ruleset: Ruleset
    #: Names of interfaces that are in no zone.
    links: Mapping[str, str]
    #: Whose cluster rules they are.
    node: str

    def at(self, interface: str) -> tuple[str, ...]:
        zones = tuple(zone.name for zone in self.ruleset.flat_zones if interface in zone.interfaces)
        return zones or tuple(name for name in [self.links.get(interface)] if name)

    @property
    def everywhere(self) -> tuple[str, ...]:
        return (*(zone.name for zone in self.ruleset.flat_zones), *self.links.values())

    def rules(
        self, name: str, path: str, matches: Matches, way: str, interfaces: Sequence[str] = (), *conditions: str
    ) -> Iterator[FlatRule]:
        """`way`: in or out. Without interfaces it holds for all of them."""
        for interface in interfaces or ("",):
            here = self.at(interface) if interface else self.everywhere
            shared = any(interface in zone.interfaces and len(zone.interfaces) > 1 for zone in self.ruleset.zones)
            source, target = (here, (FIREWALL,)) if way == "in" else ((FIREWALL,), here)
            if here and matches:
                more = (f"it passes {interface}",) if shared else ()
                yield FlatRule(name, path, source, target, matches, conditions=(*conditions, *more))


def of(ruleset: Ruleset, links: Mapping[str, str], node: str) -> Early:
    """What a node does before the rules.

    Args:
        links: names of interfaces that are in no zone, so that packets can be asked about that pass them.
    """
    maker = _Maker(ruleset, links, node)
    administrators = tuple(_administrators(maker))
    cluster = [(rule, tuple(_cluster(maker, rule))) for rule in ruleset.cluster_rules]
    raw = [found for rule, found in cluster if rule.chain.startswith("raw") or rule.protocol == "vrrp"]
    own = [found for rule, found in cluster if not rule.chain.startswith("raw")]
    return Early(
        forged=tuple(_forged(maker)),
        stateless=(*administrators, *_neighbours(maker), *(rule for found in raw for rule in found)),
        accepted=(*administrators, *_housekeeping(maker), *(rule for found in own for rule in found)),
        untracked=tuple(each for rule in ruleset.flat.untracked for each in ruleset.exempted(rule)),
        answers=tuple(each for rule in ruleset.flat.untracked for each in ruleset.left_out(rule)),
        echo=tuple(_echo(maker)),
        raw=ruleset.raw,
    )


def _administrators(maker: _Maker) -> Iterator[FlatRule]:
    access = maker.ruleset.management
    if access is None:
        return
    port = ((access.port, access.port),)
    there, back = Service(6, ports=port), Service(6, source_ports=port)
    for family in sorted(families(access.sources)):
        sources = _side(access.sources, family)
        inwards, outwards = Match(sources, ADDRESSES[family], (there,)), Match(ADDRESSES[family], sources, (back,))
        for way, match in (("in", inwards), ("out", outwards)):
            yield from maker.rules("administrators", "management", {family: match}, way, access.interfaces)


def _neighbours(maker: _Maker) -> Iterator[FlatRule]:
    for way in ("in", "out"):
        yield from maker.rules("neighbour discovery", "built in", _messages(6, _NDP), way)


def _housekeeping(maker: _Maker) -> Iterator[FlatRule]:
    for way in ("in", "out"):
        yield from maker.rules("neighbour discovery", "built in", _messages(6, _NDP), way, (), _ON_LINK)
        groups = tuple((number, number) for number, _name in icmp.MLD)
        yield from maker.rules("multicast groups", "built in", _messages(6, groups), way, (), _ONE_HOP)
    yield from maker.rules("packet too big", "built in", _messages(6, _one(icmp.TOO_BIG[6][0])), "in")
    groups4 = Match(ADDRESSES[4], _MULTICAST, (Service(2),))
    yield from maker.rules("multicast groups", "built in", {4: groups4}, "in", (), _ONE_HOP)
    access = maker.ruleset.management
    if access is not None:
        kind, code = icmp.TOO_BIG[4]
        too_big = Match(ADDRESSES[4], ADDRESSES[4], (Service(ICMP[4], types=_one(kind), codes=_one(code or 0)),))
        yield from maker.rules("fragmentation needed", "management", {4: too_big}, "in", access.interfaces)


def _cluster(maker: _Maker, rule: ClusterRule) -> Iterator[FlatRule]:
    matches = {
        family: Match(
            _side(rule.source, family),
            _side(rule.destination, family),
            (
                Service(
                    number_of(rule.protocol, family) if rule.protocol else None,
                    spans.normal(rule.source_ports) or PORTS,
                    spans.normal(rule.ports) or PORTS,
                ),
            ),
        )
        for family in sorted(rule.families)
    }
    way = "in" if rule.chain in ("input", "raw_prerouting") else "out"
    conditions = (_ON_LINK,) if rule.protocol == "vrrp" and rule.chain == "input" else ()
    yield from maker.rules(rule.name, f"cluster rule of {maker.node}", matches, way, rule.interfaces, *conditions)


def _forged(maker: _Maker) -> Iterator[FlatRule]:
    """All but neighbour discovery, which is asked for on the link itself."""
    ruleset = maker.ruleset
    for zone in ruleset.zones:
        if zone.bogons:
            others = {4: (Service(),), 6: services.subtract((Service(),), (Service(ICMP[6], types=_NDP),))}
            matches = {
                family: Match(bogons.of_zone(ruleset.zones, zone, family), ADDRESSES[family], others[family])
                for family in (4, 6)
            }
            here = tuple(dict.fromkeys(name for interface in zone.interfaces for name in maker.at(interface)))
            yield FlatRule(f"bogons {zone.name}", f"bogons of the zone {zone.name}", here, (), matches, "drop")


def _echo(maker: _Maker) -> Iterator[FlatRule]:
    rate = maker.ruleset.options.echo_rate
    zones = tuple(zone.name for zone in maker.ruleset.flat_zones)
    if rate != "off":
        matches = {family: _messages(family, _one(number))[family] for family, number in icmp.ECHO_REQUEST.items()}
        yield FlatRule("echo", "echo_rate", zones, (FIREWALL,), matches, conditions=(f"at most {rate} per source",))


def _one(number: int) -> Ranges:
    return ((number, number),)


def _messages(family: int, types: Ranges) -> Matches:
    return {family: Match(ADDRESSES[family], ADDRESSES[family], (Service(ICMP[family], types=types),))}


def _side(nets: Sequence[Net], family: int) -> Ranges:
    return span(family, nets) if nets else ADDRESSES[family]
