# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules: plain data to what is compiled, analysed and traced.

This is the only place that parses rules: the role and the cluster model both call it. What cannot be read becomes a
problem, never an exception.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import conditions, zones
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.addresses import AddressBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Reader, entries, to_int
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ANY, FIREWALL, TYPES, FlatRule, Match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.services import (
    Products,
    ServiceBook,
    helper_families,
)

#: Which packets an entry is about, and what every entry may say of itself.
PACKET_KEYS = ("source", "destination", "service", "protocol", "ports", "source_ports")
NOTE_KEYS = ("comment", "enabled")
RULE_KEYS = (
    "name",
    "from",
    "to",
    *PACKET_KEYS,
    "types",
    "action",
    "log",
    "limit",
    "connections",
    "schedule",
    *NOTE_KEYS,
)
DEFAULT_KEYS = ("name", "from", "to", "action", "log")
UNTRACKED_KEYS = ("name", "from", "to", *PACKET_KEYS, *NOTE_KEYS)
ACTIONS = ("accept", "drop", "reject")
INLINE = ("protocol", "ports", "source_ports", "types")


class Books:
    """The names that rules may use, and the problems found while they are."""

    def __init__(
        self,
        addresses: Optional[Mapping[str, object]] = None,
        services: Optional[Mapping[str, object]] = None,
        addresses_path: str = "addresses",
        services_path: str = "services",
        problems: Optional[list[Problem]] = None,
    ) -> None:
        self.problems: list[Problem] = [] if problems is None else problems
        self.addresses = AddressBook(addresses or {}, addresses_path, self.problems)
        self.services = ServiceBook(services or {}, services_path, self.problems)
        #: Where the names stand that the inventory defines.
        self.defined: dict[str, str] = {}


@dataclass(frozen=True)
class Rule:
    name: str
    #: As written, normalised: reading it again gives the same rule.
    plain: Mapping[str, Any] = field(compare=False)
    #: None for a rule that is switched off or holds for nothing.
    flat: Optional[FlatRule] = None

    def as_dict(self) -> dict[str, Any]:
        return dict(self.plain)


def read_rules(raw: object, known: Collection[str], path: str, books: Books) -> tuple[Rule, ...]:
    """Rules in their order; problems go to the books."""
    found = []
    for reader in entries(raw, path, RULE_KEYS, books.problems):
        found.append(_rule(reader, known, books))
    unique(path, [rule.name for rule in found], books.problems)
    return tuple(found)


def read_untracked(raw: object, known: Collection[str], path: str, books: Books) -> tuple[Rule, ...]:
    """Exemptions from connection tracking: accepted both ways without a state."""
    found = []
    for reader in entries(raw, path, UNTRACKED_KEYS, books.problems):
        if not reader.items("destination") and ANY not in reader.items("to") and reader.items("to") != [FIREWALL]:
            reason = "is missing, and exemptions are decided before the route is known"
            reader.problem("destination", None, reason, "Name the addresses, or write to: any.")
        rule = _rule(reader, known, books, stateless=True)
        matches = rule.flat.matches.values() if rule.flat else ()
        if any(service.types != TYPES or service.codes != TYPES for match in matches for service in match.services):
            reason = "names a kind of ICMP message, whose answer is of another kind"
            reader.problem("service", reader.get("service"), reason, "Write protocol: icmp.")
        found.append(rule)
    unique(path, [rule.name for rule in found], books.problems)
    return tuple(found)


def read_defaults(raw: object, known: Collection[str], path: str, books: Books) -> tuple[Rule, ...]:
    """What decides between two zones when no rule does: a rule for every packet, after all others."""
    found = []
    for reader in entries(raw, path, DEFAULT_KEYS, books.problems):
        if reader.get("action") is None:
            reader.problem("action", None, "is missing", f"One of: {', '.join(ACTIONS)}.")
        both = ["+".join(str(item) for item in reader.items(key)) for key in ("from", "to")]
        found.append(_rule(reader, known, books, f"default {both[0]} {both[1]}"))
    unique(path, [rule.name for rule in found], books.problems)
    return tuple(found)


def services(reader: Reader, books: Books) -> Products:
    """`service`, or protocol and ports in place."""
    inline = [key for key in INLINE if reader.get(key) is not None]
    if reader.get("service") is None:
        return books.services.product(reader)
    if inline:
        reader.problem(inline[0], reader.get(inline[0]), "stands beside service", "Write one of them.")
    return books.services.resolve(reader.items("service"), f"{reader.path}.service")


def _rule(reader: Reader, known: Collection[str], books: Books, name: str = "", stateless: bool = False) -> Rule:
    before = len(books.problems)
    reader.filled("source", "destination", "service")
    name = reader.text("name", name, required=not name)
    from_zones = zones.parse_pair(reader, "from", known, firewall=True)
    to_zones = zones.parse_pair(reader, "to", known, firewall=True)
    products = services(reader, books)
    matches = matching(reader, books, products)
    if from_zones == (FIREWALL,) == to_zones:
        remedy = "Remove the rule: lo is always accepted."
        reader.problem("to", reader.get("to"), "the firewall talks to itself over lo", remedy)
    action = reader.choice("action", ACTIONS, "accept")
    limit, most, hours = conditions.limit(reader), conditions.connections(reader), conditions.schedule(reader)
    if action != "accept" and limit and most:
        reason = "stands beside limit in a rule that does not accept: what is beyond one of them would pass"
        reader.problem("connections", reader.get("connections"), reason, "Write two rules, each with one of them.")
    log = conditions.log(reader, name)
    reader.text("comment")
    enabled = reader.flag("enabled", True)
    if not matches and len(books.problems) == before:
        reader.problem("destination", reader.get("destination"), *_nothing(reader, books, products))
    flat = None
    if enabled and matches:
        flat = FlatRule(
            name,
            reader.path,
            zones.expand(from_zones, tuple(known)),
            zones.expand(to_zones, tuple(known)),
            matches,
            action,
            conditions.words(limit, most, hours),
            log,
            limit,
            most,
            hours,
            _helpers(products, matches) if action == "accept" else (),
        )
    return Rule(name, plain(reader, RULE_KEYS, name, ("from", "to"), None if stateless else action), flat)


def _helpers(products: Products, matches: Mapping[int, Match]) -> Any:
    return tuple(item for item in products.helpers if set(helper_families(item[0])) & set(matches))


def matching(reader: Reader, books: Books, products: Products) -> dict[int, Match]:
    source = books.addresses.resolve(reader.items("source"), f"{reader.path}.source")
    destination = books.addresses.resolve(reader.items("destination"), f"{reader.path}.destination")
    return {
        family: Match(source.of(family), destination.of(family), products.of(family))
        for family in (4, 6)
        if source.of(family) and destination.of(family) and products.of(family)
    }


def _nothing(reader: Reader, books: Books, products: Products) -> tuple[str, str]:
    for key in ("source", "destination"):
        if not books.addresses.resolve(reader.items(key), key).families:
            return f"no address is left in {key}", "It takes away all that it names."
    if not products.four and not products.six:
        return "no service is left", "It takes away all that it names."
    return "no address family is left", "Source, destination and service need a common family."


def plain(
    reader: Reader, keys: Iterable[str], name: str, pairs: Sequence[str], action: Optional[str]
) -> dict[str, Any]:
    """What was written, in one form: lists where lists are possible, nothing that says the default."""
    found: dict[str, Any] = {"name": name}
    for key in keys:
        value = reader.get(key)
        if value is None or key == "name":
            continue
        if key in pairs or key in ("source", "destination", "service"):
            found[key] = reader.items(key)
        elif key in ("ports", "source_ports"):
            found[key] = [item if (number := to_int(item)) is None else number for item in reader.items(key)]
        elif key == "types":
            found[key] = reader.items(key)
        elif value != {"log": False, "enabled": True}.get(key):
            found[key] = value
    if action is not None:
        found["action"] = action
    return {key: value for key, value in found.items() if value != []}


def unique(path: str, found: Sequence[str], problems: list[Problem]) -> None:
    seen: dict[str, int] = {}
    for number, name in enumerate(found):
        if name and name in seen:
            reason = f"is the name of entry {seen[name]} too"
            problems.append(
                Problem(f"{path}[{number}].name", name, reason, "Names tell rules apart in counters and logs.")
            )
        seen.setdefault(name, number)
