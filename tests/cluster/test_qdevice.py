# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A pair with a quorum device: who goes on, who stops, and what each fault of the device itself costs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.faults import Faults
from lab.lab import Lab
from lab.pair import wait
from lab.run import LabError
from tests.cluster.clusters import (
    DEVICE,
    WITNESS,
    deploy,
    quorate,
    quorum,
    serving,
    start_resource,
    starts,
    voting,
    wait_whole,
)
from tests.cluster.live import Cluster

pytestmark = pytest.mark.full

DATABASE = "/etc/corosync/qdevice/net/nssdb"


@pytest.fixture(scope="module")
def served(two: Lab) -> Cluster:
    """The cluster edge without a device, with one resource; the tests add and remove the device."""
    deploy(two)
    cluster = Cluster(two, "edge1", "edge2")
    wait_whole(cluster, device=False)
    start_resource(cluster)
    return cluster


@pytest.fixture(scope="module")
def added(served: Cluster) -> tuple[Cluster, dict[str, str], int]:
    """With its device, and what there was before: starts of corosync, and of the resource."""
    before = started(served, "corosync")
    count = starts(served)
    deploy(served.lab, device=DEVICE)
    return served, before, count


@pytest.fixture
def cluster(added: tuple[Cluster, dict[str, str], int]) -> Iterator[Cluster]:
    """Whole before and after each test."""
    found = added[0]
    wait_whole(found, device=True)
    yield found
    Faults(found.lab).mend()
    wait_whole(found, device=True)


def started(cluster: Cluster, unit: str) -> dict[str, str]:
    show = ("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", unit)
    return {node: cluster.run(*show, node=node) for node in cluster.nodes}


def files(cluster: Cluster) -> list[str]:
    """Everything below /etc with its time, on the nodes and on the host of the device."""
    command = ("find", "/etc", "-type", "f", "-printf", "%p %T@ %m %u\\n")
    return [cluster.run(*command, node=node) for node in (*cluster.nodes, WITNESS)]


def fingerprint(cluster: Cluster, node: str) -> str:
    """Of the certificate of a node."""
    return cluster.run("certutil", "-L", "-d", DATABASE, "-n", "Cluster Cert", "-a", node=node)


def test_it_is_added_to_a_cluster_that_runs(added: tuple[Cluster, dict[str, str], int]) -> None:
    cluster, before, count = added
    wait_whole(cluster, device=True)
    assert started(cluster, "corosync") == before
    assert starts(cluster) == count
    for node in cluster.nodes:
        assert cluster.run("systemctl", "is-enabled", "corosync-qdevice", node=node).strip() == "enabled"


def test_one_host_serves_both_clusters(cluster: Cluster) -> None:
    listed = cluster.run("corosync-qnetd-tool", "-l", node=WITNESS)
    assert 'Cluster "edge"' in listed
    assert 'Cluster "branch"' in listed
    assert listed.count("Node ID ") == 4


def test_a_second_run_changes_nothing_and_check_mode_writes_nothing(cluster: Cluster) -> None:
    assert deploy(cluster.lab, device=DEVICE).changed == 0
    before = files(cluster)
    assert deploy(cluster.lab, "--check", "--diff", device=DEVICE).changed == 0
    assert files(cluster) == before
    assert deploy(cluster.lab, "--check", "--diff", device={**DEVICE, "timeout": 3000}).changed > 0
    assert files(cluster) == before


def test_each_node_has_a_key_of_its_own_which_nobody_else_can_read(cluster: Cluster) -> None:
    assert fingerprint(cluster, "edge1") != fingerprint(cluster, "edge2")
    for node in cluster.nodes:
        assert cluster.run("stat", "-c", "%a %U", DATABASE, node=node).split()[1] == "root"
        assert cluster.run("stat", "-c", "%a", DATABASE, node=node).strip().endswith("0")
        assert ".p12" not in cluster.run("ls", DATABASE, node=node)


def test_a_node_without_certificates_gets_new_ones(cluster: Cluster) -> None:
    """As one that was replaced."""
    kept, lost = fingerprint(cluster, "edge1"), fingerprint(cluster, "edge2")
    cluster.run("rm", "-r", "/etc/corosync/qdevice", node="edge2")
    before = started(cluster, "corosync")
    deploy(cluster.lab, device=DEVICE)
    wait_whole(cluster, device=True)
    assert fingerprint(cluster, "edge1") == kept
    assert fingerprint(cluster, "edge2") != lost
    assert started(cluster, "corosync") == before


def test_a_client_without_a_certificate_of_the_authority_is_refused(cluster: Cluster) -> None:
    """Negative control of the certificates: the vote is gone without them."""
    cluster.run("mv", DATABASE, f"{DATABASE}.kept", node="edge2")
    given = "/etc/corosync/qdevice/net/qnetd-cacert.crt"
    cluster.run("corosync-qdevice-net-certutil", "-i", "-c", given, node="edge2")
    cluster.run("systemctl", "restart", "corosync-qdevice", node="edge2", check=False)
    with pytest.raises(TimeoutError):
        wait(lambda: voting(cluster, "edge2"), 8)
    cluster.run("rm", "-r", DATABASE, node="edge2")
    cluster.run("mv", f"{DATABASE}.kept", DATABASE, node="edge2")
    cluster.run("systemctl", "restart", "corosync-qdevice", node="edge2")


def test_nothing_is_signed_in_the_name_of_another_cluster(cluster: Cluster) -> None:
    asked = cluster.run("base64", "--wrap=0", f"{DATABASE}/qdevice-net-node.crq").strip()
    signed = cluster.module("qnetd_certificate", {"cluster": "branch", "request": asked}, node=WITNESS)
    assert signed.failed
    assert "Nothing was signed" in signed.msg
    other = cluster.module("qdevice_certificate", {"cluster": "branch"})
    assert other.failed
    assert "authority: is needed" in other.msg
    assert not cluster.module("qdevice_certificate", {"cluster": "edge"}).changed


def test_the_host_of_the_device_dies_and_returns(cluster: Cluster) -> None:
    """F38: nothing moves, quorum stays, and the vote comes back by itself. A run meanwhile changes nothing."""
    before, count = serving(cluster), starts(cluster)
    faults = Faults(cluster.lab)
    faults.power_cut(cluster.lab.nodes[WITNESS])
    wait(lambda: not any(voting(cluster, node) for node in cluster.nodes), 60)
    assert all(quorate(cluster, node) for node in cluster.nodes)
    assert serving(cluster) == before
    played = deploy(cluster.lab, "--limit", "firewalls", device=DEVICE)
    assert played.changed == 0
    faults.power_return(cluster.lab.nodes[WITNESS])
    wait_whole(cluster, device=True)
    assert serving(cluster) == before
    assert starts(cluster) == count


def test_of_two_halves_exactly_one_goes_on(cluster: Cluster) -> None:
    (active,) = serving(cluster)
    Faults(cluster.lab).cut(cluster.lab.nodes["edge2"], ["sync0", "sync1"])
    wait(lambda: [quorate(cluster, node) for node in cluster.nodes].count(True) == 1, 60)
    (winner,) = (node for node in cluster.nodes if quorate(cluster, node))
    wait(lambda: serving(cluster) == [winner], 60)
    # The half that served keeps the vote: nothing moves (keep_active_partition_tie_breaker, or the lowest id).
    assert winner in (active, "edge1"), quorum(cluster, winner)


@pytest.mark.parametrize("other", [False, True])
def test_a_node_loses_power_and_the_other_goes_on(cluster: Cluster, other: bool) -> None:
    (active,) = serving(cluster)
    (peer,) = (node for node in cluster.nodes if node != active)
    victim, survivor = (peer, active) if other else (active, peer)
    faults = Faults(cluster.lab)
    faults.power_cut(cluster.lab.nodes[victim])
    wait(lambda: serving(Cluster(cluster.lab, survivor)) == [survivor], 60)
    wait(lambda: quorate(cluster, survivor) and voting(cluster, survivor), 60)
    faults.power_return(cluster.lab.nodes[victim])
    wait_whole(cluster, device=True)
    assert serving(cluster) == [survivor]


def test_a_change_while_a_node_is_away_is_refused(cluster: Cluster) -> None:
    """Its vote would be missing just when it is needed."""
    (active,) = serving(cluster)
    (peer,) = (node for node in cluster.nodes if node != active)
    for unit in ("pacemaker", "corosync"):
        cluster.run("systemctl", "stop", unit, node=peer)
    wait(lambda: voting(cluster, active), 60)
    before = files(cluster)
    with pytest.raises(LabError, match="while a node is away"):
        deploy(cluster.lab, "--limit", f"{active},{WITNESS}", device={**DEVICE, "timeout": 3000})
    assert files(cluster)[cluster.nodes.index(active)] == before[cluster.nodes.index(active)]
    assert serving(cluster) == [active]
    for unit in ("corosync", "corosync-qdevice", "pacemaker"):
        cluster.run("systemctl", "start", unit, node=peer)


def test_a_change_of_the_device_restarts_its_client_only(cluster: Cluster) -> None:
    before, clients, count = started(cluster, "corosync"), started(cluster, "corosync-qdevice"), starts(cluster)
    deploy(cluster.lab, device={**DEVICE, "timeout": 3000})
    wait_whole(cluster, device=True)
    after = started(cluster, "corosync-qdevice")
    assert all(clients[node] != after[node] for node in clients)
    assert started(cluster, "corosync") == before
    assert starts(cluster) == count
    deploy(cluster.lab, device=DEVICE)


def test_the_last_node_goes_on_by_the_other_algorithm_and_heuristics_are_asked(cluster: Cluster) -> None:
    """lms: the device votes for whoever is left. A command that fails on one node costs it the vote of a split."""
    sound = "/run/linuxha-sound"
    for node in cluster.nodes:
        cluster.run("touch", sound, node=node)
    heuristics = {"mode": "on", "exec_sound": f"/usr/bin/test -e {sound}", "interval": 5000}
    deploy(cluster.lab, device={**DEVICE, "algorithm": "lms", "heuristics": heuristics})
    wait_whole(cluster, device=True)
    assert deploy(cluster.lab, device={**DEVICE, "algorithm": "lms", "heuristics": heuristics}).changed == 0
    for node in cluster.nodes:
        told = cluster.run("corosync-qdevice-tool", "-sv", node=node)
        assert re.search(r"Algorithm:\s+(LMS|Last man standing)", told), told
        wait(lambda node=node: heard(cluster, node) == "Pass", 30)
    cluster.run("rm", sound, node="edge1")
    wait(lambda: heard(cluster, "edge1") == "Fail", 30)
    assert heard(cluster, "edge2") == "Pass"
    faults = Faults(cluster.lab)
    faults.cut(cluster.lab.nodes["edge2"], ["sync0", "sync1"])
    wait(lambda: serving(cluster) == ["edge2"], 60)
    wait(lambda: not quorate(cluster, "edge1"), 30)
    assert quorate(cluster, "edge2")
    faults.mend()
    wait_whole(cluster, device=True)
    deploy(cluster.lab, device=DEVICE)


def test_it_votes_without_encryption_where_its_host_allows_that(cluster: Cluster) -> None:
    """In clear, and refused by a host that requires certificates."""
    assert encrypted(cluster) == ["Yes", "Yes"]
    deploy(cluster.lab, "-e", "qnetd_tls=on", device={**DEVICE, "tls": "off"})
    wait_whole(cluster, device=True)
    assert encrypted(cluster) == ["No", "No"]
    assert deploy(cluster.lab, "-e", "qnetd_tls=on", device={**DEVICE, "tls": "off"}).changed == 0
    cluster.run("sed", "-i", "s/-s on/-s req/", "/etc/default/corosync-qnetd", node=WITNESS)
    cluster.run("systemctl", "restart", "corosync-qnetd", node=WITNESS)
    wait(lambda: not any(voting(cluster, node) for node in cluster.nodes), 30)
    deploy(cluster.lab, device=DEVICE)
    wait_whole(cluster, device=True)
    assert encrypted(cluster) == ["Yes", "Yes"]


def encrypted(cluster: Cluster) -> list[str]:
    """Whether the connections of the cluster are, as the host of the device says."""
    told = cluster.run("corosync-qnetd-tool", "-lv", "-c", "edge", node=WITNESS)
    return re.findall(r"TLS active:\s+(Yes|No)", told)


def heard(cluster: Cluster, node: str) -> str:
    """What the heuristics of a node said last."""
    found = re.search(r"Heuristics result:\s+(\w+)", cluster.run("corosync-qdevice-tool", "-sv", node=node))
    return found[1] if found else ""


def test_a_new_name_restarts_node_by_node_and_moves_at_most_once(cluster: Cluster) -> None:
    """The certificates are in the name of the cluster, and there are new ones."""
    count, (active,) = starts(cluster), serving(cluster)
    before = fingerprint(cluster, active)
    for name in ("renamed", "edge"):
        deploy(cluster.lab, "--limit", "edge,qnetd", "-e", f"corosync_cluster_name={name}", device=DEVICE)
        wait_whole(cluster, device=True)
    assert fingerprint(cluster, active) != before
    assert starts(cluster) <= count + 2


def test_without_it_both_halves_go_on(added: tuple[Cluster, dict[str, str], int]) -> None:
    """Negative control, and the removal: corosync is not restarted for it, nothing moves."""
    cluster = added[0]
    wait_whole(cluster, device=True)
    before, count = started(cluster, "corosync"), starts(cluster)
    deploy(cluster.lab)
    wait_whole(cluster, device=False)
    assert started(cluster, "corosync") == before
    assert starts(cluster) == count
    for node in cluster.nodes:
        assert "2Node" in quorum(cluster, node)
        # Or failed: stopped together with its worker for heuristics, it may call the loss of that a failure (3.0.3).
        assert cluster.run("systemctl", "is-active", "corosync-qdevice", node=node, check=False).strip() != "active"
        assert cluster.run("systemctl", "is-enabled", "corosync-qdevice", node=node, check=False).strip() == "disabled"
    assert deploy(cluster.lab).changed == 0
    faults = Faults(cluster.lab)
    faults.cut(cluster.lab.nodes["edge2"], ["sync0", "sync1"])
    wait(lambda: serving(cluster) == list(cluster.nodes), 60)
    assert all(quorate(cluster, node) for node in cluster.nodes)
    faults.mend()
    wait_whole(cluster, device=False)
    wait(lambda: len(serving(cluster)) == 1, 60)
