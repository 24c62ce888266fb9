# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Does a policy keep its assertions? Exactly: about every packet of each, not about samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans, translate
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.assertions import (
    ACTIONS,
    Assertion,
    Translation,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.cells import Place
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fate import Fate, Fates, Flow, Question
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import Finding, finding, names
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import WITH_PORTS, FlatNat
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet, to_address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy


def check(assertions: Sequence[Assertion], policy: Policy) -> tuple[Finding, ...]:
    """A finding for each assertion that does not hold, with a packet that breaks it; () when all hold."""
    fates = Fates(policy)
    named = {each.name: each for each in assertions}
    found = (_check(each, named, fates) for each in assertions)
    return tuple(each for each in found if each is not None)


def _check(assertion: Assertion, named: Mapping[str, Assertion], fates: Fates) -> Optional[Finding]:
    place = Place(assertion.name, assertion.path)
    flows = list(_flows(assertion, named, fates))
    but, conditions = frozenset(assertion.but_rules), assertion.conditions
    for flow in flows:
        if not flow.to_zone:
            packet = fates.example(flow, flow.after)
            text = f"{names([place])} cannot be decided: no zone has a network with {packet.destination}"
            return finding("assertion", [place], text, "Name the zone in to, or give a zone that network.", packet)
        fate = fates.search(flow, assertion.wrong, conditions, but)
        if fate is not None:
            return _broken(assertion, place, fate)
    if not any(fates.search(flow, ACTIONS, conditions, but) for flow in flows):
        text = f"{names([place])} is about no packet: nothing that fits it arrives there, or all of it is excepted"
        return finding("assertion", [place], text, "Correct its zones, addresses or exceptions.")
    return _wrong_nat(assertion, place, flows, fates)


def _flows(assertion: Assertion, named: Mapping[str, Assertion], fates: Fates) -> Iterator[Flow]:
    others = [named[name] for name in assertion.but_assertions if name in named]
    for family, boxes in assertion.boxes.items():
        for zone in assertion.from_zones:
            for flow in fates.flows(Question(family, zone, boxes, assertion.to_zones)):
                yield from _without(flow, others)


def _without(flow: Flow, others: Sequence[Assertion]) -> Iterator[Flow]:
    left_out = [
        box
        for other in others
        if flow.from_zone in other.from_zones and (not other.to_zones or flow.to_zone in other.to_zones)
        for box in other.boxes.get(flow.family, ())
    ]
    for box in space.subtract_all([flow.before], left_out):
        yield from flow.narrowed(box)


def _broken(assertion: Assertion, place: Place, fate: Fate) -> Finding:
    places, decider = [place], f"the default from {fate.flow.from_zone} to {fate.flow.to_zone}"
    if fate.rule is not None:
        places.append(Place(fate.rule.name, fate.rule.path))
        decider = f"rule {names(places[1:])}"
    if fate.rule is not None and fate.rule.conditions:
        decider += f" with {' and '.join(fate.rule.conditions)}"
    text = f"{names([place])} expects {assertion.expect}, but {decider} {fate.action}s the packet"
    if fate.flow.dnat is not None and fate.flow.dnat.type == "dnat":
        text += f", after '{fate.flow.dnat.name}' has translated its destination"
    return finding("assertion", places, text, "Correct the rules, or the assertion if they are right.", fate.packet)


def _wrong_nat(assertion: Assertion, place: Place, flows: Sequence[Flow], fates: Fates) -> Optional[Finding]:
    if assertion.nat is None:
        return None
    for flow in flows:
        for seen, why in _violations(assertion.nat, flow, fates):
            packet: Packet = fates.example(flow, seen)
            text = f"{names([place])} expects another translation: {why}"
            return finding("assertion", [place], text, "Correct the translation, or the assertion.", packet)
    return None


def _violations(wanted: Translation, flow: Flow, fates: Fates) -> Iterator[tuple[Box, str]]:
    """Packets of the flow, as the rules see them, whose translation is not the wanted one."""
    if wanted.untouched and flow.dnat is not None and flow.dnat.type == "dnat":
        yield flow.after, f"'{flow.dnat.name}' translates the destination"
    if wanted.destination is not None:
        yield from _other_address(flow.after, 1, wanted.destination, flow.family, "destination")
    if wanted.port is not None:
        ports = spans.normal((n << 16 | wanted.port, n << 16 | wanted.port) for n in WITH_PORTS)
        other = spans.subtract(flow.after.service, ports)
        if other:
            yield flow.after._replace(service=other), f"the port is then {other[0][0] & 0xFFFF}"
    if wanted.untouched or wanted.source is not None:
        for seen, entry in fates.sources(flow):
            yield from _wrong_source(wanted, flow, seen, entry)


def _wrong_source(wanted: Translation, flow: Flow, seen: Box, entry: Optional[FlatNat]) -> Iterator[tuple[Box, str]]:
    if wanted.untouched:
        if entry is not None and entry.type == "snat":
            yield seen, f"'{entry.name}' translates the source"
    elif wanted.source is not None:
        after = seen if entry is None else translate.forward(entry, seen)
        for wrong, why in _other_address(after, 0, wanted.source, flow.family, "source"):
            yield (wrong if entry is None else translate.backward(entry, seen, wrong)), why


def _other_address(box: Box, d: int, wanted: Address, family: int, what: str) -> Iterator[tuple[Box, str]]:
    good = ((int(wanted), int(wanted)),) if wanted.version == family else ()
    other = spans.subtract(box[d], good)
    if other:
        single = other[0][0] == other[-1][1]
        why = f"is then {to_address(other[0][0], family)}" if single else f"is not always {wanted}"
        yield space.replace(box, d, other), f"the {what} {why}"
