# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Machines of a lab that belong to no cluster."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from lab import inventory, options, plan
from lab.run import LabError

TWO = options.INVENTORIES / "two_clusters"


def planned(path: Path, release: str | None = None) -> plan.LabPlan:
    found = inventory.read(path)
    return plan.make(found.clusters, found.ansible_host, {}, release, bystanders=found.bystanders)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    copy = copytree(TWO, tmp_path / "inventory")
    hosts = copy / "hosts.yml"
    text = hosts.read_text()
    assert old in text
    hosts.write_text(text.replace(old, new))
    return copy


def test_it_has_one_interface_where_ansible_reaches_it() -> None:
    lab = planned(TWO)
    (witness,) = (node for node in lab.nodes if not node.cluster)
    (port,) = witness.ports
    (switch,) = (switch for switch in lab.switches if switch.name == port.switch)
    assert (witness.name, witness.release, witness.management) == ("witness", "debian13", "203.0.113.6")
    assert (port.interface, port.addresses) == ("eth0", ("203.0.113.6/27",))
    assert switch.alias == "branch.mgmt+edge.mgmt"


def test_it_takes_nothing_from_the_others() -> None:
    """Names of ports and all addresses are different, wherever it is."""
    ports = [port for node in planned(TWO).nodes for port in node.ports]
    assert len({port.switch_end for port in ports}) == len({port.mac for port in ports}) == len(ports)


def test_its_address_is_not_taken_by_the_lab(tmp_path: Path) -> None:
    (controller,) = planned(TWO).controller
    taken = controller.addresses[0].partition("/")[0]
    (other,) = planned(changed(tmp_path, "203.0.113.6", taken)).controller
    assert other.addresses != controller.addresses


def test_the_release_of_all_nodes_is_its_own_too() -> None:
    assert {node.release for node in planned(TWO, "debian12").nodes} == {"debian12"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("203.0.113.6", "198.51.99.6", "witness: ansible_host 198.51.99.6 is in no network of a cluster"),
        ("203.0.113.6", "witness.example.org", "witness: ansible_host 'witness.example.org' must be an address"),
        ("{release: debian13}", "{image: debian13}", "witness: firewall_lab: image: unknown"),
    ],
)
def test_mistakes(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=message):
        planned(changed(tmp_path, old, new))
