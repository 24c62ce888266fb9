# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Findings about translations: hidden ones, published addresses without a rule, addresses that die with their node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import (
    Entry,
    Place,
    build,
    nat_entry,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fate import Fate, Fates, Question
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import Finding, finding, names
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatNat, FlatRule, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.order import Hidden, Order
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import to_address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy


def analyse(rules: Sequence[FlatRule], nat: Sequence[FlatNat], context: Context) -> list[Finding]:
    """In the order of the entries."""
    found = [*_hidden(nat, context), *_unpublished(rules, nat, context), *_failover(nat, context)]
    position = {Place(entry.name, entry.path): number for number, entry in enumerate(nat)}
    return sorted(found, key=lambda each: position[each.rules[0]])


def _hidden(nat: Sequence[FlatNat], context: Context) -> Iterator[Finding]:
    # Per entry, what each hook says in which it is asked; None: it is used there.
    said: dict[int, list[Optional[Finding]]] = {}
    for hook in ("dnat", "snat"):
        entries = [nat_entry(entry, hook) for entry in nat]
        order = Order(entries, build(entries, context, defaults=False))
        hidden = {each.number: _hidden_finding(entries, each) for each in order.hidden()}
        for number in order.where:
            said.setdefault(number, []).append(hidden.get(number))
    for number, entry in enumerate(nat):
        place = Place(entry.name, entry.path)
        if number not in said:
            text = f"{names([place])} matches no packet at all"
            yield finding("never-matching", [place], text, "Correct its addresses and zones, or remove it.")
            continue
        found = [each for each in said[number] if each is not None]
        # An exception of both hooks has a use when it has one in either.
        if len(found) == len(said[number]):
            yield found[0]


def _hidden_finding(entries: Sequence[Entry], each: Hidden) -> Finding:
    place, by = entries[each.number].place, [entries[number].place for number in each.by]
    match = "matches" if len(by) == 1 else "together match"
    same = "and translates them in the same way" if each.same else "and the first that matches translates"
    text = f"{names([place])} is never used, since {names(by)} {match} all of its packets before it, {same}"
    severity = "warning" if each.same else "error"
    remedy = "Remove it." if each.same else "Move it in front of what hides it, narrow that, or remove it."
    return finding("nat-hidden", [place, *by], text, remedy, each.packet, severity)


def _unpublished(rules: Sequence[FlatRule], nat: Sequence[FlatNat], context: Context) -> Iterator[Finding]:
    if not any(entry.type == "dnat" for entry in nat):
        return
    fates = Fates(Policy(rules, nat, context))
    for entry in nat:
        if entry.type != "dnat":
            continue
        found = space.boxes(entry.match, entry.family)
        flows = [
            flow
            for zone in entry.from_zones
            for flow in fates.flows(Question(entry.family, zone, found))
            if flow.dnat is entry
        ]
        # Where the way out is not known, nobody can say that no rule accepts.
        if not all(flow.to_zone for flow in flows) or any(fates.search(flow, ["accept"]) for flow in flows):
            continue
        shown = next((fate for flow in flows if (fate := fates.search(flow, ["drop", "reject"]))), None)
        if shown is not None:
            yield _unpublished_finding(entry, shown)


def _unpublished_finding(entry: FlatNat, shown: Fate) -> Finding:
    places = [Place(entry.name, entry.path)]
    what = f"the default policy {shown.action}s"
    if shown.rule is not None:
        places.append(Place(shown.rule.name, shown.rule.path))
        what = f"{names(places[1:])} {shown.action}s"
    text = f"{names(places[:1])} publishes {_target(entry)}, but no rule accepts that: {what} the packet"
    remedy = f"Accept from {' and '.join(entry.from_zones)} to {shown.flow.to_zone} what it translates, or remove it."
    return finding("nat-unpublished", places, text, remedy, shown.packet)


def _failover(nat: Sequence[FlatNat], context: Context) -> Iterator[Finding]:
    for entry in nat:
        if entry.type != "snat" or entry.to_addresses is None:
            continue
        place, target = Place(entry.name, entry.path), (entry.to_addresses,)
        own = spans.subtract(spans.intersect(target, _own(context, entry.family)), context.shared(entry.family))
        if own:
            text = f"{names([place])} translates to {to_address(own[0][0], entry.family)}, which one node alone has"
            remedy = "Translate to a VIP: connections with another source end when the node does."
            yield finding("nat-failover", [place], text, remedy)
        elif context.vips:
            other = spans.subtract(target, context.shared(entry.family))
            if other:
                text = (
                    f"{names([place])} translates to {to_address(other[0][0], entry.family)}, which no node answers for"
                )
                remedy = "Translate to a VIP, or tell that the block is routed to one."
                yield finding("nat-failover", [place], text, remedy)


def _own(context: Context, family: int) -> Ranges:
    return spans.normal((int(each), int(each)) for each in context.own if each.version == family)


def _target(entry: FlatNat) -> str:
    if entry.to_addresses is None:
        return "the translated address"
    low, high = (str(to_address(end, entry.family)) for end in entry.to_addresses)
    port = f" port {entry.to_ports[0]}" if entry.to_ports and entry.to_ports[0] == entry.to_ports[1] else ""
    return (low if low == high else f"{low}-{high}") + port
