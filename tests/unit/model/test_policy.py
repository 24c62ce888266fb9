# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The policy inside the cluster: names that the cluster gives, zones that the policy adds, and the way to the role."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import judged_once
from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import ruleset, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import policy_id, render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Trace, trace

RULE = {"name": "r", "from": "lan", "to": "wan"}
SNAT = {"name": "n", "to": "wan", "source": "net.lan"}
RICH: dict[str, Any] = {
    "zones": {
        "wan": {"bogons": True, "antispoof": "loose"},
        "vpn": {"interfaces": ["tun0"]},
        "guests": {"within": "lan", "networks": ["198.51.100.128/25"]},
    },
    "addresses": {"web": ["198.51.100.80", "2001:db8:2::80"], "all": ["web", "vips"]},
    "services": {"intranet": ["https", {"protocol": "tcp", "ports": [8080]}]},
    "rules": [
        {**RULE, "destination": "all", "service": "intranet"},
        {"name": "peers", "from": "any", "to": "firewall", "source": ["node.fw1", "node.fw2.wan"], "service": "ping"},
        {"name": "inside", "from": "guests", "to": "vpn", "source": "net.lan", "destination": "!vips.edge"},
    ],
    "nat": [{"name": "snat", "from": "guests", "to": "wan", "to_address": "192.0.2.1"}],
    "defaults": [{"from": "lan", "to": "wan", "action": "reject"}],
    "untracked": [{**RULE, "name": "dns", "to": "firewall", "destination": "vips", "protocol": "udp", "ports": 53}],
    "mss": [{"from": "lan", "to": "vpn", "mss": "pmtu"}],
    "raw": [{"name": "x", "chain": "FORWARD", "rule": "-m mark --mark 1 -j DROP"}],
}  # fmt: skip


def texts(ranges: Any, family: int) -> list[str]:
    return spans.texts(ranges, family)


def role_input(cluster: model.Cluster, node: model.Node) -> dict[str, Any]:
    found = model.views.role_variables(cluster, node)
    return {key: found[f"iptables_{key}"] for key in ruleset.KEYS if f"iptables_{key}" in found}


@pytest.mark.parametrize(
    ("name", "four", "six"),
    [
        ("vips", ["192.0.2.1", "198.51.100.1"], ["2001:db8:1::1", "2001:db8:2::1"]),
        ("vips.edge", ["192.0.2.1", "198.51.100.1"], ["2001:db8:1::1", "2001:db8:2::1"]),
        ("node.fw2.lan", ["198.51.100.3"], ["2001:db8:2::3"]),
        ("node.fw1.sync0", ["203.0.113.65"], []),
        ("net.lan", ["198.51.100.0/24"], ["2001:db8:2::/64"]),
        ("net.mgmt", ["203.0.113.0/26"], []),
    ],
)
def test_the_cluster_gives_names(
    changed: Callable[..., model.Loaded], name: str, four: list[str], six: list[str]
) -> None:
    loaded = changed({"policy.rules": [{**RULE, "source": name}]})
    assert [str(problem) for problem in loaded.problems] == []
    (rule,) = loaded.clusters[0].policy.flat.rules
    found = {family: texts(match.source, family) for family, match in rule.matches.items()}
    assert (found.get(4, []), found.get(6, [])) == (four, six)


def rich(changed: Callable[..., model.Loaded]) -> model.Cluster:
    loaded = changed({f"policy.{key}": value for key, value in RICH.items()})
    assert [str(problem) for problem in loaded.problems] == []
    return loaded.clusters[0]


def test_everything_reaches_the_role_and_means_the_same(changed: Callable[..., model.Loaded]) -> None:
    cluster = rich(changed)
    both = []
    for node in cluster.nodes:
        found, problems = ruleset.parse(role_input(cluster, node))
        assert [str(problem) for problem in problems] == []
        assert [(r.name, r.matches, r.from_zones) for r in found.flat.rules] == [
            (r.name, r.matches, r.from_zones) for r in cluster.policy.flat.rules
        ]
        assert [(n.name, n.match) for n in found.flat.nat] == [(n.name, n.match) for n in cluster.policy.flat.nat]
        assert [zone.spans for zone in found.flat.zones] == [zone.spans for zone in cluster.policy.flat.zones]
        both.append((policy_id(found), render(found)["ipsets"]))
    assert both[0] == both[1]


def test_the_policy_is_read_back_the_same(changed: Callable[..., model.Loaded], hosts: dict[str, Any]) -> None:
    cluster = rich(changed)
    for variables in hosts.values():
        variables["firewall_policy"] = cluster.policy.as_dicts()
    assert model.load(hosts).clusters[0].policy == cluster.policy


def test_options_of_a_zone_reach_the_role(changed: Callable[..., model.Loaded]) -> None:
    cluster = rich(changed)
    zones = role_input(cluster, cluster.nodes[0])["zones"]
    assert zones["wan"] == {
        "interfaces": ["eth1"],
        "networks": ["192.0.2.0/24", "2001:db8:1::/64"],
        "bogons": True,
        "antispoof": "loose",
    }
    assert zones["vpn"] == {"interfaces": ["tun0"]}


@pytest.mark.parametrize(
    ("changes", "path", "reason"),
    [
        ({"addresses": {"vips": "192.0.2.1"}}, "addresses.vips", "is the name of addresses of the cluster"),
        ({"addresses": {"node.fw1": "192.0.2.1"}}, "addresses.node.fw1", "is the name of addresses of the cluster"),
        ({"rules": [{**RULE, "source": "node.fw3"}]}, "rules[0].source", "no group has this name"),
        ({"zones": {"wan": {"interfaces": ["eth9"]}}}, "zones.wan.interfaces", "is not an option of this zone"),
        ({"zones": {"wan": 1}}, "zones.wan", "is not a mapping"),
        ({"zones": {"vpn": {"interfaces": ["eth1"]}}}, "zones.vpn.interfaces", "belongs to zone wan too"),
        ({"nat": [{**SNAT, "to_address": "192.0.2.2"}]}, "nat[0].to_address", "is an address of one node"),
        ({"nat": [{**SNAT, "to_address": "192.0.2.9"}]}, "nat[0].to_address", "is not a VIP"),
        ({"raw": [{"name": "x", "chain": "FORWARD", "rule": "-P x"}]}, "raw[0].rule", "no part of a rule"),
        ({"mss": [{"from": "lan", "to": "x", "mss": 1400}]}, "mss[0].to", "unknown zone"),
        ({"flush": "everything"}, "flush", "unknown value"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_path(changed: Callable[..., model.Loaded], changes: Any, path: str, reason: str) -> None:
    loaded = changed({f"policy.{key}": value for key, value in changes.items()})
    found = {problem.path: problem.reason for problem in loaded.errors}
    assert reason in found.get(f"firewall_policy[edge].{path}", str(found))
    assert len(loaded.errors) == 1


def test_what_becomes_of_forbidden_connections_reaches_the_role(changed: Callable[..., model.Loaded]) -> None:
    for written, expected in ((None, None), ("never", "never"), ("forbidden", "forbidden")):
        (cluster,) = changed({"policy.flush": written}).clusters
        assert model.views.role_variables(cluster, cluster.nodes[0]).get("iptables_flush") == expected
        assert cluster.policy.as_dicts().get("flush") == expected


@pytest.mark.parametrize("junk", [None, 1, True, "x", [], [1], {}, {"a": 1}, [None], {"wan": None}, {"wan": {1: 2}}])
@pytest.mark.parametrize("key", (*ruleset.POLICY_KEYS, "flush"))
def test_junk_never_raises(changed: Callable[..., model.Loaded], key: str, junk: object) -> None:
    for problem in changed({f"policy.{key}": junk}).problems:
        assert str(problem)


# --- the analysis


OUT = {"name": "out", "from": "lan", "to": "wan"}
WEB = {"name": "web", "from": "wan", "to": "lan", "destination": "198.51.100.80", "service": "https"}
HIDDEN = {"name": "no-mail", "from": "lan", "to": "wan", "service": "smtp", "action": "drop"}
PUBLISH = {"name": "pub", "type": "dnat", "from": "wan", "destination": "192.0.2.1", "service": "https"}
SERVED = {**PUBLISH, "to_address": "198.51.100.80"}
GUEST = {"name": "guest", "from": "guests", "to": "wan"}
GUESTS = {"guests": {"within": "lan", "networks": ["198.51.100.128/25"]}}


def written(policy: dict[str, Any]) -> dict[str, Any]:
    """This policy instead of the usual one."""
    return {f"policy.{key}": value for key, value in {"outside": "wan", "nat": [], **policy}.items()}


def judged(changed: Callable[..., model.Loaded], **policy: Any) -> list[tuple[str, str, str]]:
    """What the analysis says about a policy: severity, code, place."""
    loaded = changed(written(policy))
    return [(p.severity, p.code, p.path.partition("].")[2]) for p in loaded.problems]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"rules": [OUT, HIDDEN]}, [("error", "policy-shadowed", "rules[1]")]),
        ({"rules": [HIDDEN, OUT]}, []),
        ({"rules": [OUT, {**OUT, "name": "dns", "service": "dns"}]}, [("warning", "policy-redundant", "rules[1]")]),
        ({"rules": [{"name": "all", "from": "wan", "to": "lan"}]}, [("warning", "policy-wide", "rules[0]")]),
        ({"rules": [OUT], "addresses": {"old": "192.0.2.9"}}, [("warning", "policy-unused-object", "addresses.old")]),
        ({"rules": [OUT], "services": {"old": "ssh"}}, [("warning", "policy-unused-object", "services.old")]),
        ({"rules": [OUT], "nat": [SERVED]}, [("warning", "policy-nat-unpublished", "nat[0]")]),
        ({"rules": [OUT, WEB], "nat": [SERVED]}, []),
        ({"rules": [{**GUEST, "source": "198.51.100.200"}], "zones": GUESTS}, []),
        (
            {"rules": [{**GUEST, "source": "198.51.100.20"}], "zones": GUESTS},
            [("error", "policy-never-matching", "rules[0]")],
        ),
    ],
)
def test_findings_are_problems_of_the_inventory(
    changed: Callable[..., model.Loaded], policy: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert judged(changed, **policy) == expected


def test_groups_that_only_unused_groups_need_are_unused(changed: Callable[..., model.Loaded]) -> None:
    addresses = {"inner": "192.0.2.9", "outer": ["inner", "!used"], "used": "192.0.2.8"}
    policy = {"rules": [{**OUT, "destination": "used"}], "addresses": addresses}
    found = {problem.path.rpartition(".")[2]: str(problem) for problem in changed(written(policy)).problems}
    assert set(found) == {"inner", "outer"}
    assert "only by 'outer', also unused" in found["inner"]


def test_a_finding_is_accepted_with_a_reason_and_only_while_it_is_there(changed: Callable[..., model.Loaded]) -> None:
    accepted = [{"finding": "shadowed", "rule": "no-mail", "reason": "the rule out goes in May"}]
    assert judged(changed, rules=[OUT, HIDDEN], accepted=accepted) == []
    assert judged(changed, rules=[HIDDEN, OUT], accepted=accepted) == [
        ("warning", "policy-stale-acceptance", "accepted[0]")
    ]
    assert judged(changed, rules=[OUT], accepted=[{"finding": "shadwed", "rule": "x"}]) == [
        ("error", "policy", "accepted[0].finding"),
        ("error", "policy", "accepted[0].reason"),
    ]


def test_assertions_hold_or_end_the_run(changed: Callable[..., model.Loaded]) -> None:
    web = {"name": "web answers", "from": "wan", "to": "192.0.2.1", "service": "https", "expect": "accept"}
    closed = {"name": "closed", "from": "wan", "to": "lan", "expect": "deny", "except": ["web"]}
    own = {"name": "own names", "from": "wan", "to": "vips", "service": "ssh", "expect": "deny"}
    rules = {"rules": [OUT, WEB], "nat": [SERVED]}
    assert judged(changed, **rules, assertions=[web, closed, own]) == []
    broken = judged(changed, **{**rules, "rules": [OUT]}, assertions=[web])
    assert ("error", "policy-assertion", "assertions[0]") in broken
    loaded = changed(written({**rules, "assertions": [{**closed, "except": []}]}))
    (problem,) = loaded.problems
    # It says which rule lets the packet in.
    assert "'web'" in str(problem)


def test_what_is_said_about_the_policy_may_be_wrong_itself(changed: Callable[..., model.Loaded]) -> None:
    found = judged(
        changed, rules=[OUT], outside="wann", routed=["192.0.2.1/24"], assertions=[{"name": "a", "from": "x"}]
    )
    assert {("error", "policy", "outside"), ("error", "policy", "routed")} <= set(found)
    assert ("error", "policy", "assertions[0].from") in found


def test_the_analysis_waits_for_rules_that_can_be_read(changed: Callable[..., model.Loaded]) -> None:
    found = judged(changed, rules=[OUT, HIDDEN, {**OUT, "name": "bad", "service": "htps"}])
    assert [code for _severity, code, _path in found] == ["policy"]


def test_what_is_for_the_analysis_does_not_reach_the_role(changed: Callable[..., model.Loaded]) -> None:
    cluster = changed(written({"rules": [OUT], "accepted": [], "assertions": []})).clusters[0]
    assert set(cluster.policy.as_dicts()) == {"rules", "nat"}


def test_findings_are_computed_once_for_all_hosts(hosts: dict[str, Any], tmp_path: Path) -> None:
    for host in hosts.values():
        host["firewall_policy"] = {"outside": "wan", "rules": [OUT, HIDDEN]}
    alone = model.load(hosts).problems
    first = model.load(hosts, judge=judged_once(str(tmp_path), hosts)).problems
    (kept,) = tmp_path.glob("*.json")
    assert first == alone
    # Whoever comes next takes what is there.
    kept.write_text(json.dumps([{**entry, "reason": "as told"} for entry in json.loads(kept.read_text())]))
    (found,) = model.load(hosts, judge=judged_once(str(tmp_path), hosts)).problems
    assert found.reason == "as told"
    hosts["fw2"]["firewall_policy"]["rules"] = hosts["fw1"]["firewall_policy"]["rules"] = [HIDDEN, OUT]
    assert model.load(hosts, judge=judged_once(str(tmp_path), hosts)).problems == ()
    # Where nothing can be written each host computes them for itself.
    assert model.load(hosts, judge=judged_once("/dev/null", hosts)).problems == ()


# --- questions about packets


def asked(cluster: model.Cluster, **packet: Any) -> Trace:
    policy, mistakes = model.question.policy(cluster)
    assert mistakes == ()
    found, problems = read_packet(packet, policy.context.zone_names)
    assert problems == ()
    assert found is not None
    return trace(policy, found)


@pytest.mark.parametrize(
    ("packet", "rule", "path"),
    [
        (
            {"from": "mgmt", "source": "203.0.113.9", "destination": "203.0.113.2", "protocol": "tcp", "port": 22},
            "administrators",
            "management",
        ),
        (
            {"from": "sync0", "source": "203.0.113.65", "destination": "203.0.113.66", "protocol": "udp", "port": 3780},
            "conntrackd sync0 in",
            "cluster rule of fw2",
        ),
        (
            {"from": "wan", "source": "192.0.2.77", "destination": "192.0.2.1", "protocol": "udp", "port": 53},
            "dns",
            "firewall_policy[edge].untracked[0]",
        ),
    ],
)
def test_what_the_cluster_needs_is_told(
    changed: Callable[..., model.Loaded], packet: dict[str, Any], rule: str, path: str
) -> None:
    dns = {"name": "dns", "from": "wan", "to": "firewall", "destination": "vips", "protocol": "udp", "ports": 53}
    other = {"fw2.firewall_node.interfaces": {"mgmt": "ens1", "sync0": "ens2"}}
    (cluster,) = changed({**written({"rules": [OUT], "untracked": [dns]}), **other}).clusters
    found = asked(cluster, **packet)
    assert (found.action, found.conditional) == ("accept", ())
    assert found.rule is not None
    assert (found.rule.name, found.rule.path) == (rule, path)


def test_a_mistake_in_variables_of_the_role_is_told_where_it_stands(changed: Callable[..., model.Loaded]) -> None:
    """Otherwise the trace would tell about a default that no node has."""
    (cluster,) = changed({"cluster.role_variables": {"iptables_antispoof": "stric"}}).clusters
    _policy, (mistake,) = model.question.policy(cluster)
    assert (mistake.path, mistake.value, mistake.reason) == ("iptables_antispoof", "stric", "unknown value")


def test_variables_of_the_role_count(changed: Callable[..., model.Loaded]) -> None:
    ping = {"from": "wan", "source": "192.0.2.77", "destination": "192.0.2.1", "protocol": "icmp"}
    for rate, actions in (("5/minute", {"accept", "drop"}), (False, {"drop"})):
        variables = {"cluster.role_variables": {"iptables_echo_rate": rate}}
        (cluster,) = changed({**written({"rules": [OUT]}), **variables}).clusters
        assert asked(cluster, **ping).actions == actions
