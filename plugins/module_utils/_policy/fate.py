# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What may happen to sets of packets: the trace, for all packets of a question at once and exactly.

A question is cut into flows, which are translated and routed alike. In a flow, a packet with an unwanted fate is looked
for rule by rule; nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans, translate
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import Cell, build, nat_entry, rule_entry
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL, FlatNat, FlatRule, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.index import Gap, bits
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, choose, from_point
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy

#: What limits and schedules may do: both is looked at, they always hold, or they never do.
CONDITIONS = ("any", "hold", "fail")


@dataclass(frozen=True)
class Question:
    """Packets as they arrive: of one family, from one zone."""

    family: int
    from_zone: str
    boxes: tuple[Box, ...]
    #: Only those that leave there; (): all, by their route.
    to_zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """Packets with the same way up to the rules."""

    family: int
    from_zone: str
    #: "" when no zone has a network with the destination.
    to_zone: str
    before: Box
    #: As the rules see them.
    after: Box
    #: The translation of the destination, or an exception from it.
    dnat: Optional[FlatNat]

    def narrowed(self, before: Box) -> list[Flow]:
        """The flow of a part of the packets, as they arrive; none when that part is empty."""
        after = before if self.dnat is None else translate.forward(self.dnat, before)
        common = space.intersect(after, self.after)
        return [replace(self, before=before, after=common)] if common else []


@dataclass(frozen=True)
class Fate:
    flow: Flow
    #: As it arrives.
    packet: Packet
    #: What decides; None: the default.
    rule: Optional[FlatRule]
    action: str


class Fates:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.context = policy.context
        cells = build([rule_entry(rule) for rule in policy.rules], policy.context)
        self._cells = {(cell.family, *pair): cell for cell in cells for pair in cell.pairs}
        self._masks: dict[tuple[Cell, frozenset[str]], int] = {}
        # Pairs of translations have one side only, so the cells of both hooks fit into one table.
        entries = [[nat_entry(entry, hook) for entry in policy.nat] for hook in ("dnat", "snat")]
        hooks = [cell for each in entries for cell in build(each, policy.context, defaults=False)]
        self._hooks = {(cell.family, *pair): cell for cell in hooks for pair in cell.pairs}

    def flows(self, question: Question) -> Iterator[Flow]:
        hook = self._hooks.get((question.family, question.from_zone, ""))
        side = self.context.side(question.from_zone, question.family)
        for whole in question.boxes:
            box = whole._replace(source=spans.intersect(whole.source, side))
            for before, entry in self._parts(hook, box) if box.source else ():
                after = before if entry is None else translate.forward(entry, before)
                for zone, found in self._ways(question, after):
                    part = after._replace(destination=found)
                    arrived = part if entry is None else translate.backward(entry, before, part)
                    yield Flow(question.family, question.from_zone, zone, arrived, part, entry)

    def search(
        self, flow: Flow, actions: Collection[str], conditions: str = "any", but: Collection[str] = ()
    ) -> Optional[Fate]:
        """A packet that meets one of `actions`; packets that rules named in `but` match are left out."""
        cell = self._cells.get((flow.family, flow.from_zone, flow.to_zone))
        default = self.context.default_action(flow.from_zone, flow.to_zone)
        if cell is None:
            return Fate(flow, self._packet(flow, flow.after), None, default) if default in actions else None
        firm = cell.all if conditions == "hold" else cell.firm
        left_out = self._left_out(cell, frozenset(but))
        found = self._decided(cell, flow, actions, firm, left_out, cell.firm if conditions == "fail" else cell.all)
        if found is not None or default not in actions:
            return found
        gap, _used = cell.index.uncovered(flow.after, firm | left_out)
        return None if gap is None else Fate(flow, self._shown(cell, flow, gap), None, default)

    def sources(self, flow: Flow) -> Iterator[tuple[Box, Optional[FlatNat]]]:
        """What translates the sources of a flow: parts as the rules see them, and the entry."""
        if FIREWALL in (flow.from_zone, flow.to_zone):
            yield flow.after, None
        else:
            yield from self._parts(self._hooks.get((flow.family, "", flow.to_zone)), flow.after)

    def example(self, flow: Flow, seen: Box) -> Packet:
        """A packet of the flow as it arrives, which the rules see as one of `seen`."""
        return self._packet(flow, seen)

    def _left_out(self, cell: Cell, names: frozenset[str]) -> int:
        found = self._masks.get((cell, names))
        if found is None:
            found = cell.mask_of(number for number in cell.bits if self.policy.rules[number].name in names)
            self._masks[cell, names] = found
        return found

    def _decided(
        self, cell: Cell, flow: Flow, actions: Collection[str], firm: int, left_out: int, asked: int
    ) -> Optional[Fate]:
        wanted = 0
        for action in actions:
            wanted |= cell.of_effect(action)
        for bit in bits(cell.index.meeting(flow.after) & wanted & asked & ~left_out):
            part = space.intersect(flow.after, cell.index.boxes[bit])
            if part is None:
                continue
            gap, _used = cell.index.uncovered(part, firm & ((1 << bit) - 1) | left_out)
            if gap is not None:
                rule = self.policy.rules[cell.owner[bit]]
                return Fate(flow, self._shown(cell, flow, gap), rule, rule.action)
        return None

    def _shown(self, cell: Cell, flow: Flow, gap: Gap) -> Packet:
        return self._packet(flow, Box._make(((value, value),) for value in cell.index.readable(gap)))

    def _packet(self, flow: Flow, seen: Box) -> Packet:
        box = seen if flow.dnat is None else translate.backward(flow.dnat, flow.before, seen)
        taste = self.context.taste(flow.from_zone, flow.to_zone, flow.family)
        return from_point(choose(box, flow.family, taste), flow.family, flow.from_zone, flow.to_zone)

    def _parts(self, cell: Optional[Cell], box: Box) -> Iterator[tuple[Box, Optional[FlatNat]]]:
        """Parts of the box with the first entry of the hook that matches them."""
        if cell is None:
            yield box, None
            return
        index = cell.index
        asked = list(bits(index.meeting(box)))
        for bit in asked:
            common = space.intersect(box, index.boxes[bit])
            if common is None:
                continue
            earlier = index.meeting(common) & ((1 << bit) - 1)
            for part in space.subtract_all([common], [index.boxes[other] for other in bits(earlier)]):
                yield part, self.policy.nat[cell.owner[bit]]
        for part in space.merged(space.subtract_all([box], space.merged(index.boxes[bit] for bit in asked))):
            yield part, None

    def _ways(self, question: Question, after: Box) -> Iterator[tuple[str, Ranges]]:
        """Where the packets leave, with their destinations."""
        for zone, found in self._reach(question):
            common = spans.intersect(after.destination, found)
            if common:
                yield zone, common

    def _reach(self, question: Question) -> Iterator[tuple[str, Ranges]]:
        context, family = self.context, question.family
        local = context.ends(question.from_zone, family)
        if question.from_zone != FIREWALL and (not question.to_zones or FIREWALL in question.to_zones):
            # Not all addresses of a node need be known: those of a link, of groups, of its management.
            yield FIREWALL, spans.normal(local + context.unknown(family)) if question.to_zones else local
        if not question.to_zones:
            for zone in context.networks:
                yield zone, spans.subtract(context.region(zone, family), local)
            yield from context.behind(context.default_zone, family, spans.subtract(context.unknown(family), local))
        for zone in question.to_zones:
            if zone != FIREWALL:
                found = spans.subtract(self._not_elsewhere(zone, family), local)
                yield zone, spans.intersect(found, context.side(zone, family))

    def _not_elsewhere(self, zone: str, family: int) -> Ranges:
        """Its own networks and all that no other zone is known to have: routes tell more than networks do."""
        return spans.normal(self.context.region(zone, family) + self.context.unknown(family))
