# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The variables of the iptables role as a whole: mapping -> Ruleset and every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import (
    addresses,
    cluster,
    extras,
    names,
    objects,
    spans,
    translations,
    zones,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.addresses import Sets
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    FIREWALL,
    Clamp,
    FlatPolicy,
    FlatRule,
    FlatZone,
    Match,
    Ranges,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.library import SERVICES
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import mirrored
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.memory import uncollected
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

#: What an inventory says about packets; the cluster model takes the same keys in firewall_policy.
POLICY_KEYS = ("zones", "addresses", "services", "rules", "nat", "defaults", "untracked", "mss", "raw")
KEYS = (
    *POLICY_KEYS,
    "vips",
    "cluster_rules",
    "management",
    "gate",
    "antispoof",
    "output",
    "log_drops",
    "echo_rate",
)
_CHOICES = {"antispoof": zones.ANTISPOOF, "output": ("accept", "drop")}


@dataclass(frozen=True)
class Options:
    gate: bool = False
    antispoof: str = "strict"
    output: str = "accept"
    log_drops: bool = False
    echo_rate: str = "50/second"


@dataclass(frozen=True)
class Ruleset:
    """Everything that the renderer needs for one node."""

    zones: tuple[zones.Zone, ...] = ()
    rules: tuple[objects.Rule, ...] = ()
    defaults: tuple[objects.Rule, ...] = ()
    untracked: tuple[objects.Rule, ...] = ()
    nat: tuple[translations.Nat, ...] = ()
    clamps: tuple[Clamp, ...] = ()
    raw: tuple[extras.RawRule, ...] = ()
    cluster_rules: tuple[cluster.ClusterRule, ...] = ()
    management: Optional[cluster.Management] = None
    options: Options = field(default_factory=Options)
    #: Groups of addresses and services that something refers to, as written.
    used: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: Readable names of sets of addresses, by family and content.
    labels: Mapping[tuple[int, Ranges], str] = field(default_factory=dict, compare=False)
    #: All names that the rules could have used.
    books: objects.Books = field(default_factory=objects.Books, compare=False)

    @cached_property
    def flat(self) -> FlatPolicy:
        rules = (*self.rules, *self.defaults)
        return FlatPolicy(
            self.flat_zones,
            tuple(rule.flat for rule in rules if rule.flat),
            tuple(flat for entry in self.nat for flat in entry.flats),
            tuple(rule.flat for rule in self.untracked if rule.flat),
            self.clamps,
        )

    def exempted(self, rule: FlatRule) -> Iterator[FlatRule]:
        """What an exemption takes out of connection tracking: what it matches, and the answers.

        Before the route is known nobody can tell in which zone a forwarded answer ends. Without a source in the rule
        it would be all that the asked one sends from this service, so what may be for other zones is left out. The
        way of what ends at the firewall, or comes from it, is known.
        """
        yield rule
        back = _answers(rule)
        known = {family: self._to_askers(rule, match, family) for family, match in back.matches.items()}
        if known == back.matches:
            yield back
            return
        askers, asked = _without_firewall(rule.from_zones), _without_firewall(rule.to_zones)
        if asked and askers:
            yield replace(back, from_zones=asked, to_zones=askers, matches=known)
        if FIREWALL in rule.from_zones:
            yield replace(back, to_zones=(FIREWALL,))
        if FIREWALL in rule.to_zones and askers:
            yield replace(back, from_zones=(FIREWALL,), to_zones=askers)

    def left_out(self, rule: FlatRule) -> Iterator[FlatRule]:
        """Answers that stay tracked although they may be for somebody who was let ask, and pass whatever their state.

        The hosts of a zone may be elsewhere than its networks say. Behind the route the interface tells.
        """
        back = _answers(rule)
        asked, askers = _without_firewall(rule.to_zones), _without_firewall(rule.from_zones)
        for family, match in back.matches.items():
            rest = spans.subtract(match.destination, self._to_askers(rule, match, family).destination)
            if rest and askers and asked:
                matches = {family: replace(match, destination=rest)}
                yield replace(back, from_zones=asked, to_zones=askers, matches=matches)

    def _to_askers(self, rule: FlatRule, answers: Match, family: int) -> Match:
        """Without what may be for zones that `from` does not name. What is in no network is for an open zone."""
        # The first one has a prefix that several have.
        ordered = sorted(self.zones, key=lambda zone: zone.name not in rule.from_zones)
        askers = [zone for zone in ordered if zone.name in rule.from_zones]
        others = ordered[len(askers) :]
        if not others or not spans.is_full(answers.destination, family):
            return answers
        where = Context(networks={zone.name: zone.networks for zone in ordered}, places=self.flat_zones)
        if askers and not any(_is_open(zone, family) for zone in askers):
            return replace(answers, destination=spans.union(*(where.region(zone.name, family) for zone in askers)))
        theirs = spans.union(*(where.region(zone.name, family) for zone in others))
        return replace(answers, destination=spans.subtract(answers.destination, theirs))

    @cached_property
    def flat_zones(self) -> tuple[FlatZone, ...]:
        return zones.flatten(self.zones)


@uncollected()
def parse(
    raw: Mapping[str, Any], prefix: str = "iptables_", derived: Optional[Mapping[str, Any]] = None
) -> tuple[Ruleset, tuple[Problem, ...]]:
    """`raw` has the role's variables without their prefix; a missing one means its default.

    Args:
        prefix: of the paths in problems.
        derived: addresses that the cluster model names. Given, their names are closed to `addresses`.
    """
    problems = [
        Problem(prefix + key, raw[key], "unknown variable", names.nearest(key, KEYS)) for key in raw if key not in KEYS
    ]
    found_zones, found = zones.parse_zones(raw.get("zones"), f"{prefix}zones")
    problems += found
    known = tuple(zone.name for zone in found_zones)
    books = _books(raw, prefix, derived, problems)
    flat_zones = zones.flatten(found_zones)
    around = translations.Surroundings(
        known,
        {zone.name: _sources(zone, flat) for zone, flat in zip(found_zones, flat_zones)},
        translations.shared(raw.get("vips") if derived is not None else raw.get("vips") or None, books),
        books.addresses.own,
    )
    rules = objects.read_rules(raw.get("rules"), known, f"{prefix}rules", books)
    nat = translations.read_nat(raw.get("nat"), f"{prefix}nat", books, around)
    defaults = objects.read_defaults(raw.get("defaults"), known, f"{prefix}defaults", books)
    untracked = objects.read_untracked(raw.get("untracked"), known, f"{prefix}untracked", books)
    clamps = extras.read_clamps(raw.get("mss"), known, f"{prefix}mss", books)
    raw_rules = extras.read_raw(raw.get("raw"), f"{prefix}raw", books)
    cluster_rules, found = cluster.parse_cluster_rules(raw.get("cluster_rules"), f"{prefix}cluster_rules")
    problems += found
    management, found = cluster.parse_management(raw.get("management"), f"{prefix}management")
    problems += found
    options = _options(raw, prefix, problems)
    books.addresses.check()
    books.services.check()
    ruleset = Ruleset(
        found_zones,
        rules,
        defaults,
        untracked,
        nat,
        clamps,
        raw_rules,
        cluster_rules,
        management,
        options,
        _used(books),
        books.addresses.labels(),
        books,
    )
    return ruleset, tuple(problems)


def _answers(rule: FlatRule) -> FlatRule:
    matches = {family: mirrored(match) for family, match in rule.matches.items()}
    return replace(rule, from_zones=rule.to_zones, to_zones=rule.from_zones, matches=matches)


def _is_open(zone: zones.Zone, family: int) -> bool:
    """Whether a zone has hosts beyond its networks: it names none, or the public network is behind it."""
    return zone.bogons or not any(net.version == family for net in zone.networks)


def _without_firewall(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in found if name != FIREWALL)


def _books(
    raw: Mapping[str, Any], prefix: str, derived: Optional[Mapping[str, Any]], problems: list[Problem]
) -> objects.Books:
    def closed(name: str) -> Optional[str]:
        return None if derived is None else addresses.derived(name)

    def builtin(name: str) -> Optional[str]:
        return "is the name of a built-in service" if name in SERVICES else None

    own = names.parse_names(raw.get("addresses"), f"{prefix}addresses", "[addresses]", problems, closed)
    services = names.parse_names(
        raw.get("services"), f"{prefix}services", "{protocol: tcp, ports: [8443]}", problems, builtin
    )
    groups = {**(derived or {}), **own}
    books = objects.Books(groups, services, f"{prefix}addresses", f"{prefix}services", problems)
    books.defined = {name: f"{prefix}services.{name}" for name in services}
    books.defined.update({name: f"{prefix}addresses.{name}" for name in own})
    return books


def _sources(zone: zones.Zone, flat: FlatZone) -> Sets:
    nets = translations.sets_of(zone.networks)
    return Sets(spans.intersect(nets.four, flat.spans[4]), spans.intersect(nets.six, flat.spans[6]))


def _used(books: objects.Books) -> dict[str, dict[str, object]]:
    found = {
        "addresses": {name: books.addresses.groups.raw[name] for name in sorted(books.addresses.groups.used)},
        "services": {name: books.services.groups.raw[name] for name in sorted(books.services.groups.used)},
    }
    return {kind: used for kind, used in found.items() if used}


def _options(raw: Mapping[str, Any], prefix: str, problems: list[Problem]) -> Options:
    default = Options()
    values: dict[str, Any] = {}
    for key in ("gate", "log_drops"):
        value = raw.get(key, getattr(default, key))
        if isinstance(value, bool):
            values[key] = value
        else:
            problems.append(Problem(prefix + key, value, "is not a boolean", "Write true or false."))
    for key, choices in _CHOICES.items():
        values[key] = _choice(raw, prefix, key, choices, problems)
    rate = "off" if raw.get("echo_rate") is False else str(raw.get("echo_rate", default.echo_rate))
    if rate == "off" or re.fullmatch(r"[1-9][0-9]{0,4}/(second|minute)", rate):
        values["echo_rate"] = rate
    else:
        problems.append(
            Problem(prefix + "echo_rate", rate, "is not a rate", "Write 50/second, or off to answer no echo request.")
        )
    return Options(**values)


def _choice(raw: Mapping[str, Any], prefix: str, key: str, choices: Sequence[str], problems: list[Problem]) -> str:
    default: str = getattr(Options(), key)
    # YAML 1.1 reads a bare off as false.
    value = "off" if raw.get(key) is False else str(raw.get(key, default))
    if value in choices:
        return value
    problems.append(Problem(prefix + key, value, "unknown value", f"One of: {', '.join(choices)}."))
    return default
