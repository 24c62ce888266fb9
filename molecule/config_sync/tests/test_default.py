# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a node with the role config_sync must be like, asked from outside. How it behaves: tests/sync."""

from __future__ import annotations

import json
import os
import time
import uuid

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://firewalls"]

UNITS = (
    "linuxha-sync-sshd.socket",
    "linuxha-sync.path",
    "linuxha-sync-told.path",
    "linuxha-sync-watch.service",
    "linuxha-sync.timer",
)
SECRETS = {"id_ed25519": ("linuxha-sync", 0o640), "ssh_host_ed25519_key": ("root", 0o600)}
PATIENCE_S = 30.0


def test_units_run_and_start_at_boot(host: Host) -> None:
    for name in UNITS:
        assert host.check_output(f"systemctl is-active {name}") == "active"
        assert host.check_output(f"systemctl is-enabled {name}") == "enabled"


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --state=failed --no-legend --plain") == ""


@pytest.mark.parametrize("name", SECRETS)
def test_private_keys_are_for_those_who_use_them(host: Host, name: str) -> None:
    file = host.file(f"/etc/linuxha/sync/{name}")
    assert (file.user, file.group, file.mode) == ("root", *SECRETS[name])


def test_the_account_owns_nothing_that_counts(host: Host) -> None:
    found = host.check_output("find /etc /usr /var/lib -xdev -user linuxha-sync -print")
    assert found == ""
    assert "(" not in host.check_output("passwd --status linuxha-sync")


def test_it_listens_on_the_sync_links_only(host: Host) -> None:
    listening = {line.split()[3] for line in host.check_output("ss -Hltn 'sport = :8730'").splitlines()}
    own = host.ansible.get_variables()["firewall_node"]["addresses"]
    assert listening == {f"{address}:8730" for link in ("sync0", "sync1") for address in own[link]}


def test_the_peers_are_reached_and_in_step(host: Host) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = json.loads(host.run("linuxha-sync status --json").stdout)
        reached = [peer["reached"] for peer in status["peers"].values()]
        if reached == [True] and status["in_step"]:
            return
        assert time.monotonic() < deadline, status
        time.sleep(0.5)


def test_a_change_reaches_the_peer(host: Host) -> None:
    text = f"# {uuid.uuid4()}"
    host.check_output(f"mkdir -p /etc/firewall.d && echo '{text}' >/etc/firewall.d/from-$(hostname)")
    name = host.check_output("hostname")
    (other,) = [each for each in _hosts(host) if each.check_output("hostname") != name]
    deadline = time.monotonic() + PATIENCE_S
    while other.run(f"cat /etc/firewall.d/from-{name}").stdout.strip() != text:
        assert time.monotonic() < deadline, other.run("linuxha-sync status --json").stdout
        time.sleep(0.2)


def _hosts(host: Host) -> list[Host]:
    return list(host.get_hosts(["ansible://firewalls"], **_connection()))


def _connection() -> dict[str, str]:
    inventory = os.environ["HAFW_TEST_INVENTORY"]
    return {"ansible_inventory": inventory, "ssh_config": f"{inventory}.ssh_config"}
