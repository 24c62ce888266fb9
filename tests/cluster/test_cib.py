# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The modules for the CIB on a live Pacemaker, 2.1 and 3.0 in one cluster."""

from __future__ import annotations

import json
import secrets
import threading
from typing import Any

import pytest

from tests.cluster.live import Cluster

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


def test_all_of_the_vocabulary_in_one_commit_and_nothing_the_second_time(cluster: Cluster) -> None:
    before = cluster.version()
    first = cluster.cib({**WANTED, "wait": 60})
    assert first.changed
    after = cluster.version()
    assert after > before
    again = cluster.cib({**WANTED, "wait": 60})
    assert (again.changed, again["changes"], again["attempts"]) == (False, [], 1)
    assert cluster.version() == after


def test_check_mode_predicts_and_writes_nothing(cluster: Cluster) -> None:
    before = cluster.version()
    predicted = cluster.cib(WANTED, check=True)
    assert predicted.changed
    assert cluster.version() == before
    done = cluster.cib(WANTED)
    assert predicted["changes"] == done["changes"]
    assert predicted["effects"] == done["effects"]
    assert not cluster.cib(WANTED, check=True).changed


def test_an_export_fed_back_changes_nothing(cluster: Cluster) -> None:
    cluster.cib({**SERVING, "wait": 60})
    exported = cluster.module("cib_info", {})["configuration"]
    again = cluster.cib(exported)
    assert again["changes"] == []


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


def test_what_runs_is_not_disrupted_without_permission(cluster: Cluster) -> None:
    cluster.cib({**SERVING, "wait": 60})
    before = cluster.version()
    changed = {"resources": [{**WANTED["resources"][1], "params": {"state": "/run/other.state"}}]}
    refused = cluster.module("cib", changed)
    assert refused.failed
    assert any(line.startswith("restart b") for line in refused["refused"])
    assert cluster.version() == before
    allowed = cluster.cib({**changed, "allow": ["restart:pair"], "wait": 60})
    assert any(line.startswith("restart b") for line in allowed["effects"])
    moved = {
        "constraints": [
            {"type": "location", "resource": "s-clone", "node": "fw1", "role": "Promoted", "score": "-INFINITY"}
        ]
    }
    refused = cluster.module("cib", moved)
    assert refused.failed
    assert any(line.startswith("demote s ") for line in refused["refused"])


def test_what_an_operator_has_set_survives(cluster: Cluster) -> None:
    cluster.cib({**SERVING, "owner": "site", "purge": "owned", "wait": 60})
    cluster.run("crm_standby", "--node", "fw2", "--update", "on")
    cluster.run("crm_attribute", "--name", "maintenance-mode", "--update", "true")
    cluster.run(
        "crm_resource", "--resource", "c", "--set-parameter", "target-role", "--meta", "--parameter-value", "Stopped"
    )
    cluster.run("crm_resource", "--resource", "pair", "--ban", "--node", "fw2")
    cluster.run("crm_resource", "--resource", "s-clone", "--ban", "--promoted", "--node", "fw2")
    expected = cluster.module("cib_info", {})["operator"]
    assert expected["nodes"] == {"fw2": {"standby": "on"}}
    assert len(expected["constraints"]) == 2
    again = cluster.cib({**SERVING, "owner": "site", "purge": "owned"})
    assert again["changes"] == []
    less = {**SERVING, "tags": [], "alerts": [], "owner": "site", "purge": "owned"}
    assert cluster.cib(less)["changes"] == ["delete tag both", "delete alert log"]
    assert cluster.module("cib_info", {})["operator"] == expected


def test_ten_writers_at_once_lose_nothing(cluster: Cluster) -> None:
    """Six by the module on both nodes, four by cibadmin."""
    cluster.cib({"resources": [{"id": "base", "agent": DUMMY}]})
    failures: list[str] = []

    def module(number: int) -> None:
        given = {"resources": [{"id": f"m{number}", "agent": DUMMY}], "owner": f"o{number}"}
        result = cluster.module("cib", given, node=("fw1", "fw2")[number % 2])
        if result.failed:
            failures.append(result.msg)

    def program(number: int) -> None:
        xml = f'<primitive id="p{number}" class="ocf" provider="heartbeat" type="Dummy"/>'
        cluster.run("cibadmin", "--create", "--scope", "resources", "--xml-text", xml, node=("fw1", "fw2")[number % 2])

    writers = [threading.Thread(target=module, args=(n,)) for n in range(6)]
    writers += [threading.Thread(target=program, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    found = {item["id"] for item in cluster.module("cib_info", {})["configuration"]["resources"]}
    assert found == {"base", *(f"m{n}" for n in range(6)), *(f"p{n}" for n in range(4))}


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
