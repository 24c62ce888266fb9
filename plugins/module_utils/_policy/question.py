# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The packet that somebody asks about: plain data to a packet and every mistake in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import (
    PORT_PROTOCOLS,
    Reader,
    number_of,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.icmp import ECHO_REQUEST
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

KEYS = ("from", "to", "source", "destination", "protocol", "port", "source_port", "type", "code")
#: One that hosts really choose (RFC 6056), where the question does not say.
SOURCE_PORT = 40000


def read_packet(
    raw: object, zones: Sequence[str], path: str = "packet"
) -> tuple[Optional[Packet], tuple[Problem, ...]]:
    """The packet, or None with what is wrong with it."""
    problems: list[Problem] = []
    reader = Reader(raw, path, KEYS, problems)
    sides = (*zones, FIREWALL)
    from_zone = reader.choice("from", sides, sides[0]) if reader.get("from") is not None else ""
    if not from_zone:
        reader.problem("from", None, "is missing", f"One of: {', '.join(sides)}.")
    to_zone = reader.choice("to", sides, "") if reader.get("to") is not None else ""
    source, destination = reader.address("source"), reader.address("destination")
    if source and destination and source.version != destination.version:
        reader.problem("destination", str(destination), "is not of the family of source", "Ask for each family.")
    name = reader.protocol()
    if name is None and reader.get("protocol") in (None, "any"):
        reader.problem("protocol", reader.get("protocol"), "is missing", "Write tcp, udp, icmp or another one.")
    with_ports = name in PORT_PROTOCOLS
    numbers = {key: reader.number(key, 0, 65535 if "port" in key else 255) for key in KEYS[5:]}
    for key, number in numbers.items():
        if number is not None and (with_ports if key in ("type", "code") else not with_ports):
            reader.problem(key, number, f"does not belong to {name or 'this protocol'}", "Remove it.")
        if number is not None and key in ("type", "code") and name not in ("icmp", *PORT_PROTOCOLS):
            reader.problem(key, number, "belongs to ICMP", "Write protocol: icmp, or remove it.")
    if with_ports and numbers["port"] is None and reader.get("port") is None:
        reader.problem("port", None, "is missing", "Write the port of the destination.")
    if problems or source is None or destination is None or name is None:
        return None, tuple(problems)
    family = source.version
    number = number_of(name, family)
    kind = numbers["type"]
    packet = Packet(
        from_zone,
        source,
        destination,
        number,
        source_port=(SOURCE_PORT if numbers["source_port"] is None else numbers["source_port"]) if with_ports else 0,
        port=numbers["port"] or 0,
        icmp_type=(ECHO_REQUEST[family] if kind is None else kind) if name == "icmp" else 0,
        icmp_code=numbers["code"] or 0,
        to_zone=to_zone,
    )
    return packet, ()
