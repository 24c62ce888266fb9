# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The filter table of a ruleset. Order and reasons are told in docs/guides/rules.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import cluster_lines, extras, icmp, match, split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Clamp, FlatRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import Lines
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import SetBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table, body
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ways import Way, ways

GATES: Mapping[int, str] = {4: "linuxha_gate4", 6: "linuxha_gate6"}
HOOKS = ("INPUT", "FORWARD", "OUTPUT")


class Part(NamedTuple):
    """What parts of the chain of a pair of zones have in common."""

    chain: str
    comment: str


SYN = "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"


def filter_table(ruleset: Ruleset, sets: SetBook, family: int) -> Table:
    table = Table("filter", INPUT="DROP", FORWARD="DROP", OUTPUT="DROP")
    cluster_lines.management(table, ruleset.management, family, "INPUT", "OUTPUT", "-j ACCEPT")
    table.add("INPUT", "-i lo", "loopback", "-j ACCEPT")
    table.add("OUTPUT", "-o lo", "loopback", "-j ACCEPT")
    cluster_lines.own_traffic(table, ruleset.management, ruleset.cluster_rules, family)
    if ruleset.options.gate:
        table.add("FORWARD", f"-m set ! --match-set {GATES[family]} dst", "gate", "-j DROP")
    lines = Lines(table, sets, family)
    for clamp in ruleset.clamps:
        _clamp(lines, ruleset, clamp)
    untracked = ruleset.flat.untracked
    for rule in (each for written in untracked for each in ruleset.exempted(written)):
        _stateless(lines, ruleset, rule, "-m conntrack --ctstate UNTRACKED")
    for rule in (each for written in untracked for each in ruleset.left_out(written)):
        _stateless(lines, ruleset, rule)
    for chain in HOOKS:
        _states(table, chain)
    extras.add_raw(table, ruleset.raw, family)
    _echo(table, ruleset, family)
    _dispatch(lines, ruleset)
    if ruleset.options.output == "accept":
        table.add("OUTPUT", "-m conntrack --ctstate NEW", "own traffic", "-j ACCEPT")
    if ruleset.options.log_drops:
        for chain in HOOKS:
            target = match.log_target(match.default_log(f"drop {chain.lower()}"))
            table.add(chain, "-m limit --limit 5/second --limit-burst 20", "log drops", target)
    return table


def _states(table: Table, chain: str) -> None:
    table.add(chain, "-m conntrack --ctstate INVALID", "invalid", "-j DROP")
    table.add(chain, "-m conntrack --ctstate RELATED,ESTABLISHED", "established", "-j ACCEPT")
    # What is left is new, or untracked without a rule of its own.
    table.add(chain, "-m conntrack ! --ctstate NEW", "untracked", "-j DROP")
    # A rule that rejects relies on this: no packet of an older TCP connection gets as far.
    table.add(chain, SYN, "new without syn", "-j DROP")


def _echo(table: Table, ruleset: Ruleset, family: int) -> None:
    if ruleset.options.echo_rate == "off":
        return
    kind = icmp.message(family, icmp.ECHO_REQUEST[family])
    limit = (
        f"-m hashlimit --hashlimit-upto {ruleset.options.echo_rate} --hashlimit-burst 20 "
        f"--hashlimit-mode srcip --hashlimit-name linuxha_echo{family}"
    )
    for zone in ruleset.zones:
        for interface in zone.interfaces if zone.within is None else ():
            table.add("INPUT", f"-i {interface} {kind} {limit}", f"echo {zone.name}", "-j ACCEPT")


def _dispatch(lines: Lines, ruleset: Ruleset) -> None:
    """A chain for every pair of zones that has rules, so that a packet meets only the rules of its pair."""
    by_pair: dict[tuple[str, str], list[FlatRule]] = {}
    for rule in ruleset.flat.rules:
        if lines.family in rule.matches:
            for source in rule.from_zones:
                for target in rule.to_zones:
                    by_pair.setdefault((source, target), []).append(rule)
    rendered: dict[str, list[str]] = {}
    for way in ways(ruleset.flat_zones):
        rules = by_pair.get(way.names)
        if not rules or way.empty(lines.family):
            continue
        chain = _chain(way)
        lines.table.chain(chain)
        _lead(lines, way, " to ".join(way.names), f"-j {chain}")
        for rule in rules:
            if rule.path not in rendered:
                rendered[rule.path] = lines.rule(rule)
        _fill(lines, chain, split.split(rules, lines.family), rendered, Part(chain, " to ".join(way.names)))


def _fill(
    lines: Lines, chain: str, items: Iterable[split.Item], rendered: Mapping[str, list[str]], whole: Part
) -> None:
    for item in items:
        if not isinstance(item, split.Group):
            lines.table.extend(chain, rendered[item.path])
            continue
        name = match.part_name(whole.chain, item.key)
        if not lines.table.chain(name):
            raise ValueError(f"two parts of {whole.chain} have the name {name}")
        lines.sets.of_parts((item.guard.source, item.guard.destination), lines.family)
        lines.table.extend(chain, lines.simple(item.guard, whole.comment, f"-j {name}"))
        _fill(lines, name, item.items, rendered, whole)


def _chain(way: Way) -> str:
    source, target = way.names
    if way.hook == "FORWARD":
        return match.chain_name("f", source, target)
    return match.chain_name("i", source) if way.hook == "INPUT" else match.chain_name("o", target)


def _lead(lines: Lines, way: Way, comment: str, target: str, more: str = "") -> None:
    """From the hook to the packets of one pair of zones."""
    source, destination = way.spans(lines.family)
    words = lines.sets.match("src", source, lines.family) if source is not None else []
    words += lines.sets.match("dst", destination, lines.family) if destination is not None else []
    for interfaces in way.interfaces():
        matches = " ".join([interfaces, *words, more])
        lines.table.extend(way.hook, [body(matches, comment, target)])


def _clamp(lines: Lines, ruleset: Ruleset, clamp: Clamp) -> None:
    """Both packets of the handshake announce a size: in both directions, and before established packets pass."""
    size = "--clamp-mss-to-pmtu" if clamp.mss is None else f"--set-mss {clamp.mss}"
    for way in ways(ruleset.flat_zones):
        source, target = way.names
        there = source in clamp.from_zones and target in clamp.to_zones
        back = source in clamp.to_zones and target in clamp.from_zones
        if way.hook == "FORWARD" and (there or back) and not way.empty(lines.family):
            _lead(lines, way, clamp.name, f"-j TCPMSS {size}", "-p tcp -m tcp --tcp-flags SYN,RST SYN")


def _stateless(lines: Lines, ruleset: Ruleset, rule: FlatRule, more: str = "") -> None:
    """One direction of an exemption: no state tells an answer from a question."""
    found = rule.matches.get(lines.family)
    if found is None:
        return
    for way in ways(ruleset.flat_zones):
        source, target = way.names
        inside = way.narrow(found, lines.family) if source in rule.from_zones and target in rule.to_zones else None
        if inside is not None:
            for interfaces in way.interfaces():
                lines.table.extend(way.hook, lines.simple(inside, rule.name, "-j ACCEPT", interfaces, more))
