# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The lab's reading of a policy: zones of prefixes, translations, and rules about which it cannot be sure."""

from __future__ import annotations

from typing import Any

import pytest
from netaddr import IPAddress

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from lab.traffic_policy import Filter, Packet

BLOCK = {"name": "block", "type": "one_to_one", "from": "wan"}
CONTENT: dict[str, Any] = {
    "zones": {
        "wan": {"interfaces": ["eth1"]},
        "lan": {"interfaces": ["eth2"], "networks": ["198.51.100.0/24"]},
        "guests": {"within": "lan", "networks": ["198.51.100.128/25"]},
    },
    "rules": [
        {"name": "guests", "from": "guests", "to": "wan", "service": "https"},
        {"name": "hours", "from": "lan", "to": "wan", "service": "ssh", "schedule": {"from": "08:00"}},
        {"name": "lan", "from": "lan", "to": "wan", "service": ["!smtp"]},
    ],
    "nat": [
        {"name": "not", "type": "none", "to": "wan", "source": "198.51.100.7"},
        {"name": "pool", "to": "wan", "source": "198.51.100.8", "to_address": "192.0.2.1-192.0.2.2"},
        {**BLOCK, "destination": "203.0.113.16/28", "to_address": "198.51.100.16/28"},
        {"name": "hide", "from": "lan", "to": "wan", "to_address": "192.0.2.1"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Filter:
    found, problems = parse(CONTENT)
    assert problems == ()
    return Filter(model.Policy({}, found.flat))


def packet(source: str, port: int) -> Packet:
    return Packet("lan", "wan", IPAddress(source), IPAddress("192.0.2.9"), "tcp", port)


@pytest.mark.parametrize(
    ("source", "port", "accepts", "drops"),
    [
        ("198.51.100.9", 443, True, False),
        ("198.51.100.9", 25, False, True),
        ("198.51.100.9", 22, False, False),  # by the hour
        ("198.51.100.129", 443, True, False),
        ("198.51.100.129", 80, False, True),  # a guest, whatever the zone of the network may do
        ("198.51.100.8", 443, False, False),  # accepted, but nobody knows with which source
    ],
)
def test_what_is_sure(policy: Filter, source: str, port: int, accepts: bool, drops: bool) -> None:
    found = packet(source, port)
    assert (policy.accepts(found), policy.drops(found)) == (accepts, drops)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("198.51.100.9", "192.0.2.1"),
        ("198.51.100.7", None),
        ("198.51.100.18", "203.0.113.18"),
        ("198.51.100.200", None),  # a guest, for whom the networks of lan do not stand
    ],
)
def test_the_source_that_a_server_sees(policy: Filter, source: str, seen: str | None) -> None:
    assert policy.snat(packet(source, 443)) == (IPAddress(seen) if seen else None)
