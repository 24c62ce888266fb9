# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A healthy pair as node_info describes it."""

from __future__ import annotations

from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._verify import Expectation, Finding, Report, judge

VIPS = ["192.0.2.1", "2001:db8:1::1"]
Nodes = dict[str, Any]


def node(owner: bool, immediate: bool = True) -> Nodes:
    return {
        "addresses": {},
        "held": list(VIPS) if owner else [],
        "duplicate": [],
        "worker": {
            "instances": {"edge": {"state": "MASTER" if owner else "BACKUP", "since": 1.0, "priority": 250}},
            "active": owner,
            "gate": "open" if owner or immediate else "closed",
            "states": "in-step",
            "problem": None,
        },
        "drained": False,
        "units": {
            "keepalived.service": {
                "load": "loaded",
                "active": "active",
                "sub": "running",
                "enabled": "enabled",
                "result": "success",
                "restarts": 0,
                "older": [],
            }
        },
        "conntrackd": {
            "internal": 1000 if owner else 3,
            "external": None if immediate else (0 if owner else 1000),
            "injected": 1000 if immediate else None,
            "no_space": 0,
            "no_memory": 0,
            "uptime_minutes": 5,
            "overruns": 0,
            "kernel_resyncs": 0,
            "event_errors": 0,
            "malformed": 0,
            "lost": 0,
            "link": "eth3",
            "immediate": immediate,
            "problem": None,
        },
        "watch": {"overruns": 0, "mended": 0, "problem": ""},
        "conntrack": {"entries": 1005 if owner or immediate else 4, "max": 262144},
        "rules": {
            "status": {
                "state": "loaded",
                "reason": None,
                "policy": "aa11",
                "drift": {"ipv4": False, "ipv6": False},
                "files_differ": False,
                "gate": dict.fromkeys(("ipv4", "ipv6"), "open" if owner or immediate else "closed"),
            },
            "problem": None,
            "fingerprint": {"ipv4": "f4", "ipv6": "f6"},
            "count": {"ipv4": 30, "ipv6": 28},
        },
        "forwarding": {"ipv4": True, "ipv6": True},
        "versions": {"release": "debian 13", "kernel": "6.12.0", "keepalived": "1:2.3.3-1", "iptables": "1.8.11-2"},
    }


def expected(immediate: bool = True, **more: Any) -> Expectation:
    return Expectation(
        "edge", ["fw1", "fw2"], VIPS, immediate=immediate, instances={"fw1": ["edge"], "fw2": ["edge"]}, **more
    )


def pair(immediate: bool = True) -> Nodes:
    return {"fw1": node(True, immediate), "fw2": node(False, immediate)}


def findings(nodes: Nodes, expectation: Expectation | None = None) -> tuple[Finding, ...]:
    reports = [Report(name, info) for name, info in nodes.items()]
    return judge(expectation or expected(), reports)
