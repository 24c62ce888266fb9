# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The modules for the CIB on a live Pacemaker, 2.1 and 3.0 in one cluster."""

from __future__ import annotations

import json
import secrets
import threading
from typing import Any

import pytest

from tests.cluster.live import PATCH, Cluster

DUMMY = "ocf:heartbeat:Dummy"
WANTED: dict[str, Any] = {
    "properties": {"no-quorum-policy": "ignore"},
    "resource_defaults": {"resource-stickiness": 100},
    "operation_defaults": {"timeout": "30s"},
    "nodes": [{"name": "fw1", "attributes": {"site": "a"}}],
    "resources": [
        {"id": "a", "agent": DUMMY, "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}]},
        {"id": "b", "agent": DUMMY, "params": {"state": "/run/b.state"}, "meta": {"priority": 5}},
        {"id": "pair", "type": "group", "members": ["a", "b"]},
        {"id": "s", "agent": "ocf:pacemaker:Stateful"},
        {"id": "s-clone", "type": "clone", "members": ["s"], "meta": {"promotable": True}},
        {"id": "t", "type": "template", "agent": DUMMY, "meta": {"priority": 1}},
        {"id": "c", "template": "t"},
    ],
    "constraints": [
        {"type": "location", "resource": "pair", "node": "fw1", "score": 50},
        {"type": "colocation", "resource": "pair", "with": "s-clone", "with_role": "Promoted", "score": "INFINITY"},
        {"type": "order", "first": "s-clone", "first_action": "promote", "then": "pair", "then_action": "start"},
        {
            "id": "not-everywhere",
            "type": "location",
            "resource": "c",
            "rules": [{"rule": "site eq b or (date gt 2100-01-01 and #uname eq fw1)", "score": "-INFINITY"}],
        },
        {
            "type": "order",
            "sets": [{"resources": ["a"]}, {"resources": ["c"], "sequential": False}],
            "kind": "Optional",
        },
        {"type": "ticket", "ticket": "gold", "resource": "c", "loss_policy": "stop"},
    ],
    "tags": [{"id": "both", "resources": ["a", "b"]}],
    "alerts": [
        {"id": "log", "path": "/bin/true", "params": {"level": "info"}, "recipients": [{"value": "x"}, {"value": "y"}]}
    ],
    "acls": [
        {"id": "reader", "type": "role", "permissions": [{"kind": "read", "xpath": "/cib"}]},
        {"id": "nobody", "type": "target", "roles": ["reader"]},
    ],
}  # fmt: skip
# A ticket that nobody has granted stops its resource; that is what a ticket is for.
SERVING = {**WANTED, "constraints": WANTED["constraints"][:-1]}


def test_check_mode_predicts_and_writes_nothing(cluster: Cluster) -> None:
    """From nothing, for a change that disrupts, and for one that deletes."""
    steps: list[dict[str, Any]] = [
        {**WANTED, "owner": "site"},
        {"resources": [{**WANTED["resources"][1], "params": {"state": "/run/other.state"}}], "allow": ["*"]},
        {"constraints": [], "tags": [], "alerts": [], "acls": [], "owner": "site", "purge": "owned", "allow": ["*"]},
    ]
    for given in steps:
        before = cluster.version(), cluster.xml(".")
        predicted = cluster.cib(given, check=True, diff=True)
        assert predicted.changed
        assert (cluster.version(), cluster.xml(".")) == before
        done = cluster.cib({**given, "wait": 60}, diff=True)
        assert cluster.epoch == before[0][1] + PATCH
        assert predicted["changes"] == done["changes"]
        assert predicted["effects"] == done["effects"]
        assert predicted.diff == done.diff != ""
        assert cluster.cib(given, check=True, diff=True).diff == ""


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (
            {"resources": [{"id": "x", "agent": "ocf:heartbeat:Dumy"}]},
            "resources.x.agent: 'ocf:heartbeat:Dumy': no such agent",
        ),
        (
            {"resources": [{"id": "x", "agent": "ocf:heartbeat:IPaddr2", "params": {"ipp": "192.0.2.1"}}]},
            "resources.x.params.ipp: '192.0.2.1': ocf:heartbeat:IPaddr2 has no such parameter. Did you mean 'ip'?",
        ),
        (
            {"resources": [{"id": "x", "agent": "ocf:heartbeat:IPaddr2"}]},
            "resources.x.params: None: ocf:heartbeat:IPaddr2 requires the parameter ip",
        ),
        (
            {"properties": {"no-quorum-polcy": "ignore"}},
            "properties.no-quorum-polcy: 'ignore': the cluster has no such property. Did you mean 'no-quorum-policy'?",
        ),
        (
            {"constraints": [{"type": "location", "resource": "ghost", "node": "fw1", "score": 1}]},
            "constraints.location-ghost-fw1.resource: 'ghost': there is no such resource",
        ),
        (
            {"constraints": [{"type": "order", "first": "ghost", "then": "gost"}]},
            "constraints.order-ghost-gost.then: 'gost': there is no such resource",
        ),
        (
            {"resources": [{"id": "g", "type": "group", "members": ["ghost"]}]},
            "resources.g.members: 'ghost': there is no such resource",
        ),
        ({"nodes": [{"name": "fw9", "attributes": {"a": 1}}]}, "nodes.fw9: 'fw9': the cluster has no such node"),
        (
            {"resources": [{"id": "x", "agent": DUMMY, "meta": {"resource-stickines": 1}}]},
            "resources.x.meta.resource-stickines: '1': unknown meta attribute. Did you mean 'resource-stickiness'?",
        ),
        (
            {"resources": [{"id": "x", "agent": DUMMY, "operations": [{"name": "moniter"}]}]},
            "resources.x.operations[0].name: 'moniter': ocf:heartbeat:Dummy has no such operation",
        ),
        ({"properties": {"stonith-enabled": "perhaps"}}, "properties.stonith-enabled: 'perhaps': is no boolean"),
        (
            {"resources": [{"id": "x", "type": "bundle", "xml": "<bundle id='x'><nonsense/></bundle>"}]},
            "cib: None: Pacemaker refuses it",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_the_commit(cluster: Cluster, given: dict[str, Any], start: str) -> None:
    before = cluster.version()
    result = cluster.module("cib", given)
    assert result.failed
    assert any(problem.startswith(start) for problem in result["problems"]), result["problems"]
    assert cluster.version() == before


def test_a_mistake_has_a_path_a_reason_and_a_remedy(cluster: Cluster) -> None:
    """And all come at once."""
    before = cluster.version()
    given = {
        "properties": {"no-quorum-polcy": "ignore"},
        "resources": [
            {"id": "x", "agent": "ocf:heartbeat:IPaddr2", "params": {"ipp": "192.0.2.1"}},
            {"id": "y", "agent": "ocf:heartbeat:Dumy"},
        ],
    }
    result = cluster.module("cib", given)
    assert result.failed
    assert result["problems"] == [
        "resources.x.params.ipp: '192.0.2.1': ocf:heartbeat:IPaddr2 has no such parameter. Did you mean 'ip'?",
        "resources.x.params: None: ocf:heartbeat:IPaddr2 requires the parameter ip. Add ip.",
        next(
            line for line in result["problems"] if line.startswith("resources.y.agent: 'ocf:heartbeat:Dumy': no such")
        ),
        "properties.no-quorum-polcy: 'ignore': the cluster has no such property. Did you mean 'no-quorum-policy'?",
    ]
    assert result["problems"][2].endswith("Did you mean 'ocf:heartbeat:Dummy'?")
    assert all(problem in result.msg for problem in result["problems"])
    assert cluster.module("cib", given, check=True)["problems"] == result["problems"]
    assert cluster.version() == before


RUNNING: dict[str, Any] = {
    "resource_defaults": {"resource-stickiness": 100},
    "resources": [
        {"id": "x", "agent": DUMMY},
        {"id": "y", "agent": DUMMY},
        {"id": "s", "agent": "ocf:pacemaker:Stateful"},
        {"id": "s-clone", "type": "clone", "members": ["s"], "meta": {"promotable": True}},
    ],
    "constraints": [
        {"id": "x-home", "type": "location", "resource": "x", "node": "fw1", "score": 500},
        {"id": "y-home", "type": "location", "resource": "y", "node": "fw1", "score": 500},
        {"id": "s-home", "type": "location", "resource": "s-clone", "role": "Promoted", "node": "fw1", "score": 500},
    ],
    "owner": "site",
    "purge": "owned",
    "wait": 60,
}


def without(key: str) -> dict[str, Any]:
    return {
        **RUNNING,
        "resources": [item for item in RUNNING["resources"] if item["id"] != key],
        "constraints": [item for item in RUNNING["constraints"] if item["resource"] != key],
    }


def elsewhere(resource: str, **more: Any) -> dict[str, Any]:
    """Away from where it runs."""
    constraint = {"id": "away", "type": "location", "resource": resource, "node": "fw1", "score": "-INFINITY", **more}
    return {"constraints": [constraint]}


DISRUPTIONS = [
    ({"resources": [{**RUNNING["resources"][0], "params": {"state": "/run/z"}}]}, "restart", "x", "restart x (fw1"),
    (elsewhere("y"), "move", "y", "move y (fw1 -> fw2)"),
    (elsewhere("s-clone", role="Promoted"), "demote", "s", "demote s (fw1"),
    (without("x"), "stop", "x", "stop x (fw1"),
    # Other words for what the one before orders: Pacemaker is asked for the effect of all alike.
    pytest.param(
        {"resources": [{**RUNNING["resources"][1], "meta": {"target-role": "Stopped"}}]},
        "stop",
        "y",
        "stop y (fw1",
        marks=pytest.mark.full,
    ),
    pytest.param(
        {"properties": {"stop-all-resources": True}}, "stop", "x", "stop x (fw1", marks=pytest.mark.full
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "action", "resource", "line"), DISRUPTIONS)
def test_what_runs_is_not_disrupted_without_permission(
    cluster: Cluster, change: dict[str, Any], action: str, resource: str, line: str
) -> None:
    cluster.cib(RUNNING)
    before = cluster.version(), starts(cluster)
    for terms in ({}, {"allow": ["restart:other", "fence", "recover"]}):
        refused = cluster.module("cib", {**change, **terms})
        assert refused.failed
        assert any(item.startswith(line) for item in refused["refused"]), refused["refused"]
        assert refused["effects"] == refused["refused"]
        assert line in refused.msg
        assert f"Allow it with allow: ['{resource}'" in refused.msg or resource in refused.msg
    cluster.run("crm_resource", "--wait", "--timeout=60")
    assert (cluster.version(), starts(cluster)) == before
    allow = ["*"] if "properties" in change else [f"{action}:{resource}", "move:s", "re-promote:s"]
    predicted = cluster.cib({**change, "allow": allow}, check=True)
    done = cluster.cib({**change, "allow": allow, "wait": 60})
    assert any(item.startswith(line) for item in done["effects"])
    assert done["effects"] == predicted["effects"]
    assert starts(cluster) != before[1]
    cluster.run("crm_attribute", "--name", "stop-all-resources", "--delete", check=False)


def starts(cluster: Cluster) -> dict[tuple[str, str], str]:
    """The last start, stop and promotion of everything."""
    found = {}
    for node in cluster.status().iter("node_state"):
        for item in node.iter("lrm_rsc_op"):
            if item.get("operation") in ("start", "stop", "promote", "demote"):
                found[node.get("uname", ""), item.get("id", "")] = item.get("call-id", "")
    return found


def test_what_an_operator_has_set_survives(cluster: Cluster) -> None:
    wanted = {**SERVING, "owner": "site", "purge": "owned"}
    cluster.cib({**wanted, "wait": 60})
    cluster.run("crm_standby", "--node", "fw2", "--update", "on")
    cluster.run("crm_attribute", "--node", "fw1", "--name", "maintenance", "--update", "true")
    cluster.run("crm_attribute", "--name", "maintenance-mode", "--update", "true")
    for name, value in (("target-role", "Stopped"), ("is-managed", "false"), ("maintenance", "true")):
        cluster.run("crm_resource", "--resource", "c", "--set-parameter", name, "--meta", "--parameter-value", value)
    cluster.run("crm_resource", "--resource", "c", "--move", "--node", "fw2", "--force")
    cluster.run("crm_resource", "--resource", "pair", "--ban", "--node", "fw2")
    cluster.run("crm_resource", "--resource", "s-clone", "--ban", "--promoted", "--node", "fw2")
    expected = cluster.module("cib_info", {})["operator"]
    assert expected["nodes"] == {"fw1": {"maintenance": "true"}, "fw2": {"standby": "on"}}
    assert expected["properties"] == {"maintenance-mode": "true"}
    assert expected["resources"] == {"c": {"target-role": "Stopped", "is-managed": "false", "maintenance": "true"}}
    assert {"cli-ban-pair-on-fw2", "cli-ban-s-clone-on-fw2", "cli-prefer-c"} <= set(expected["constraints"])
    xml = [cluster.xml(f"constraints/rsc_location[@id='{name}']") for name in expected["constraints"]]

    def survives() -> None:
        assert cluster.module("cib_info", {})["operator"] == expected
        assert [cluster.xml(f"constraints/rsc_location[@id='{name}']") for name in expected["constraints"]] == xml

    again = cluster.cib(wanted)
    assert again["changes"] == []
    assert again["operator"] == expected
    less = {**wanted, "tags": [], "alerts": []}
    assert cluster.cib(less)["changes"] == ["delete tag both", "delete alert log"]
    survives()
    # The very objects that carry what the operator has set are changed, whole and one by one.
    changed = [{**item, "meta": {"priority": 9}} if item["id"] == "c" else item for item in SERVING["resources"]]
    nodes = [{"name": "fw1", "attributes": {"site": "z"}}, {"name": "fw2", "attributes": {"site": "y"}}]
    assert cluster.cib({**less, "resources": changed, "nodes": nodes, "allow": ["*"]}).changed
    survives()
    assert cluster.module("cib_resource", {"id": "c", "template": "t", "meta": {"priority": 10}}).changed
    constraint = {"type": "location", "resource": "c", "node": "fw2", "score": 7}
    assert cluster.module("cib_constraint", constraint).changed
    assert cluster.module("cib_property", {"name": "cluster-recheck-interval", "value": "7min"}).changed
    survives()
    # A configuration that was exported before and is written back.
    exported = cluster.module("cib_info", {"show_secrets": True})["configuration"]
    assert cluster.cib(exported)["changes"] == []
    survives()
    cluster.run("crm_attribute", "--name", "cluster-recheck-interval", "--delete")


ROUNDS = 2


def test_ten_writers_at_once_lose_nothing(cluster: Cluster) -> None:
    """Six by modules, on both nodes, and four by cibadmin, again and again: each changes an object of its own.

    The epoch tells that every single edit was written once.
    """
    ids = [f"m{number}" for number in range(4)] + [f"p{number}" for number in range(4)]
    base = {"resources": [{"id": name, "agent": DUMMY, "meta": {"target-role": "Stopped"}} for name in ids]}
    cluster.cib({**base, "wait": 60})
    before = cluster.epoch
    failures: list[str] = []
    attempts: list[int] = []
    ready = threading.Barrier(6)

    def module(number: int) -> None:
        ready.wait()
        for turn in range(1, ROUNDS + 1):
            if number < 4:
                name, given = "cib_resource", {"id": f"m{number}", "agent": DUMMY, "meta": {"priority": turn}}
            elif number == 4:
                name = "cib_constraint"
                given = {"id": "edited", "type": "location", "resource": "m0", "node": "fw1", "score": turn}
            else:
                name, given = "cib", {"nodes": [{"name": "fw2", "attributes": {"edited": turn}}]}
            result = cluster.module(name, {**given, "owner": f"o{number}"}, node=("fw1", "fw2")[number % 2])
            if result.failed or not result.changed:
                failures.append(result.msg or "not changed")
            else:
                attempts.append(result["attempts"])

    def program(number: int) -> None:
        counts[number] = int(cluster.run("sh", "-c", EDITS, "sh", f"p{number}", node=("fw1", "fw2")[number % 2]))

    counts: dict[int, int] = {}
    cluster.run("rm", "-f", "/run/edits.end", node="fw1")
    cluster.run("rm", "-f", "/run/edits.end", node="fw2")
    programs = [threading.Thread(target=program, args=(number,)) for number in range(4)]
    modules = [threading.Thread(target=module, args=(number,)) for number in range(6)]
    for writer in (*programs, *modules):
        writer.start()
    for writer in modules:
        writer.join()
    for node in cluster.lab.nodes:
        cluster.run("touch", "/run/edits.end", node=node)
    for writer in programs:
        writer.join()
    assert failures == []
    assert max(attempts) > 2, "nobody was faster than anybody: this shows nothing"
    configuration = cluster.configuration()
    for number in range(4):
        path = f"resources/primitive[@id='m{number}']/meta_attributes/nvpair[@name='priority']"
        assert [item.get("value") for item in configuration.findall(path)] == [str(ROUNDS)]
        edited = configuration.find(f"resources/primitive[@id='p{number}']")
        assert edited is not None
        assert edited.get("description") == str(counts[number])
    (constraint,) = configuration.findall("constraints/rsc_location[@id='edited']")
    assert constraint.get("score") == str(ROUNDS)
    (pair,) = configuration.findall("nodes/node[@uname='fw2']/instance_attributes/nvpair[@name='edited']")
    assert pair.get("value") == str(ROUNDS)
    assert cluster.epoch - before == PATCH * len(attempts) + sum(counts.values())


# Edits until it is told to end, and says how many.
EDITS = r"""
n=0
while [ ! -e /run/edits.end ]; do
    n=$((n + 1))
    cibadmin --modify --scope resources --xml-text "<primitive id=\"$1\" description=\"$n\"/>" || exit 1
    sleep 2
done
echo $n
"""


def test_wait_returns_when_the_cluster_has_settled(cluster: Cluster) -> None:
    slow = {"id": "slow", "agent": "ocf:pacemaker:Dummy", "params": {"op_sleep": 4}}

    def roles() -> list[str]:
        return [item["role"] for item in cluster.module("cluster_info", {})["resources"]]

    assert cluster.cib({"resources": [slow]}).changed
    assert roles() != ["Started"]
    cluster.run("crm_resource", "--wait", "--timeout=60")
    restart = {"resources": [{**slow, "params": {"op_sleep": 3}}], "allow": ["restart"], "wait": 60}
    assert cluster.cib(restart).changed
    assert roles() == ["Started"]
    too_short = cluster.module("cib", {**restart, "resources": [{**slow, "params": {"op_sleep": 5}}], "wait": 1})
    assert too_short.failed
    assert "the change is made, but the cluster did not settle" in too_short.msg
    assert too_short.changed
    cluster.run("crm_resource", "--wait", "--timeout=60")
    assert roles() == ["Started"]


def test_secrets_show_nowhere(cluster: Cluster) -> None:
    secret = secrets.token_hex(12)
    resource = {"id": "x", "agent": DUMMY, "params": {"state": "/run/x", "password": secret}}
    given = {"resources": [resource], "check_names": False}
    for result in (cluster.cib(given, check=True), cluster.cib(given)):
        assert secret not in result.output
    for node in cluster.lab.nodes:
        journal = cluster.run("journalctl", "--no-pager", node=node)
        assert secret not in journal
        assert node != "fw1" or "Invoked with owner=default" in journal
    assert secret not in json.dumps(cluster.module("cib_info", {}).data)
    assert secret in json.dumps(cluster.module("cib_info", {"show_secrets": True}).data)


def test_single_objects(cluster: Cluster) -> None:
    resource = {"id": "x", "agent": DUMMY}
    constraint = {"type": "location", "resource": "x", "node": "fw1", "score": 10}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("cib_resource", resource),
        ("cib_constraint", constraint),
        ("cib_property", {"name": "stop-all-resources", "value": False}),
        ("cib_property", {"name": "resource-stickiness", "value": 5, "section": "resource_defaults"}),
    ]
    for name, given in steps:
        assert cluster.module(name, given, check=True).changed
        assert cluster.module(name, given).changed
        assert not cluster.module(name, given).changed
    in_use = cluster.module("cib_resource", {"id": "x", "state": "absent"})
    assert in_use.failed
    assert "still names a resource that would be deleted" in in_use.msg
    for name, given in [*steps[1:], steps[0]]:
        gone = {**given, "state": "absent"}
        assert cluster.module(name, gone).changed
        assert not cluster.module(name, gone).changed
    assert cluster.module("cib_info", {})["configuration"]["resources"] == []
