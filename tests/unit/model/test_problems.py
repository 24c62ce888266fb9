# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Every kind of mistake is found, at its place, with what to do; and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

# (code, what to change, path of the problem, words of the reason or remedy)
ONE = [
    ("unknown-key", {"cluster.vrpp": {}}, "firewall_cluster[edge].vrpp", "vrrp"),
    ("unknown-key", {"cluster.networks.wan.ipv5": 1}, "firewall_cluster[edge].networks.wan.ipv5", "ipv"),
    ("unknown-key", {"cluster.conntrackd.tabel_max": 1}, "firewall_cluster[edge].conntrackd.tabel_max", "table_max"),
    ("unknown-key", {"fw1.firewall_node.prio": 1}, "firewall_node[fw1].prio", "priority"),
    ("unknown-key", {"fw1.firewall_node.addresses.wann": []}, "firewall_node[fw1].addresses.wann", "'wan'"),
    ("unknown-key", {"fw1.firewall_lab": {"relase": "x"}}, "firewall_lab[fw1].relase", "release"),
    ("unknown-key", {"policy.ruls": []}, "firewall_policy[edge].ruls", "rules"),
    ("type", {"cluster.management": "eth0"}, "firewall_cluster[edge].management", "mapping"),
    ("type", {"cluster.preempt": "maybe"}, "firewall_cluster[edge].preempt", "boolean"),
    ("type", {"cluster.vrrp.garp": 5}, "firewall_cluster[edge].vrrp.garp", "mapping"),
    ("type", {"cluster.role_variables": []}, "firewall_cluster[edge].role_variables", "mapping"),
    (
        "role-variable",
        {"cluster.role_variables": {"sshd_x": 1}},
        "firewall_cluster[edge].role_variables.sshd_x",
        "keepalived_",
    ),
    ("unknown-key", {"cluster.damping": {"move": 1}}, "firewall_cluster[edge].damping.move", "moves"),
    ("range", {"cluster.damping": {"moves": -1}}, "firewall_cluster[edge].damping.moves", "100"),
    ("range", {"cluster.damping": {"window_s": 1}}, "firewall_cluster[edge].damping.window_s", "10"),
    ("damping", {"cluster.damping": {"wait_s": 60, "hold_s": 30}}, "firewall_cluster[edge].damping.hold_s", "60"),
    (
        "type",
        {"cluster.damping": {"alarm_command": ["mail"]}},
        "firewall_cluster[edge].damping.alarm_command",
        "absolute",
    ),
    ("name", {"cluster.networks.wan.zone": "Wan!"}, "firewall_cluster[edge].networks.wan.zone", "name"),
    ("choice", {"cluster.topology": "keepalive"}, "firewall_cluster[edge].topology", "keepalived"),
    ("choice", {"cluster.profile": "fasst"}, "firewall_cluster[edge].profile", "fast"),
    (
        "choice",
        {"cluster.conntrackd.expectations": ["ftpp"]},
        "firewall_cluster[edge].conntrackd.expectations[0]",
        "ftp",
    ),
    ("choice", {"fw1.firewall_lab": {"release": "debian11"}}, "firewall_lab[fw1].release", "debian1"),
    ("range", {"cluster.vrrp.advert_interval_ms": 15}, "firewall_cluster[edge].vrrp.advert_interval_ms", "10"),
    ("range", {"cluster.vrrp.down_timer_adverts": 0}, "firewall_cluster[edge].vrrp.down_timer_adverts", "100"),
    ("port", {"cluster.management.ssh_port": 70000}, "firewall_cluster[edge].management.ssh_port", "65535"),
    ("port", {"cluster.conntrackd.port": 0}, "firewall_cluster[edge].conntrackd.port", "65535"),
    ("vrid", {"cluster.vrrp.vrid": 256}, "firewall_cluster[edge].vrrp.vrid", "255"),
    ("vrid", {"cluster.networks.wan.vrid": 0}, "firewall_cluster[edge].networks.wan.vrid", "255"),
    ("vrrp-version", {"cluster.vrrp.version": 4}, "firewall_cluster[edge].vrrp.version", "3"),
    ("priority", {"fw1.firewall_node.priority": 255}, "firewall_node[fw1].priority", "254"),
    (
        "prefix",
        {"cluster.sync_links.0.ipv4": "203.0.113.65/29"},
        "firewall_cluster[edge].sync_links[0].ipv4",
        "203.0.113.64/29",
    ),
    ("prefix", {"cluster.management.sources": ["office"]}, "firewall_cluster[edge].management.sources[0]", "prefix"),
    (
        "address",
        {"fw1.firewall_node.addresses.lan.0": "198.51.100.2/24"},
        "firewall_node[fw1].addresses.lan[0]",
        "prefix length",
    ),
    (
        "address",
        {"cluster.networks.wan.vips": ["192.0.2.1", 7]},
        "firewall_cluster[edge].networks.wan.vips[1].address",
        "address",
    ),
    ("missing", {"cluster.networks.wan.interface": ...}, "firewall_cluster[edge].networks.wan.interface", "interface"),
    (
        "interface",
        {"cluster.networks.wan.interface": "averyveryverylong0"},
        "firewall_cluster[edge].networks.wan.interface",
        "15",
    ),
    ("interface", {"cluster.networks.wan.interface": "eth 0"}, "firewall_cluster[edge].networks.wan.interface", "15"),
    ("interface", {"cluster.networks.wan.interface": "lo"}, "firewall_cluster[edge].networks.wan.interface", "lo"),
    ("interface-twice", {"fw1.firewall_node.interfaces": {"wan": "eth2"}}, "firewall_node[fw1].interfaces.lan", "wan"),
    (
        "outside",
        {"cluster.networks.wan.vips": ["192.0.3.1", "192.0.2.1", "2001:db8:1::1"]},
        "firewall_cluster[edge].networks.wan.vips[0]",
        "192.0.2.0/24",
    ),
    (
        "outside",
        {"fw2.firewall_node.addresses.sync0": ["203.0.113.66", "203.0.113.90"]},
        "firewall_node[fw2].addresses.sync0[1]",
        "203.0.113.64/29",
    ),
    (
        "reserved",
        {"cluster.networks.lan.vips.0": "198.51.100.0"},
        "firewall_cluster[edge].networks.lan.vips[0]",
        "network address",
    ),
    (
        "reserved",
        {"cluster.networks.lan.vips.0": "198.51.100.255"},
        "firewall_cluster[edge].networks.lan.vips[0]",
        "broadcast",
    ),
    (
        "reserved",
        {"cluster.networks.lan.vips.1": "2001:db8:2::"},
        "firewall_cluster[edge].networks.lan.vips[1]",
        "anycast",
    ),
    (
        "reserved",
        {"fw1.firewall_node.addresses.sync0": ["203.0.113.71"]},
        "firewall_node[fw1].addresses.sync0[0]",
        "broadcast",
    ),
    (
        "clash",
        {"fw2.firewall_node.addresses.lan.0": "198.51.100.2"},
        "firewall_node[fw2].addresses.lan[0]",
        "fw1 (lan)",
    ),
    ("clash", {"fw2.firewall_node.addresses.lan.0": "198.51.100.1"}, "firewall_node[fw2].addresses.lan[0]", "VIP"),
    (
        "clash",
        {"cluster.networks.lan.vips": ["198.51.100.1", "198.51.100.1", "2001:db8:2::1"]},
        "firewall_cluster[edge].networks.lan.vips[1]",
        "vips[0]",
    ),
    (
        "node-address",
        {"fw1.firewall_node.addresses.sync1": ...},
        "firewall_node[fw1].addresses.sync1",
        "203.0.113.72/29",
    ),
    (
        "node-address",
        {"fw1.firewall_node.addresses.lan": ["198.51.100.2"]},
        "firewall_node[fw1].addresses.lan",
        "2001:db8:2::/64",
    ),
    ("priority-equal", {"fw2.firewall_node.priority": 250}, "firewall_node[fw2].priority", "fw1"),
    ("peers-differ", {"fw2.firewall_cluster.profile": "instant"}, "firewall_cluster[edge].profile", "fw1"),
    ("peers-differ", {"fw2.firewall_policy.rules.0.action": "drop"}, "firewall_policy[edge].rules[0].action", "accept"),
    ("shared-vmac", {"cluster.vrrp.use_vmac": True}, "firewall_cluster[edge].vrrp.use_vmac", "per_network"),
    ("vrrpv2-subsecond", {"cluster.vrrp.version": 2}, "firewall_cluster[edge].vrrp.version", "100 ms"),
    (
        "alarm-immediate",
        {"cluster.conntrackd": {"mode": "alarm", "immediate": True}},
        "firewall_cluster[edge].conntrackd.immediate",
        "alarm",
    ),
    ("budget", {"cluster.failover_budget_ms": 100}, "firewall_cluster[edge].failover_budget_ms", "309 ms"),
    (
        "accept-unknown",
        {"cluster.accept_warnings": ["family-gapp"]},
        "firewall_cluster[edge].accept_warnings[0]",
        "family-gap",
    ),
    ("duplicate", {"cluster.sync_links.1.name": "sync0"}, "firewall_cluster[edge].sync_links[1]", "unique"),
    ("policy", {"policy.rules.0.from": "laan"}, "firewall_policy[edge].rules[0].from", "lan"),
    ("policy", {"policy.nat.0.to_address": "192.0.2.9"}, "firewall_policy[edge].nat[0].to_address", "VIP"),
    ("policy", {"policy.nat.0.source": ["2001:db8:2::/64"]}, "firewall_policy[edge].nat[0].source", "family"),
    ("policy", {"policy.rules.0.ports": [70000]}, "firewall_policy[edge].rules[0].ports", "port"),
    (
        "policy",
        {"policy.rules": [{"name": "a", "from": "lan", "to": "wan"}] * 2},
        "firewall_policy[edge].rules[1].name",
        "entry 0",
    ),
]


@pytest.mark.parametrize(("code", "changes", "path", "words"), ONE)
def test_one_mistake(
    changed: Callable[..., model.Loaded], code: str, changes: dict[str, Any], path: str, words: str
) -> None:
    loaded = changed(changes)
    hits = [p for p in loaded.errors if p.path == path and p.code == code]
    assert hits, [str(p) for p in loaded.problems]
    assert words in str(hits[0])
    assert hits[0].remedy.endswith((".", "?"))
    assert loaded.clusters == ()


def test_a_pair_has_no_problem(sound: model.Cluster) -> None:
    assert sound.name == "edge"


def test_missing_sync_links(changed: Callable[..., model.Loaded]) -> None:
    for mode in ("shared", "per_network"):
        loaded = changed({"cluster.sync_links": [], "cluster.vrrp.mode": mode})
        assert "sync-link-missing" in {p.code for p in loaded.errors}


def test_links_without_a_common_family(changed: Callable[..., model.Loaded]) -> None:
    link = {"name": "sync1", "interface": "eth4", "ipv6": "2001:db8:9::/64"}
    assert "sync-family" in {p.code for p in changed({"cluster.sync_links.1": link}).errors}


def test_overlapping_networks(changed: Callable[..., model.Loaded]) -> None:
    assert "overlap" in {p.code for p in changed({"cluster.networks.lan.ipv4": "192.0.2.128/25"}).errors}


def test_one_interface_for_two_networks(changed: Callable[..., model.Loaded]) -> None:
    found = changed({"cluster.networks.lan.interface": "eth1"})
    assert "firewall_cluster[edge].networks.lan.interface" in {
        p.path for p in found.errors if p.code == "interface-twice"
    }


def test_one_node_is_no_cluster(changed: Callable[..., model.Loaded]) -> None:
    assert "too-few-nodes" in {p.code for p in changed({}, count=1).errors}


def test_three_nodes(changed: Callable[..., model.Loaded]) -> None:
    loaded = changed({}, count=3)
    assert loaded.errors == ()
    assert loaded.clusters[0].conntrackd.mode == "notrack"
    codes = {p.code for p in changed({"cluster.conntrackd": {"mode": "ftfw", "transport": "udp"}}, count=3).errors}
    assert codes == {"ftfw-nodes", "sync-peers"}


def test_vrrpv2_has_no_ipv6(changed: Callable[..., model.Loaded]) -> None:
    found = changed({"cluster.vrrp": {"mode": "per_network", "version": 2, "advert_interval_ms": 1000}})
    assert {p.code for p in found.errors} == {"vrrpv2-ipv6"}


def test_no_vip_at_all(changed: Callable[..., model.Loaded]) -> None:
    found = changed({"cluster.networks.wan.vips": [], "cluster.networks.lan.vips": [], "policy.nat": []})
    assert "has no VIP at all" in {p.reason for p in found.errors}


def test_all_mistakes_at_once(changed: Callable[..., model.Loaded]) -> None:
    loaded = changed(
        {
            "cluster.profil": "fast",
            "cluster.vrrp.vrid": 300,
            "cluster.networks.wan.vips": ["192.0.3.1"],
            "cluster.networks.lan.interface": "lan interface",
            "cluster.sync_links": [],
            "policy.rules.0.to": "nowhere",
            "policy.nat.0.to_address": "198.51.100.77",
            "fw1.firewall_node.addresses.lan": ["198.51.100.1"],
            "fw2.firewall_node.priority": 250,
        }
    )
    assert {p.code for p in loaded.errors} >= {
        "unknown-key",
        "vrid",
        "outside",
        "interface",
        "sync-link-missing",
        "policy",
        "clash",
        "node-address",
        "priority-equal",
    }
    assert len({p.path for p in loaded.errors}) >= 9


@pytest.mark.parametrize(
    "junk", [None, 1, True, "x", [], [1], {}, {"a": 1}, 1.5, [None], {"wan": None}, "192.0.2.0/24"]
)
@pytest.mark.parametrize(
    "path",
    [
        "cluster.name",
        "cluster.networks",
        "cluster.networks.wan",
        "cluster.networks.wan.vips",
        "cluster.networks.wan.ipv4",
        "cluster.sync_links",
        "cluster.sync_links.0",
        "cluster.management",
        "cluster.vrrp",
        "cluster.vrrp.track_scripts",
        "cluster.conntrackd",
        "cluster.conntrackd.expectations",
        "cluster.role_variables",
        "cluster.accept_warnings",
        "policy.rules",
        "policy.nat",
        "fw1.firewall_cluster",
        "fw1.firewall_policy",
        "fw1.firewall_node",
        "fw1.firewall_node.addresses",
        "fw1.firewall_node.addresses.wan",
        "fw1.firewall_node.interfaces",
        "fw1.firewall_lab",
    ],
)
def test_junk_never_raises(changed: Callable[..., model.Loaded], path: str, junk: object) -> None:
    for problem in changed({path: junk}).problems:
        assert str(problem)


def test_hosts_without_a_cluster_are_left_alone(hosts: dict[str, Any]) -> None:
    hosts["web1"] = {}
    assert model.load(hosts).problems == ()
    assert model.load({}) == model.Loaded((), ())
