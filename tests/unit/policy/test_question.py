# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The packet that somebody asks about."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet

ZONES = ("wan", "lan")
WEB = {"from": "wan", "source": "203.0.113.10", "destination": "192.0.2.1", "protocol": "tcp", "port": 443}
PING6 = {"from": "lan", "source": "2001:db8::1", "destination": "2001:db8:1::1", "protocol": "icmp"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (WEB, "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan"),
        ({**WEB, "port": "443", "source_port": 1}, "tcp 203.0.113.10:1 -> 192.0.2.1:443 from wan"),
        ({**WEB, "port": 0}, "tcp 203.0.113.10:40000 -> 192.0.2.1:0 from wan"),
        ({**WEB, "to": "firewall"}, "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to firewall"),
        (PING6, "icmpv6 type 128 code 0 2001:db8::1 -> 2001:db8:1::1 from lan"),
        ({**PING6, "type": 0, "code": 3}, "icmpv6 type 0 code 3 2001:db8::1 -> 2001:db8:1::1 from lan"),
        ({**PING6, "protocol": "gre", "from": "firewall"}, "gre 2001:db8::1 -> 2001:db8:1::1 from firewall"),
        ({**PING6, "protocol": 89}, "protocol 89 2001:db8::1 -> 2001:db8:1::1 from lan"),
    ],
)
def test_questions(raw: dict[str, Any], shown: str) -> None:
    packet, problems = read_packet(raw, ZONES)
    assert problems == ()
    assert str(packet) == shown


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        ("wan", ["packet", "packet.from", "packet.source", "packet.destination", "packet.protocol"]),
        ({**WEB, "from": "wann"}, ["packet.from"]),
        ({**WEB, "to": "lann"}, ["packet.to"]),
        ({**WEB, "destination": "2001:db8::1"}, ["packet.destination"]),
        ({**WEB, "source": "203.0.113.0/24"}, ["packet.source"]),
        ({**WEB, "protocol": "tpc"}, ["packet.protocol", "packet.port"]),
        ({**WEB, "protocol": "any"}, ["packet.protocol", "packet.port"]),
        ({key: value for key, value in WEB.items() if key != "port"}, ["packet.port"]),
        ({**WEB, "port": 65536}, ["packet.port"]),
        ({**WEB, "type": 8}, ["packet.type"]),
        ({**PING6, "port": 7}, ["packet.port"]),
        ({**PING6, "protocol": "gre", "code": 7}, ["packet.code"]),
        ({**WEB, "prot": 7}, ["packet.prot"]),
    ],
)
def test_what_is_wrong_with_a_question(raw: object, paths: list[str]) -> None:
    packet, problems = read_packet(raw, ZONES)
    assert packet is None
    assert [problem.path for problem in problems] == paths
