# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What happens to the first packet of a connection, step by step.

As netfilter does it (iptables(8), and the packet flow of the tables nat and filter): destinations are translated before
the route is looked up, rules see the translated destination and the source as sent, sources are translated
last; in each of the three places the first entry that matches decides, and later packets follow the first. The
firewall's own packets are not translated, and neither is what connection tracking does not see. Not looked at: raw
rules and antispoofing, of which lines warn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Optional, Union

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans, translate
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import in_hook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.early import Early
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    FIREWALL,
    WITH_PORTS,
    FlatNat,
    FlatRule,
    Match,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, from_point, to_address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box, Point


@dataclass(frozen=True)
class Policy:
    rules: Sequence[FlatRule] = ()
    nat: Sequence[FlatNat] = ()
    context: Context = field(default_factory=Context)
    #: What decides before the rules, as far as somebody has told.
    early: Early = field(default_factory=Early)


@dataclass(frozen=True)
class Trace:
    packet: Packet
    #: Where it leaves, or `firewall`; "" when no network of a zone has the destination.
    to_zone: str
    #: accept, drop or reject; "" when the zone is not known.
    action: str
    #: What decides, which may be something before the rules of the policy; None: the default of the pair of zones.
    rule: Optional[FlatRule]
    #: Rules that would decide instead if their limit or schedule held, in their order.
    conditional: tuple[FlatRule, ...]
    #: The translations that apply; one of type none keeps later ones away.
    dnat: Optional[FlatNat]
    snat: Optional[FlatNat]
    #: The packet as it goes out; as the rules saw it when it is not accepted.
    result: Packet
    lines: tuple[str, ...]
    #: What keeps connection tracking from seeing it.
    exempt: Optional[FlatRule] = None

    @property
    def actions(self) -> frozenset[str]:
        """All that can happen, whether conditions hold or not."""
        return frozenset([self.action, *(rule.action for rule in self.conditional)])


def trace(policy: Policy, packet: Packet) -> Trace:
    context, lines = policy.context, [f"The packet: {packet}."]
    arrived = _arrived(context, packet, lines)
    _warn_of_antispoofing(context, arrived, lines)
    forged = _first(policy.early.forged, arrived, lambda rule: arrived.from_zone in rule.from_zones)
    if forged is not None:
        lines.append(f"{_told(forged)} drops it: nothing from there has such a source.")
        return Trace(packet, "", "drop", forged, (), None, None, arrived, tuple(lines))
    dnat, seen = None, arrived
    if arrived.from_zone == FIREWALL:
        seen = replace(arrived, to_zone=_way_out(context, arrived, arrived, lines))
        exempt = _exempt(policy, seen, lines)
    else:
        exempt = _exempt(policy, arrived, lines)
        if exempt is None:
            dnat, seen = _destination(policy, arrived, lines)
        seen = replace(seen, to_zone=_way_out(context, arrived, seen, lines))
    to_zone = seen.to_zone
    if not to_zone:
        return Trace(packet, "", "", None, (), dnat, None, seen, tuple(lines), exempt)
    if to_zone == arrived.from_zone == FIREWALL:
        lines.append("The firewall talks to itself, which is always accepted.")
        return Trace(packet, to_zone, "accept", None, (), dnat, None, seen, tuple(lines), exempt)
    _name_raw(policy, seen, lines)
    rule, conditional, action = _decision(policy, seen, exempt, lines)
    snat, result = None, seen
    if not exempt and "accept" in (action, *(each.action for each in conditional)):
        snat, result = _source(policy, seen, lines)
    lines.append(f"In the end: {action}{f', as {result}' if action == 'accept' else ''}.")
    return Trace(packet, to_zone, action, rule, conditional, dnat, snat, result, tuple(lines), exempt)


def matches(match: Match, packet: Packet) -> bool:
    point = packet.point
    if not spans.contains(match.source, point.source) or not spans.contains(match.destination, point.destination):
        return False
    return any(space.contains(box, point) for box in space.boxes(match, packet.family))


def _arrived(context: Context, packet: Packet, lines: list[str]) -> Packet:
    zone = context.zone_behind(packet.from_zone, packet.source)
    if zone != packet.from_zone:
        lines.append(_other_zone(packet.source, packet.from_zone, zone))
    return replace(packet, from_zone=zone)


def _other_zone(address: Address, asked: str, zone: str) -> str:
    return f"{address} is not in {asked}: behind the same interfaces it is in the zone {zone}."


def _warn_of_antispoofing(context: Context, packet: Packet, lines: list[str]) -> None:
    home = context.zone_of(packet.source)
    if packet.from_zone != FIREWALL and context.networks and home != packet.from_zone:
        where = f"the zone {home}" if home else "no zone"
        lines.append(
            f"Note: {packet.source} belongs to {where}; antispoofing may drop the packet before all that follows."
        )


def _destination(policy: Policy, packet: Packet, lines: list[str]) -> tuple[Optional[FlatNat], Packet]:
    entry = _first_nat(policy.nat, "dnat", packet, packet.from_zone)
    if entry is None:
        return None, packet
    if entry.type == "none":
        lines.append(f"{_told(entry)} keeps its destination from being translated.")
        return entry, packet
    seen, note = _translated(entry, packet)
    what = f"{seen.destination}" + (f" port {seen.port}" if seen.protocol in WITH_PORTS else "")
    lines.append(f"{_told(entry)} translates the destination to {what}{note}.")
    return entry, seen


def _way_out(context: Context, packet: Packet, seen: Packet, lines: list[str]) -> str:
    address = seen.destination
    if spans.contains(context.ends(packet.from_zone, seen.family), int(address)):
        own = spans.contains(context.local(seen.family), int(address))
        what = "an address of the firewall" if own else "for the hosts of the link alone, the firewall among them"
        lines.append(f"{address} is {what}.")
        return FIREWALL
    if packet.to_zone:
        zone = context.zone_behind(packet.to_zone, address)
        if zone != packet.to_zone:
            lines.append(_other_zone(address, packet.to_zone, zone))
        return zone
    zone = context.zone_of(address)
    if zone:
        lines.append(f"The way to {address} is the zone {zone}.")
    else:
        lines.append(f"No zone has a network with {address}: say where the packet leaves.")
    return zone


def _exempt(policy: Policy, packet: Packet, lines: list[str]) -> Optional[FlatRule]:
    """What keeps connection tracking from seeing the packet; the route is known of the firewall's own ones alone."""
    local = spans.contains(policy.context.local(packet.family), int(packet.destination))

    def ends(rule: FlatRule) -> bool:
        if packet.from_zone == FIREWALL:
            return packet.to_zone in rule.to_zones
        return FIREWALL in rule.to_zones if local else set(rule.to_zones) != {FIREWALL}

    def leaves(rule: FlatRule) -> bool:
        return packet.from_zone in rule.from_zones and (packet.from_zone != FIREWALL or packet.to_zone in rule.to_zones)

    found = _first([rule for rule in policy.early.stateless if not rule.conditions], packet, leaves)
    if found is None:
        perhaps = _first(policy.early.stateless, packet, leaves)
        if perhaps is not None:
            conditions = " and ".join(perhaps.conditions)
            lines.append(f"{_told(perhaps)} keeps it from being tracked if this holds: {conditions}. Otherwise:")
        found = _first(policy.early.untracked, packet, lambda rule: packet.from_zone in rule.from_zones and ends(rule))
    if found is not None:
        lines.append(f"{_told(found)} keeps it from being tracked and translated.")
    return found


def _decision(
    policy: Policy, seen: Packet, exempt: Optional[FlatRule], lines: list[str]
) -> tuple[Optional[FlatRule], tuple[FlatRule, ...], str]:
    early = policy.early
    before = [*early.accepted, *(early.untracked if exempt else ()), *early.answers, *(() if exempt else early.echo)]
    passed: list[FlatRule] = []
    for rule in (*before, *(() if exempt else policy.rules)):
        match = rule.matches.get(seen.family)
        if seen.from_zone not in rule.from_zones or seen.to_zone not in rule.to_zones:
            continue
        if match is None or not matches(match, seen):
            continue
        when = " before the rules" if any(rule is each for each in before) else ""
        if not rule.conditions:
            lines.append(f"{_told(rule)} {rule.action}s it{when}.")
            return rule, tuple(passed), rule.action
        conditions = " and ".join(rule.conditions)
        lines.append(f"{_told(rule)} {rule.action}s it{when} if this holds: {conditions}. Otherwise:")
        passed.append(rule)
    if exempt is not None:
        lines.append("Nothing else accepts what is not tracked: drop.")
        return None, tuple(passed), "drop"
    action = policy.context.default_action(seen.from_zone, seen.to_zone)
    lines.append(f"No rule decides: what goes from {seen.from_zone} to {seen.to_zone} meets the default, {action}.")
    return None, tuple(passed), action


def _name_raw(policy: Policy, seen: Packet, lines: list[str]) -> None:
    first, last = ("OUTPUT", "OUTPUT") if seen.from_zone == FIREWALL else ("PREROUTING", "FORWARD")
    last = "INPUT" if seen.to_zone == FIREWALL else last
    chains = {("raw", first), ("nat", first), ("filter", last), ("nat", "INPUT" if last == "INPUT" else "POSTROUTING")}
    found = [f"'{r.name}'" for r in policy.early.raw if (r.table, r.chain) in chains and seen.family in r.families]
    if found:
        lines.append(f"Note: nobody looks at raw rules here, which come first: {', '.join(found)}.")


def _first(rules: Sequence[FlatRule], packet: Packet, asked: Callable[[FlatRule], bool]) -> Optional[FlatRule]:
    for rule in rules:
        match = rule.matches.get(packet.family)
        if match is not None and asked(rule) and matches(match, packet):
            return rule
    return None


def _told(entry: Union[FlatRule, FlatNat]) -> str:
    return f"'{entry.name}' ({entry.path})"


def _source(policy: Policy, seen: Packet, lines: list[str]) -> tuple[Optional[FlatNat], Packet]:
    if FIREWALL in (seen.from_zone, seen.to_zone):
        return None, seen
    entry = _first_nat(policy.nat, "snat", seen, seen.to_zone)
    if entry is None:
        return None, seen
    if entry.type == "none":
        lines.append(f"{_told(entry)} keeps its source from being translated.")
        return entry, seen
    result, note = _translated(entry, seen)
    lines.append(f"{_told(entry)} translates the source to {result.source}{note}.")
    return entry, result


def _first_nat(entries: Sequence[FlatNat], hook: str, packet: Packet, zone: str) -> Optional[FlatNat]:
    for entry in entries:
        zones = entry.from_zones if hook == "dnat" else entry.to_zones
        if in_hook(entry, hook) and entry.family == packet.family and zone in zones and matches(entry.match, packet):
            return entry
    return None


def _translated(entry: FlatNat, packet: Packet) -> tuple[Packet, str]:
    """The packet afterwards, and what the kernel is free to choose. The first of a range stands for all."""
    after = translate.forward(entry, Box._make(((value, value),) for value in packet.point))
    point = Point._make(found[0][0] for found in after)
    free = any(found != ((value, value),) for found, value in zip(after, point))
    note = f", or another up to {_last(after, entry, packet.family)}: the kernel chooses" if free else ""
    made = from_point(point, packet.family, packet.from_zone, packet.to_zone)
    return replace(packet, source=made.source, destination=made.destination, port=made.port), note


def _last(after: Box, entry: FlatNat, family: int) -> str:
    found = after.destination if entry.type == "dnat" else after.source
    if found[0][0] == found[-1][1]:
        return f"port {after.service[-1][1] & 0xFFFF}"
    return str(to_address(found[-1][1], family))
