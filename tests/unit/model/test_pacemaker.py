# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Topology pacemaker: mistakes at their places, and what the roles are given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import ruleset

NONE = {"fencing": {"none": "a test"}}
DEVICES = [
    {"name": "power1", "agent": "fence_ipmilan", "nodes": ["fw1"], "parameters": {"ip": "203.0.113.10"}},
    {"name": "power2", "agent": "fence_ipmilan", "nodes": ["fw2"], "parameters": {"ip": "203.0.113.11"}},
]
FENCED = {"fencing": {"devices": DEVICES, "priority_delay_s": 5}}
Changed = Callable[..., model.Loaded]


def build(changed: Changed, pacemaker: dict[str, Any] | None = None, count: int = 2, **changes: Any) -> model.Loaded:
    more = {f"cluster.{key.replace('__', '.')}": value for key, value in changes.items()}
    return changed(
        {"cluster.topology": "pacemaker", "cluster.pacemaker": NONE if pacemaker is None else pacemaker, **more},
        count=count,
    )


@pytest.fixture
def fenced(changed: Changed) -> model.Cluster:
    groups = {"outside": {"hosts": ["192.0.2.80", "2001:db8:1::80"]}}
    loaded = build(changed, {**FENCED, "ping_groups": groups})
    assert loaded.problems == ()
    return loaded.clusters[0]


P = "firewall_cluster[edge].pacemaker"
MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("fencing", {"pacemaker": {}}, f"{P}.fencing", "has to be made"),
    ("fencing", {"pacemaker": {"fencing": {"none": " "}}}, f"{P}.fencing", "has to be made"),
    ("fencing", {"pacemaker": {"fencing": {"none": "x", "devices": DEVICES}}}, f"{P}.fencing", "devices and a reason"),
    ("unfenced-node", {"pacemaker": {"fencing": {"devices": DEVICES[:1]}}}, f"{P}.fencing.devices", "fw2"),
    (
        "node",
        {"pacemaker": {"fencing": {"devices": [*DEVICES, {**DEVICES[0], "name": "third", "nodes": ["fw3"]}]}}},
        f"{P}.fencing.devices[2].nodes",
        "fw",
    ),
    (
        "duplicate",
        {"pacemaker": {"fencing": {"devices": [DEVICES[0], {**DEVICES[1], "name": "power1"}]}}},
        f"{P}.fencing.devices[1].name",
        "twice",
    ),
    (
        "missing",
        {"pacemaker": {"fencing": {"devices": [*DEVICES, {"name": "x", "agent": "fence_x"}]}}},
        f"{P}.fencing.devices[2].nodes",
        "Name the nodes",
    ),
    (
        "name",
        {"pacemaker": {"fencing": {"devices": [*DEVICES, {"name": "x", "agent": "Fence X", "nodes": ["fw1"]}]}}},
        f"{P}.fencing.devices[2].agent",
        "fence_ipmilan",
    ),
    (
        "duplicate",
        {"pacemaker": {"fencing": {"devices": [*DEVICES, {**DEVICES[0], "name": "vips-edge"}]}}},
        f"{P}.fencing.devices[2].name",
        "another resource",
    ),
    (
        "property",
        {"pacemaker": {**NONE, "properties": {"stonith-enabled": False}}},
        f"{P}.properties.stonith-enabled",
        "Write fencing",
    ),
    ("missing", {"pacemaker": {**NONE, "ping_groups": {"out": {}}}}, f"{P}.ping_groups.out.hosts", "routers"),
    (
        "address",
        {"pacemaker": {**NONE, "ping_groups": {"out": {"hosts": ["router"]}}}},
        f"{P}.ping_groups.out.hosts[0]",
        "address",
    ),
    (
        "ping",
        {"pacemaker": {**NONE, "ping_groups": {"out": {"hosts": ["192.0.2.1"]}}}},
        f"{P}.ping_groups.out.hosts[0]",
        "neighbour",
    ),
    ("missing", {"pacemaker": {**NONE, "quorum_device": {}}}, f"{P}.quorum_device.host", "corosync-qnetd"),
    ("unknown-key", {"pacemaker": {**NONE, "stickyness": 1}}, f"{P}.stickyness", "stickiness"),
    ("allow", {"pacemaker": {**NONE, "allow": ["vips*", "restrat:states"]}}, f"{P}.allow[1]", "'restart'"),
    ("topology", {"vrrp": {"vrid": 5}}, "firewall_cluster[edge].vrrp", "topology: keepalived"),
    ("node", {"vip_groups": {"edge": {"primary": "fw9"}}}, "firewall_cluster[edge].vip_groups.edge.primary", "fw"),
    ("group", {"vip_groups": {"edge": {}, "dmz": {}}}, "firewall_cluster[edge].vip_groups.dmz", "no virtual address"),
    (
        "group",
        {"networks__wan__vips": [{"address": "192.0.2.1", "group": "dmz"}, "2001:db8:1::1"]},
        "firewall_cluster[edge].networks.wan.vips[0].group",
        "edge",
    ),
]


@pytest.mark.parametrize(("code", "changes", "path", "words"), MISTAKES)
def test_mistakes(changed: Changed, code: str, changes: dict[str, Any], path: str, words: str) -> None:
    found = build(changed, **changes)
    assert [(problem.code, problem.path) for problem in found.errors] == [(code, path)]
    assert words in str(found.errors[0])


def test_pacemaker_words_belong_to_its_topology(changed: Changed) -> None:
    found = changed({"cluster.pacemaker": NONE})
    assert [(problem.code, problem.path) for problem in found.errors] == [("topology", P)]


def test_no_sync_link(changed: Changed) -> None:
    none = {f"fw{n}.firewall_node.addresses.sync{k}": ... for n in (1, 2) for k in (0, 1)}
    found = changed(
        {"cluster.topology": "pacemaker", "cluster.pacemaker": NONE, "cluster.sync_links": [], **none},
    )
    assert "sync-link-missing" in {problem.code for problem in found.errors}


def test_ids_are_unique(changed: Changed) -> None:
    found = changed({"cluster.topology": "pacemaker", "cluster.pacemaker": NONE, "fw2.firewall_node.id": 1})
    assert [(problem.code, problem.path) for problem in found.errors] == [("node-id", "firewall_node[fw2].id")]


def test_plain_json_and_sound_rules(fenced: model.Cluster) -> None:
    for node in fenced.nodes:
        found = {**model.views.role_variables(fenced, node), "plan": model.views.plan(fenced, node)}
        assert json.loads(json.dumps(found)) == found
        keys = ("zones", "rules", "nat", "vips", "cluster_rules", "management", "gate")
        _rules, problems = ruleset.parse({key: found[f"iptables_{key}"] for key in keys})
        assert problems == ()
        assert not [key for key in found if key.startswith("keepalived_")]


def test_membership_passes_the_rules_untracked_and_only_between_peers(fenced: model.Cluster) -> None:
    rules = model.views.role_variables(fenced, fenced.nodes[0])["iptables_cluster_rules"]
    found = [rule for rule in rules if rule["name"].startswith("corosync")]
    assert len(found) == 8
    assert {tuple(rule["ports"]) for rule in found} == {(5405,), (5406,)}
    assert {rule["chain"] for rule in found} == {"input", "output", "raw_prerouting", "raw_output"}
    assert all(rule["source"] and rule["destination"] for rule in found)
    assert not [rule for rule in rules if rule.get("protocol") == "vrrp"]


def wanted(cluster: model.Cluster) -> cib.State:
    checker = cib.spec.Checker()
    state = checker.state(model.views.view_cib.configuration(cluster))
    assert checker.problems == []
    return state


def test_the_configuration_is_in_the_vocabulary_of_the_module(fenced: model.Cluster) -> None:
    state = wanted(fenced)
    names = set(state.objects["resources"])
    assert names == {"states", "states-clone", "vips-edge", "ping-outside", "ping-outside-clone", "power1", "power2"}


def constraints(cluster: model.Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = model.views.role_variables(cluster, cluster.nodes[0])["pacemaker_cib"]["constraints"]
    return found


def test_addresses_follow_the_promoted_node(fenced: model.Cluster) -> None:
    together = [item for item in constraints(fenced) if item["type"] in ("colocation", "order")]
    assert together == [
        {
            "type": "colocation",
            "resource": "vips-edge",
            "with": "states-clone",
            "with_role": "Promoted",
            "score": "INFINITY",
        },
        {
            "type": "order",
            "first": "states-clone",
            "first_action": "promote",
            "then": "vips-edge",
            "then_action": "start",
        },
    ]


def test_a_device_never_runs_on_the_only_node_it_cuts_off(fenced: model.Cluster) -> None:
    away = {(i["resource"], i["node"]) for i in constraints(fenced) if i.get("score") == "-INFINITY"}
    assert away == {("power1", "fw1"), ("power2", "fw2")}


def test_sight_of_the_neighbours_weighs_more_than_comfort_and_forbids_nothing(fenced: model.Cluster) -> None:
    (ping,) = (item for item in constraints(fenced) if item.get("id") == "location-ping-outside")
    (preference,) = (item for item in constraints(fenced) if item.get("resource") == "vips-edge" and "node" in item)
    # Never below 0: such a node would not be promoted even where there is no other.
    assert ping["rules"][0]["score"] > fenced.pacemaker.stickiness + preference["score"]
    assert ping["rules"][0]["rule"] == "ping-outside gt number 0"


@pytest.mark.parametrize(("preempt", "returns"), [(False, False), (True, True)])
def test_the_primary_returns_only_with_preempt(changed: Changed, preempt: bool, returns: bool) -> None:
    cluster = build(changed, preempt=preempt).clusters[0]
    if preempt:
        (item,) = (item for item in constraints(cluster) if item.get("id") == "location-edge-primary")
        (rule,) = item["rules"]
        score = rule["score"]
        # A node that holds back is preferred no more, but never kept from serving.
        assert rule["rule"] == "#uname eq fw1 and not_defined linuxha-held"
    else:
        (score,) = (
            item["score"] for item in constraints(cluster) if item.get("resource") == "vips-edge" and "node" in item
        )
    assert (score > cluster.pacemaker.stickiness) == returns


def test_fencing_is_what_was_chosen(changed: Changed, fenced: model.Cluster) -> None:
    variables = model.views.role_variables(fenced, fenced.nodes[0])
    assert variables["pacemaker_fencing"] == {"enabled": True}
    properties = variables["pacemaker_cib"]["properties"]
    assert (properties["priority-fencing-delay"], properties["cluster-recheck-interval"]) == ("5s", "60s")
    assert "fencing" not in variables["pacemaker_cib"]
    none = build(changed).clusters[0]
    variables = model.views.role_variables(none, none.nodes[0])
    assert variables["pacemaker_fencing"] == {"enabled": False, "reason": "a test"}
    assert "cluster-recheck-interval" not in variables["pacemaker_cib"]["properties"]


def test_properties_of_the_user_win(changed: Changed) -> None:
    given = {**FENCED, "properties": {"cluster-recheck-interval": "5min"}}
    cluster = build(changed, given).clusters[0]
    properties = model.views.role_variables(cluster, cluster.nodes[0])["pacemaker_cib"]["properties"]
    assert properties["cluster-recheck-interval"] == "5min"


def test_levels_of_fencing(changed: Changed) -> None:
    second = {"name": "pdu", "agent": "fence_apc_snmp", "nodes": ["fw1", "fw2"], "level": 2}
    cluster = build(changed, {"fencing": {"devices": [*DEVICES, second], "priority_delay_s": 5}}).clusters[0]
    assert model.views.role_variables(cluster, cluster.nodes[0])["pacemaker_cib"]["fencing"] == [
        {"target": "fw1", "index": 1, "devices": ["power1"]},
        {"target": "fw1", "index": 2, "devices": ["pdu"]},
        {"target": "fw2", "index": 1, "devices": ["power2"]},
        {"target": "fw2", "index": 2, "devices": ["pdu"]},
    ]
    assert wanted(cluster).objects["fencing"]


def test_the_digest_follows_the_addresses(changed: Changed) -> None:
    def digest(**changes: Any) -> str:
        cluster = build(changed, **changes).clusters[0]
        resources = model.views.role_variables(cluster, cluster.nodes[0])["pacemaker_cib"]["resources"]
        return str(next(item["params"]["digest"] for item in resources if item["id"] == "vips-edge"))

    assert digest() == digest(profile="instant")
    assert digest() != digest(networks__lan__vips=["198.51.100.5", "2001:db8:2::1"])


def test_several_groups_on_three_nodes(changed: Changed) -> None:
    loaded = build(
        changed,
        count=3,
        vip_groups={"blue": {"primary": "fw1"}, "red": {"primary": "fw2"}},
        networks__wan__vips=[{"address": "192.0.2.1", "group": "blue"}, {"address": "192.0.2.9", "group": "red"}],
        networks__lan__vips=[{"address": "198.51.100.1", "group": "blue"}, {"address": "198.51.100.9", "group": "red"}],
    )
    assert loaded.errors == ()
    cluster = loaded.clusters[0]
    variables = model.views.role_variables(cluster, cluster.nodes[2])
    resources = {item["id"]: item for item in variables["pacemaker_cib"]["resources"]}
    # Nothing is promoted: the addresses would follow the role, to where the other group wants to be.
    assert "promotable" not in resources["states-clone"]["meta"]
    assert resources["states"]["params"] == {"steer": False}
    assert resources["vips-red"]["params"]["steer"] is True
    together = [item for item in constraints(cluster) if item.get("with") == "states-clone"]
    assert [(item["resource"], item["score"]) for item in together] == [
        ("vips-blue", "INFINITY"),
        ("vips-red", "INFINITY"),
    ]
    # Health and readiness are judged for each group.
    rules = {item["id"]: item["resource"] for item in constraints(cluster) if "rules" in item}
    assert rules == {
        f"location-{group}-{name}": f"vips-{group}" for group in ("blue", "red") for name in ("links", "states")
    }
    assert variables["base_sysctls"]["net.netfilter.nf_conntrack_tcp_be_liberal"] == 1
    preferred = {i["resource"]: i["node"] for i in constraints(cluster) if i["type"] == "location" and "node" in i}
    assert preferred == {"vips-blue": "fw1", "vips-red": "fw2"}
    assert [item for item in constraints(cluster) if item.get("with") == "vips-blue"] == []
    assert [group["name"] for group in variables["ocf_agents_groups"]] == ["blue", "red"]
    assert variables["conntrackd_mode"] == "notrack"
    # Without it corosync would wait 650 ms longer for each node beyond the second.
    assert variables["corosync_totem"] == {"token_coefficient": 0}
    assert model.views.plan(cluster, cluster.nodes[0])["vip_groups"]["red"] == ["192.0.2.9", "198.51.100.9"]


def test_several_groups_need_states_in_the_kernel(changed: Changed) -> None:
    loaded = build(
        changed,
        vip_groups={"blue": {"primary": "fw1"}, "red": {"primary": "fw2"}},
        networks__wan__vips=[{"address": "192.0.2.1", "group": "blue"}, {"address": "192.0.2.9", "group": "red"}],
        networks__lan__vips=[],
        conntrackd={"immediate": False},
    )
    (problem,) = loaded.errors
    assert problem.code == "groups-immediate"
    assert problem.path == "firewall_cluster[edge].conntrackd.immediate"


@pytest.mark.parametrize(("stickiness", "codes"), [(0, ["groups-stickiness"]), (99, ["groups-stickiness"]), (100, [])])
def test_several_groups_do_not_follow_the_free_node(changed: Changed, stickiness: int, codes: list[str]) -> None:
    loaded = build(
        changed,
        {**NONE, "stickiness": stickiness},
        vip_groups={"blue": {"primary": "fw1"}, "red": {"primary": "fw2"}},
        networks__wan__vips=[{"address": "192.0.2.1", "group": "blue"}, {"address": "192.0.2.9", "group": "red"}],
        networks__lan__vips=[],
    )
    assert [problem.code for problem in loaded.errors] == codes


def test_a_quorum_device(changed: Changed) -> None:
    cluster = build(changed, {**NONE, "quorum_device": {"host": "203.0.113.20"}}).clusters[0]
    variables = model.views.role_variables(cluster, cluster.nodes[0])
    assert variables["corosync_device"] == {"host": "203.0.113.20", "algorithm": "ffsplit", "timeout": 2000}
    assert model.budget.failover(cluster).detection_ms == 300 + 360 + 2000
    named = build(changed, {**NONE, "quorum_device": {"host": "203.0.113.20", "name": "witness"}}).clusters[0]
    assert model.views.role_variables(named, named.nodes[0])["corosync_device"]["name"] == "witness"
    odd = build(changed, {**NONE, "quorum_device": {"host": "203.0.113.20"}}, count=3)
    assert "ffsplit" in {problem.code for problem in odd.errors}


def test_two_devices_of_one_node_have_to_succeed_both(changed: Changed) -> None:
    second = {"name": "feed-b", "agent": "fence_apc_snmp", "nodes": ["fw1"]}
    cluster = build(changed, {"fencing": {"devices": [*DEVICES, second], "priority_delay_s": 5}}).clusters[0]
    assert model.views.role_variables(cluster, cluster.nodes[0])["pacemaker_cib"]["fencing"] == [
        {"target": "fw1", "index": 1, "devices": ["power1", "feed-b"]},
        {"target": "fw2", "index": 1, "devices": ["power2"]},
    ]


def test_the_budget_knows_the_timers_of_the_role(changed: Changed) -> None:
    text = (Path(__file__).parents[3] / "roles" / "corosync" / "vars" / "main.yml").read_text()
    profiles = yaml.safe_load(text)["__corosync_profiles"]
    for name, profile in model.PROFILES.items():
        token = profiles[name]["token"]
        # corosync's own default is 1.2 times the token.
        assert (profile.token_ms, profile.consensus_ms) == (token, profiles[name].get("consensus", round(1.2 * token)))
        cluster = build(changed, profile=name).clusters[0]
        assert model.budget.failover(cluster).detection_ms == profile.token_ms + profile.consensus_ms


def test_the_delay_of_fencing_may_last_a_second_longer(fenced: model.Cluster) -> None:
    budget = model.budget.failover(fenced)
    assert budget.detection_ms == 300 + 360 + 6000
    assert "priority_delay_s 5 to 6 s" in budget.lines[0]


def test_fencing_is_not_in_the_budget_and_said_so(fenced: model.Cluster) -> None:
    assert "fence device" in model.budget.failover(fenced).lines[-1]
