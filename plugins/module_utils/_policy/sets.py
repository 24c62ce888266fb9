# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Sets of addresses to matches of iptables, and to sets of the kernel where one prefix does not say it.

A set is named by its content, so a set that rules refer to never changes: other content is another set.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ADDRESSES, Ranges

#: IPSET_MAXNAMELEN is 32 with the closing zero.
NAME_BYTES = 31
#: What the loader takes for sets of ours; it removes those that no rule needs any more.
PREFIX = {4: "lh4-", 6: "lh6-"}
_DIGITS = 12
_LABEL_BYTES = NAME_BYTES - 4 - 1 - _DIGITS
#: Of sets that the inventory does not have. No group has a name that begins like this.
PARTS = "_parts"
_FAMILY = {4: "inet", 6: "inet6"}
#: Defaults of ipset(8); only larger sets name their size.
_HASH, _MOST = 1024, 65536


class SetBook:
    def __init__(self, labels: Mapping[tuple[int, Ranges], str]) -> None:
        self._labels = dict(labels)
        self._known: dict[tuple[int, Ranges], tuple[str, str]] = {}
        self._texts: dict[str, str] = {}

    def of_parts(self, found: Iterable[Ranges], family: int) -> None:
        """These tell parts of a chain apart, unless they have a name."""
        for ranges in found:
            self._labels.setdefault((family, ranges), PARTS)

    def match(self, side: str, ranges: Ranges, family: int) -> list[str]:
        """Words of iptables for addresses on one side ("src" or "dst"); none for all addresses."""
        negated, what = self._find(ranges, family)
        if not what:
            return []
        if what.startswith(PREFIX[family]):
            return ["-m", "set", *negated.split(), "--match-set", what, side]
        return [*negated.split(), "-s" if side == "src" else "-d", what]

    def _find(self, ranges: Ranges, family: int) -> tuple[str, str]:
        """("!" or nothing, a prefix or the name of a set)."""
        key = (family, ranges)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(ranges, family)
        return found

    def _make(self, ranges: Ranges, family: int) -> tuple[str, str]:
        if spans.is_full(ranges, family):
            return "", ""
        # More than half of all addresses: what is missing is shorter to tell.
        if sum(high - low + 1 for low, high in ranges) > 1 << (spans.BITS[family] - 1):
            return "!", self._positive(spans.subtract(ADDRESSES[family], ranges), family)
        return "", self._positive(ranges, family)

    def _positive(self, ranges: Ranges, family: int) -> str:
        entries = spans.texts(ranges, family)
        return entries[0] if len(entries) == 1 else self._set(ranges, entries, family)

    def _set(self, ranges: Ranges, entries: list[str], family: int) -> str:
        kind = "hash:net" if any("/" in entry for entry in entries) else "hash:ip"
        content = f"{kind} {family} {' '.join(entries)}"
        digest = hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
        label = re.sub(r"[^A-Za-z0-9_.-]", "_", self._labels.get((family, ranges), "set"))[:_LABEL_BYTES]
        name = f"{PREFIX[family]}{label}-{digest}"
        if name not in self._texts:
            size = f" hashsize {_power(len(entries))}" if len(entries) > _HASH else ""
            size += f" maxelem {_power(len(entries))}" if len(entries) > _MOST else ""
            lines = [f"create {name} {kind} family {_FAMILY[family]}{size}"]
            lines += [f"add {name} {entry}" for entry in entries]
            self._texts[name] = "\n".join(lines) + "\n"
        return name

    def text(self) -> str:
        """For ipset restore, in the order of the names."""
        return "".join(self._texts[name] for name in sorted(self._texts))


def _power(count: int) -> int:
    return 1 << (count - 1).bit_length()
