# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Addresses, prefixes, ranges and names of groups to sets of addresses per family."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import names, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ADDRESSES, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem


class Sets(NamedTuple):
    four: Ranges = ()
    six: Ranges = ()

    def of(self, family: int) -> Ranges:
        return self.four if family == 4 else self.six

    @property
    def families(self) -> tuple[int, ...]:
        return tuple(family for family in (4, 6) if self.of(family))


NOTHING = Sets()
EVERYTHING = Sets(ADDRESSES[4], ADDRESSES[6])
#: Names that the cluster model defines; an inventory may use them and may not define them.
DERIVED = ("vips", "node", "net")


def derived(name: str) -> Optional[str]:
    """The reason why a name belongs to the cluster, or None."""
    return "is the name of addresses of the cluster" if name.partition(".")[0] in DERIVED else None


class AddressBook:
    def __init__(self, groups: Mapping[str, object], path: str, problems: list[Problem]) -> None:
        self.groups: names.Groups[Sets] = names.Groups("groups", groups, path, NOTHING, problems)
        self._problems = problems
        self._literals: dict[str, Sets] = {}

    @property
    def own(self) -> Sets:
        """The nodes' own addresses, as far as the cluster model has named them."""
        used = set(self.groups.used)
        found = self._union([self.named(name) for name in self.groups.raw if name.startswith("node.")])
        self.groups.used = used
        return found

    def check(self) -> None:
        """Compute every group, so that mistakes in unused ones are seen as well."""
        used = set(self.groups.used)
        for name in self.groups.raw:
            self.named(name)
        self.groups.used = used

    def labels(self) -> dict[tuple[int, Ranges], str]:
        """The first name, in the order of the alphabet, of every content that has one."""
        found: dict[tuple[int, Ranges], str] = {}
        for name in sorted(self.groups.raw, reverse=True):
            sets = self.named(name)
            for family in sets.families:
                found[family, sets.of(family)] = name
        return found

    def resolve(self, items: Sequence[object], path: str) -> Sets:
        """The union of what is named without the items that begin with "!"; those alone are taken from everything."""
        if not items:
            return EVERYTHING
        if len(items) == 1 and isinstance(items[0], str) and not items[0].startswith("!"):
            return self._item(items[0], path)
        wanted: list[Sets] = []
        without: list[Sets] = []
        positive = False
        for item in items:
            text = item.strip() if isinstance(item, str) else item
            if isinstance(text, str) and text.startswith("!"):
                without.append(self._item(text[1:].strip(), path, item))
            else:
                positive = True
                wanted.append(self._item(text, path))
        base = self._union(wanted) if positive else EVERYTHING
        if not without:
            return base
        minus = self._union(without)
        return Sets(spans.subtract(base.four, minus.four), spans.subtract(base.six, minus.six))

    def _union(self, found: Sequence[Sets]) -> Sets:
        return Sets(spans.union(*(item.four for item in found)), spans.union(*(item.six for item in found)))

    def _item(self, item: object, path: str, shown: object = None) -> Sets:
        if isinstance(item, str):
            known = self._literals.get(item)
            if known is not None:
                return known
            if item in self.groups:
                return self.named(item)
        sets = self._literal(item, path, item if shown is None else shown)
        if isinstance(item, str) and sets is not NOTHING:
            self._literals[item] = sets
        return sets

    def named(self, name: str) -> Sets:
        return self.groups.value(name, self._group) or NOTHING

    def _group(self, raw: object, path: str) -> Sets:
        items = raw if isinstance(raw, (list, tuple)) else [raw]
        if not items or raw is None:
            self._problems.append(Problem(path, raw, "is empty", "Write at least one address, or remove the group."))
            return NOTHING
        return self.resolve(list(items), path)

    def _literal(self, item: object, path: str, shown: object) -> Sets:
        text = str(item).strip()
        if isinstance(item, bool) or not isinstance(item, str):
            text = ""
        low, dash, high = text.partition("-")
        try:
            if "%" in text:
                raise ValueError("rules cannot tell the interface after %")
            if dash and not names.NAME.fullmatch(text):
                return self._range(low.strip(), high.strip(), path, shown)
            return _host(text) or _net(text)
        except ValueError as error:
            # names.NAME matches neither addresses nor prefixes, so this is a word that nobody has defined.
            word = bool(names.NAME.fullmatch(text))
            reason = (
                "is not an address, and no group has this name"
                if word
                else f"is not an address, prefix or range ({error})"
            )
            remedy = names.nearest(text, self.groups.raw, _UNKNOWN) if word else _remedy(text)
            self._problems.append(Problem(path, shown, reason, remedy))
            return NOTHING

    def _range(self, low: str, high: str, path: str, shown: object) -> Sets:
        first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
        if first.version != last.version:
            reason, remedy = "mixes IPv4 and IPv6", "Both ends of a range have one family."
        elif int(first) > int(last):
            reason, remedy = "ends before it begins", f"Write {last}-{first}."
        else:
            ends = (int(first), int(last))
            return Sets(four=(ends,)) if first.version == 4 else Sets(six=(ends,))
        self._problems.append(Problem(path, shown, reason, remedy))
        return NOTHING


_UNKNOWN = "Define it in addresses, or write an address; host names are not resolved."


def _host(text: str) -> Optional[Sets]:
    """A single address, as most are. The C library reads it several times faster than ipaddress, and nothing more."""
    six = ":" in text
    try:
        value = int.from_bytes(socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, text), "big")
    except OSError:
        return None
    ends = ((value, value),)
    return Sets(six=ends) if six else Sets(four=ends)


def _net(text: str) -> Sets:
    net = ipaddress.ip_network(text)
    ends = ((int(net.network_address), int(net.broadcast_address)),)
    return Sets(four=ends) if net.version == 4 else Sets(six=ends)


def _remedy(text: str) -> str:
    try:
        return f"Write {ipaddress.ip_network(text, strict=False)} for the network, or the address without /n."
    except ValueError:
        return (
            "Write an address such as 198.51.100.80, a prefix such as 2001:db8:2::/64 or a range such as "
            "198.51.100.10-198.51.100.20; names are not resolved."
        )
