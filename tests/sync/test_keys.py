# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The key of a node, in the hands of somebody who wants more: refused, logged, and nothing has changed."""

from __future__ import annotations

import hashlib

import pytest

from tests.sync.live import Sync

PEER = "203.0.113.66"
ANY_HOST = "ssh -F none -T -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=5 -i /run/stolen-key"
SSH = f"{ANY_HOST} -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/linuxha/sync/known_hosts"
# ssh takes the first value of an option.
TRUSTING = f"{ANY_HOST} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
KEY = f"{SSH} -p 8730 linuxha-sync@{PEER}"
REFUSED = [
    "id",
    "sh",
    "cat /etc/shadow",
    "time; id",
    "notify\nid",
    "time x",
    "rsync --server -e.LsfxCIvu . x",
    "rsync --server -e.LsfxCIvu --delete . .",
    "rsync --server --sender -e.LsfxCIvu . /etc/passwd",
    "rsync --server --sender -e.LsfxCIvu . ../manifest.json",
    "rsync --server --sender -e.LsfxCIvu . objects/../../history",
    "rsync --server --sender -e.LsfxCIvu --remove-source-files . manifest.json",
    "rsync --server --sender -e.LsfxCIvu --copy-links . manifest.json",
    "scp -f manifest.json",
    "/usr/lib/openssh/sftp-server",
    "rrsync -ro /",
]


@pytest.fixture(autouse=True)
def stolen(sync: Sync) -> None:
    """A copy for root, whom ssh lets use no key that a group may read."""
    sync.exec("fw1", "install", "--mode=600", "/etc/linuxha/sync/id_ed25519", "/run/stolen-key")


def attempt(sync: Sync, command: str) -> str:
    """Runs a line of shell on fw1 and returns its exit status and what it printed."""
    return sync.shell("fw1", f"{command} 2>&1; echo status $?")


def refusals(sync: Sync) -> int:
    text = sync.exec("fw2", "journalctl", "--no-pager", "--identifier=linuxha-sync-gate", "--output=cat")
    return text.count("refused for 203.0.113.65")


def fingerprint(sync: Sync) -> str:
    script = (
        "find /etc /usr/local /var/lib/linuxha-sync /root -xdev -type f -printf '%p %s %T@ %m %u\\n' | sort | sha256sum"
    )
    return sync.shell("fw2", script)


def test_what_the_key_is_for(sync: Sync) -> None:
    assert attempt(sync, f"{KEY} time").splitlines()[-1] == "status 0"
    assert attempt(sync, f"{KEY} notify") == "status 0\n"


def test_a_peer_does_not_choose_how_often_a_node_runs(sync: Sync) -> None:
    sync.wait_in_step()
    sync.shell("fw2", "sleep 5")
    since = sync.now("fw2")
    attempt(sync, f"end=$(($(date +%s) + 8)); while test $(date +%s) -lt $end; do {KEY} notify; done")
    sync.shell("fw2", "sleep 3")
    runs = sync.starts("fw2", "linuxha-sync.service", since)
    # It has one at once, and then one in two seconds.
    assert 2 <= runs <= 7


@pytest.mark.parametrize("command", REFUSED)
def test_everything_else_is_refused_and_logged(sync: Sync, command: str) -> None:
    before, logged = fingerprint(sync), refusals(sync)
    said = attempt(sync, f"{KEY} '{command}'")
    assert "status 0" not in said, said
    assert "uid=" not in said
    assert "root:" not in said
    sync.wait(lambda: refusals(sync) == logged + 1)
    assert fingerprint(sync) == before


@pytest.mark.parametrize(
    "command",
    [
        f"{SSH} -p 8730 root@{PEER} time",
        f"{TRUSTING} -p 22 linuxha-sync@{PEER} id",
        f"{TRUSTING} -p 22 root@{PEER} id",
        f"{SSH} -p 8730 -s linuxha-sync@{PEER} sftp",
        f"{SSH} -p 8730 -N -o ExitOnForwardFailure=yes -R 9999:127.0.0.1:22 linuxha-sync@{PEER}",
        # The administrators' network: it does not listen there.
        f"{SSH} -p 8730 linuxha-sync@203.0.113.3 time",
        # A key that was copied to another machine: the right key from an address that is not its own.
        f"ip address add 203.0.113.70/29 dev eth2; {SSH} -p 8730 -b 203.0.113.70 linuxha-sync@{PEER} time; "
        "code=$?; ip address del 203.0.113.70/29 dev eth2; test $code = 0",
    ],
)
def test_no_other_way_in(sync: Sync, command: str) -> None:
    said = attempt(sync, f"timeout 20 sh -c '{command}'")
    assert "status 0" not in said, said
    assert "status 124" not in said, said


def test_a_link_among_the_offered_is_not_followed(sync: Sync) -> None:
    name = hashlib.sha256(b"trap").hexdigest()
    trap = f"/var/lib/linuxha-sync/export/objects/{name}"
    sync.exec("fw2", "ln", "-s", "/etc/shadow", trap)
    try:
        fetch = f"rsync -e '{SSH} -p 8730' -W linuxha-sync@{PEER}:objects/{name} /run/trap"
        attempt(sync, fetch)
        assert sync.shell("fw1", "cat /run/trap 2>/dev/null", check=False) == ""
    finally:
        sync.exec("fw2", "rm", trap)


def test_a_peer_with_another_host_key_is_not_believed(sync: Sync) -> None:
    keys = "/etc/linuxha/sync/ssh_host_ed25519_key"
    sync.shell("fw2", f"cp -p {keys} {keys}.before && rm {keys} && ssh-keygen -q -t ed25519 -N '' -f {keys}")
    try:
        sync.run("fw1")
        peer = sync.status("fw1")["peers"]["fw2"]
        assert not peer["reached"]
        assert "ost key" in peer["problem"]
    finally:
        sync.shell("fw2", f"mv {keys}.before {keys} && ssh-keygen -y -f {keys} >{keys}.pub")
    sync.run("fw1")
