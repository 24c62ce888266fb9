# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Clusters that share a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

Two = Callable[..., dict[str, Any]]


def test_two_sound_clusters(two: Two) -> None:
    loaded = model.load(two())
    assert [str(p) for p in loaded.problems] == []
    assert [c.name for c in loaded.clusters] == ["edge", "other"]


def test_address_used_by_the_other_cluster(two: Two) -> None:
    found = model.load(two({"other1.firewall_node.addresses.wan.0": "192.0.2.1"})).errors
    assert [(p.code, p.path) for p in found] == [("clash", "firewall_node[other1].addresses.wan[0]")]
    assert "firewall_cluster[edge].networks.wan.vips[0]" in found[0].reason


def test_the_same_address_on_networks_apart_is_fine(two: Two) -> None:
    hosts = two()
    assert model.load(hosts).errors == ()


def test_vrid_twice_on_a_shared_network(two: Two) -> None:
    hosts = two({"cluster.vrrp": {"mode": "per_network", "vrid": 7}})
    for name in ("fw1", "fw2"):
        hosts[name]["firewall_cluster"]["vrrp"] = {"mode": "per_network", "vrid": 7}
    found = model.load(hosts).errors
    assert [(p.code, p.value) for p in found] == [("vrid-twice", 7)]
    assert "networks.wan" in found[0].path


def test_the_same_vrid_on_links_apart_is_fine(two: Two) -> None:
    hosts = two({"cluster.vrrp": {"vrid": 7}})
    for name in ("fw1", "fw2"):
        hosts[name]["firewall_cluster"]["vrrp"] = {"vrid": 7}
    assert model.load(hosts).errors == ()


def test_overlap_with_another_length_is_told(two: Two) -> None:
    found = model.load(two({"cluster.networks.wan.ipv4": "192.0.2.0/25"})).warnings
    assert [p.code for p in found] == ["prefix-differs"]


def test_derived_vrids_differ_and_do_not_depend_on_the_order(two: Two) -> None:
    hosts = two()
    one = {c.name: c.vrrp.vrid for c in model.load(hosts).clusters}
    other = {c.name: c.vrrp.vrid for c in model.load(dict(reversed(hosts.items()))).clusters}
    assert one == other
    assert len(set(one.values())) == 2


def test_a_derived_vrid_gives_way_to_a_written_one(two: Two) -> None:
    natural = model.load(two()).clusters[0].vrrp.vrid
    clusters = model.load(two({"cluster.vrrp": {"vrid": natural}})).clusters
    assert [c.vrrp.vrid for c in clusters] == [natural % 255 + 1, natural]
