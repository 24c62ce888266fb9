# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""An archive that is damaged, foreign or of another version is refused, with the reason; retention keeps the newest."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._backup import archive

IDENTITY = {"cluster": "edge", "node": "fw1"}
SYSTEM = {"hostname": "fw1", "release": "debian 13", "versions": {}}
ENTRY = {
    "path": "/etc/corosync/authkey",
    "part": "keys",
    "source": "/etc/corosync/authkey",
    "kind": "file",
    "mode": "0400",
    "owner": "root",
    "group": "root",
    "size": 3,
    "sha256": hashlib.sha256(b"key").hexdigest(),
    "content": base64.b64encode(b"key").decode(),
}
LINK = {**{key: ENTRY[key] for key in ("part", "mode", "owner", "group")}, "kind": "link", "target": "authkey"}
LINK.update(path="/etc/corosync/link", source="/etc/corosync/link")


def made(**changes: Any) -> dict[str, Any]:
    whole = archive.build(IDENTITY, "2026-11-21T20:00:00Z", SYSTEM, [ENTRY, LINK], {"firewall_plan": {}}, None)
    return {**whole, **changes}


def test_round_trip() -> None:
    assert archive.parse(archive.text(made())) == made()


def entry(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["entries"][0].update(changes)


def below_a_link(data: dict[str, Any]) -> None:
    entry(path="/etc/corosync/link/key")(data)
    data["manifest"]["/etc/corosync/link/key"] = data["manifest"].pop("/etc/corosync/authkey")


DAMAGE: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("format", lambda data: data.update(format=2), "format: 2"),
    ("no format", lambda data: data.pop("format"), "no format"),
    ("part missing", lambda data: data.pop("plan"), "plan: is missing"),
    ("content", entry(content=base64.b64encode(b"kez").decode()), "not that of its checksum"),
    ("no base64", entry(content="%"), "not that of its checksum"),
    ("content and checksum", entry(content="", sha256=hashlib.sha256(b"").hexdigest()), "not what the manifest says"),
    ("file missing", lambda data: data["entries"].pop(0), "is in the manifest and not in the archive"),
    ("file added", lambda data: data["manifest"].pop("/etc/corosync/authkey"), "not what the manifest says"),
    ("path", entry(path="/etc/../root/.ssh/authorized_keys"), "no clean absolute path"),
    ("relative path", entry(path="etc/x"), "no clean absolute path"),
    ("double slash", entry(path="//etc/x"), "no clean absolute path"),
    ("mode", entry(mode="rw"), "mode, owner, group or source"),
    ("owner", entry(owner=""), "mode, owner, group or source"),
    ("kind", entry(kind="device"), "kind 'device'"),
    ("plan", lambda data: data["plan"].update(other=1), "digest"),
    ("rights", entry(mode="0644"), "digest"),
    ("twice", lambda data: data["entries"].append(dict(data["entries"][0])), "is there twice"),
    ("below a link", below_a_link, "is below /etc/corosync/link, a link"),
    ("an entry of nothing", lambda data: data["entries"].append(None), "one has no path"),
]


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGE, ids=[name for name, _damage, _said in DAMAGE])
def test_damage(name: str, damage: Callable[[dict[str, Any]], Any], said: str) -> None:
    data = copy.deepcopy(made())
    damage(data)
    with pytest.raises(archive.ArchiveError, match=said) as error:
        archive.parse(json.dumps(data).encode())
    assert base64.b64encode(b"key").decode() not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"\xff"])
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(archive.ArchiveError):
        archive.parse(data)


FOREIGN: list[tuple[dict[str, str], dict[str, Any], list[str], list[str]]] = [
    ({}, {}, [], []),
    ({"node": "fw2"}, {}, [], ["node"]),
    ({"cluster": "core"}, {}, [], ["cluster"]),
    ({}, {"hostname": "localhost"}, [], ["hostname"]),
    ({}, {"hostname": "localhost"}, ["hostname"], []),
    ({}, {"release": "debian 14"}, [], []),
    ({}, {"release": "debian 12"}, [], ["release"]),
    ({}, {"release": "debian 12"}, ["release"], []),
    ({}, {"release": "ubuntu 26.04"}, [], ["release"]),
    ({}, {"release": ""}, [], ["release"]),
    ({"node": "fw2"}, {"hostname": "fw2"}, ["hostname", "release"], ["node"]),
]


@pytest.mark.parametrize(("identity", "system", "accept", "said"), FOREIGN)
def test_foreign(identity: dict[str, str], system: dict[str, Any], accept: list[str], said: list[str]) -> None:
    found = archive.foreign(made(), {**IDENTITY, **identity}, {**SYSTEM, **system}, accept)
    assert [line.partition(":")[0] for line in found] == said


NAMES = ["20261121T200000Z.vault", "20261120T200000Z.vault", "20261119T200000Z.vault", "notes.txt"]


@pytest.mark.parametrize(
    ("keep", "gone"), [(3, []), (2, [NAMES[2]]), (1, [NAMES[2], NAMES[1]]), (0, [NAMES[2], NAMES[1]])]
)
def test_retention(keep: int, gone: list[str]) -> None:
    assert archive.expired([*NAMES, f"{NAMES[0]}.sha256"], keep) == sorted(gone)
    assert archive.newest(NAMES) == NAMES[0]
    assert archive.newest(["notes.txt"]) is None


def test_what_others_have_configured() -> None:
    cib = {
        "configuration": {
            "nodes": [{"name": "fw1"}],
            "resources": [{"id": "vips-edge"}, {"id": "mail"}],
            "constraints": [{"id": "mail-on-fw1", "type": "location"}],
            "fencing": [{"target": "fw1", "index": "1", "devices": ["a"]}, {"target": "fw2", "index": "1"}],
            "properties": {"no-quorum-policy": "ignore"},
        },
        "owners": {"site": ["resources:vips-edge", "fencing:fw1/1"], "else": ["resources:mail"]},
    }
    assert archive.added(cib, "site") == {
        "resources": [{"id": "mail"}],
        "constraints": [{"id": "mail-on-fw1", "type": "location"}],
        "fencing": [{"target": "fw2", "index": "1"}],
    }
    assert archive.added({}, "site") == {}
