# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What only a pair with Pacemaker has; the rest is in molecule/shared/tests."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from testinfra.host import Host

testinfra_hosts = ["ansible://firewalls"]


def status(host: Host) -> ET.Element:
    return ET.fromstring(host.check_output("crm_mon --one-shot --inactive --output-as=xml"))


def test_keepalived_is_not_there(host: Host) -> None:
    assert not host.package("keepalived").is_installed


def test_every_node_is_online_and_quorate(host: Host) -> None:
    answer = status(host)
    assert {node.get("online") for node in answer.iterfind("nodes/node")} == {"true"}
    current = answer.find("summary/current_dc")
    assert current is not None
    assert current.get("with_quorum") == "true"


def test_nothing_has_failed(host: Host) -> None:
    assert not [ET.tostring(failure) for failure in status(host).iter("failure")]


def test_every_resource_runs(host: Host) -> None:
    roles = sorted(f"{item.get('id')} {item.get('role')}" for item in status(host).iterfind("resources//resource"))
    assert roles == [
        "ping-outside Started",
        "ping-outside Started",
        "states Promoted",
        "states Unpromoted",
        "vips-edge Started",
    ]


def test_the_configuration_is_valid(host: Host) -> None:
    # 78 also stands for mere warnings, such as the one about fencing.
    answer = host.run("crm_verify --live-check --verbose")
    assert "Errors found" not in answer.stdout + answer.stderr


def test_membership_is_encrypted_over_both_links(host: Host) -> None:
    assert "= aes256" in host.check_output("corosync-cmapctl -g totem.crypto_cipher")
    links = host.check_output("corosync-cfgtool -n")
    assert links.count("connected") >= 2
    assert "disconnected" not in links


def test_agents_know_themselves(host: Host) -> None:
    for agent in ("states", "vips"):
        metadata = ET.fromstring(host.check_output(f"crm_resource --show-metadata ocf:linuxha:{agent}"))
        assert metadata.get("name") == agent
        assert {"start", "stop", "monitor", "meta-data"} <= {item.get("name") for item in metadata.iter("action")}


def test_addresses_are_announced_to_nobody_by_a_probe(host: Host) -> None:
    """A probe of the agent on a node tells what is true and changes nothing."""
    before = host.check_output("ip -brief address")
    probe = "OCF_ROOT=/usr/lib/ocf OCF_RESKEY_group=edge /usr/lib/ocf/resource.d/linuxha/vips monitor"
    assert host.run(probe).rc == (0 if "192.0.2.1/" in before else 7)
    assert host.check_output("ip -brief address") == before
