# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Warnings by code, and how a cluster accepts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._model.lint import CODES

VIPS = [f"192.0.2.{n}" for n in range(100, 125)]
TABLE: list[tuple[str, dict[str, Any]]] = [
    (
        "single-sync-link",
        {
            "cluster.sync_links.1": ...,
            "fw1.firewall_node.addresses.sync1": ...,
            "fw2.firewall_node.addresses.sync1": ...,
        },
    ),
    ("fast-adverts", {"cluster.profile": "patient", "cluster.vrrp.advert_interval_ms": 50}),
    ("multicast-sync", {"cluster.conntrackd.transport": "multicast"}),
    ("cache-large-table", {"cluster.conntrackd.immediate": False}),
    (
        "family-gap",
        {
            "cluster.networks.wan": {"interface": "eth1", "ipv4": "192.0.2.0/24", "vips": ["192.0.2.1"]},
            "fw1.firewall_node.addresses.wan": ["192.0.2.2"],
            "fw2.firewall_node.addresses.wan": ["192.0.2.3"],
        },
    ),
    (
        "many-vips-vmac",
        {
            "cluster.vrrp": {"mode": "per_network", "use_vmac": True},
            "cluster.networks.wan.vips": ["192.0.2.1", "2001:db8:1::1", *VIPS],
        },
    ),
    ("hash-limit", {"cluster.conntrackd.hash_limit": 1000}),
    (
        "management-missing",
        {"cluster.management": ..., "fw1.firewall_node.addresses.mgmt": ..., "fw2.firewall_node.addresses.mgmt": ...},
    ),
    ("network-without-vip", {"cluster.networks.lan.vips": ["198.51.100.1"]}),
    ("untracked", {"cluster.networks.wan.track": False, "cluster.networks.lan.track": False}),
    ("short-down-timer", {"cluster.vrrp.down_timer_adverts": 1}),
    ("host-without-node", {"fw3.firewall_node": ...}),
    (
        "fence-race",
        {
            "cluster.topology": "pacemaker",
            "cluster.pacemaker": {
                "fencing": {"devices": [{"name": "pdu", "agent": "fence_x", "nodes": ["fw1", "fw2"]}]}
            },
        },
    ),
]


@pytest.mark.parametrize(("code", "changes"), TABLE)
def test_warns_until_accepted(changed: Callable[..., model.Loaded], code: str, changes: dict[str, Any]) -> None:
    count = 3 if code == "host-without-node" else 2
    loaded = changed(changes, count=count)
    assert [p.code for p in loaded.warnings] == [code]
    assert loaded.errors == ()
    assert len(loaded.clusters) == 1
    assert str(loaded.warnings[0]).endswith(f"[{code}]")
    assert changed({**changes, "cluster.accept_warnings": [code]}, count=count).problems == ()


def test_every_code_has_a_test() -> None:
    assert {code for code, _changes in TABLE} | {"prefix-differs"} == set(CODES)


def test_errors_cannot_be_accepted(changed: Callable[..., model.Loaded]) -> None:
    found = changed({"cluster.vrrp.vrid": 256, "cluster.accept_warnings": ["vrid"]})
    assert {p.code for p in found.errors} == {"vrid", "accept-unknown"}


def test_with_a_quorum_device_only_one_half_may_fence(changed: Callable[..., model.Loaded]) -> None:
    devices = {"devices": [{"name": "pdu", "agent": "fence_x", "nodes": ["fw1", "fw2"]}]}
    for device, codes in (({}, ["fence-race"]), ({"quorum_device": {"host": "203.0.113.20"}}, [])):
        loaded = changed({"cluster.topology": "pacemaker", "cluster.pacemaker": {"fencing": devices, **device}})
        assert [p.code for p in loaded.warnings] == codes
