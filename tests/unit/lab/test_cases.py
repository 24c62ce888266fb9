# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from lab import cases, drill, options
from lab.inventory import read
from lab.run import LabError


@pytest.fixture(scope="module")
def clusters() -> tuple[model.Cluster, ...]:
    return tuple(read(options.INVENTORIES / "two_clusters").clusters)


def test_every_name_is_a_case(clusters: tuple[model.Cluster, ...]) -> None:
    names = cases.names(clusters[0])
    assert len(set(names)) == len(names)
    assert [cases.find(clusters[0], name).name for name in names] == names


def test_an_unknown_case_lists_the_known(clusters: tuple[model.Cluster, ...]) -> None:
    with pytest.raises(LabError, match="unknown case 'flood'; known: planned, power_cut"):
        cases.find(clusters[0], "flood")


def test_the_role_stays_where_nothing_is_tracked(clusters: tuple[model.Cluster, ...]) -> None:
    cluster = clusters[0]
    for network in cluster.networks:
        assert cases.find(cluster, f"cable:{network.name}").moves is network.track
    for link in cluster.sync_links:
        assert not cases.find(cluster, f"cut:{link.name}").moves


def test_choose_a_cluster(clusters: tuple[model.Cluster, ...]) -> None:
    assert drill.choose(clusters, None) is clusters[0]
    assert drill.choose(clusters, clusters[1].name) is clusters[1]
    with pytest.raises(LabError, match=f"no cluster 'x'; the inventory has {clusters[0].name}, {clusters[1].name}"):
        drill.choose(clusters, "x")
