# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""netaddr for the whole model, and the few helpers around it.

netaddr is needed on the controller only; the guard keeps this package importable without it, so that the
action plugin can say what is missing instead of ending in a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

try:
    from netaddr import AddrFormatError, IPAddress, IPNetwork

    HAS_NETADDR = True
except ImportError:
    HAS_NETADDR = False
    # The names must exist for the rest of the package to be importable; nothing calls them without netaddr.
    AddrFormatError = IPAddress = IPNetwork = ValueError  # type: ignore[misc,assignment]

__all__ = ["HAS_NETADDR", "IPAddress", "IPNetwork", "covering", "overlap", "reserved", "to_address", "to_prefix"]


def to_address(raw: object) -> Optional[IPAddress]:
    """An address from text, or None. Numbers are refused: 1 would become 0.0.0.1."""
    if not isinstance(raw, str) or "/" in raw:
        return None
    try:
        return IPAddress(raw.strip())
    except (AddrFormatError, ValueError):
        return None


def to_prefix(raw: object) -> Optional[IPNetwork]:
    """A prefix from text, or None; the length must be written."""
    if not isinstance(raw, str) or "/" not in raw:
        return None
    try:
        return IPNetwork(raw.strip())
    except (AddrFormatError, ValueError):
        return None


def covering(address: IPAddress, prefixes: Iterable[IPNetwork]) -> Optional[IPNetwork]:
    """The prefix that holds the address, or None."""
    return next((p for p in prefixes if address in p), None)


def overlap(left: IPNetwork, right: IPNetwork) -> bool:
    """Whether two prefixes of one family have an address in common."""
    return left.version == right.version and left.first <= right.last and right.first <= left.last


def reserved(address: IPAddress, prefix: IPNetwork) -> Optional[str]:
    """What an address of this prefix is reserved for, or None. /31, /32, /127 and /128 reserve nothing."""
    if prefix.size <= 2:
        return None
    if int(address) == prefix.first:
        return "the network address" if prefix.version == 4 else "the subnet-router anycast address"
    if prefix.version == 4 and int(address) == prefix.last:
        return "the broadcast address"
    return None
