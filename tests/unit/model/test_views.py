# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What the roles are given."""

from __future__ import annotations

import ipaddress
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import ruleset

IPTABLES = ("zones", "rules", "nat", "vips", "cluster_rules", "management", "gate")
VARIANTS: list[dict[str, Any]] = [
    {},
    {"cluster.profile": "instant"},
    {"cluster.vrrp": {"mode": "per_network"}},
    {"cluster.vrrp": {"mode": "per_network", "transport": "unicast"}},
    {"cluster.vrrp": {"transport": "multicast"}},
    {"cluster.vrrp": {"transport": "unicast"}},
    {"cluster.conntrackd": {"transport": "tcp"}},
    {"cluster.conntrackd": {"transport": "multicast", "mode": "notrack", "expectations": ["ftp"]}},
    {"cluster.conntrackd": {"mode": "alarm"}},
]


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest, changed: Callable[..., model.Loaded]) -> model.Cluster:
    loaded = changed(request.param)
    assert loaded.errors == ()
    return loaded.clusters[0]


def test_plain_json(variant: model.Cluster) -> None:
    for node in variant.nodes:
        found = {**model.views.role_variables(variant, node), "plan": model.views.plan(variant, node)}
        assert json.loads(json.dumps(found)) == found


def test_the_plan_names_every_interface_with_the_node_s_own_addresses(variant: model.Cluster) -> None:
    for node in variant.nodes:
        planned = model.views.plan(variant, node)["interfaces"]
        assert set(planned) == set(node.interfaces.values())
        assert sorted(a for own in planned.values() for a in own) == sorted(map(str, node.all_addresses))
        assert not {str(vip.address) for vip in variant.vips} & {a for own in planned.values() for a in own}


def test_the_iptables_role_accepts_its_part(variant: model.Cluster) -> None:
    for node in variant.nodes:
        found = model.views.role_variables(variant, node)
        _rules, problems = ruleset.parse({key: found[f"iptables_{key}"] for key in IPTABLES})
        assert problems == ()


def test_both_ends_agree(variant: model.Cluster) -> None:
    """What one node sends in the cluster, the other one accepts: same link, same addresses, same port."""
    one, other = (model.views.role_variables(variant, node)["iptables_cluster_rules"] for node in variant.nodes)

    def shape(rule: dict[str, Any]) -> str:
        kept = {k: rule.get(k) for k in ("interfaces", "source", "destination", "protocol", "ports", "source_ports")}
        return json.dumps(kept, sort_keys=True)

    def of(rules: list[dict[str, Any]], chain: str, but: str = "igmp") -> set[str]:
        return {shape(r) for r in rules if r["chain"] == chain and r["protocol"] != but}

    if variant.conntrackd.transport != "tcp":
        assert of(one, "output") == of(other, "input")
        assert of(one, "raw_output") == of(other, "raw_prerouting")
    assert of(one, "output")


def test_cluster_rules_are_bound_to_interface_and_peers(variant: model.Cluster) -> None:
    for rule in model.views.role_variables(variant, variant.nodes[0])["iptables_cluster_rules"]:
        assert rule["interfaces"]
        assert rule["destination"]
        assert rule["protocol"] == "igmp" or rule["source"]


def test_states_are_not_tracked(variant: model.Cluster) -> None:
    rules = model.views.role_variables(variant, variant.nodes[0])["iptables_cluster_rules"]
    for chain in ("raw_prerouting", "raw_output"):
        links = {i for r in rules if r["chain"] == chain and r["action"] == "notrack" for i in r["interfaces"]}
        assert links == {"eth3", "eth4"}


def test_instances_hold_every_vip_once(variant: model.Cluster) -> None:
    found = model.views.role_variables(variant, variant.nodes[0])
    held = [vip["address"] for instance in found["keepalived_instances"] for vip in instance["vips"]]
    assert sorted(held) == sorted(str(v) for v in variant.vips)
    assert {i["priority"] for i in found["keepalived_instances"]} == {250}


def test_shared_mode_uses_every_link(changed: Callable[..., model.Loaded]) -> None:
    (cluster,) = changed({"cluster.vrrp": {"transport": "unicast"}}).clusters
    found = model.views.role_variables(cluster, cluster.nodes[0])
    instances = found["keepalived_instances"]
    assert [(i["interface"], i["unicast_source"], i["unicast_peers"]) for i in instances] == [
        ("eth3", "203.0.113.65", ["203.0.113.66"]),
        ("eth4", "203.0.113.73", ["203.0.113.74"]),
    ]
    (group,) = found["keepalived_sync_groups"]
    assert group["instances"] == [i["name"] for i in instances]
    assert group["track_interfaces"] == ["eth1", "eth2"]


def test_untracked_network(changed: Callable[..., model.Loaded]) -> None:
    (cluster,) = changed({"cluster.networks.lan.track": False}).clusters
    (group,) = model.views.role_variables(cluster, cluster.nodes[0])["keepalived_sync_groups"]
    assert group["track_interfaces"] == ["eth1"]


def test_conntrackd(sound: model.Cluster) -> None:
    found = model.views.role_variables(sound, sound.nodes[1])
    assert (found["conntrackd_mode"], found["conntrackd_immediate"], found["conntrackd_transport"]) == (
        "ftfw",
        True,
        "udp",
    )
    assert found["conntrackd_links"][0] == {
        "name": "sync0",
        "interface": "eth3",
        "local": "203.0.113.66",
        "peers": ["203.0.113.65"],
    }
    ignored = set(found["conntrackd_ignore"])
    own = {str(a) for node in sound.nodes for a in node.all_addresses}
    assert ignored == own | {"127.0.0.1", "::1"}
    # translated flows carry a VIP as one end
    assert not ignored & {str(v.address) for v in sound.vips}


def test_interface_per_node_reaches_every_view(changed: Callable[..., model.Loaded]) -> None:
    (cluster,) = changed({"fw2.firewall_node.interfaces": {"wan": "ens5.7", "sync0": "ens9"}}).clusters
    text = json.dumps(model.views.role_variables(cluster, cluster.nodes[1]))
    assert '"eth1"' not in text
    assert '"eth3"' not in text
    found = model.views.role_variables(cluster, cluster.nodes[1])
    assert found["iptables_zones"]["wan"]["interfaces"] == ["ens5.7"]
    # a dot in the name of an interface does not end a part of the key
    assert "net.ipv6.conf.ens5/7.accept_dad" in found["base_sysctls"]


def test_strict_tracking(sound: model.Cluster) -> None:
    sysctls = model.views.role_variables(sound, sound.nodes[0])["base_sysctls"]
    assert sysctls["net.netfilter.nf_conntrack_tcp_loose"] == 0
    assert sysctls["net.netfilter.nf_conntrack_events"] == 1
    assert sysctls["net.netfilter.nf_conntrack_max"] == 262144


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_lost_question_for_a_neighbour_is_soon_asked_again(sound: model.Cluster, family: str) -> None:
    sysctls = model.views.role_variables(sound, sound.nodes[0])["base_sysctls"]
    assert sysctls[f"net.{family}.neigh.eth1.retrans_time_ms"] == 100
    # as long as with the defaults until a neighbour counts as gone
    assert sysctls[f"net.{family}.neigh.eth1.mcast_solicit"] * 100 == 3 * 1000
    # links between the nodes are never resolved at takeover
    assert f"net.{family}.neigh.eth3.retrans_time_ms" not in sysctls


def test_role_variables_win(changed: Callable[..., model.Loaded]) -> None:
    (cluster,) = changed({"cluster.role_variables": {"conntrackd_port": 4000}}).clusters
    assert model.views.role_variables(cluster, cluster.nodes[0])["conntrackd_port"] == 4000


def test_policy_round_trip(sound: model.Cluster, hosts: dict[str, Any]) -> None:
    for variables in hosts.values():
        variables["firewall_policy"] = sound.policy.as_dicts()
    assert model.load(hosts).clusters[0].policy == sound.policy


def test_defaults(sound: model.Cluster) -> None:
    assert (sound.topology, sound.profile.name, sound.preempt) == ("keepalived", "fast", False)
    assert (sound.vrrp.mode, sound.vrrp.version) == ("shared", 3)
    assert [n.priority for n in sound.nodes] == [250, 240]
    assert [n.zone for n in sound.networks] == ["wan", "lan"]
    assert sound.management is not None
    assert [str(p) for p in sound.management.sources] == ["203.0.113.0/26"]


def test_damping(hosts: dict[str, Any]) -> None:
    for variables in hosts.values():
        variables["firewall_cluster"]["damping"] = {"moves": 6, "hold_s": 3600, "alarm_command": ["/bin/page", "me"]}
    cluster = model.load(hosts).clusters[0]
    found = model.views.role_variables(cluster, cluster.nodes[0])
    assert found["takeover_damping"] == {"moves": 6, "window": 600, "wait": 30, "hold": 3600}
    assert found["takeover_alarm_command"] == ["/bin/page", "me"]
    assert found["takeover_detection_ms"] == round(
        model.views.plan(cluster, cluster.nodes[0])["budget"]["detection_ms"]
    )


def test_any_number_of_networks(hosts: dict[str, Any]) -> None:
    """Random sound clusters load without a problem, and every view agrees with the description."""
    rng = random.Random(1)
    for _round in range(20):
        count = rng.randint(1, 12)
        networks, addresses = {}, {"fw1": {}, "fw2": {}}
        for n, block in enumerate(rng.sample(range(256), count)):
            prefix = ipaddress.ip_network(f"2001:db8:{block:x}::/64")
            networks[f"n{n}"] = {"interface": f"if{n}", "ipv6": str(prefix), "vips": [str(prefix[1])]}
            for h, name in enumerate(addresses, start=2):
                addresses[name][f"n{n}"] = [str(prefix[h])]
        for name, variables in hosts.items():
            variables["firewall_cluster"]["networks"] = networks
            variables["firewall_policy"] = None
            old = variables["firewall_node"]["addresses"]
            variables["firewall_node"]["addresses"] = {k: old[k] for k in ("mgmt", "sync0", "sync1")} | addresses[name]
        loaded = model.load(hosts)
        assert [str(p) for p in loaded.problems] == []
        found = model.views.role_variables(loaded.clusters[0], loaded.clusters[0].nodes[0])
        assert set(found["iptables_zones"]) == set(networks)
        assert len(model.views.plan(loaded.clusters[0], loaded.clusters[0].nodes[0])["vips"]) == count


def test_keepalived_can_tell_the_instances_apart(variant: model.Cluster) -> None:
    """One VRID on one interface is one instance of a family; what a sync group tracks no member tracks itself."""
    for node in variant.nodes:
        found = model.views.role_variables(variant, node)
        instances = found["keepalived_instances"]
        keys = [(item["interface"], item["family"], item["vrid"]) for item in instances]
        assert len(set(keys)) == len(keys)
        for item in instances:
            addresses = [vip["address"] for vip in item["vips"]]
            if variant.vrrp.mode == "per_network":
                assert {":" in address for address in addresses} == {item["family"] == "ipv6"}
        for group in found["keepalived_sync_groups"]:
            members = [item for item in instances if item["name"] in group["instances"]]
            own = {item["interface"] for item in members if item["track_primary"]}
            assert not own & set(group["track_interfaces"])
