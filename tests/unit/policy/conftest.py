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


def rich_input() -> dict[str, Any]:
    """The whole language: everything that a policy can say, at least once."""
    return {
        **full_input(),
        "zones": {
            "wan": {"interfaces": ["eth1"], "networks": ["192.0.2.0/24", "2001:db8:1::/64"], "bogons": True},
            "lan": {"interfaces": ["eth2", "eth2.100"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
            "guests": {"within": "lan", "networks": ["198.51.100.128/26", "2001:db8:2:0:8000::/80"]},
            "printers": {"within": "guests", "networks": ["198.51.100.160/28"]},
            "vpn": {"interfaces": ["tun0"], "antispoof": "loose"},
        },
        "addresses": {
            "web": ["198.51.100.80", "198.51.100.81", "2001:db8:2::80", "2001:db8:2::81"],
            "mail": "198.51.100.25",
            "servers": ["web", "mail", "198.51.100.90-198.51.100.101"],
            "office": ["203.0.113.0/24", "!203.0.113.7", "2001:db8:7::1-2001:db8:7::9"],
            "not-office": "!office",
            "web-one": ["198.51.100.80", "2001:db8:2::80"],
        },
        "services": {
            "intranet": ["https", {"protocol": "tcp", "ports": [8080, "9000:9010"]}],
            "from-ntp": {"protocol": "udp", "source_ports": [123, 323], "ports": [123, 1123, 2123]},
            "unreachable": {"protocol": "icmp", "types": ["destination-unreachable", "packet-too-big"]},
            "backup": {"protocol": "tcp", "ports": 2121, "helper": "ftp"},
        },
        "rules": [
            *full_input()["rules"],
            {
                "name": "servers in",
                "from": "wan",
                "to": "lan",
                "destination": ["servers", "!mail"],
                "service": "intranet",
            },
            {
                "name": "office",
                "from": "vpn",
                "to": "any",
                "source": "office",
                "service": ["ssh", "ping", "unreachable"],
            },
            {"name": "strangers", "from": "vpn", "to": "lan", "source": "not-office", "action": "reject", "log": True},
            {
                "name": "but web",
                "from": "lan",
                "to": "vpn",
                "service": ["!http", "!https", "!ping"],
                "action": "reject",
            },
            {"name": "not ssh", "from": "vpn", "to": "wan", "service": "!ssh"},
            {"name": "clock", "from": "any", "to": "firewall", "service": "from-ntp", "comment": "both ports"},
            {
                "name": "limited",
                "from": "wan",
                "to": "lan",
                "destination": "mail",
                "service": ["smtp", "imaps"],
                "limit": {"rate": "30/minute", "burst": 10, "per": "source"},
                "connections": {"max": 20},
                "log": {"prefix": "mail", "rate": "1/second"},
            },
            {
                "name": "flood",
                "from": "wan",
                "to": "lan",
                "service": "dns",
                "action": "drop",
                "limit": {"rate": "100/second"},
            },
            {
                "name": "shift",
                "from": "guests",
                "to": "wan",
                "schedule": {"days": ["Fri", "sat"], "from": "22:00", "until": "06:00"},
            },
            {"name": "day", "from": "printers", "to": "wan", "schedule": {"from": "08:00", "until": "18:00"}},
            {"name": "files", "from": "lan", "to": "wan", "service": ["ftp", "tftp", "backup"]},
            {"name": "own files", "from": "firewall", "to": "wan", "service": "ftp"},
            {"name": "later", "from": "wan", "to": "lan", "enabled": False},
        ],
        "nat": [
            {"name": "no nat", "type": "none", "to": "wan", "source": "servers", "destination": "office"},
            {"name": "raw ports", "type": "none", "from": "wan", "destination": "192.0.2.1", "service": "dns"},
            *full_input()["nat"],
            {
                "name": "pool",
                "type": "snat",
                "from": "guests",
                "to": "wan",
                "to_address": "192.0.2.3-192.0.2.4",
            },
            {
                "name": "shifted",
                "type": "dnat",
                "from": "wan",
                "destination": ["192.0.2.3", "192.0.2.4", "2001:db8:1::3"],
                "protocol": "udp",
                "ports": "5000:5009",
                "to_address": "web-one",
                "to_port": "6000:6009",
            },
            {
                "name": "spread",
                "type": "dnat",
                "from": "wan",
                "destination": "192.0.2.1",
                "service": "ftp",
                "to_address": "198.51.100.90-198.51.100.93",
            },
            {
                "name": "block",
                "type": "one_to_one",
                "from": "wan",
                "destination": "203.0.113.16/28",
                "to_address": "198.51.100.16/28",
            },
        ],
        "vips": ["192.0.2.1", "192.0.2.3", "192.0.2.4", "2001:db8:1::1/64"],
        "defaults": [{"from": "lan", "to": "wan", "action": "reject", "log": True}],
        "untracked": [
            {
                "name": "dns",
                "from": "wan",
                "to": "firewall",
                "destination": "192.0.2.1",
                "protocol": "udp",
                "ports": [53],
            },
            {"name": "video", "from": "lan", "to": "vpn", "destination": "office", "protocol": "udp", "ports": [5004]},
        ],
        "mss": [{"from": "lan", "to": "vpn", "mss": "pmtu"}, {"from": "lan", "to": "wan", "mss": 1400}],
        "raw": [
            {"name": "mark", "chain": "FORWARD", "rule": "-i eth1 -m mark --mark 0x7 -j DROP"},
            {"name": "six", "table": "nat", "chain": "POSTROUTING", "family": 6, "rule": "-o tun0 -j RETURN"},
        ],
    }


@pytest.fixture
def raw() -> dict[str, Any]:
    return full_input()


@pytest.fixture
def files(raw: dict[str, Any]) -> dict[str, str]:
    ruleset, problems = parse(raw)
    assert problems == ()
    return render(ruleset)


@pytest.fixture
def rich() -> dict[str, str]:
    ruleset, problems = parse(rich_input())
    assert problems == ()
    return render(ruleset)
