# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A ruleset that uses everything once, for the tests of this directory."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse


def full_input() -> dict[str, Any]:
    return {
        "zones": {
            "wan": {"interfaces": ["eth1"]},
            "lan": {"interfaces": ["eth2", "eth2.100"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
        },
        "rules": [
            {"name": "lan-out", "from": "lan", "to": "wan", "action": "accept"},
            {
                "name": 'web "shop"',
                "from": "wan",
                "to": "lan",
                "destination": ["198.51.100.80"],
                "protocol": "tcp",
                "ports": [80, "8000:8080"],
                "log": True,
            },
            {"name": "dns", "from": "lan", "to": "firewall", "protocol": "udp", "ports": [53]},
            {"name": "ntp", "from": "firewall", "to": "wan", "protocol": "udp", "ports": 123},
            {"name": "tunnels", "from": "any", "to": "any", "protocol": "gre"},
            {"name": "ah", "from": "any", "to": "any", "protocol": "ah"},
            {"name": "no-ping", "from": "wan", "to": "lan", "protocol": "icmp", "action": "drop"},
            {
                "name": "six",
                "from": "wan",
                "to": "lan",
                "destination": "2001:db8:2::80",
                "protocol": "tcp",
                "ports": 443,
            },
            {"name": "many", "from": "wan", "to": "lan", "protocol": "udp", "ports": list(range(1000, 1040, 2))},
        ],
        "nat": [
            {"name": "lan-snat", "type": "snat", "from": "lan", "to": "wan", "to_address": "192.0.2.1"},
            {"name": "lan-snat6", "type": "snat", "from": "lan", "to": "wan", "to_address": "2001:db8:1::1"},
            {
                "name": "web-dnat",
                "type": "dnat",
                "from": "wan",
                "destination": "192.0.2.1",
                "protocol": "tcp",
                "ports": [443],
                "to_address": "198.51.100.80",
                "to_port": 8443,
            },
            {
                "name": "web-dnat6",
                "type": "dnat",
                "from": "wan",
                "destination": "2001:db8:1::1",
                "protocol": "tcp",
                "ports": [443],
                "to_address": "2001:db8:2::80",
                "to_port": 8443,
            },
        ],
        "vips": ["192.0.2.1", "2001:db8:1::1/64"],
        "cluster_rules": [
            {
                "name": "vrrp",
                "chain": "raw_prerouting",
                "interfaces": ["eth3"],
                "protocol": "vrrp",
                "action": "notrack",
            },
            {"name": "vrrp", "chain": "input", "interfaces": ["eth3"], "source": "203.0.113.66", "protocol": "vrrp"},
            {"name": "sync", "chain": "output", "interfaces": ["eth3"], "protocol": "udp", "ports": [3780]},
        ],
        "management": {"interfaces": ["eth0"], "sources": ["203.0.113.0/26"], "port": 22},
        "gate": True,
        "log_drops": True,
    }


@pytest.fixture
def raw() -> dict[str, Any]:
    return full_input()


@pytest.fixture
def files(raw: dict[str, Any]) -> dict[str, str]:
    ruleset, problems = parse(raw)
    assert problems == ()
    return render(ruleset)
