# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a translation makes of sets of packets, and which packets it made them of.

Addresses: one for all, one of a range (the kernel chooses), or one to one, where the bits of the host stay (NETMAP,
iptables-extensions(8)). Ports: one for all, or the n-th of the matched range becomes the n-th of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import WITH_PORTS, FlatNat, Ranges
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.space import Box


@dataclass(frozen=True)
class Piece:
    """Values that become others: each its own (`steady`, by the same distance), or every one any of the others."""

    old: tuple[int, int]
    new: tuple[int, int]
    steady: bool


Pieces = tuple[Piece, ...]


def forward(entry: FlatNat, box: Box) -> Box:
    """What packets of `box`, all of which the entry matches, look like afterwards."""
    if entry.type == "dnat":
        return box._replace(
            destination=_new(address_pieces(entry, box.destination)), service=_new(port_pieces(entry, box.service))
        )
    if entry.type == "snat":
        return box._replace(source=_new(address_pieces(entry, box.source)))
    return box


def backward(entry: FlatNat, box: Box, after: Box) -> Box:
    """The packets of `box` that may have become one of `after`, a part of what they became."""
    if entry.type == "dnat":
        return after._replace(
            destination=_old(address_pieces(entry, box.destination), after.destination),
            service=_old(port_pieces(entry, box.service), after.service),
        )
    if entry.type == "snat":
        return after._replace(source=_old(address_pieces(entry, box.source), after.source))
    return after


def address_pieces(entry: FlatNat, found: Ranges) -> Pieces:
    if entry.to_addresses is None:
        return tuple(Piece(pair, pair, True) for pair in found)
    if not entry.one_to_one:
        return tuple(Piece(pair, entry.to_addresses, False) for pair in found)
    matched = entry.match.destination if entry.type == "dnat" else entry.match.source
    return tuple(_block_piece(entry.to_addresses, matched, pair) for pair in found)


def _block_piece(block: tuple[int, int], matched: Ranges, pair: tuple[int, int]) -> Piece:
    size = block[1] - block[0] + 1
    # Blocks are prefixes; anything else counts from its first address.
    first = pair[0] & -size if size & (size - 1) == 0 else matched[0][0]
    if pair[1] >= first + size:
        return Piece(pair, block, False)
    return Piece(pair, (pair[0] - first + block[0], pair[1] - first + block[0]), True)


def port_pieces(entry: FlatNat, found: Ranges) -> Pieces:
    return tuple(_port_piece(entry, low, high) for low, high in found)


def _port_piece(entry: FlatNat, low: int, high: int) -> Piece:
    protocol = low >> 16
    if entry.to_ports is None or protocol not in WITH_PORTS or high >> 16 != protocol:
        return Piece((low, high), (low, high), True)
    base, (first, last) = protocol << 16, entry.to_ports
    if first == last:
        return Piece((low, high), (base | first, base | first), False)
    offset = first - _first_port(entry, protocol, low & 0xFFFF)
    new = (low + offset, high + offset)
    if base | first <= new[0] and new[1] <= base | last:
        return Piece((low, high), new, True)
    return Piece((low, high), (base | first, base | last), False)


def _first_port(entry: FlatNat, protocol: int, port: int) -> int:
    for service in entry.match.services:
        if service.protocol == protocol and spans.contains(service.ports, port):
            return service.ports[0][0]
    return port


def _new(pieces: Iterable[Piece]) -> Ranges:
    return spans.normal(piece.new for piece in pieces)


def _old(pieces: Iterable[Piece], after: Ranges) -> Ranges:
    return spans.normal(pair for piece in pieces for pair in _old_of(piece, after))


def _old_of(piece: Piece, after: Ranges) -> Iterator[tuple[int, int]]:
    common = spans.intersect((piece.new,), after)
    if piece.steady:
        yield from spans.shift(common, piece.old[0] - piece.new[0])
    elif common:
        yield piece.old
