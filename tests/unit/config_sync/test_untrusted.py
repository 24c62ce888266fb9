# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What comes from outside: manifests of peers, objects, commands at the gate. And settings with mistakes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import syslog
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linuxha_sync import gate, manifest
from linuxha_sync.layout import Layout
from linuxha_sync.manifest import Bounds, ManifestError, Version, as_json, parse, path_problem, render
from linuxha_sync.settings import SettingsError
from linuxha_sync.settings import parse as parse_settings

from .nodes import FILE, FILES, FOLDER, Cluster

SHA = "a" * 64
GOOD = Version(SHA, 3, 0o644, "root", "root", 5, "b", {"b": 1})
NOW = 1_800_000_000
BOUNDS = Bounds(frozenset("ab"), NOW * 10**9)

# --- manifests -------------------------------------------------------------------------------------------------------


def document(path: str = "/etc/x", **more: Any) -> bytes:
    item = {**as_json(GOOD), **more}
    return json.dumps({"format": 1, "node": "b", "files": {path: item}}).encode()


def test_a_manifest_survives_the_way() -> None:
    files = {"/etc/x": GOOD, "/etc/ü": Version("", 0, 0, "", "", 9, "b", {"b": 2})}
    assert parse(render("b", files), "b", BOUNDS) == files


@pytest.mark.parametrize(
    "path",
    [
        "",
        "etc/x",
        "/",
        "//etc/x",
        "/etc/../etc/shadow",
        "/etc/many/../../root/.ssh/authorized_keys",
        "/etc/./x",
        "/etc/x/",
        "/etc//x",
        "/etc/x\n",
        "/etc/\x00",
        "/etc/" + "x" * 256,
        "/" + "x/" * 1100 + "x",
        "/etc/\ud800",
    ],
)
def test_a_path_that_is_none_refuses_the_manifest(path: str) -> None:
    assert path_problem(path)
    with pytest.raises(ManifestError):
        parse(document(path), "b", BOUNDS)


@pytest.mark.parametrize(
    "more",
    [
        {"sha256": "../../etc/shadow"},
        {"sha256": "A" * 64},
        {"sha256": None},
        {"size": -1},
        {"size": True},
        {"size": 2**70},
        {"mode": 0o10000},
        {"mode": "0644"},
        {"owner": "root; id"},
        {"owner": 0},
        {"group": ""},
        {"mtime_ns": 1.5},
        {"by": "../x"},
        {"vector": {"b": 0}},
        {"vector": {"b": 2**63}},
        {"vector": {"../b": 1}},
        {"vector": [1]},
        {"vector": {"b": 1, "invented": 1}},
        {"more": 1},
    ],
)
def test_a_value_that_cannot_be_refuses_the_manifest(more: dict[str, Any]) -> None:
    parse(document(), "b", BOUNDS)
    with pytest.raises(ManifestError) as caught:
        parse(document(**more), "b", BOUNDS)
    assert "/etc/x" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"\xff", b'{"format": 1, "node": "c", "files": {}}', b'{"format": 2, "node": "b", "files": {}}',
     b'{"format": 1, "node": "b", "files": []}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse(data, "b", BOUNDS)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f'{{"format": 1, "files": {text!r}}}'.encode()))
def test_no_input_ends_in_another_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse(data, "b", BOUNDS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(manifest.KEYS)), JSON)
def test_no_value_ends_in_another_error(key: str, value: Any) -> None:
    try:
        parse(document(**{key: value}), "b", BOUNDS)
    except ManifestError:
        return


def hostile(cluster: Cluster, path: str, text: str = "evil", **more: Any) -> None:
    """Node b publishes this, whatever its own program would say to it."""
    export = cluster["b"].layout.export
    digest = hashlib.sha256(text.encode()).hexdigest()
    (export / "objects" / digest).write_text(text)
    item = {**cluster["a"].manifest()[FILE], "sha256": digest, "size": len(text)}
    item["vector"] = {**item["vector"], "b": int(time.time())}
    document = {"format": 1, "node": "b", "files": {path: {**item, **more}}}
    (export / "manifest.json").write_text(json.dumps(document))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = Cluster(tmp_path)
    made["a"].write(FILE, "good")
    made["a"].write(f"{FOLDER}/x", "x")
    made.round(2)
    return made


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/etc/passwd", {}),
        (f"{FOLDER}x", {}),
        (f"{FOLDER}/../passwd", {}),
        (f"{FOLDER}/.linuxha-sync-1.new", {}),
        (FILE, {"mode": 0o4755}),
        (FILE, {"mode": 0o666}),
        (FILE, {"owner": "daemon"}),
        (FILE, {"size": 2**40}),
        (FILE, {"size": 3}),
    ],
)
def test_nothing_hostile_gets_into_place(cluster: Cluster, path: str, more: dict[str, Any]) -> None:
    hostile(cluster, path, **more)
    before = {name: name.read_bytes() for name in cluster["a"].path("/").rglob("*") if name.is_file()}
    assert cluster["a"].run() == 0
    assert {name: name.read_bytes() for name in cluster["a"].path("/").rglob("*") if name.is_file()} == before
    assert not cluster["a"].status()["in_step"]


def test_what_is_declared_and_well_formed_does(cluster: Cluster) -> None:
    """The counterpart of the test above: there it is not the test that keeps everything out."""
    hostile(cluster, FILE)
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "evil"


def test_an_object_that_is_not_what_it_says_stays_out(cluster: Cluster) -> None:
    hostile(cluster, FILE, sha256=SHA)
    (cluster["b"].layout.objects / SHA).write_text("evil")
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "good"
    assert "checksum" in cluster["a"].status()["files"][FILE]["reason"]


@pytest.mark.parametrize(("linked", "words"), [("objects", "was not sent"), ("manifest", "sent no manifest")])
def test_a_link_in_the_incoming_directory_is_not_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, linked: str, words: str
) -> None:
    """What the receiving user finds to do there while root waits."""
    from .nodes import Near

    secret = cluster["a"].base / "secret"
    secret.write_text("evil")
    hostile(cluster, FILE)

    real = Near.copy

    def copy(self: Near, address: str, names: list[str], into: Path, limit: int, timeout: float) -> None:
        for name in names:
            if linked in name:
                (into / Path(name).name).symlink_to(
                    secret if linked == "objects" else self.there(address).export / name
                )
            else:
                real(self, address, [name], into, limit, timeout)

    monkeypatch.setattr(Near, "copy", copy)
    cluster["a"].run()
    assert cluster["a"].read(FILE) == "good"
    assert words in json.dumps(cluster["a"].status())


# --- the gate --------------------------------------------------------------------------------------------------------

READS = "rsync --server --sender -We.LsfxCIvu --timeout=20 . "


@pytest.mark.parametrize("command", [f"{READS}manifest.json", f"{READS}objects/{SHA} objects/{SHA}"])
def test_the_gate_lets_readers_in(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def execute(path: str, argv: list[str]) -> None:
        started.append(argv)
        raise SystemExit(0)

    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)
    with pytest.raises(SystemExit):
        gate.main(Layout(state=tmp_path), [], execute)
    assert started == [["/usr/bin/rrsync", "-ro", str(tmp_path / "export")]]


@pytest.mark.parametrize(
    "command",
    [
        "",
        "sh",
        "/bin/sh -c id",
        "notify; id",
        "notify ",
        "time\nid",
        "scp -f /etc/shadow",
        "internal-sftp",
        "rsync --server . objects/",
        f"rsync --server -We.LsfxCIvu . manifest.json {SHA}",
        READS,
        f"{READS}/etc/shadow",
        f"{READS}objects/../../../etc/shadow",
        f"{READS}objects/",
        f"{READS}objects",
        f"{READS}.",
        f"{READS}manifest.json ../history",
        f"{READS}manifest.json;id",
        f"{READS}$(id)",
        f"{READS}*",
        "rsync --server --sender -We.LsfxCIvu --files-from=- . objects/" + SHA,
        "rsync --server --sender -We.LsfxCIvu --remove-source-files . manifest.json",
        "rsync --server --sender -We.LsfxCIvu --log-file=x . manifest.json",
        "rsync --server --sender -LWe.LsfxCIvu . manifest.json",
        "rsync --server --sender -vlogDtpre.iLsf --delete . objects/" + SHA,
        "rsync --daemon --server --sender . manifest.json",
        f" {READS}manifest.json",
    ],
)
def test_the_gate_refuses_and_says_so(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: said.append(text))
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 1 192.0.2.1 8730")
    with pytest.raises(SystemExit) as caught:
        gate.main(Layout(state=tmp_path, run=tmp_path), [], lambda path, argv: pytest.fail(f"started {argv}"))
    assert caught.value.code not in (0, None)
    assert len(said) == 1 and "192.0.2.9" in said[0] and "\n" not in said[0]
    assert not list(tmp_path.iterdir())


def test_the_gate_takes_no_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: None)
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "time")
    with pytest.raises(SystemExit):
        gate.main(Layout(state=tmp_path), ["-c", "time"])


def test_the_gate_tells_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "time")
    assert gate.main(Layout(state=tmp_path), []) == 0
    moment, digest = capsys.readouterr().out.split()
    assert moment.isdecimal() and digest == "-"


@pytest.mark.parametrize(
    ("sent", "open_", "answers"),
    [(b"", False, 1), (b"\n\n", False, 3), (b"x" * 1000, True, 1 + gate.QUESTIONS), (b"\n", True, 2)],
    ids=["no question", "two", "no end", "keeps it waiting"],
)
def test_whoever_asks_for_the_time_gets_no_more_of_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, sent: bytes, open_: bool, answers: int
) -> None:
    """As many answers as are asked for, up to a number and for a time: the key permits nothing that lasts."""
    told: list[str] = []
    monkeypatch.setattr(gate, "QUESTIONS_S", 0.3)
    monkeypatch.setattr(gate, "tell_time", told.append)
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "time")
    read, write = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(read, 0)
        os.write(write, sent)
        if not open_:
            os.close(write)
        began = time.monotonic()
        assert gate.main(cluster["a"].layout, []) == 0
        assert time.monotonic() - began < 5
    finally:
        os.dup2(before, 0)
        for handle in (read, before, *([write] if open_ else [])):
            os.close(handle)
    assert len(told) == answers and set(told) == {gate.manifest_digest(cluster["a"].layout)}


def test_rsync_itself_finds_no_way_out(cluster: Cluster) -> None:
    """The real rrsync behind the gate: a link in the export is not followed, and nothing can be written."""
    shell = f"{sys.executable} {Path(__file__).with_name('peer_shell.py')} {cluster.map}"
    export = cluster["b"].layout.export
    (export / "objects" / SHA).symlink_to("/etc/passwd")
    target = cluster["a"].base / "got"
    target.mkdir()
    base = ["rsync", "-e", shell]
    subprocess.run([*base, f"192.0.2.2:objects/{SHA}", f"{target}/"], check=False, capture_output=True)
    assert not list(target.iterdir())
    done = subprocess.run([*base, str(FILES / "sync_entry.py"), "192.0.2.2:objects/"], check=False, capture_output=True)
    assert done.returncode != 0 and not (export / "objects" / "sync_entry.py").exists()
    good = subprocess.run([*base, "192.0.2.2:manifest.json", f"{target}/"], check=False, capture_output=True)
    assert good.returncode == 0 and os.listdir(target) == ["manifest.json"]  # noqa: PTH208 - names are what is compared


# --- settings --------------------------------------------------------------------------------------------------------

ENTRY = {"name": "x", "path": "/etc/x", "kind": "file"}
SETTINGS: dict[str, Any] = {
    "node": "a",
    "primary": "a",
    "conflict": "newest",
    "peers": [{"name": "b", "addresses": ["192.0.2.2", "2001:db8::2"]}],
    "entries": [ENTRY],
    "managed": ["/etc/keepalived/keepalived.conf"],
}


def test_settings_have_their_defaults() -> None:
    settings = parse_settings(json.dumps(SETTINGS))
    assert (settings.port, settings.user, settings.skew_limit_s) == (8730, "linuxha-sync", 2.0)
    assert settings.entries[0].owners == ("root",) and settings.entries[0].conflict == "newest"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"node": ""}, "node: ''"),
        ({"conflict": "oldest"}, "conflict: 'oldest' is none of newest, primary, refuse"),
        ({"port": 0}, "port: 0"),
        ({"nonsense": 1}, "nonsense: is no known setting"),
        ({"keep_days": -1}, "keep_days: -1"),
        ({"primary": "", "conflict": "primary"}, "primary: is empty"),
        ({"peers": [{"name": "a", "addresses": ["192.0.2.1"]}]}, "the name a is there twice"),
        ({"peers": [{"name": "b", "addresses": ["fw2.example"]}]}, "peers[0].addresses: ['fw2.example']"),
        ({"peers": [{"name": "b", "addresses": []}]}, "peers[0].addresses: [] has no address"),
        ({"peers": [{"name": "b", "addresses": ["-oProxyCommand=id"]}]}, "peers[0].addresses"),
        ({"entries": {}}, "entries: is no list of objects"),
        ({"entries": [{**ENTRY, "path": "etc/x"}]}, "entries[0].path: 'etc/x'"),
        ({"entries": [{**ENTRY, "path": "/etc/../x"}]}, "entries[0].path"),
        ({"entries": [{**ENTRY, "kind": "link"}]}, "entries[0].kind: 'link'"),
        ({"entries": [{**ENTRY, "check": "sshd -t"}]}, "entries[0].check: 'sshd -t' is no program"),
        ({"entries": [{**ENTRY, "check": ["sshd", "-t"]}]}, "names neither {file} nor {directory}"),
        ({"entries": [{**ENTRY, "check": ["x", "{directory}"]}]}, "the entry is a file"),
        ({"entries": [{**ENTRY, "check": ["{file}"]}]}, "entries[0].check"),
        ({"entries": [{**ENTRY, "modes": ["0999"]}]}, "entries[0].modes"),
        ({"entries": [{**ENTRY, "modes": ["4755"]}]}, "entries[0].modes"),
        ({"entries": [ENTRY, {**ENTRY, "name": "y"}]}, "x (/etc/x) and y (/etc/x) overlap"),
        ({"entries": [ENTRY, {"name": "y", "path": "/etc", "kind": "directory"}]}, "overlap"),
        ({"entries": [{**ENTRY, "path": "/etc/keepalived/keepalived.conf"}]}, "which Ansible manages"),
        ({"entries": [{"name": "k", "path": "/etc/keepalived", "kind": "directory"}]}, "which Ansible manages"),
        ({"managed": ["/etc"]}, "which Ansible manages"),
    ],
)
def test_mistakes_in_the_settings(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(json.dumps({**SETTINGS, **more}))
    assert problem in str(caught.value)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(json.dumps({**SETTINGS, "port": 0, "user": "", "entries": [{"name": "x"}]}))
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("data", ["", "[]", "nul", '{"entries": [1]}', '{"managed": 1}', '{"peers": [{"name": {}}]}'])
def test_settings_that_are_none(data: str) -> None:
    with pytest.raises(SettingsError):
        parse_settings(data)


def test_excluded_by_name_or_by_path() -> None:
    entry = {"name": "d", "path": "/etc/d", "kind": "directory", "exclude": ["*.swp", "sub/*", "cache"]}
    settings = parse_settings(json.dumps({**SETTINGS, "entries": [entry]}))
    covered = {path: settings.entry(path) is not None for path in (
        "/etc/d/x", "/etc/d/in/x", "/etc/d/x.swp", "/etc/d/in/x.swp", "/etc/d/sub/x", "/etc/d/in/cache/x", "/etc/dx"
    )}  # fmt: skip
    assert [path for path, good in covered.items() if good] == ["/etc/d/x", "/etc/d/in/x"]
