# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the monitors send: plain data, addresses as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal[4, 6]
RouteKind = Literal["routed", "snat", "dnat"]


@dataclass(frozen=True)
class Path:
    """One way through the pair that the policy allows, from a client to a server."""

    kind: RouteKind
    family: Family
    protocol: Literal["tcp", "udp"]
    client_network: str
    client_address: str  # the client binds this
    server_network: str
    server_address: str  # the server listens here ...
    server_port: int
    connect_address: str  # ... and the client connects to this (differs with DNAT)
    connect_port: int
    expect_peer: str | None = None  # the address the server must see; None: not checked


@dataclass(frozen=True)
class Canary:
    """A packet that the policy must drop."""

    family: Family
    protocol: Literal["tcp", "udp"]
    client_network: str
    client_address: str
    server_network: str
    target: str
    port: int
