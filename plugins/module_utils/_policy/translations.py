# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Address translations: plain data to one resolved entry per family and hook."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans, targets, zones
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.addresses import NOTHING, Sets
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Net, Reader, entries
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    ANY,
    FlatNat,
    Match,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.objects import (
    INLINE,
    NOTE_KEYS,
    PACKET_KEYS,
    Books,
    matching,
    plain,
    services,
    unique,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.services import Products

NAT_KEYS = ("name", "type", "from", "to", *PACKET_KEYS, "to_address", "to_port", *NOTE_KEYS)
TYPES = ("snat", "dnat", "one_to_one", "none")
#: Keys that a type has no use for, and why.
FOREIGN: Mapping[str, Mapping[str, str]] = {
    "snat": {"to_port": "belongs to dnat"},
    "dnat": {"to": "belongs to snat"},
    "one_to_one": dict.fromkeys(("source", "service", *INLINE, "to_port"), "would translate a part of the block"),
    "none": {"to_address": "belongs to a translation", "to_port": "belongs to dnat"},
}


@dataclass(frozen=True)
class Nat:
    name: str
    plain: Mapping[str, Any] = field(compare=False)
    #: One for each family and hook; nothing when it is switched off.
    flats: tuple[FlatNat, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return dict(self.plain)


@dataclass(frozen=True)
class Surroundings:
    """What the cluster knows beside the entries."""

    zones: tuple[str, ...]
    #: What stands for a zone as a source of packets.
    networks: Mapping[str, Sets]
    #: The shared addresses; None when they are not known.
    vips: Optional[Sets] = None
    own: Sets = NOTHING


def shared(vips: Optional[Collection[object]], books: Books) -> Optional[Sets]:
    if vips is None:
        return None
    items = [str(vip).split("/", maxsplit=1)[0] for vip in vips]
    return books.addresses.resolve(items, "vips") if items else NOTHING


def sets_of(nets: Collection[Net]) -> Sets:
    ends = {
        family: spans.normal((int(n.network_address), int(n.broadcast_address)) for n in nets if n.version == family)
        for family in (4, 6)
    }
    return Sets(ends[4], ends[6])


def read_nat(raw: object, path: str, books: Books, around: Surroundings) -> tuple[Nat, ...]:
    found = [_entry(reader, books, around) for reader in entries(raw, path, NAT_KEYS, books.problems)]
    unique(path, [entry.name for entry in found], books.problems)
    return tuple(found)


def _entry(reader: Reader, books: Books, around: Surroundings) -> Nat:
    name = reader.text("name", required=True)
    kind = reader.get("type")
    if kind == "masquerade":
        reader.problem(
            "type",
            kind,
            "translates to an address of the node itself, which a takeover leaves behind with every connection",
            "Write type: snat with to_address: a VIP of the zone.",
        )
        return Nat(name, {"name": name})
    kind = reader.choice("type", TYPES, "snat")
    for key, reason in FOREIGN[kind].items():
        if reader.get(key) is not None:
            reader.problem(key, reader.get(key), reason, _REMEDIES.get((kind, key), "Remove it."))
    enabled = reader.flag("enabled", True)
    reader.text("comment")
    flats = _Entry(name, kind, reader, books, around).flats()
    return Nat(name, {**plain(reader, NAT_KEYS, name, ("from", "to"), None), "type": kind}, flats if enabled else ())


_REMEDIES = {("dnat", "to"): "Remove it: the translated address decides the way out."}


class _Entry:
    """One entry while it is read."""

    def __init__(self, name: str, kind: str, reader: Reader, books: Books, around: Surroundings) -> None:
        self.name, self.kind, self.reader, self.books, self.around = name, kind, reader, books, around
        self.before = len(books.problems)
        reader.filled("from", "to", "source", "destination", "service")
        default = () if kind == "one_to_one" else (ANY,)
        self.written = zones.parse_pair(reader, "from", around.zones, default=default)
        self.from_zones = zones.expand(self.written, around.zones)
        self.to_zones = zones.expand(zones.parse_pair(reader, "to", around.zones, default=self._to()), around.zones)
        self.products: Products = services(reader, books)
        self.matches = matching(reader, books, self.products)

    def _to(self) -> tuple[str, ...]:
        return self.written if self.kind == "one_to_one" and self.written else (ANY,)

    def flats(self) -> tuple[FlatNat, ...]:
        if self.kind == "none":
            return self._exceptions()
        target = self._target()
        if not target.families:
            return ()
        self._families(target)
        if self.kind == "one_to_one":
            return self._blocks(target)
        ranges = {family: target.of(family) for family in target.families}
        for family, found in ranges.items():
            if len(found) != 1:
                text = ", ".join(spans.texts(found, family)[:4])
                self._problem("to_address", "is more than one range", f"Use one of: {text}.")
                return ()
        return self._snat(target) if self.kind == "snat" else self._dnat(target)

    def _problem(self, key: str, reason: str, remedy: str, value: object = None) -> None:
        self.reader.problem(key, self.reader.get(key) if value is None else value, reason, remedy)

    def _flat(self, kind: str, family: int, match: Match, incoming: bool, **more: Any) -> FlatNat:
        from_zones, to_zones = (self.from_zones, ()) if incoming else ((), self.to_zones)
        return FlatNat(self.name, self.reader.path, kind, family, from_zones, to_zones, match, **more)

    def _target(self) -> Sets:
        value = self.reader.get("to_address")
        if not isinstance(value, str) or value.startswith("!") or ("/" in value and self.kind != "one_to_one"):
            remedy = "Write one address without a prefix length, a range, or a name."
            self._problem("to_address", "is not one IPv4 or IPv6 address or range", remedy)
            return NOTHING
        return self.books.addresses.resolve([value], f"{self.reader.path}.to_address")

    def _families(self, target: Sets) -> None:
        """A literal of the other family is a mistake; a name may have addresses of both."""
        if len(target.families) != 1:
            return
        family = target.families[0]
        for key in ("source", "destination"):
            for item in self.reader.items(key):
                if not isinstance(item, str) or item.lstrip("!").strip() in self.books.addresses.groups:
                    continue
                found = self.books.addresses.resolve([item.lstrip("!").strip()], f"{self.reader.path}.{key}").families
                if found and family not in found:
                    self._problem(
                        key, f"is not of the family of to_address (IPv{family})", "Write one entry per family."
                    )
                    return

    def _exceptions(self) -> tuple[FlatNat, ...]:
        before = self.reader.get("to") is None
        after = self.reader.get("to") is not None or self.reader.get("from") is None
        matches = self._derived_source() if after and not before else self.matches
        hooks = ([True] if before else []) + ([False] if after else [])
        return tuple(
            self._flat("none", family, match, incoming) for family, match in matches.items() for incoming in hooks
        )

    def _snat(self, target: Sets) -> tuple[FlatNat, ...]:
        self._must_be_shared(target)
        matches = {family: match for family, match in self._derived_source().items() if target.of(family)}
        self._something(matches)
        return tuple(
            self._flat("snat", family, match, False, to_addresses=target.of(family)[0])
            for family, match in matches.items()
        )

    def _derived_source(self) -> Mapping[int, Match]:
        if self.reader.items("source") or ANY in self.written:
            return self.matches
        # netfilter does not know the incoming interface in POSTROUTING, so a zone can only stand for its prefixes.
        networks = [self.around.networks.get(zone, NOTHING) for zone in self.from_zones]
        found: dict[int, Match] = {}
        for family, match in self.matches.items():
            source = spans.union(*(sets.of(family) for sets in networks))
            if source:
                found[family] = Match(source, match.destination, match.services)
        if not any(sets.families for sets in networks):
            reason = "is missing, and the networks of the zone are not known"
            self.reader.problem("source", None, reason, "Write the prefixes to translate.")
        return found

    def _must_be_shared(self, target: Sets) -> None:
        for family in target.families:
            found = target.of(family)
            mine = spans.intersect(found, self.around.own.of(family))
            if mine:
                text = spans.address_text(mine[0][0], family)
                reason, remedy = "is an address of one node, which dies with it", "Translate to a shared address."
                self._problem("to_address", reason, remedy, text)
            elif self.around.vips is not None:
                foreign = spans.subtract(found, self.around.vips.of(family))
                if foreign:
                    text = spans.address_text(foreign[0][0], family)
                    remedy = "A translation survives a takeover only on a shared address."
                    self._problem("to_address", "is not a VIP of this cluster", remedy, text)

    def _dnat(self, target: Sets) -> tuple[FlatNat, ...]:
        if not self.reader.items("destination"):
            self._problem("destination", "is missing", "Name the address that is translated.")
        matches = {family: match for family, match in self.matches.items() if target.of(family)}
        self._something(matches)
        to_ports = targets.to_ports(self.reader, matches)
        return tuple(
            self._flat(
                "dnat",
                family,
                match,
                True,
                to_addresses=target.of(family)[0],
                to_ports=to_ports,
                helpers=self.products.helpers,
            )
            for family, match in matches.items()
        )

    def _blocks(self, target: Sets) -> tuple[FlatNat, ...]:
        found: list[FlatNat] = []
        if not self.reader.items("destination"):
            self._problem("destination", "is missing", "Name the outer block.")
            return ()
        for family in target.families:
            match = self.matches.get(family)
            inner, outer = target.of(family), match.destination if match else ()
            if targets.block(inner, family) is None or targets.block(inner, family) != targets.block(outer, family):
                reason = "and destination are not two prefixes of one length"
                self._problem("to_address", reason, "Write a prefix of the same length as in destination.")
                continue
            every = (Service(),)
            full = ADDRESSES[family]
            into, back = Match(full, outer, every), Match(inner, full, every)
            found.append(self._flat("dnat", family, into, True, to_addresses=inner[0], one_to_one=True))
            found.append(self._flat("snat", family, back, False, to_addresses=outer[0], one_to_one=True))
        return tuple(found)

    def _something(self, matches: Mapping[int, Match]) -> None:
        if not matches and len(self.books.problems) == self.before:
            remedy = "Source, destination, service and to_address need a common family."
            self._problem("to_address", "no address family is left", remedy)
