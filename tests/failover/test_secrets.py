# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Secrets that are made to be found stand in their places and nowhere else, whatever an operator runs, however it ends.

All machines of this lab are looked at from here: a watch reads the arguments and environments of all their programs and
of the controller's, while everything runs at its most talkative and into a cache of facts that anybody may read.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import canaries, playbook
from lab import lab as labs
from lab.hosts import NodeHost
from lab.lab import Lab
from lab.pair import Pair, wait
from lab.run import LabError
from tests.failover.live import INVENTORIES, NAME, with_inventory
from tests.tools import secret_places as places

pytestmark = pytest.mark.full
INVENTORY = {"keepalived": "config_sync", "pacemaker": "pacemaker_qdevice"}
SYNCED, KEPT, AUTHKEY = "/etc/firewall.d/canary", "/etc/firewall-kept", "/etc/corosync/authkey"
DATABASES = ("/etc/corosync/qdevice/net/nssdb/key4.db", "/etc/corosync/qnetd/nssdb/key4.db")
# Where a program of a node writes; /usr but for /usr/local is the image.
WRITTEN = ("/dev/shm", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")
# As what a stranger on a node asks Pacemaker.
QUESTIONS = ("cibadmin --query", "crm_mon --one-shot --output-as=xml", "crm_resource --resource {device} --query-xml")
ENVIRONMENT = {
    "ANSIBLE_CACHE_PLUGIN": "jsonfile",
    "ANSIBLE_CACHE_PLUGIN_CONNECTION": "facts",
    # With a cache, `smart` would ask nobody anew who holds the addresses.
    "ANSIBLE_GATHERING": "implicit",
    "ANSIBLE_LOG_PATH": "ansible.log",
    "ANSIBLE_LOCAL_TEMP": "local",
}


@dataclass
class Scene:
    """A cluster whose secrets are known here, the operator's own directory, and what was said and seen."""

    topology: str
    lab: Lab
    #: inventories and the vault password, where they are in clear
    private: Path
    #: what the playbooks write
    directory: Path
    secrets: dict[str, list[str | bytes]]
    said: list[str] = field(default_factory=list)
    watch: canaries.Watch = field(default_factory=canaries.Watch)

    @property
    def pair(self) -> Pair:
        return Pair(self.lab, self.lab.clusters[0])

    @property
    def wanted(self) -> dict[str, list[bytes]]:
        return {name: [form for each in found for form in canaries.forms(each)] for name, found in self.secrets.items()}

    def play(self, name: str, *arguments: str, lab: Lab | None = None, fails: bool = False) -> None:
        """At its most talkative; what it said is kept."""
        given = ["-vvv", "--diff", "--vault-password-file", str(self.private / "password"), *arguments]
        try:
            playbook.play(lab or self.lab, name, given, show=None)
        except LabError:
            if not fails:
                raise
        else:
            assert not fails, f"{name} should have failed"
        self.said.append((self.lab.runtime / f"{Path(name).stem}.log").read_text())

    def inventory(self, name: str, secret: str, **changes: Any) -> Lab:
        """The lab by an inventory with this password of all fence devices; `changes` are made in each of them."""
        directory = self.private / name
        shutil.copytree(INVENTORIES / INVENTORY[self.topology], directory)
        file = directory / "group_vars" / "firewalls" / "cluster.yml"
        text = yaml.safe_load(file.read_text())
        if self.topology == "pacemaker":
            shared = yaml.safe_load((INVENTORIES / "config_sync/group_vars/firewalls/cluster.yml").read_text())
            text["firewall_cluster"]["config_sync"] = shared["firewall_cluster"]["config_sync"]
            parameters = {"ip": self.lab.power.address, "password": secret, **changes.pop("parameters", {})}
            text["firewall_cluster"]["pacemaker"]["fencing"] = {
                "devices": [
                    {
                        "name": f"power-{node}",
                        "agent": "fence_lab",
                        "nodes": [node],
                        "parameters": parameters,
                        **changes,
                    }
                    for node in ("fw1", "fw2")
                ],
                "priority_delay_s": 2,
            }
        # The order of the networks is that of the interfaces: the machines have to stay the same.
        file.write_text(yaml.safe_dump(text, sort_keys=False))
        return with_inventory(self.lab, directory)


def write(node: NodeHost, path: str, text: str, mode: str = "0600") -> None:
    """The text is on no command line."""
    node.container.exec(["install", "-D", f"--mode={mode}", "/dev/stdin", path], stdin=text)


def on_disk(node: NodeHost, path: str) -> bytes:
    return node.container.disk(path).read_bytes()


def exponents(database: bytes) -> list[str | bytes]:
    """What is secret in a database of NSS, as it stands there: private exponents (CKA_PRIVATE_EXPONENT is 0x123).

    The modulus beside them is public, and in every certificate.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        rows = connection.execute("SELECT a123 FROM nssPrivate WHERE a123 IS NOT NULL").fetchall()
    # The end is encrypted; at the beginning stands how.
    return [bytes(row[0])[-32:] for row in rows]


@contextmanager
def environment(directory: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            local = name.endswith(("CONNECTION", "PATH", "TEMP"))
            patch.setenv(name, str(directory / value) if local else value)
        (directory / "local").mkdir()
        yield


# --- where they could be seen


def programs(scene: Scene, wanted: Mapping[str, list[bytes]]) -> set[str]:
    return scene.watch.found(wanted)


def outputs(scene: Scene, wanted: Mapping[str, list[bytes]]) -> set[str]:
    return {f"output {number}: {name}" for number, text in enumerate(scene.said) for name in seen(text, wanted)}


def seen(text: str, wanted: Mapping[str, list[bytes]]) -> set[str]:
    return canaries.seen(text.encode(), wanted)


def controller(scene: Scene, wanted: Mapping[str, list[bytes]]) -> set[str]:
    """All that was written there: logs, facts, reports, archives. The lab's own keys are none of its business."""
    files = [path for top in (scene.directory, scene.lab.runtime) for path in top.rglob("*") if path.is_file()]
    own = scene.lab.runtime / "ssh"
    return {
        f"{path.name}: {name}"
        for path in files
        if own not in path.parents
        for name in canaries.seen(path.read_bytes(), wanted)
    }


def journals(scene: Scene, wanted: Mapping[str, list[bytes]]) -> set[str]:
    """Every field of every entry. What is no text in them is no form of a secret."""
    ask = "journalctl --no-pager --all --output=export | LC_ALL=C tr --complement --delete '\\n -~'"
    return {
        f"journal of {node.name}: {name}"
        for node in scene.lab.nodes.values()
        for name in seen(node.exec("sh", "-c", ask), wanted)
    }


def files(scene: Scene, secrets: Mapping[str, list[str | bytes]]) -> set[str]:
    """Files on the nodes in which a secret stands, but for its places with the modes that these may have."""
    found = set()
    for node in scene.lab.nodes.values():
        for name, each in secrets.items():
            patterns = "\n".join(pattern for secret in each for pattern in canaries.patterns(secret))
            hits = node.container.exec(["sh", "-c", SEARCH, "sh", *WRITTEN], stdin=patterns)
            for line in hits.splitlines():
                mode, owner, path = line.split(" ", 2)
                there = [place for place in places.PLACES if place.secret == name and place.covers(path)]
                problem = there[0].problem(int(mode, 8), owner) if there else f"{mode} {owner}, where it should not be"
                if problem:
                    found.add(f"{node.name}:{path}: {name}: {problem}")
    return found


# Exit code 1: nowhere. A file that is gone meanwhile is as good.
SEARCH = 'grep -rlaF --devices=skip -f - "$@" 2>/dev/null | while read -r f; do stat -c "%a %U:%G %n" "$f"; done'


def standing(scene: Scene) -> dict[str, set[str]]:
    """By secret the places that exist, on any node; what is wrong with one of them fails."""
    found: dict[str, set[str]] = {}
    for node in scene.lab.nodes.values():
        lines = node.exec("find", *WRITTEN, "-xdev", "-type", "f", "-printf", "%m %u:%g %p\n", check=False).splitlines()
        for mode, owner, path in (line.split(" ", 2) for line in lines):
            for place in places.PLACES:
                if place.covers(path):
                    assert place.problem(int(mode, 8), owner) == "", f"{node.name}:{path}"
                    found.setdefault(place.secret, set()).add(place.path)
    return found


def strangers(scene: Scene, wanted: Mapping[str, list[bytes]], groups: str = "") -> set[str]:
    """What Pacemaker tells an account that has nothing to do with it; or one with these groups."""
    found = set()
    for node in scene.pair.nodes.values() if scene.topology == "pacemaker" else ():
        for question in QUESTIONS:
            asked = question.format(device="power-fw1").split()
            more = ["--supp-group", groups] if groups else []
            answer = node.exec("runuser", "--user", "nobody", *more, "--", *asked, check=False)
            found |= {f"{asked[0]} on {node.name}: {name}" for name in seen(answer, wanted)}
    return found


# --- the scene


@pytest.fixture(scope="module", params=list(INVENTORY))
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    topology = str(request.param)
    name = f"{NAME}-secrets-{topology}"
    private, directory = (tmp_path_factory.mktemp(each) for each in ("private", "operator"))
    bare = labs.up(name, INVENTORIES / INVENTORY[topology], fresh=True)
    try:
        known = {each: canaries.canary(word) for each, word in WORDS.items()}
        made = Scene(topology, bare, private, directory, {each: [text] for each, text in known.items()})
        (private / "password").write_text(known[places.VAULT])
        made.lab = made.inventory("inventory", known[places.FENCING])
        for node in made.lab.nodes.values():
            write(node, KEPT, known[places.KEPT])
        if topology == "pacemaker":
            # A key that is there counts; corosync wants 128 bytes at least.
            key = (known[places.COROSYNC] * 9)[:256]
            write(made.lab.nodes["fw1"], AUTHKEY, key, "0400")
        with environment(directory):
            made.watch.start()
            yield made
    finally:
        labs.down(name)


WORDS = {
    places.FENCING: "Fencing",
    places.COROSYNC: "Corosync",
    places.SYNCED: "Synced",
    places.KEPT: "Kept",
    places.VAULT: "Vault",
}


def learn(scene: Scene) -> None:
    """The secrets that the nodes have made for themselves."""
    machines = list(scene.lab.nodes.values())
    firewalls = list(scene.pair.nodes.values())
    own = ("/etc/linuxha/sync/id_ed25519", "/etc/linuxha/sync/ssh_host_ed25519_key")
    scene.secrets[places.SYNC] = [canaries.seed(on_disk(node, path).decode()) for node in firewalls for path in own]
    host_key = "/etc/ssh/ssh_host_ed25519_key"
    scene.secrets[places.SSH] = [canaries.seed(on_disk(node, host_key).decode()) for node in machines]
    if scene.topology == "pacemaker":
        found = [exponents(on_disk(node, DATABASES[0 if node in firewalls else 1])) for node in machines]
        assert all(found)
        scene.secrets[places.QDEVICE] = [exponent for each in found for exponent in each]


def operate(scene: Scene) -> None:
    """From bare machines through everything that an operator runs, also what goes wrong."""
    secrets = scene.secrets
    scene.play("site", "--check")
    scene.play("site")
    learn(scene)
    first, second = scene.pair.nodes.values()
    write(first, SYNCED, f"# {secrets[places.SYNCED][0]!s}\n")
    wait(lambda: second.exec("cat", SYNCED, check=False) != "", 60, interval=0.5)

    if scene.topology == "pacemaker":
        # A new password, one in the wrong place, and one under a name that the agent does not know.
        new, beside, misspelt = (canaries.canary(f"Fencing{number}") for number in range(3))
        secrets[places.FENCING] += [new, beside, misspelt]
        scene.play("site", "--check", lab=scene.inventory("new", new))
        scene.play("site", lab=scene.inventory("beside", new, password=beside), fails=True)
        unknown = {"pasword": misspelt}
        scene.play("site", "--check", lab=scene.inventory("misspelt", new, parameters=unknown), fails=True)

    archives = ("-e", f"firewall_backup_directory={scene.directory}/archives")
    kept = ("-e", json.dumps({"firewall_backup_paths": [KEPT]}))
    scene.play("backup", "--check", *archives, *kept)
    scene.play("backup", *archives, *kept)
    scene.lab.nodes["fw2"].exec("rm", KEPT)
    scene.play("restore", "--check", *archives, *kept)
    scene.play("restore", *archives, *kept)
    assert scene.lab.nodes["fw2"].exec("cat", KEPT) == secrets[places.KEPT][0]

    reports = {
        f"firewall_{name}": str(scene.directory / file)
        for name, file in {"status_json": "s.json", "status_html": "s.html", "drift_report": "drift.json"}.items()
    }
    for name in ("drift", "status", "verify"):
        scene.play(name, "-e", json.dumps(reports))
    scene.pair.wait_steady()
    here, there = scene.pair.active().name, scene.pair.standby().name
    for target in (there, here):
        scene.play("switchover", "-e", f"firewall_target={target}")


def test_secrets_are_where_they_belong_and_nowhere_else(scene: Scene) -> None:
    operate(scene)
    scene.watch.stop()
    leaks = {
        "programs": programs(scene, scene.wanted),
        "outputs": outputs(scene, scene.wanted),
        "controller": controller(scene, scene.wanted),
        "journals": journals(scene, scene.wanted),
        "files": files(scene, scene.secrets),
        "strangers": strangers(scene, scene.wanted),
    }
    assert {channel: sorted(found) for channel, found in leaks.items() if found} == {}
    # Not because nothing was looked at, or nothing deployed.
    assert scene.watch.looks > 200
    assert all(len(text) > 5000 for text in scene.said)
    assert list(scene.directory.rglob("*.vault"))
    assert list((scene.directory / "facts").iterdir())
    there = {places.SYNC, places.SYNCED, places.SSH, places.KEPT}
    if scene.topology == "pacemaker":
        there |= {places.FENCING, places.COROSYNC, places.QDEVICE}
    assert there <= set(standing(scene))


def test_each_channel_would_have_told(scene: Scene) -> None:
    """The control: a secret that stands in each of the channels is found in each."""
    planted = canaries.canary("Planted")
    wanted, node = {"planted": canaries.forms(planted)}, scene.lab.nodes["fw1"]
    scene.watch = canaries.Watch()
    scene.watch.start()
    try:
        node.exec("sh", "-c", f"sleep 1; : {planted}")
        node.exec("env", f"PLANTED={planted}", "sleep", "1")
    finally:
        scene.watch.stop()
    found = {line.partition(":")[0] for line in programs(scene, wanted)}
    assert found == {"planted in cmdline", "planted in environ"}

    play = scene.private / "planted.yml"
    tasks = [
        {"ansible.builtin.debug": {"msg": planted}},
        {"ansible.builtin.set_fact": {"planted": planted, "cacheable": True}},
    ]
    play.write_text(json.dumps([{"hosts": "firewalls", "gather_facts": False, "tasks": tasks}]))
    scene.play(str(play))
    (scene.directory / "archives" / "clear").write_text(planted.encode().hex())
    assert len(outputs(scene, wanted)) == 1
    # What Ansible puts before the name of a host in its cache of facts belongs to its version.
    names = {line.partition(":")[0].rpartition("_")[2] for line in controller(scene, wanted)}
    assert {"ansible.log", "fw1", "clear", "planted.log"} <= names

    node.container.exec(["logger"], stdin=planted)
    assert journals(scene, wanted) == {"journal of fw1: planted"}

    everywhere = {f"{top}/planted" for top in WRITTEN}
    for path in everywhere:
        write(node, path, json.dumps({"a": planted}), "0644")
    key = "/etc/linuxha/sync/id_ed25519"
    node.exec("chmod", "0644", key)
    try:
        found = files(scene, {"planted": [planted], places.SYNC: scene.secrets[places.SYNC]})
    finally:
        node.exec("chmod", "0640", key)
        node.exec("rm", *everywhere)
    paths = {line.split(":")[1] for line in found}
    assert everywhere | {key} <= paths
    assert f"fw1:{key}: {places.SYNC}: mode 0644, at most 0640" in found

    if scene.topology == "pacemaker":
        # Whoever is in the group of Pacemaker may know, as the guide says; so the questions are right.
        assert strangers(scene, scene.wanted, groups="haclient") != set()
