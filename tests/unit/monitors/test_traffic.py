# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The traffic plan for several policies, checked against what the policy says."""

from __future__ import annotations

from typing import Any

import pytest
from netaddr import IPAddress, IPNetwork

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from lab.traffic import TrafficError, TrafficPlan, plan, plans

LAN_OUT = {"name": "out", "from": "lan", "to": "wan", "action": "accept"}


def cluster(
    rules: list[dict[str, Any]], nat: list[dict[str, Any]] | None = None, name: str = "edge", inner: int = 100
) -> model.Cluster:
    hosts = {}
    for number in (2, 3):
        hosts[f"{name}{number}"] = {
            "firewall_cluster": {
                "name": name,
                "topology": "keepalived",
                "vrrp": {"vrid": inner},
                "networks": {
                    "wan": {
                        "interface": "eth1",
                        "ipv4": "192.0.2.0/24",
                        "ipv6": "2001:db8:1::/64",
                        "vips": [f"192.0.2.{inner}", f"2001:db8:1::{inner}"],
                    },
                    "lan": {
                        "interface": "eth2",
                        "ipv4": f"198.51.{inner}.0/24",
                        "ipv6": f"2001:db8:{inner}::/64",
                        "vips": [f"198.51.{inner}.1", f"2001:db8:{inner}::1"],
                    },
                },
                "sync_links": [
                    {"name": "s0", "interface": "eth3", "ipv4": f"203.0.113.{inner // 100 * 64}/29"},
                    {"name": "s1", "interface": "eth4", "ipv4": f"203.0.113.{inner // 100 * 64 + 8}/29"},
                ],
            },
            "firewall_policy": {"rules": rules, "nat": nat or []},
            "firewall_node": {
                "addresses": {
                    "wan": [f"192.0.2.{inner + number}", f"2001:db8:1::{inner + number}"],
                    "lan": [f"198.51.{inner}.{number}", f"2001:db8:{inner}::{number}"],
                    "s0": [f"203.0.113.{inner // 100 * 64 + number}"],
                    "s1": [f"203.0.113.{inner // 100 * 64 + 8 + number}"],
                }
            },
        }
    loaded = model.load(hosts, findings=False)
    assert not loaded.errors, [str(item) for item in loaded.errors]
    return loaded.clusters[0]


def owns_what_it_uses(found: TrafficPlan) -> bool:
    used = {(p.client_network, p.client_address) for p in (*found.streams, *found.flows)}
    used |= {(p.server_network, p.server_address) for p in (*found.streams, *found.flows)}
    used |= {(c.client_network, c.client_address) for c in found.canaries}
    used |= {(c.server_network, c.target) for c in found.canaries}
    return used == {(network, a) for network, items in found.extra_addresses.items() for a in items}


def test_outgoing_traffic_only() -> None:
    found = plan(cluster([LAN_OUT]))
    assert [(p.family, p.client_network, p.kind) for p in found.streams] == [(4, "lan", "routed"), (6, "lan", "routed")]
    assert {(p.client_network, p.kind) for p in found.flows} == {("lan", "routed")}
    assert {(c.client_network, c.family, c.protocol) for c in found.canaries} == {
        ("wan", family, protocol) for family in (4, 6) for protocol in ("tcp", "udp")
    }
    assert owns_what_it_uses(found)
    assert found.require() is found


def test_an_explicit_udp_rule_is_preferred() -> None:
    probe = {"name": "p", "from": "wan", "to": "lan", "protocol": "udp", "ports": [5000], "action": "accept"}
    assert {(p.client_network, p.server_port) for p in plan(cluster([LAN_OUT, probe])).streams} == {("wan", 5000)}


def test_snat_and_the_part_of_the_network_that_is_routed() -> None:
    hidden = IPNetwork("198.51.100.128/25")
    nat = [
        {"name": "s", "type": "snat", "from": "lan", "to": "wan", "source": [str(hidden)], "to_address": "192.0.2.100"}
    ]
    by_kind = {p.kind: p for p in plan(cluster([LAN_OUT], nat)).flows if p.family == 4}
    assert IPAddress(by_kind["snat"].client_address) in hidden
    assert by_kind["snat"].expect_peer == "192.0.2.100"
    assert IPAddress(by_kind["routed"].client_address) not in hidden
    assert by_kind["routed"].expect_peer == by_kind["routed"].client_address


def test_all_hidden_still_gives_a_stream() -> None:
    nat = [{"name": "s", "type": "snat", "from": "lan", "to": "wan", "to_address": "192.0.2.100"}]
    found = plan(cluster([LAN_OUT], nat))
    assert [(p.family, p.kind) for p in found.streams] == [(4, "snat"), (6, "routed")]


def test_dnat_is_checked_against_the_translated_address() -> None:
    entry = {
        "name": "d", "type": "dnat", "from": "wan", "destination": "192.0.2.100", "protocol": "tcp", "ports": [443],
        "to_address": "198.51.100.80", "to_port": 8443,
    }  # fmt: skip
    web = {
        "name": "w", "from": "any", "to": "lan", "destination": ["198.51.100.80"], "protocol": "tcp", "ports": [8443],
        "action": "accept",
    }  # fmt: skip
    found = [p for p in plan(cluster([LAN_OUT, web], [entry])).flows if p.kind == "dnat"]
    assert [(p.connect_address, p.connect_port, p.server_address, p.server_port) for p in found] == [
        ("192.0.2.100", 443, "198.51.100.80", 8443)
    ]
    assert not [p for p in plan(cluster([LAN_OUT], [entry])).flows if p.kind == "dnat"]


def test_an_earlier_rule_wins() -> None:
    block = {"name": "b", "from": "any", "to": "any", "source": ["198.51.100.128/25"], "action": "drop"}
    found = plan(cluster([block, LAN_OUT]))
    assert {IPAddress(p.client_address) in IPNetwork("198.51.100.128/25") for p in found.flows if p.family == 4} == {
        False
    }
    nothing = plan(cluster([{key: value for key, value in block.items() if key != "source"}, LAN_OUT]))
    with pytest.raises(TrafficError, match="IPv4: no rule accepts UDP"):
        nothing.require()


def test_everything_accepted_leaves_no_canary() -> None:
    found = plan(cluster([{"name": "all", "from": "any", "to": "any", "action": "accept"}]))
    assert found.canaries == ()
    assert "there is nothing that must be dropped" in found.notes[-1]


def test_rules_for_the_firewall_itself_do_not_count() -> None:
    local = {"name": "ssh", "from": "wan", "to": "firewall", "protocol": "tcp", "ports": [22], "action": "accept"}
    with pytest.raises(TrafficError):
        plan(cluster([local])).require()


def test_clusters_on_one_network_get_different_addresses() -> None:
    found = plans([cluster([LAN_OUT]), cluster([LAN_OUT], name="core", inner=200)])
    first, second = (set(item.extra_addresses["wan"]) for item in found.values())
    assert first
    assert not first & second


def test_no_address_of_a_node_or_vip_is_taken() -> None:
    made = cluster([LAN_OUT])
    taken = {str(a) for node in made.nodes for found in node.addresses.values() for a in found}
    taken |= {str(vip.address) for vip in made.vips}
    assert not taken & {a for items in plan(made).extra_addresses.values() for a in items}
