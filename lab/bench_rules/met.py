# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""How many rules a first packet is compared with, in the chain of its pair of zones and in the parts of that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans, split
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FlatRule, Match, Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

from . import policy

# It is in no rule between zones.
MANAGEMENT = "203.0.113.0/24"


@dataclass(frozen=True)
class Packet:
    """Addresses, protocol and ports, as numbers."""

    source: int
    destination: int
    protocol: int
    source_port: int
    port: int


@dataclass(frozen=True)
class Met:
    """Compared rules (looks at groups are counted too), over one packet of each rule.

    Attributes:
        mean, worst: in the tree.
        flat_mean, flat_worst: in the list.
    """

    mean: float
    worst: int
    flat_mean: float
    flat_worst: int


def matches(found: Match, packet: Packet) -> bool:
    """Whether the packet is one of these."""
    return (
        spans.contains(found.source, packet.source)
        and spans.contains(found.destination, packet.destination)
        and any(_serves(service, packet) for service in found.services)
    )


def _serves(service: Service, packet: Packet) -> bool:
    if service.protocol is None:
        return True
    return (
        service.protocol == packet.protocol
        and spans.contains(service.source_ports, packet.source_port)
        and spans.contains(service.ports, packet.port)
    )


def walk(items: Iterable[split.Item], family: int, packet: Packet) -> tuple[int, FlatRule | None]:
    """How many are compared until one decides, and that one."""
    count = 0
    for item in items:
        count += 1
        if isinstance(item, split.Group):
            if matches(item.guard, packet):
                inner, found = walk(item.items, family, packet)
                count += inner
                if found is not None:
                    return count, found
        elif matches(item.matches[family], packet):
            return count, item
    return count, None


def of(rules: Sequence[FlatRule], family: int, seed: int = 4, most: int | None = None) -> Met:
    """One packet aimed at each rule of a pair of zones, or at `most` of them; the tree must decide as the list does."""
    random, items = Random(seed), split.split(rules, family)
    counts: list[tuple[int, int]] = []
    for rule in rules if most is None else random.sample(rules, most):
        packet = _aimed(random, rule.matches[family])
        tree, list_ = walk(items, family, packet), walk(rules, family, packet)
        if tree[1] is not list_[1]:
            raise ValueError(f"the tree decides otherwise about {packet}: {tree[1]}, and not {list_[1]}")
        counts.append((tree[0], list_[0]))
    trees, lists = zip(*counts, strict=True)
    return Met(sum(trees) / len(counts), max(trees), sum(lists) / len(counts), max(lists))


def _aimed(random: Random, found: Match) -> Packet:
    service = random.choice(found.services)
    low, high = (random.randint(*random.choice(ranges)) for ranges in (service.source_ports, service.ports))
    source, destination = (random.randint(*random.choice(side)) for side in (found.source, found.destination))
    return Packet(source, destination, 6 if service.protocol is None else service.protocol, low, high)


def pair(rules: Sequence[policy.Rule], family: int) -> list[FlatRule]:
    """Those between the two zones of the measurement."""
    flat = parse(policy.variables(rules, MANAGEMENT))[0].flat.rules
    return [rule for rule in flat if family in rule.matches and "wan" in rule.from_zones and "dmz" in rule.to_zones]


def before_probe(rules: Sequence[policy.Rule]) -> int:
    """Of the packets that are measured, in a list with the probe."""
    found = pair(rules, 4)
    (probe,) = (rule for rule in found if rule.name == "probe")
    count, decider = walk(split.split(found, 4), 4, _aimed(Random(0), probe.matches[4]))
    if decider is not probe:
        raise ValueError(f"{decider} decides about the probe")
    return count - 1


def main() -> None:
    """The pair of zones of the measurement, in the list between all zones and in that between these two."""
    lists = (policy.realistic(10_000), policy.one_pair(1000), policy.one_pair(10_000))
    for name, rules in zip(("zones", "pair", "pair"), lists, strict=True):
        for family in (4, 6):
            here = pair(rules, family)
            most = min(len(here), 1000)
            print(f"{name}, IPv{family}, {len(here)} rules, {most} packets: {of(here, family, most=most)}", flush=True)


if __name__ == "__main__":
    main()
