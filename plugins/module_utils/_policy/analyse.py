# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Findings about a policy: rules that never decide, change nothing, contradict or are wide, and translations.

Exact: a finding is never a guess, and each shows a packet where one exists. What the kinds mean is told in
docs/guides/findings.md. The rules are those of the user, in order; defaults of pairs of zones come with the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import analyse_nat, space
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import (
    Cell,
    Entry,
    Place,
    build,
    rule_entry,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import (
    Acceptance,
    Finding,
    apply_accepted,
    finding,
    names,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ADDRESSES, PORTS, FlatNat, FlatRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.index import bits
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.order import Hidden, Order
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box

#: Contradictions named per rule: a rule that crosses more is not understood by reading on.
_CROSSINGS = 8


def analyse(
    rules: Sequence[FlatRule], nat: Sequence[FlatNat], context: Context, accepted: Sequence[Acceptance] = ()
) -> tuple[Finding, ...]:
    """All findings: those of rules in the order of the rules, then translations, then objects."""
    entries = [rule_entry(rule) for rule in rules]
    order = Order(entries, build(entries, context))
    position = {entry.place: number for number, entry in enumerate(entries)}
    found = [*_never_matching(order), *_hidden(order), *_crossing(order), *_wide(rules, order, context)]
    found += _needless(order)
    found.sort(key=lambda each: position[each.rules[0]])
    found += analyse_nat.analyse(rules, nat, context)
    found += _unused(context)
    return apply_accepted(found, accepted)


def _never_matching(order: Order) -> Iterator[Finding]:
    for number, entry in enumerate(order.entries):
        if number not in order.where:
            why = ": its zones have none of its addresses" if entry.pairs and entry.boxes else ""
            text = f"{names([entry.place])} matches no packet at all{why}"
            remedy = "Look at what was taken away from its addresses, ports and zones, or remove it."
            yield finding("never-matching", [entry.place], text, remedy)


def _hidden(order: Order) -> Iterator[Finding]:
    for each in order.hidden():
        if each.same and order.entries[each.number].helps:
            continue
        yield (_redundant if each.same else _shadowed)(order.entries, each)


def _shadowed(entries: Sequence[Entry], each: Hidden) -> Finding:
    entry, decider = entries[each.number], entries[each.decider]
    by = [entries[number].place for number in each.by]
    text = (
        f"{names([entry.place])} never decides, since {names(by)} {_matches(by)} all of its packets before it: "
        f"{names([decider.place])} {verb(decider)} what it {_would(entry)}"
    )
    remedy = "Move it in front of what hides it, narrow that, or remove the rule."
    return finding("shadowed", [entry.place, *by], text, remedy, each.packet)


def _redundant(entries: Sequence[Entry], each: Hidden) -> Finding:
    entry = entries[each.number]
    by = [entries[number].place for number in each.by]
    does = verb(entry) if len(by) == 1 else entry.effect
    text = (
        f"{names([entry.place])} never decides, since {names(by)} {_matches(by)} all of its packets and {does} them too"
    )
    return finding("redundant", [entry.place, *by], text, "Remove it.", each.packet)


def _needless(order: Order) -> Iterator[Finding]:
    for number, followers in order.needless():
        entry = order.entries[number]
        by = [order.entries[follower].place for follower in followers]
        what = f"{names(by)} {'does' if len(by) == 1 else 'do'}" if by else "the default policy does"
        text = f"{names([entry.place])} changes nothing: where it is the first to decide, {what} the same without it"
        remedy = "Remove it, or let it log if it is there to be seen."
        severity = "warning" if by else "info"
        yield finding("redundant", [entry.place, *by], text, remedy, order.live_packet(number), severity)


def _crossing(order: Order) -> Iterator[Finding]:
    found: dict[int, dict[int, tuple[Cell, Box, int]]] = {}
    for cell in order.cells:
        for number in cell.bits:
            if not cell.mask(number) & order.alive(cell):
                continue
            others = cell.firm & cell.before(number) & order.alive(cell) & ~cell.of_effect(order.entries[number].effect)
            for box in cell.boxes_of(number):
                some = sum(1 << bit for bit in bits(cell.index.crossing(box) & others, _CROSSINGS))
                for bit in bits(order.deciding(cell, box, some)):
                    found.setdefault(number, {}).setdefault(cell.owner[bit], (cell, box, bit))
    for number, crossed in found.items():
        cell, box, bit = crossed[min(crossed)]
        gap = order.decided(cell, box, bit)
        if gap is not None:
            yield _contradicting(order.entries, number, sorted(crossed), cell.packet(gap))


def _contradicting(entries: Sequence[Entry], number: int, crossed: Sequence[int], packet: Packet) -> Finding:
    entry, first = entries[number], entries[crossed[0]]
    by = [entries[other].place for other in crossed]
    text = (
        f"{names([entry.place])} and {names(by)} want different things for the packets that they share, and neither is "
        f"an exception of the other: {names([first.place])} comes first and {verb(first)} what {names([entry.place])} "
        f"{_would(entry)}"
    )
    remedy = "Nothing, if the order is meant; otherwise take the shared part out of one of them."
    return finding("contradicting", [entry.place, *by], text, remedy, packet)


def _wide(rules: Sequence[FlatRule], order: Order, context: Context) -> Iterator[Finding]:
    for number, rule in enumerate(rules):
        if rule.action != "accept" or not set(rule.from_zones) & set(context.untrusted):
            continue
        for cell in order.where.get(number, ()):
            pair = next((pair for pair in cell.pairs if pair[0] in context.untrusted), None)
            side = _open_side(rule, cell.family)
            packet = order.live_packet(number, [cell]) if pair and side else None
            if packet is not None and pair is not None:
                place = order.entries[number].place
                packet = replace(packet, from_zone=pair[0], to_zone=pair[1])
                text = f"{names([place])} accepts every service with any {side} from {pair[0]}, which is untrusted"
                remedy = f"Name the services, or the {side} that is meant."
                yield finding("wide", [place], text, remedy, packet)
                break


def _open_side(rule: FlatRule, family: int) -> str:
    """Which address is not limited in a rule that does not limit services either."""
    match, full = rule.matches[family], space.SERVICES
    whole = space.Box(match.source, match.destination, full, PORTS)
    if space.subtract_all([whole], space.boxes(match, family)):
        return ""
    if match.source == ADDRESSES[family]:
        return "source"
    return "destination" if match.destination == ADDRESSES[family] else ""


def _unused(context: Context) -> Iterator[Finding]:
    reached: set[str] = set()
    queue = list(context.used)
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += context.references.get(name, ())
    users: dict[str, list[Place]] = {}
    for name, targets in context.references.items():
        for target in targets:
            users.setdefault(target, []).append(Place(name, context.objects.get(name, "")))
    for name, path in context.objects.items():
        if name in reached:
            continue
        by = users.get(name, [])
        text = f"'{name}' is used by no rule" + (f", only by {names(by)}, also unused" if by else "")
        yield finding("unused-object", [Place(name, path)], text, "Remove it.")


def verb(entry: Entry) -> str:
    return f"{entry.effect}s"


def _would(entry: Entry) -> str:
    return f"would {entry.effect}"


def _matches(by: Sequence[Place]) -> str:
    return "matches" if len(by) == 1 else "together match"
