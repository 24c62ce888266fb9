# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A configuration that uses every word there is, on a cluster that can run it."""

from __future__ import annotations

from typing import Any

DUMMY = "ocf:heartbeat:Dummy"
# Neither of them has containers: it must not try to start.
BUNDLE = """<bundle id="box"><meta_attributes id="box-meta"><nvpair id="box-role" name="target-role" value="Stopped"/>
</meta_attributes><podman image="example" replicas="1"/><network control-port="9999"/></bundle>"""

EVERYTHING: dict[str, Any] = {
    "properties": [
        {"values": {"no-quorum-policy": "ignore", "placement-strategy": "utilization"}},
        {"values": {"cluster-recheck-interval": "5min"}, "rule": "date_spec hours=22-23", "score": 5},
    ],
    "resource_defaults": [
        {"values": {"resource-stickiness": 100}},
        {"values": {"migration-threshold": 3}, "rule": "resource ocf:heartbeat:Dummy", "score": 2},
    ],
    "operation_defaults": [
        {"values": {"timeout": "30s"}},
        {"values": {"timeout": "40s"}, "rule": "operation monitor interval=10s", "score": 2},
    ],
    "nodes": [
        {"name": "fw1", "attributes": {"site": "a", "rack": 1}, "utilization": {"cpu": 8}},
        {"name": "fw2", "attributes": {"site": "b"}, "utilization": {"cpu": 8}},
    ],
    "resources": [
        {
            "id": "a",
            "agent": DUMMY,
            "description": "the first",
            "params": [
                {"values": {"state": "/run/a-here.state"}, "rule": "#uname eq fw1", "score": 2},
                {"values": {"state": "/run/a-there.state"}, "score": 1},
            ],
            "meta": [
                {"values": {"resource-stickiness": 7}, "rule": "date gt 2100-01-01", "score": 2},
                {"values": {"priority": 5}, "score": 1},
            ],
            "utilization": {"cpu": 1},
            "operations": [
                {
                    "name": "monitor",
                    "interval": "10s",
                    "timeout": "20s",
                    "on_fail": "restart",
                    "params": {"OCF_CHECK_LEVEL": 10},
                },
                {"name": "start", "timeout": "25s", "start_delay": "0s"},
                {"name": "monitor", "interval": "1m", "enabled": False, "meta": {"failure-timeout": "1h"}},
            ],
        },
        {"id": "b", "agent": DUMMY, "params": {"state": "/run/b.state"}},
        {"id": "pair", "type": "group", "members": ["a", "b"], "meta": {"priority": 3}, "description": "both"},
        {
            "id": "s",
            "agent": "ocf:pacemaker:Stateful",
            "operations": [
                {"name": "monitor", "interval": "10s", "role": "Promoted"},
                {"name": "monitor", "interval": "11s", "role": "Unpromoted"},
            ],
        },
        {"id": "s-clone", "type": "clone", "members": ["s"], "meta": {"promotable": True, "notify": True}},
        {"id": "g1", "agent": DUMMY},
        {"id": "g2", "agent": DUMMY},
        {"id": "everywhere", "type": "group", "members": ["g1", "g2"]},
        {"id": "everywhere-clone", "type": "clone", "members": ["everywhere"], "meta": {"interleave": True}},
        {"id": "t", "type": "template", "agent": DUMMY, "meta": {"priority": 1}},
        {"id": "c", "template": "t"},
        {"id": "d", "template": "t", "params": {"fake": "x"}},
        {"id": "timer", "agent": "systemd:systemd-tmpfiles-clean.timer"},
        {
            "id": "power",
            "agent": "stonith:fence_idle",
            "params": {"ip": "192.0.2.9", "pcmk_host_list": "fw1 fw2", "pcmk_delay_max": "2s"},
        },
        {
            "id": "spare",
            "agent": "stonith:fence_idle",
            "params": {"ip": "192.0.2.8", "pcmk_host_list": "fw2"},
            "meta": {"target-role": "Stopped"},
        },
        {"id": "box", "type": "bundle", "xml": BUNDLE},
    ],
    "constraints": [
        {"type": "location", "resource": "pair", "node": "fw1", "score": 50, "discovery": "always"},
        {"type": "location", "resource": "s-clone", "node": "fw1", "role": "Promoted", "score": 20},
        {"id": "by-name", "type": "location", "pattern": "^ever", "node": "fw2", "score": 1},
        {
            "id": "by-rule",
            "type": "location",
            "resource": "c",
            "rules": [
                {"rule": "site eq b or (date gt 2100-01-01 and #uname eq fw1)", "score": "-INFINITY"},
                {"rule": "defined rack and rack lt number 5", "score_attribute": "rack"},
            ],
        },
        {"id": "by-set", "type": "location", "sets": [{"resources": ["d"]}], "node": "fw2", "score": 5},
        {"type": "colocation", "resource": "pair", "with": "s-clone", "with_role": "Promoted", "score": "INFINITY"},
        {"id": "loose", "type": "colocation", "resource": "d", "with": "timer", "score": 3, "influence": False},
        {
            "id": "row",
            "type": "colocation",
            "score": 4,
            "sets": [{"resources": ["c", "d"], "sequential": False}, {"resources": ["timer"]}],
        },
        {"type": "order", "first": "s-clone", "first_action": "promote", "then": "pair", "then_action": "start"},
        {
            "id": "queue",
            "type": "order",
            "kind": "Optional",
            "symmetrical": False,
            "sets": [
                {"resources": ["c"], "action": "start"},
                {"resources": ["d", "timer"], "sequential": False, "require_all": False},
            ],
        },
    ],
    "fencing": [
        {"target": "fw1", "index": 1, "devices": ["power"]},
        {"target_pattern": "fw[2-9]", "index": 1, "devices": "power"},
        {"target_attribute": "site", "target_value": "b", "index": 2, "devices": ["power", "spare"]},
    ],
    "tags": [{"id": "both", "resources": ["a", "b"]}, {"id": "mixed", "resources": ["timer", "by-rule"]}],
    "alerts": [
        {
            "id": "log",
            "path": "/bin/true",
            "description": "what happens",
            "params": {"level": "info"},
            "meta": {"timeout": "5s"},
            "recipients": [{"value": "x", "params": {"colour": "red"}}, {"value": "y", "meta": {"timeout": "6s"}}],
        }
    ],
    "acls": [
        {
            "id": "reader",
            "type": "role",
            "description": "may look",
            "permissions": [
                {"kind": "read", "xpath": "/cib"},
                {"kind": "deny", "reference": "power"},
                {"kind": "write", "object_type": "nvpair", "attribute": "value"},
            ],
        },
        {"id": "nobody", "type": "target", "roles": ["reader"]},
        {"id": "games", "type": "group", "roles": ["reader"]},
    ],
}
# A ticket that nobody has granted stops its resource; that is what a ticket is for.
TICKETS = [
    {"type": "ticket", "ticket": "gold", "resource": "c", "loss_policy": "stop"},
    {"id": "promotion", "type": "ticket", "ticket": "silver", "sets": [{"resources": ["s-clone"], "role": "Promoted"}]},
]
WITH_TICKETS: dict[str, Any] = {**EVERYTHING, "constraints": [*EVERYTHING["constraints"], *TICKETS]}
