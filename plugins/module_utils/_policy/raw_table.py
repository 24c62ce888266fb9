# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The raw table of a ruleset: what is not tracked, forged sources, helpers of connection tracking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import bogons, cluster_lines, extras, icmp
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FIREWALL,
    FlatRule,
    Match,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import Lines
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.services import helper_families
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import SetBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ways import arriving, leaving, ways

_HOOKS = {"input": "PREROUTING", "raw_prerouting": "PREROUTING", "output": "OUTPUT", "raw_output": "OUTPUT"}
NOTRACK = "-j CT --notrack"


def raw_table(ruleset: Ruleset, sets: SetBook, family: int) -> Table:
    table = Table("raw", PREROUTING="ACCEPT", OUTPUT="ACCEPT")
    # Untracked, so that neither a full connection table nor its state decides over administrators and cluster.
    cluster_lines.management(table, ruleset.management, family, "PREROUTING", "OUTPUT", NOTRACK)
    if family == 6:
        for number, name in icmp.NDP:
            for chain in ("PREROUTING", "OUTPUT"):
                table.add(chain, icmp.message(6, number), f"ndp {name}", NOTRACK)
    for rule in ruleset.cluster_rules:
        # A full table must not silence the advertisements: that would be two masters.
        if rule.chain.startswith("raw") or rule.protocol == "vrrp":
            for matches in cluster_lines.matches(rule, family):
                table.add(_HOOKS[rule.chain], matches, f"cluster {rule.name}", NOTRACK)
    _sources(table, ruleset, sets, family)
    lines = Lines(table, sets, family)
    _untracked(lines, ruleset)
    _helpers(lines, ruleset)
    extras.add_raw(table, ruleset.raw, family)
    return table


def _sources(table: Table, ruleset: Ruleset, sets: SetBook, family: int) -> None:
    """Packets whose source cannot be behind the interface through which they came."""
    real = [zone for zone in ruleset.zones if zone.within is None]
    modes = {zone.name: zone.antispoof or ruleset.options.antispoof for zone in real}
    if family == 6 and any(zone.bogons or modes[zone.name] != "off" for zone in real):
        # Before the bogons, which neighbours may have among themselves (fc00::/7), and before the check of the way
        # back, which can fail for a moment while addresses change: an advertisement lost then is asked for again
        # only after a second (RetransTimer, RFC 4861). Hop limit 255 proves the link.
        for number, name in icmp.NDP:
            matches = f"{icmp.message(6, number)} -m hl --hl-eq 255"
            table.add("PREROUTING", matches, f"ndp {name} on link", "-j ACCEPT")
    for zone in real:
        for interface in zone.interfaces if zone.bogons else ():
            forged = sets.match("src", bogons.of_zone(ruleset.zones, zone, family), family)
            table.add("PREROUTING", " ".join([*forged, f"-i {interface}"]), f"bogons {zone.name}", "-j DROP")
    for zone in real:
        for interface in zone.interfaces if modes[zone.name] != "off" else ():
            loose = " --loose" if modes[zone.name] == "loose" else ""
            table.add("PREROUTING", f"-i {interface} -m rpfilter{loose} --invert", f"antispoof {zone.name}", "-j DROP")


def _untracked(lines: Lines, ruleset: Ruleset) -> None:
    zones = {zone.name: zone for zone in ruleset.flat_zones}
    for rule in (each for written in ruleset.flat.untracked for each in ruleset.exempted(written)):
        packets = rule.matches.get(lines.family)
        if packets is None:
            continue
        for way, inside in arriving(zones, rule.from_zones, packets, lines.family):
            lines.table.extend("PREROUTING", lines.simple(inside, rule.name, NOTRACK, way, _end(rule.to_zones)))
        if FIREWALL in rule.from_zones:
            for way, inside in leaving(zones, rule.to_zones, packets, lines.family):
                lines.table.extend("OUTPUT", lines.simple(inside, rule.name, NOTRACK, way))


def _end(zones: Sequence[str]) -> str:
    """Before the route is known: packets that end at the firewall, those that do not, or both."""
    if FIREWALL not in zones:
        return "-m addrtype ! --dst-type LOCAL"
    return "-m addrtype --dst-type LOCAL" if set(zones) == {FIREWALL} else ""


def _helpers(lines: Lines, ruleset: Ruleset) -> None:
    """Before a translation nobody knows the destination that a rule names, so its source and service have to do."""
    seen: set[tuple[str, str]] = set()
    for helper, service, zones, found in _helped(ruleset, lines.family):
        packets = Match(found.source, found.destination, (service,))
        for hook, way, inside in _first_hook(lines, ruleset, zones, packets):
            for line in lines.simple(inside, f"helper {helper}", f"-j CT --helper {helper}", way):
                if (hook, line) not in seen:
                    seen.add((hook, line))
                    lines.table.extend(hook, [line])


def _helped(ruleset: Ruleset, family: int) -> Iterator[tuple[str, Service, tuple[str, ...], Match]]:
    for rule in ruleset.flat.rules:
        found = rule.matches.get(family)
        for helper, service in rule.helpers if found else ():
            if found and family in helper_families(helper):
                everywhere = Match(found.source, ADDRESSES[family], found.services)
                yield helper, service, _sources_of(rule, ruleset, family), everywhere
    for entry in ruleset.flat.nat:
        for helper, service in entry.helpers if entry.family == family else ():
            if family in helper_families(helper):
                yield helper, service, entry.from_zones, entry.match


def _sources_of(rule: FlatRule, ruleset: Ruleset, family: int) -> tuple[str, ...]:
    """The zones from which a packet can match the rule."""
    found = (
        way.names[0]
        for way in ways(ruleset.flat_zones)
        if way.names[0] in rule.from_zones
        and way.names[1] in rule.to_zones
        and way.narrow(rule.matches[family], family)
    )
    return tuple(dict.fromkeys(found))


def _first_hook(
    lines: Lines, ruleset: Ruleset, names: tuple[str, ...], packets: Match
) -> Iterator[tuple[str, str, Match]]:
    zones = {zone.name: zone for zone in ruleset.flat_zones}
    for way, inside in arriving(zones, names, packets, lines.family):
        yield "PREROUTING", way, inside
    if FIREWALL in names:
        yield "OUTPUT", "", packets
