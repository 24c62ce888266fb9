# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What an operator does with a pair that is deployed, by the playbooks, and what the nodes are like afterwards.

In check mode first: none of the playbooks writes anything then, on a node or on the controller. Under live traffic, and
with faults, the same playbooks are in tests/failover.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from lab import lab as labs
from lab import playbook
from lab.pair import Pair, wait
from lab.run import LabError

FINGERPRINT = Path(__file__).parents[2] / "shared" / "fingerprint.sh"
DRAIN = "/run/linuxha/drain"
FLAG = "/var/lib/linuxha/maintenance.json"
CONFIGURATION = "/etc/keepalived/keepalived.conf"
PARAMETER = "net.ipv4.tcp_syncookies"
# Long enough to be seen by another playbook.
MAINTENANCE_S = 90


@pytest.fixture(scope="module")
def hosts() -> dict[str, Host]:
    inventory = os.environ["HAFW_TEST_INVENTORY"]
    ssh_config = f"{inventory}.ssh_config"
    found = testinfra.get_hosts(["ansible://firewalls"], ansible_inventory=inventory, ssh_config=ssh_config)
    return {str(host.check_output("hostname")): host for host in found}


@pytest.fixture(scope="module")
def deployed() -> Pair:
    lab = labs.get(os.environ["HAFW_LAB"])
    return Pair(lab, lab.clusters[0])


@pytest.fixture
def pair(deployed: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """The pair, steady and with no memory of moves before each test, and without a flag after it."""
    # What the scenario tells Ansible about colours would be in what the playbooks print.
    monkeypatch.delenv("ANSIBLE_FORCE_COLOR", raising=False)
    monkeypatch.setenv("ANSIBLE_NOCOLOR", "1")
    deployed.wait_steady()
    for node in deployed.nodes.values():
        node.exec("linuxha-journal", "release")
    yield deployed
    for node in deployed.nodes.values():
        node.exec("linuxha-maintenance", "off")
    deployed.wait_steady()


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the operator."""
    found = tmp_path_factory.mktemp("controller")
    (found / "password").write_text("the password of this test\n")
    return found


def play(pair: Pair, name: str, *arguments: str, **variables: Any) -> playbook.Played:
    return playbook.play(pair.lab, name, [*arguments, "-e", json.dumps(variables)], show=None)


def backup(pair: Pair, controller: Path, name: str, *arguments: str) -> playbook.Played:
    """One of the two playbooks that need the vault and its directory."""
    vault = ("--vault-password-file", str(controller / "password"))
    return play(pair, name, *vault, *arguments, firewall_backup_directory=str(controller / "archives"))


def remember(pair: Pair) -> None:
    for node in pair.nodes.values():
        node.container.exec(["sh", "-s", "remember"], stdin=FINGERPRINT.read_text())


def unchanged(pair: Pair) -> None:
    """Fails with the lines that differ."""
    for node in pair.nodes.values():
        node.container.exec(["sh", "-s", "compare"], stdin=FINGERPRINT.read_text())


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["status", "switchover", "maintenance", "backup", "drift", "verify"])
def test_in_check_mode_nothing_is_written(pair: Pair, controller: Path, name: str) -> None:
    active = pair.active().name
    variables: dict[str, dict[str, Any]] = {
        "status": {"firewall_status_json": str(controller / "s.json"), "firewall_status_html": str(controller / "s")},
        "switchover": {"firewall_source": active},
        "maintenance": {"firewall_source": active, "firewall_maintenance": "on", "firewall_maintenance_for": "1h"},
        "backup": {"firewall_backup_directory": str(controller / "archives")},
        "drift": {"firewall_drift_report": str(controller / "drift.json")},
        "verify": {},
    }
    before = files(controller)
    remember(pair)

    vault = ("--vault-password-file", str(controller / "password"))
    play(pair, name, "--check", "--diff", *vault, **variables[name])

    unchanged(pair)
    assert files(controller) == before
    assert pair.active().name == active


def test_the_fingerprint_sees_what_operators_change(pair: Pair) -> None:
    """The control of the tests above and below."""
    node = pair.standby()
    for change, undo in (
        (f"sysctl -qw {PARAMETER}=0", f"sysctl -qw {PARAMETER}=1"),
        ("linuxha-maintenance on --for 60", "linuxha-maintenance off"),
        (f"echo 1 > {DRAIN}", f"echo 0 > {DRAIN}"),
    ):
        remember(pair)
        node.exec("sh", "-ec", change)
        try:
            with pytest.raises(LabError):
                unchanged(pair)
        finally:
            node.exec("sh", "-ec", undo)


def test_status_on_the_screen_as_json_and_as_a_page(pair: Pair, controller: Path) -> None:
    active, standby = pair.active().name, pair.standby().name
    json_file, page = controller / "status.json", controller / "status.html"
    remember(pair)

    shown = play(pair, "status", firewall_status_json=str(json_file), firewall_status_html=str(page))

    unchanged(pair)
    assert shown.changed == 0
    assert f"take over?    YES, {standby} is healthy" in shown.output
    (cluster,) = json.loads(json_file.read_text())["clusters"]
    (group,) = cluster["groups"]
    assert cluster["state"] == "ok", cluster["findings"]
    assert (group["owner"], group["takeover"]["able"]) == (active, True)
    text = page.read_text()
    assert "<svg" in text
    assert {word for word in (*pair.nodes, *pair.vips) if word not in text} == set()
    # Self-contained: it asks nobody for anything.
    assert not [word for word in ("<script src", "<link", "<img src", "@import", "url(http") if word in text]


def test_switchover_and_back(pair: Pair, hosts: dict[str, Host]) -> None:
    first, second = pair.active().name, pair.standby().name
    for source, target in ((first, second), (second, first)):
        assert play(pair, "switchover", firewall_target=target).changed > 0
        assert pair.active().name == target
        vip = sorted(pair.vips)[0]
        assert vip in hosts[target].check_output("ip -brief address")
        assert vip not in hosts[source].check_output("ip -brief address")
        # The order was taken back.
        assert hosts[source].file(DRAIN).content_string.strip() == "0"
        assert play(pair, "switchover", firewall_target=target).changed == 0


def test_maintenance_moves_the_service_and_ends_by_itself(pair: Pair, hosts: dict[str, Host]) -> None:
    node, other = pair.active().name, pair.standby().name
    play(
        pair,
        "maintenance",
        firewall_source=node,
        firewall_maintenance="on",
        firewall_maintenance_for=str(MAINTENANCE_S),
        firewall_reason="new power supply",
    )
    assert pair.active().name == other
    flag = json.loads(hosts[node].file(FLAG).content_string)
    assert flag["reason"] == "new power supply"
    assert flag["until"] is not None
    assert "new power supply" in play(pair, "status").output

    wait(lambda: not hosts[node].file(FLAG).exists, 2 * MAINTENANCE_S, interval=1)

    pair.wait_steady()
    assert hosts[node].file(DRAIN).content_string.strip() == "0"
    play(pair, "switchover", firewall_target=node)


def test_maintenance_ends_when_that_is_ordered(pair: Pair, hosts: dict[str, Host]) -> None:
    node = pair.standby().name
    order = {"firewall_source": node, "firewall_maintenance_for": "1h"}
    assert play(pair, "maintenance", **order, firewall_maintenance="on").changed == 1
    assert hosts[node].file(FLAG).exists
    assert play(pair, "maintenance", **order, firewall_maintenance="off").changed == 1
    assert not hosts[node].file(FLAG).exists
    assert play(pair, "maintenance", **order, firewall_maintenance="off").changed == 0


def test_backup_is_encrypted_and_restore_has_nothing_to_do(pair: Pair, controller: Path) -> None:
    taken = backup(pair, controller, "backup")
    assert taken.changed == len(pair.nodes)
    archives = sorted((controller / "archives").rglob("*.vault"))
    assert [path.parent.name for path in archives] == sorted(pair.nodes)
    for path in archives:
        assert path.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256")
        assert path.stat().st_mode & 0o777 == 0o600
    before = files(controller)
    assert backup(pair, controller, "backup").changed == 0
    assert files(controller) == before

    remember(pair)
    assert backup(pair, controller, "restore", "--check", "--diff").changed == 0
    assert backup(pair, controller, "restore").changed == 0
    unchanged(pair)


def drift(pair: Pair, controller: Path, **more: Any) -> set[tuple[str, str, str]]:
    """What differs: layer, node, path."""
    report = controller / "drift.json"
    play(pair, "drift", firewall_drift_report=str(report), **more)
    differences = json.loads(report.read_text())["differences"]
    return {(item["layer"], item["node"], item["path"]) for item in differences}


def test_drift_finds_nothing_and_then_what_was_changed_by_hand(pair: Pair, controller: Path) -> None:
    assert drift(pair, controller, firewall_drift_fail=True) == set()

    node = pair.standby()
    node.exec("sh", "-ec", f"cp -p {CONFIGURATION} /run/kept; echo '# by hand' >> {CONFIGURATION}")
    node.exec("sysctl", "-qw", f"{PARAMETER}=0")
    try:
        remember(pair)
        found = drift(pair, controller)
        with pytest.raises(LabError):
            drift(pair, controller, firewall_drift_fail=True)
        unchanged(pair)
    finally:
        node.exec("sh", "-ec", f"cat /run/kept > {CONFIGURATION}; touch -r /run/kept {CONFIGURATION}; rm /run/kept")
        node.exec("sysctl", "-qw", f"{PARAMETER}=1")
    assert found == {
        ("file", node.name, CONFIGURATION),
        ("daemon", node.name, "keepalived.service"),
        ("kernel", node.name, PARAMETER),
    }


def test_verify_is_content_and_changes_nothing(pair: Pair) -> None:
    remember(pair)
    assert play(pair, "verify").changed == 0
    unchanged(pair)
