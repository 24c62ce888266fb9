# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Statements about packets that a policy has to keep, as plain data.

    - {name: the shop answers, from: wan, to: 192.0.2.1, protocol: tcp, port: 443, expect: accept}
    - {name: and nothing else does, from: wan, to: dmz, expect: drop, except: the shop answers}

A statement is about every packet that fits it, as it arrives, so before its destination is translated: one with a
single address and port as well as one about everything between two zones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fate import CONDITIONS
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import (
    Address,
    Reader,
    entries,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ANY, FIREWALL, Match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.spelling import (
    Names,
    Spans,
    addresses,
    services,
    union,
)

KEYS = (
    "name",
    "from",
    "to",
    "source",
    "destination",
    "service",
    "protocol",
    "port",
    "ports",
    "source_ports",
    "type",
    "code",
    "expect",
    "except",
    "nat",
    "conditions",
)
#: `deny` is what a sender sees of both drop and reject.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    "accept": ("accept",),
    "drop": ("drop",),
    "reject": ("reject",),
    "deny": ("drop", "reject"),
}
ACTIONS = ("accept", "drop", "reject")


@dataclass(frozen=True)
class Translation:
    """What has to become of the packet; None: not said. `untouched`: it leaves as it came."""

    source: Optional[Address] = None
    destination: Optional[Address] = None
    port: Optional[int] = None
    untouched: bool = False


@dataclass(frozen=True)
class Assertion:
    name: str
    path: str
    from_zones: tuple[str, ...]
    #: (): wherever the route leads.
    to_zones: tuple[str, ...]
    #: By IP version, the packets as they arrive.
    boxes: Mapping[int, tuple[Box, ...]]
    expect: str
    #: Names of rules and of assertions whose packets are left out.
    but_rules: tuple[str, ...] = ()
    but_assertions: tuple[str, ...] = ()
    nat: Optional[Translation] = None
    #: How limits and schedules are taken: any, hold or fail.
    conditions: str = "any"

    @property
    def wrong(self) -> tuple[str, ...]:
        return tuple(action for action in ACTIONS if action not in EXPECTED[self.expect])


def parse_assertions(
    raw: object, names: Names, path: str = "firewall_policy.assertions"
) -> tuple[tuple[Assertion, ...], tuple[Problem, ...]]:
    problems: list[Problem] = []
    readers = entries(raw, path, KEYS, problems)
    names = replace(names, rules=frozenset(names.rules))
    known = [str(reader.get("name")) for reader in readers if reader.get("name") is not None]
    found: list[Assertion] = []
    for number, reader in enumerate(readers):
        before = len(problems)
        parsed = _assertion(reader, names, known)
        if parsed.name in known[:number]:
            reader.problem("name", parsed.name, "is the name of another assertion too", "Give each a name of its own.")
        if len(problems) == before:
            found.append(parsed)
    return tuple(found), tuple(problems)


def _assertion(reader: Reader, names: Names, known: Sequence[str]) -> Assertion:
    name = reader.text("name", required=True)
    reader.filled("from", "to", "source", "destination", "service", "port", "ports", "source_ports")
    to_zones, target = _to(reader, names)
    if target is not None and reader.get("destination") is not None:
        reader.problem("destination", reader.get("destination"), "is given in to as well", "Write one of the two.")
    source = addresses(reader, "source", names)
    destination = target if target is not None else addresses(reader, "destination", names)
    served = services(reader, names)
    found: dict[int, tuple[Box, ...]] = {}
    for family in (4, 6):
        match = Match(source[family], destination[family], served[family])
        boxes = space.boxes(match, family)
        if boxes:
            found[family] = boxes
    if not found:
        reader.problem("", name, "is about no packet", "Its addresses and its service need a common family.")
    but_rules, but_assertions = _exceptions(reader, names, known)
    expect = reader.choice("expect", EXPECTED, "") or "accept"
    if reader.get("nat") is not None and expect != "accept":
        reader.problem("nat", reader.get("nat"), "is for packets that are accepted", "Remove it, or expect: accept.")
    if reader.get("nat") is not None and but_rules:
        remedy = "Name an assertion about those packets instead of the rule."
        reader.problem("except", list(but_rules), "leaves out packets as rules see them, nat tells of others", remedy)
    conditions = reader.choice("conditions", CONDITIONS, "any")
    return Assertion(
        name,
        reader.path,
        _from(reader, names),
        to_zones,
        found,
        expect,
        but_rules,
        but_assertions,
        _nat(reader),
        conditions,
    )


def _from(reader: Reader, names: Names) -> tuple[str, ...]:
    found: list[str] = []
    for item in reader.items("from"):
        if item == ANY:
            found += names.zones
        elif item in names.zones or item == FIREWALL:
            found.append(str(item))
        else:
            reader.problem("from", item, "unknown zone", f"Known: {', '.join((*names.zones, FIREWALL, ANY))}.")
    if not reader.items("from"):
        reader.problem("from", None, "is missing", "Name the zone that the packets come from.")
    return tuple(dict.fromkeys(found))


def _to(reader: Reader, names: Names) -> tuple[tuple[str, ...], Optional[Spans]]:
    """Zones, or addresses: what is not a zone is read as an address."""
    zones: list[str] = []
    others: list[object] = []
    for item in reader.items("to"):
        if item == ANY:
            zones += names.zones
        elif item in names.zones or item == FIREWALL:
            zones.append(str(item))
        else:
            others.append(item)
    if zones and others:
        reader.problem("to", others, "is not a zone, the rest is", "Name zones in to, and addresses in destination.")
    found = union(reader, "to", others, names) if others else None
    return tuple(dict.fromkeys(zones)), found


def _exceptions(reader: Reader, names: Names, known: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rules: list[str] = []
    assertions: list[str] = []
    for item in reader.items("except"):
        name = str(item)
        if name == reader.get("name") and name not in names.rules:
            reader.problem("except", item, "is this assertion itself", "Name another one, or a rule.")
        elif name in names.rules and name in known:
            reader.problem("except", item, "is a rule and an assertion", "Give one of them another name.")
        elif name in names.rules:
            rules.append(name)
        elif name in known:
            assertions.append(name)
        else:
            reader.problem("except", item, "is neither a rule nor an assertion", "Correct the name, or remove it.")
    return tuple(rules), tuple(assertions)


def _nat(reader: Reader) -> Optional[Translation]:
    raw = reader.get("nat")
    if raw is None:
        return None
    if raw == "none" or raw is False:
        return Translation(untouched=True)
    inner = Reader(raw, f"{reader.path}.nat", ("source", "destination", "port"), reader.problems)
    source = inner.address("source") if inner.get("source") is not None else None
    destination = inner.address("destination") if inner.get("destination") is not None else None
    if isinstance(raw, Mapping) and not raw:
        reader.problem("nat", raw, "says nothing", "Write none, or source, destination or port.")
    return Translation(source, destination, inner.number("port", 1, 65535))
