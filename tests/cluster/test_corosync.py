# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The roles corosync and pacemaker, and their modules corosync_conf and corosync_authkey, on a live cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import playbook
from lab.run import LabError
from tests.cluster.live import Cluster

DEPLOY = str(Path(__file__).parent / "deploy.yml")


def deploy(cluster: Cluster, *arguments: str) -> playbook.Played:
    return playbook.play(cluster.lab, DEPLOY, arguments, show=None)


def key(cluster: Cluster, name: str, node: str) -> str:
    found = re.search(r"= (.*)", cluster.run("corosync-cmapctl", "-g", name, node=node))
    assert found
    return found[1]


def started(cluster: Cluster, node: str) -> str:
    return cluster.run("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "corosync", node=node)


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    before = {node: started(cluster, node) for node in cluster.lab.nodes}
    assert deploy(cluster).changed == 0
    assert deploy(cluster, "--check", "--diff").changed == 0
    assert {node: started(cluster, node) for node in cluster.lab.nodes} == before


def test_traffic_is_encrypted_on_both_links(cluster: Cluster) -> None:
    for node in cluster.lab.nodes:
        assert (key(cluster, "totem.crypto_cipher", node), key(cluster, "totem.crypto_hash", node)) == (
            "aes256",
            "sha256",
        )
        links = cluster.run("corosync-cfgtool", "-n", node=node)
        assert links.count("connected") >= 2
        assert "disconnected" not in links
        assert cluster.run("stat", "-c", "%a %U", "/etc/corosync/authkey", node=node).split() == ["400", "root"]


def test_the_key_is_the_same_and_in_no_log(cluster: Cluster) -> None:
    sums = {cluster.run("sha256sum", "/etc/corosync/authkey", node=node).split()[0] for node in cluster.lab.nodes}
    assert len(sums) == 1
    secret = cluster.run("base64", "--wrap=0", "/etc/corosync/authkey").strip()
    cluster.run("rm", "/etc/corosync/authkey", node="fw2")
    played = deploy(cluster, "-vvv")
    assert played.changed == 1
    assert secret[:40] not in played.output
    for node in cluster.lab.nodes:
        assert secret[:40] not in cluster.run("journalctl", "--no-pager", node=node)
    assert cluster.run("sha256sum", "/etc/corosync/authkey", node="fw2").split()[0] in sums


def test_what_a_reload_can_change_restarts_nothing(cluster: Cluster) -> None:
    before = {node: started(cluster, node) for node in cluster.lab.nodes}
    for profile, token in (("instant", "150"), ("fast", "300")):
        assert deploy(cluster, "-e", f"corosync_profile={profile}").changed > 0
        assert {key(cluster, "totem.token", node) for node in cluster.lab.nodes} == {token}
    assert {node: started(cluster, node) for node in cluster.lab.nodes} == before
    assert deploy(cluster).changed == 0


def test_an_interrupted_run_is_made_good_by_the_next(cluster: Cluster) -> None:
    """The file was written, and the reload never came."""
    for node in cluster.lab.nodes:
        cluster.run("sed", "-i", "s/token: .*/token: 400/", "/etc/corosync/corosync.conf", node=node)
    deploy(cluster, "-e", '{"corosync_totem": {"token": 400, "consensus": 480}}')
    assert {key(cluster, "totem.token", node) for node in cluster.lab.nodes} == {"400"}
    deploy(cluster)
    assert {key(cluster, "totem.token", node) for node in cluster.lab.nodes} == {"300"}


@pytest.mark.full
def test_a_node_that_does_not_take_the_reload_ends_the_run(cluster: Cluster) -> None:
    """Its corosync reads another file, so the reload tells it nothing; the command itself says that all is well."""
    drop, other = "/etc/systemd/system/corosync.service.d/other.conf", "/etc/corosync/other.conf"

    def restart() -> None:
        cluster.run("systemctl", "daemon-reload", node="fw2")
        cluster.run("systemctl", "stop", "pacemaker", node="fw2")
        cluster.run("systemctl", "restart", "corosync", node="fw2")
        cluster.run("systemctl", "start", "pacemaker", node="fw2")

    text = f"[Service]\\nExecStart=\\nExecStart=/usr/sbin/corosync -f -c {other}\\n"
    try:
        cluster.run("cp", "/etc/corosync/corosync.conf", other, node="fw2")
        cluster.run("mkdir", "-p", str(Path(drop).parent), node="fw2")
        cluster.run("sh", "-c", f"printf '{text}' > {drop}", node="fw2")
        restart()
        with pytest.raises(LabError, match=r"corosync of fw2 runs, and has not taken .*totem\.token: 300 -> 150"):
            deploy(cluster, "-e", "corosync_profile=instant")
        assert key(cluster, "totem.token", "fw1") == "150"
    finally:
        cluster.run("rm", "-f", drop, other, node="fw2")
        restart()
    deploy(cluster)
    assert {key(cluster, "totem.token", node) for node in cluster.lab.nodes} == {"300"}
    assert deploy(cluster).changed == 0
