# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A live CIB, with what an operator has set, and XML that the vocabulary has no words for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib

EMPTY = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="7" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="cib-bootstrap-options-dc-version" name="dc-version" value="2.1.5"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="fw1"/><node id="2" uname="fw2"/></nodes><resources/><constraints/></configuration>
<status/></cib>"""

WANTED: dict[str, Any] = {
    "properties": {"stonith-enabled": False, "no-quorum-policy": "ignore"},
    "resource_defaults": {"resource-stickiness": 100},
    "nodes": [{"name": "fw1", "attributes": {"site": "a"}}],
    "resources": [
        {
            "id": "vip1",
            "agent": "ocf:heartbeat:IPaddr2",
            "params": {"ip": "192.0.2.1", "cidr_netmask": 24},
            "operations": [{"name": "monitor", "interval": "10s", "timeout": "20s"}],
        },
        {"id": "vip2", "agent": "ocf:heartbeat:IPaddr2", "params": {"ip": "192.0.2.2"}},
        {"id": "vips", "type": "group", "members": ["vip1", "vip2"]},
        {"id": "states", "agent": "ocf:heartbeat:conntrackd"},
        {"id": "states-clone", "type": "clone", "members": ["states"], "meta": {"promotable": True}},
    ],
    "constraints": [
        {"type": "location", "resource": "vips", "node": "fw1", "score": 100},
        {
            "id": "connected",
            "type": "location",
            "resource": "vips",
            "rules": [{"score": "-INFINITY", "rule": "not_defined pingd or pingd lte number 0"}],
        },
        {
            "type": "colocation",
            "resource": "vips",
            "with": "states-clone",
            "with_role": "Promoted",
            "score": "INFINITY",
        },
        {
            "type": "order",
            "sets": [
                {"resources": ["states-clone"], "action": "promote"},
                {"resources": ["vips"], "sequential": False},
            ],
        },
    ],
    "fencing": [{"target": "fw1", "index": 1, "devices": ["vip1"]}],
    "tags": [{"id": "addresses", "resources": ["vip1", "vip2"]}],
    "alerts": [{"id": "mail", "path": "/usr/local/bin/alert", "recipients": [{"value": "admin@example.org"}]}],
    "acls": [{"id": "reader", "type": "role", "permissions": [{"kind": "read", "xpath": "/cib"}]}],
}

Plan = Callable[..., cib.Plan]


def wish(raw: dict[str, Any], **more: Any) -> cib.Wish:
    """A wish without mistakes."""
    checker = cib.Checker()
    state = checker.state(raw)
    assert checker.problems == []
    return cib.Wish(state, **more)


def lines(plan: cib.Plan) -> list[str]:
    return [change.line for change in plan.changes]


def mistakes(plan: cib.Plan) -> list[str]:
    return [str(problem) for problem in plan.problems]


@pytest.fixture
def empty() -> cib.Document:
    return cib.Document(EMPTY)


@pytest.fixture
def live(empty: cib.Document) -> cib.Document:
    """A cluster that has what WANTED says."""
    plan = cib.plan(empty, wish(WANTED))
    assert mistakes(plan) == []
    return cib.Document(plan.document.text())
