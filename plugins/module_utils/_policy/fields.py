# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Readers for single fields. They never raise: a bad value becomes a Problem and a neutral result."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Optional, Union

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ANY, FIREWALL, ICMP
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Net = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
PortRange = tuple[int, int]

#: Names that people write. None stands for "differs per family" (ICMP).
PROTOCOLS: Mapping[str, Optional[int]] = {
    "tcp": 6,
    "udp": 17,
    "sctp": 132,
    "icmp": None,
    "icmpv6": 58,
    "vrrp": 112,
    "esp": 50,
    "ah": 51,
    "gre": 47,
    "igmp": 2,
}
PORT_PROTOCOLS = ("tcp", "udp", "sctp")

# The kernel takes nearly any byte in a device name; these are the ones that iptables would read as something else.
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_ZONE = re.compile(r"[a-z][a-z0-9_-]{0,14}")


class Reader:
    """Reads one mapping at `path` and collects the problems on the way."""

    def __init__(self, raw: object, path: str, known: Collection[str], problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self.raw: Mapping[object, object] = raw if isinstance(raw, Mapping) else {}
        if not isinstance(raw, Mapping):
            self.problem("", raw, "is not a mapping", "Write it as key: value pairs.")
        for key in self.raw:
            if key not in known:
                near = difflib.get_close_matches(str(key), list(known), 1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(known))}."
                self.problem(str(key), self.raw[key], "unknown key", hint)

    def problem(self, key: str, value: object, reason: str, remedy: str) -> None:
        path = f"{self.path}.{key}" if key else self.path
        self.problems.append(Problem(path, value, reason, remedy))

    def get(self, key: str) -> object:
        return self.raw.get(key)

    def filled(self, *keys: str) -> None:
        """An empty list is a mistake: a variable that has lost its content must not open everything."""
        for key in keys:
            value = self.raw.get(key)
            if isinstance(value, (list, tuple)) and not value:
                self.problem(key, value, "is empty", "Name at least one, or remove the key.")

    def items(self, key: str) -> list[object]:
        """The value as a list: nothing, one value or a list."""
        value = self.raw.get(key)
        if value is None:
            return []
        if isinstance(value, (list, tuple)):
            return list(value)
        return [value]

    def text(self, key: str, default: str = "", required: bool = False) -> str:
        value = self.raw.get(key)
        if value is None:
            if required:
                self.problem(key, value, "is missing", f"Give it a {key}.")
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            self.problem(key, value, "is not a text", "Write a plain word.")
            return default
        text = str(value)
        if required and not text.strip():
            self.problem(key, value, "is empty", f"Give it a {key}.")
        return text

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            self.problem(key, value, "unknown value", f"One of: {', '.join(choices)}.")
            return default
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.raw.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, value, "is not a boolean", "Write true or false.")
            return default
        return value

    def number(self, key: str, low: int, high: int, default: Optional[int] = None) -> Optional[int]:
        value = self.raw.get(key)
        if value is None:
            return default
        number = to_int(value)
        if number is None or not low <= number <= high:
            self.problem(key, value, f"is not a number from {low} to {high}", "Correct the number.")
            return default
        return number

    def networks(self, key: str) -> tuple[Net, ...]:
        found: list[Net] = []
        for item in self.items(key):
            try:
                found.append(ipaddress.ip_network(str(item)))
            except ValueError as error:
                self.problem(key, item, f"is not an address or prefix ({error})", _network_remedy(str(item)))
        return tuple(found)

    def address(self, key: str) -> Optional[Address]:
        value = self.raw.get(key)
        try:
            return ipaddress.ip_address(str(value))
        except ValueError:
            self.problem(key, value, "is not one IPv4 or IPv6 address", "Write one address without a prefix length.")
            return None

    def protocol(self, key: str = "protocol") -> Optional[str]:
        """A known name, a number as text, or None for any."""
        value = self.raw.get(key)
        if value is None or value == "any":
            return None
        if isinstance(value, str) and value.lower() in PROTOCOLS:
            return value.lower()
        number = to_int(value)
        if number is None or not 1 <= number <= 255:
            self.problem(
                key, value, "unknown protocol", f"One of any, {', '.join(PROTOCOLS)}, or a number from 1 to 255."
            )
            return None
        if number in ICMP.values():
            return "icmp"
        return next((name for name, known in PROTOCOLS.items() if known == number), str(number))

    def ports(self, key: str, protocol: Optional[str]) -> tuple[PortRange, ...]:
        found: list[PortRange] = []
        for item in self.items(key):
            ends = [to_int(end) for end in str(item).split(":")]
            low, high = ends[0], ends[-1]
            if len(ends) > 2 or low is None or high is None or not 1 <= low <= high <= 65535:
                self.problem(
                    key, item, "is not a port or a range of ports", 'Write 443 or "8000:8080", from 1 to 65535.'
                )
                continue
            found.append((low, high))
        if found and protocol not in PORT_PROTOCOLS:
            self.problem(
                key, self.raw.get(key), "ports need a protocol that has them", "Add protocol: tcp, udp or sctp."
            )
            return ()
        return tuple(found)

    def interfaces(self, key: str, required: bool = False) -> tuple[str, ...]:
        found: list[str] = []
        for item in self.items(key):
            if isinstance(item, str) and _INTERFACE.fullmatch(item) and item != "lo":
                found.append(str(item))
            else:
                self.problem(
                    key,
                    item,
                    "is not a name of a network interface",
                    "1 to 15 letters, digits and _.@- are allowed, and not lo.",
                )
        if required and not self.items(key):
            self.problem(key, self.raw.get(key), "is missing", "Name at least one interface.")
        return tuple(found)


def entries(raw: object, path: str, known: Collection[str], problems: list[Problem]) -> list[Reader]:
    if raw is None:
        return []
    if not isinstance(raw, (list, tuple)):
        problems.append(Problem(path, raw, "is not a list", "Write a list of entries."))
        return []
    return [Reader(entry, f"{path}[{number}]", known, problems) for number, entry in enumerate(raw)]


def to_int(value: object) -> Optional[int]:
    """A whole number or its digits; True is not 1 here."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return int(value)
    return None


def number_of(protocol: str, family: int) -> int:
    """The number of a protocol as `Reader.protocol` tells it."""
    return PROTOCOLS.get(protocol) or (ICMP[family] if protocol == "icmp" else int(protocol))


def valid_zone(name: str) -> bool:
    return bool(_ZONE.fullmatch(name)) and name not in (ANY, FIREWALL)


def families(*groups: Iterable[Net]) -> frozenset[int]:
    """IP versions in which every group that names addresses has at least one."""
    versions = {4, 6}
    for group in groups:
        named = {net.version for net in group}
        if named:
            versions &= named
    return frozenset(versions)


def _network_remedy(text: str) -> str:
    try:
        return f"Write {ipaddress.ip_network(text, strict=False)} for the network, or the address without /n."
    except ValueError:
        return "Write an address such as 198.51.100.80 or a prefix such as 2001:db8:2::/64; names are not resolved."
