# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Pieces of iptables rules: addresses, protocols, ports, comments, chain names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import PROTOCOLS, Net, PortRange
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import PORTS, Log

# xt_comment keeps 256 bytes with the closing zero; xt_LOG 30; chain names 29.
COMMENT_BYTES = 255
LOG_PREFIX_BYTES = 29
CHAIN_BYTES = 28
#: What stands in no name of a zone, and how the parts of a chain are told apart behind it.
PART, PART_DIGITS = "+", 10
# xt_multiport has 15 slots, and a range takes two.
MULTIPORT_SLOTS = 15

#: iptables knows these without /etc/protocols, which a small installation may not have.
_BUILTIN = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "esp": "esp"}
_BY_NUMBER = {1: "icmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp"}


@lru_cache(maxsize=65536)
def plain(text: str, limit: int) -> str:
    """Printable ASCII without quotes, at most `limit` bytes: what every version of iptables prints back as it was."""
    kept = "".join(char if " " <= char <= "~" and char not in "\"'\\`" else "_" for char in text)
    return " ".join(kept.split())[:limit].strip() or "_"


def comment(text: str) -> str:
    return f'-m comment --comment "{plain(text, COMMENT_BYTES)}"'


def log_target(log: Log) -> str:
    return f'-j LOG --log-prefix "{log.prefix} "'


def log_limit(log: Log) -> str:
    return f"-m limit --limit {log.rate}"


def default_log(name: str) -> Log:
    return Log(plain("fw " + name, LOG_PREFIX_BYTES - 1))


def chain_name(prefix: str, *zones: str) -> str:
    """f-lan.wan, or a shorter name with a hash when the kernel would cut it off.

    No zone has a dot in its name, so two pairs never share a chain.
    """
    name = f"{prefix}-{'.'.join(zones)}"
    if len(name) <= CHAIN_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: CHAIN_BYTES - 9]}-{digest}"


def part_name(chain: str, key: str) -> str:
    """f-lan.wan+0123456789, a part of the chain of a pair of zones. The whole name of the pair is in the digest."""
    digest = hashlib.sha256(f"{chain} {key}".encode()).hexdigest()[:PART_DIGITS]
    return f"{chain[: CHAIN_BYTES - 1 - PART_DIGITS]}{PART}{digest}"


def of_family(nets: Sequence[Net], family: int) -> list[Optional[Net]]:
    """The networks of one family; [None] (no match needed) when no network is named at all."""
    if not nets:
        return [None]
    return [net for net in nets if net.version == family]


def address(option: str, net: Optional[Net]) -> list[str]:
    if net is None or net.prefixlen == 0:
        return []
    text = str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)
    return [option, text]


def protocol(name: Optional[str], family: int) -> list[str]:
    if name is None:
        return []
    if name == "icmp":
        return ["-p", "icmp" if family == 4 else "ipv6-icmp"]
    if name == "ah":
        # In IPv6 it is an extension header, which -p never sees.
        return ["-p", "ah"] if family == 4 else ["-m", "ah"]
    return ["-p", _BUILTIN.get(name) or str(PROTOCOLS.get(name) or name)]


def protocol_number(number: int, family: int, negated: bool = False) -> str:
    if number == 51 and family == 6:
        # An extension header in IPv6; the match has no negation of its own.
        return "-m ah"
    return f"{'! ' if negated else ''}-p {_BY_NUMBER.get(number, number)}"


def ports(found: Sequence[PortRange], side: str = "dport") -> list[list[str]]:
    """One match per rule that is needed; [[]] without ports."""
    if not found or tuple(found) == PORTS:
        return [[]]
    if len(found) == 1:
        return [[f"--{side}", _range(found[0])]]
    matches: list[list[str]] = []
    for chunk in _chunks(found):
        matches.append(["-m", "multiport", f"--{side}s", ",".join(_range(item) for item in chunk)])
    return matches


def port_pairs(target: Sequence[PortRange], source: Sequence[PortRange]) -> list[list[str]]:
    """The same for the ports of both ends. Behind a multiport, iptables reads --sport as a short form of --sports."""
    return [
        [word for words in sorted(pair, key=lambda words: "-m" in words) for word in words]
        for pair in product(ports(target), ports(source, "sport"))
    ]


def _range(ends: PortRange) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}:{high}"


def _chunks(found: Iterable[PortRange]) -> list[list[PortRange]]:
    chunks: list[list[PortRange]] = [[]]
    used = 0
    for item in found:
        slots = 1 if item[0] == item[1] else 2
        if used + slots > MULTIPORT_SLOTS:
            chunks.append([])
            used = 0
        chunks[-1].append(item)
        used += slots
    return chunks
