# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Both nodes of a cluster are lost with their disks, and an archive brings back what no inventory can make anew.

Words that nobody may see are among the secrets: watched in the arguments of all programs of this machine (the nodes'
are among them) while backup and restore run, and looked for in the most talkative log, in journals and on all disks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import canaries, playbook
from lab.pair import Pair
from lab.run import LabError
from tests.failover.live import INVENTORIES, NAME, deployed

pytestmark = pytest.mark.full
AUTHKEY = "/etc/corosync/authkey"
CANARY = canaries.canary("Backup")
# What other parts of the collection keep on their nodes; here the path counts, and that nobody reads it.
SYNC = "/etc/linuxha/sync/id_ed25519"
JOURNAL = "/var/lib/linuxha/journal.jsonl"
# Where Ansible puts its modules unless it is told otherwise.
ANSIBLE = "/root/.ansible"


@pytest.fixture(scope="module")
def pacemaker() -> Iterator[Pair]:
    """The pair under Pacemaker, with everything that Ansible does not make."""
    with deployed(f"{NAME}-backup", INVENTORIES / "pacemaker") as lab:
        pair = Pair(lab, lab.clusters[0])
        furnish(pair)
        yield pair


def furnish(pair: Pair) -> None:
    """What grows on nodes: keys, lines of a journal, and a resource of somebody else."""
    for node in pair.nodes.values():
        node.exec("install", "-d", "-m", "0700", str(Path(SYNC).parent), str(Path(JOURNAL).parent))
        node.container.exec(["install", "-m", "0600", "/dev/stdin", SYNC], stdin=f"{CANARY} {node.name}\n")
        line = json.dumps({"at": "2026-01-01T00:00:00.000Z", "to": "MASTER", "detail": node.name}) + "\n"
        node.container.exec(["sh", "-c", f"cat >> {JOURNAL}"], stdin=line)
    xml = (
        f'<primitive id="theirs" class="ocf" provider="pacemaker" type="Dummy"><instance_attributes id="theirs-p">'
        f'<nvpair id="theirs-fake" name="fake" value="{CANARY}"/></instance_attributes></primitive>'
    )
    node, *_others = pair.nodes.values()
    node.container.exec(["sh", "-c", 'cibadmin --create --scope resources --xml-text "$(cat)"'], stdin=xml)


def forms(key: bytes = b"") -> dict[str, list[bytes]]:
    """By name the secrets that may be nowhere, as they could be seen."""
    found = {"canary": canaries.forms(CANARY)}
    return {**found, "authkey": canaries.forms(key)} if key else found


def watch_of(pair: Pair) -> canaries.Watch:
    """Of all programs, and of what lies in Ansible's directories on the nodes."""
    return canaries.Watch(node.container.disk(ANSIBLE) for node in pair.nodes.values())


@contextmanager
def watched(pair: Pair, forbidden: Mapping[str, Iterable[bytes]]) -> Iterator[None]:
    watch = watch_of(pair)
    watch.start()
    try:
        yield
    finally:
        watch.stop()
    assert watch.looks > 10
    assert watch.found(forbidden, agents_of="theirs") == set()


def play(pair: Pair, name: str, directory: Path, *arguments: str) -> playbook.Played:
    given = [
        "--vault-password-file",
        str(directory / "password"),
        "-e",
        f"firewall_backup_directory={directory}/archives",
    ]
    return playbook.play(pair.lab, name, [*given, "-vvvv", "--diff", *arguments], show=None)


def holders(pair: Pair, directory: Path, forbidden: Mapping[str, Iterable[bytes]]) -> set[str]:
    """Files on the disks of the nodes and of the controller in which one of them stands."""
    found = set()
    tops = {node.name: node.container.disk("/") for node in pair.nodes.values()}
    for name, top in {**tops, "controller": directory, "lab": pair.lab.runtime}.items():
        for path in top.rglob("*"):
            # Pacemaker's own copies and log of its configuration come as they come.
            wanted = path.is_file() and not path.is_symlink() and "pacemaker" not in path.parts
            if wanted and canaries.seen(path.read_bytes(), forbidden):
                found.add(f"{name}:{path.relative_to(top)}")
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("controller")
    (found / "password").write_text(secrets.token_hex(16))
    return found


def test_the_watch_sees_what_it_is_for(pacemaker: Pair) -> None:
    node = next(iter(pacemaker.nodes.values()))
    watch = watch_of(pacemaker)
    watch.start()
    try:
        node.exec("sh", "-c", f"sleep 2; : {CANARY}")
        node.exec("install", "-d", ANSIBLE)
        node.container.exec(["sh", "-c", f"cd {ANSIBLE} && cat > seen; sleep 1; rm seen"], stdin=CANARY)
    finally:
        watch.stop()
    assert {"canary in cmdline", "canary in seen"} <= {line.partition(":")[0] for line in watch.found(forms())}


def test_the_cluster_comes_back_from_its_archive(pacemaker: Pair, directory: Path) -> None:
    pair, nodes = pacemaker, list(pacemaker.nodes.values())
    key = nodes[0].container.disk(AUTHKEY).read_bytes()
    forbidden = forms(key)
    before = holders(pair, directory, forms())

    looked = play(pair, "backup", directory, "--check")
    assert AUTHKEY in looked.output
    assert not (directory / "archives").exists()

    with watched(pair, forbidden):
        taken = play(pair, "backup", directory)
    assert taken.changed == len(nodes)
    again = play(pair, "backup", directory)
    assert again.changed == 0, again.output
    for run in (looked, taken, again):
        assert canaries.seen(run.output.encode(), forbidden) == set()
    # In clear it is where it was, and nowhere else.
    assert holders(pair, directory, forms()) <= before
    assert "canary" not in "".join(node.exec("journalctl", "--no-pager") for node in nodes)

    # A live node: all of it is there, so nothing changes.
    assert play(pair, "restore", directory).changed == 0

    for node in nodes:
        pair.lab.replace(node.name)
    assert not any(node.container.disk(path).exists() for node in nodes for path in (AUTHKEY, SYNC, JOURNAL))

    with watched(pair, forbidden):
        restored = play(pair, "restore", directory)
    assert restored.changed == len(nodes)
    assert canaries.seen(restored.output.encode(), forbidden) == set()
    assert nodes[0].exec("stat", "-c", "%a %U", AUTHKEY).split() == ["400", "root"]
    playbook.play(pair.lab, "site", show=None)
    with watched(pair, forbidden):
        added = play(pair, "restore", directory)
    assert canaries.seen(added.output.encode(), forbidden) == set()
    playbook.play(pair.lab, "verify", show=None)
    pair.wait_steady()

    for node in nodes:
        assert node.container.disk(AUTHKEY).read_bytes() == key
        assert node.exec("cat", SYNC) == f"{CANARY} {node.name}\n"
        assert node.name in node.exec("cat", JOURNAL)
    assert CANARY in nodes[0].exec("crm_resource", "--resource", "theirs", "--get-parameter", "fake")
    assert play(pair, "restore", directory).changed == 0
    assert playbook.play(pair.lab, "site", show=None).changed == 0


def test_what_does_not_belong_is_refused_before_a_node_is_touched(pacemaker: Pair, directory: Path) -> None:
    pair, nodes = pacemaker, list(pacemaker.nodes.values())
    archives = {node.name: sorted((directory / "archives" / "edge" / node.name).glob("*.vault"))[-1] for node in nodes}
    nodes[0].exec("rm", SYNC)

    def refused(*arguments: str) -> str:
        with pytest.raises(LabError):
            play(pair, "restore", directory, *arguments)
        # The archive of this node is in order, and still nothing was written.
        assert not nodes[0].container.disk(SYNC).exists()
        # The last lines, which the error carries, are too few for a run as talkative as this.
        return " ".join((pair.lab.runtime / "restore.log").read_text().split())

    whole = archives[nodes[1].name].read_bytes()
    archives[nodes[1].name].write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    assert "is damaged" in refused()
    archives[nodes[1].name].write_bytes(whole)
    assert "is of 'fw1', this is 'fw2'" in refused("-e", f"firewall_restore_archive={archives[nodes[0].name]}")
    # The cluster has got another key since.
    nodes[1].exec("sh", "-c", f"cp -p {AUTHKEY} /run/kept && corosync-keygen -k {AUTHKEY}")
    try:
        assert "corosync.service runs with another one" in refused()
    finally:
        nodes[1].exec("cp", "-p", "/run/kept", AUTHKEY)
    assert play(pair, "restore", directory).changed == 1
    assert nodes[0].exec("cat", SYNC) == f"{CANARY} {nodes[0].name}\n"
