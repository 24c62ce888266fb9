# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Reads one mapping of the inventory: a bad value becomes a problem and the default, never an exception."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Optional

from .net import IPAddress, IPNetwork, to_address, to_prefix
from .problems import Problems, nearest

# IFNAMSIZ is 16 with the closing zero. The kernel refuses "/", ":" and blanks; the rest is what can be written
# unquoted in every file that the roles render.
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,14}")


class Reader:
    def __init__(self, raw: object, path: str, known: Collection[str], problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self.raw: dict[str, Any] = {}
        if isinstance(raw, Mapping):
            self.raw = {str(key): value for key, value in raw.items()}
        elif raw is not None:
            problems.error("type", path, raw, "is not a mapping", "Write it as key: value pairs.")
        for key in self.raw:
            if known and key not in known:
                problems.error("unknown-key", self.at(key), self.raw[key], "unknown key", nearest(key, known))

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if key else self.path

    def has(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def error(self, code: str, key: str, reason: str, remedy: str, value: object = None) -> None:
        shown = self.raw.get(key) if value is None else value
        self.problems.error(code, self.at(key), shown, reason, remedy)

    def missing(self, key: str, remedy: str) -> None:
        self.problems.error("missing", self.at(key), None, "is missing", remedy)

    def name(self, key: str, pattern: str, what: str) -> str:
        value = self.raw.get(key)
        if value is None:
            self.missing(key, f"Write {what}.")
            return ""
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.error("name", key, "is not a usable name", f"Use {what}.")
            return ""
        return value

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, str) and value in choices:
            return value
        self.error("choice", key, "unknown value", nearest(value, choices))
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        self.error("type", key, "is not a boolean", "Write true or false.")
        return default

    def number(self, key: str, low: int, high: int, default: int, code: str = "range", unit: str = "") -> int:
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return int(value)
        self.error(code, key, f"is not a whole number from {low} to {high}{unit}", "Correct the number.")
        return default

    def optional_number(self, key: str, low: int, high: int, code: str = "range", unit: str = "") -> Optional[int]:
        if not self.has(key):
            return None
        found = self.number(key, low, high, low - 1, code, unit)
        return None if found < low else found

    def items(self, key: str) -> list[Any]:
        """The value as a list; one plain value counts as a list of one."""
        value = self.raw.get(key)
        if value is None:
            return []
        if isinstance(value, (list, tuple)):
            return list(value)
        if isinstance(value, (Mapping, bool)):
            self.error("type", key, "is not a list", "Write a list.")
            return []
        return [value]

    def prefix(self, key: str, version: int) -> Optional[IPNetwork]:
        value = self.raw.get(key)
        if value is None:
            return None
        found = to_prefix(value)
        if found is None or found.version != version:
            example = "192.0.2.0/24" if version == 4 else "2001:db8:1::/64"
            self.error("prefix", key, f"is not an IPv{version} prefix", f"Write one such as {example}.")
            return None
        if found.ip != found.network:
            self.error("prefix", key, "has host bits set", f"Write {found.cidr}.")
        return found.cidr

    def prefixes(self, key: str) -> tuple[IPNetwork, ...]:
        found = []
        for number, item in enumerate(self.items(key)):
            prefix = to_prefix(item)
            address = to_address(item)
            if prefix is None and address is not None:
                prefix = IPNetwork(address)
            if prefix is None:
                self.problems.error(
                    "prefix",
                    f"{self.at(key)}[{number}]",
                    item,
                    "is not an address or prefix",
                    "Write one such as 192.0.2.0/24.",
                )
            else:
                found.append(prefix.cidr)
        return tuple(found)

    def address(self, key: str) -> Optional[IPAddress]:
        value = self.raw.get(key)
        found = to_address(value)
        if found is None and value is not None:
            self.error("address", key, "is not an address", "Write one without a prefix length.")
        return found

    def addresses(self, key: str) -> tuple[tuple[int, IPAddress], ...]:
        """(position, address) of every readable item."""
        found = []
        for number, item in enumerate(self.items(key)):
            address = to_address(item)
            if address is None:
                self.problems.error(
                    "address",
                    f"{self.at(key)}[{number}]",
                    item,
                    "is not an address",
                    "Write one without a prefix length.",
                )
            else:
                found.append((number, address))
        return tuple(found)

    def interface(self, key: str, required: bool = True) -> str:
        value = self.raw.get(key)
        if value is None:
            if required:
                self.missing(key, "Name the network interface.")
            return ""
        if isinstance(value, str) and _INTERFACE.fullmatch(value) and value not in ("lo", "all", "default"):
            return value
        self.error(
            "interface",
            key,
            "is not a name of a network interface",
            "Use 1 to 15 letters, digits and _ . @ -, and not lo, all or default.",
        )
        return ""


def valid_key(name: object) -> bool:
    """Whether a word can name a network or a link."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))
