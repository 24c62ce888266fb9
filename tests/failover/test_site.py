# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The playbook on a pair that works: it changes nothing, disturbs nothing, and stops before a mistake is deployed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from lab import playbook
from lab.hosts import NodeHost
from lab.pair import STATE, Pair
from lab.run import LabError
from tests.failover.live import INVENTORIES, fault, observe, with_inventory

STAMP = "/run/linuxha-test-stamp"
# Ansible's own work directory and the log of the login are no change. Pacemaker writes its copies when it likes; what
# it holds has a number.
LEAVE_OUT = ("/root/.ansible*", "/var/log/*", "/tmp/*", "/var/lib/pacemaker/*")


def stamp(pair: Pair) -> None:
    for node in pair.nodes.values():
        node.exec("touch", STAMP)


def touched(pair: Pair) -> dict[str, list[str]]:
    """Files on the disk of each node that were written, created or renamed since the stamp."""
    skip = [word for path in LEAVE_OUT for word in ("-not", "-path", path)]
    found = {}
    for name, node in pair.nodes.items():
        text = node.exec("find", "/", "-xdev", "-not", "-type", "d", "-cnewer", STAMP, *skip)
        found[name] = sorted(text.splitlines())
    return found


def history(pair: Pair) -> dict[str, object]:
    """Since when each node has its states, since when its daemons run, and the number of Pacemaker's configuration."""
    clustered = pair.cluster.topology == "pacemaker"
    return {
        name: (_states(node), _daemons(node), _configuration(node) if clustered else None)
        for name, node in pair.nodes.items()
    }


def _states(node: NodeHost) -> object:
    instances = json.loads(node.exec("cat", STATE))["instances"]
    return {name: (item["state"], item["since"]) for name, item in instances.items()}


def _configuration(node: NodeHost) -> str | None:
    return ElementTree.fromstring(node.exec("cibadmin", "--query")).get("epoch")


def _daemons(node: NodeHost) -> str:
    units = (
        "keepalived",
        "corosync",
        "pacemaker",
        "conntrackd",
        "linuxha-takeover",
        "linuxha-journal",
        "linuxha-rules",
    )
    return node.exec("systemctl", "show", "--property=Id,MainPID,ActiveEnterTimestampMonotonic", *units)


def nowhere(pair: Pair) -> dict[str, list[str]]:
    return {name: [] for name in pair.nodes}


def test_second_run_changes_nothing_and_nobody_notices(pair: Pair) -> None:
    before = history(pair)
    stamp(pair)
    runs = []
    site = fault("site", lambda node: runs.append(playbook.play(pair.lab, "site", show=None)))

    (measured,) = observe(pair, [site], 200)

    (run,) = runs
    assert run.changed == 0, run.output
    assert history(pair) == before
    assert touched(pair) == nowhere(pair)
    # Ansible keeps a small machine busy, so packets may be late here. None may be lost.
    assert measured.blackout.lost_packets == 0, measured.blackout
    assert measured.owners.changes == 0
    assert measured.owners.dual_ms == 0
    assert measured.leaks.leaked == 0
    assert measured.window.flows is not None
    assert measured.window.flows.survived == 200


@pytest.mark.full
def test_check_mode_writes_nothing(pair: Pair) -> None:
    """Every run asks the same of the same pair, by a fingerprint of the nodes, in the molecule scenario keepalived.

    Here it is every file that was written, and every daemon and state since when.
    """
    before = history(pair)
    stamp(pair)

    run = playbook.play(pair.lab, "site", ["--check", "--diff"], show=None)

    assert run.changed == 0, run.output
    assert history(pair) == before
    assert touched(pair) == nowhere(pair)


def test_all_mistakes_are_told_at_once_and_no_node_is_touched(pair: Pair, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(INVENTORIES / "keepalived", inventory)
    group = inventory / "group_vars" / "firewalls"
    cluster = yaml.safe_load((group / "cluster.yml").read_text())
    cluster["firewall_cluster"]["preemt"] = True
    cluster["firewall_cluster"]["networks"]["wan"]["vips"] = ["203.0.113.200"]
    cluster["firewall_cluster"]["vrrp"] = {"vrid": 256}
    (group / "cluster.yml").write_text(yaml.safe_dump(cluster))
    policy = yaml.safe_load((group / "policy.yml").read_text())
    policy["firewall_policy"]["rules"].append({"name": "typo", "from": "lan", "to": "dmz", "action": "accept"})
    (group / "policy.yml").write_text(yaml.safe_dump(policy))
    node = yaml.safe_load((inventory / "host_vars" / "fw2.yml").read_text())
    node["firewall_node"]["addresses"]["lan"][0] = "198.51.100.2"
    (inventory / "host_vars" / "fw2.yml").write_text(yaml.safe_dump(node))
    stamp(pair)

    with pytest.raises(LabError) as error:
        playbook.play(with_inventory(pair.lab, inventory), "site", show=None)

    said = str(error.value)
    for mistake in ("preemt", "preempt", "203.0.113.200", "256", "dmz", "198.51.100.2"):
        assert mistake in said, said
    assert touched(pair) == nowhere(pair)
