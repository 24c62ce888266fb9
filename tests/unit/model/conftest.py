# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A sound pair as plain data; tests break one thing at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

CLUSTER: dict[str, Any] = {
    "name": "edge",
    "management": {"interface": "eth0", "ipv4": "203.0.113.0/26"},
    "networks": {
        "wan": {
            "interface": "eth1",
            "ipv4": "192.0.2.0/24",
            "ipv6": "2001:db8:1::/64",
            "vips": ["192.0.2.1", "2001:db8:1::1"],
        },
        "lan": {
            "interface": "eth2",
            "ipv4": "198.51.100.0/24",
            "ipv6": "2001:db8:2::/64",
            "vips": ["198.51.100.1", "2001:db8:2::1"],
        },
    },
    "sync_links": [
        {"name": "sync0", "interface": "eth3", "ipv4": "203.0.113.64/29"},
        {"name": "sync1", "interface": "eth4", "ipv4": "203.0.113.72/29"},
    ],
}
POLICY: dict[str, Any] = {
    "rules": [{"name": "out", "from": "lan", "to": "wan", "action": "accept"}],
    "nat": [
        {
            "name": "snat",
            "type": "snat",
            "from": "lan",
            "to": "wan",
            "source": ["198.51.100.0/24"],
            "to_address": "192.0.2.1",
        }
    ],
}

Hosts = dict[str, dict[str, Any]]


def pair(count: int = 2) -> Hosts:
    """Hosts fw1, fw2, ... of one sound cluster."""
    hosts: Hosts = {}
    for n in range(1, count + 1):
        h = n + 1
        hosts[f"fw{n}"] = {
            "firewall_cluster": copy.deepcopy(CLUSTER),
            "firewall_policy": copy.deepcopy(POLICY),
            "firewall_node": {
                "addresses": {
                    "mgmt": [f"203.0.113.{h}"],
                    "wan": [f"192.0.2.{h}", f"2001:db8:1::{h}"],
                    "lan": [f"198.51.100.{h}", f"2001:db8:2::{h}"],
                    "sync0": [f"203.0.113.{64 + n}"],
                    "sync1": [f"203.0.113.{72 + n}"],
                }
            },
        }
    return hosts


def put(data: Any, path: str, value: object) -> None:
    """Set data["a"]["b"][0] for the path a.b.0; a value of ... removes the key."""
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for step in way:
        data = data.setdefault(step, {}) if isinstance(data, dict) else data[step]
    if value is ...:
        del data[last]
    else:
        data[last] = value


def change(hosts: Hosts, path: str, value: object) -> Hosts:
    """Change cluster.*, policy.* on every host, or HOST.* on one."""
    first, _dot, rest = path.partition(".")
    if first in ("cluster", "policy"):
        for variables in hosts.values():
            put(variables[f"firewall_{first}"], rest, copy.deepcopy(value))
    else:
        put(hosts[first], rest, value)
    return hosts


@pytest.fixture
def changed() -> Callable[..., model.Loaded]:
    """Load the sound pair with some changes: changed({"cluster.vrrp.vrid": 0})."""

    def load(changes: dict[str, object], count: int = 2) -> model.Loaded:
        hosts = pair(count)
        for path, value in changes.items():
            change(hosts, path, value)
        return model.load(hosts)

    return load


@pytest.fixture
def sound() -> model.Cluster:
    loaded = model.load(pair())
    assert loaded.problems == ()
    return loaded.clusters[0]


@pytest.fixture
def hosts() -> Hosts:
    return pair()


@pytest.fixture
def two() -> Callable[..., Hosts]:
    """Two sound clusters that share the wan network: edge and other."""

    def build(changes: dict[str, object] | None = None) -> Hosts:
        left = pair()
        right = pair()
        renamed: Hosts = {}
        for n, variables in enumerate(right.values(), start=1):
            cluster = variables["firewall_cluster"]
            cluster["name"] = "other"
            cluster["management"]["ipv4"] = "203.0.113.128/26"
            cluster["networks"]["wan"]["vips"] = ["192.0.2.11", "2001:db8:1::11"]
            cluster["networks"]["lan"].update(
                ipv4="203.0.113.192/27", ipv6="2001:db8:3::/64", vips=["203.0.113.193", "2001:db8:3::1"]
            )
            cluster["sync_links"][0]["ipv4"] = "203.0.113.224/29"
            cluster["sync_links"][1]["ipv4"] = "203.0.113.232/29"
            variables["firewall_policy"] = {"rules": []}
            variables["firewall_node"]["addresses"] = {
                "mgmt": [f"203.0.113.{130 + n}"],
                "wan": [f"192.0.2.{20 + n}", f"2001:db8:1::{20 + n}"],
                "lan": [f"203.0.113.{200 + n}", f"2001:db8:3::{20 + n}"],
                "sync0": [f"203.0.113.{224 + n}"],
                "sync1": [f"203.0.113.{232 + n}"],
            }
            renamed[f"other{n}"] = variables
        for path, value in (changes or {}).items():
            change(renamed, path, value)
        return {**left, **renamed}

    return build
