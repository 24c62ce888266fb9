# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""backup_collect and backup_place: what is read goes back as it was, and nothing of a live node is harmed."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.module_utils._backup import place as placing
from ansible_collections.linuxha.firewall.plugins.module_utils._backup.collect import collect
from ansible_collections.linuxha.firewall.plugins.module_utils._backup.place import Refused, place
from ansible_collections.linuxha.firewall.plugins.module_utils._backup.sources import (
    HOST_KEYS,
    KEYS,
    REFERENCE,
    SOURCES,
    STATE,
    Source,
    sources,
    unasked,
    unfit,
)
from ansible_collections.linuxha.firewall.plugins.modules import backup_collect, backup_place

WANTED: list[dict[str, Any]] = [
    {"path": "/etc/corosync/authkey", "part": KEYS},
    {"path": "/etc/linuxha/sync", "part": KEYS},
    {"path": "/var/lib/linuxha", "part": STATE, "exclude": ["maintenance.json"]},
    {"path": "/etc/linuxha", "part": "reference"},
]
PARTS = [KEYS, STATE]


def tree(root: Path) -> Path:
    for name, text, mode in (
        ("etc/corosync/authkey", "canary-key", 0o400),
        ("etc/linuxha/sync/id_ed25519", "canary-private", 0o600),
        ("etc/linuxha/rules/filter.v4", "rules", 0o600),
        ("var/lib/linuxha/journal.jsonl", "{}\n", 0o640),
        ("var/lib/linuxha/maintenance.json", "{}", 0o644),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    (root / "etc/linuxha/sync").chmod(0o700)
    (root / "etc/linuxha/sync/link").symlink_to("id_ed25519")
    return root


@pytest.fixture
def node(tmp_path: Path) -> Path:
    return tree(tmp_path / "node")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    (tmp_path / "bare").mkdir()
    return tmp_path / "bare"


def taken(node: Path, content: bool = True) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = collect(WANTED, content, node)["entries"]
    return found


def files(root: Path) -> dict[str, tuple[str, int]]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): (path.read_text(), path.stat().st_mode & 0o777) for path in found}


def test_every_file_once_in_its_part(node: Path) -> None:
    parts = {entry["path"]: entry["part"] for entry in taken(node)}
    assert parts["/etc/linuxha/sync/id_ed25519"] == KEYS
    assert parts["/etc/linuxha/rules/filter.v4"] == "reference"
    assert parts["/var/lib/linuxha/journal.jsonl"] == STATE
    assert "/var/lib/linuxha/maintenance.json" not in parts
    assert "content" not in str(taken(node, content=False))


def test_a_file_that_is_too_large_is_named(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.linuxha.firewall.plugins.module_utils._backup.collect.LIMIT", 5)
    found = collect(WANTED, True, node)
    assert "/etc/corosync/authkey: 10 bytes" in found["left_out"][0]


def test_sockets_are_left_out(node: Path) -> None:
    os.mkfifo(node / "etc/linuxha/fifo")
    assert not [entry for entry in taken(node) if "fifo" in entry["path"]]


def test_a_bare_machine_gets_what_it_was(node: Path, bare: Path) -> None:
    checked = place(taken(node), PARTS, [], True, bare)
    assert checked["changed"]
    assert list(bare.iterdir()) == []

    done = place(taken(node), PARTS, [], False, bare)

    assert done["paths"] == checked["paths"]
    same = (
        "etc/corosync/authkey",
        "etc/linuxha/sync/id_ed25519",
        "etc/linuxha/sync/link",
        "var/lib/linuxha/journal.jsonl",
    )
    assert files(bare) == {name: files(node)[name] for name in same}
    assert (bare / "etc/linuxha/sync").stat().st_mode & 0o777 == 0o700
    assert (bare / "etc/linuxha/sync/link").is_symlink()
    assert place(taken(node), PARTS, [], False, bare)["changed"] is False


def test_state_that_is_there_is_newer(node: Path, bare: Path) -> None:
    entries = taken(node)
    place(entries, PARTS, [], False, bare)
    (bare / "var/lib/linuxha/journal.jsonl").write_text("newer")
    (bare / "etc/linuxha/sync/id_ed25519").write_text("other")

    done = place(entries, PARTS, [], False, bare)

    assert done["kept"] == ["/var/lib/linuxha"]
    assert done["paths"] == ["/etc/linuxha/sync/id_ed25519"]
    assert (bare / "var/lib/linuxha/journal.jsonl").read_text() == "newer"


def test_a_key_with_which_a_daemon_runs_stays(node: Path, bare: Path) -> None:
    entries = taken(node)
    place(entries, PARTS, [], False, bare)
    key = bare / "etc/corosync/authkey"
    key.chmod(0o600)
    key.write_text("newer")
    (bare / "etc/linuxha/sync/id_ed25519").unlink()
    before = files(bare)
    with pytest.raises(Refused, match="authkey"):
        place(entries, PARTS, ["corosync.service"], False, bare)
    assert files(bare) == before
    # Where it does not run, the archive is right.
    assert place(entries, PARTS, ["corosync-qdevice.service"], False, bare)["changed"]
    assert key.read_text() == "canary-key"


def test_a_full_disk_leaves_the_node_as_it_was(node: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, calls = placing._prepared, []

    def full(path: Path, entry: Any) -> Path:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(path))
        return prepared(path, entry)

    monkeypatch.setattr(placing, "_prepared", full)
    with pytest.raises(OSError, match="No space"):
        place(taken(node), PARTS, [], False, bare)
    assert files(bare) == {}


def test_every_source_is_below_a_directory_of_its_own() -> None:
    paths = [source.path for source in SOURCES]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(("/etc/", "/var/lib/")) for path in paths)
    assert not [source for source in sources(host_keys=False) if "ssh_host" in source.path]
    assert sources(True, ["/root/x"])[0].path == "/root/x"


def answer(capsys: pytest.CaptureFixture[str], main: Any, arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        main()
    output = capsys.readouterr().out
    return json.loads(output), output


def test_the_modules_show_nothing_that_is_secret(
    capsys: pytest.CaptureFixture[str], node: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    entries = [
        {**entry, "path": str(target / Path(entry["path"]).name)} for entry in taken(node) if entry["kind"] == "file"
    ]
    given = base64.b64encode(json.dumps(entries).encode()).decode()
    for check, there in ((True, False), (False, True)):
        arguments = {"archive": given, "parts": [KEYS], "_ansible_check_mode": check}
        result, output = answer(capsys, backup_place.main, arguments)
        assert result["changed"] is True
        assert (target / "authkey").exists() is there
        for secret in (given, "canary", base64.b64encode(b"canary-key").decode()):
            assert secret not in output
    result, output = answer(capsys, backup_place.main, {"archive": "canary!", "parts": [KEYS]})
    assert result["failed"]
    assert "canary" not in output


def test_without_content_only_checksums_are_read(capsys: pytest.CaptureFixture[str], node: Path) -> None:
    wanted = [{"path": str(node / "etc/corosync/authkey"), "part": KEYS}]
    result, output = answer(capsys, backup_collect.main, {"sources": wanted})
    assert result["entries"][0]["size"] == 10
    assert base64.b64encode(b"canary-key").decode() not in output
    assert set(result["system"]) == {"hostname", "release", "versions"}


def given(path: str, part: str = KEYS, source: str | None = None, **more: Any) -> dict[str, Any]:
    return {"path": path, "part": part, "source": source or path, "kind": "file", "mode": "0600", **more}


SYNC, LOCAL = "/etc/linuxha/sync", "/var/lib/linuxha"
ASKED: list[tuple[dict[str, Any], bool]] = [
    (given("/etc/corosync/authkey"), True),
    (given(f"{SYNC}/deep/id", source=SYNC), True),
    (given(f"{LOCAL}/journal.jsonl", STATE, LOCAL), True),
    (given("/etc/ssh/ssh_host_rsa_key", HOST_KEYS), True),
    (given("/srv/app/a/key"), True),
    (given("/srv/app/a/key/deep", source="/srv/app/a/key"), True),
    (given("/opt/tree/any/depth/x.key", source="/opt/tree/any/depth/x.key"), True),
    # What nobody has asked for.
    (given("/root/.ssh/authorized_keys"), False),
    (given("/etc/cron.d/job", source=SYNC), False),
    (given(f"{SYNC}er/id", source=SYNC), False),
    (given(f"{SYNC}/../../cron.d/job", source=SYNC), False),
    (given("/etc/ssh/sshd_config", HOST_KEYS), False),
    (given("/etc/ssh/ssh_host_x/y_key", HOST_KEYS), False),
    (given("/srv/app/key"), False),
    (given(f"{LOCAL}/maintenance.json", STATE, LOCAL), False),
    # In a part or a source that it is not of.
    (given("/etc/keepalived/keepalived.conf", KEYS, "/etc/keepalived"), False),
    (given(f"{LOCAL}/journal.jsonl", KEYS, LOCAL), False),
    (given(f"{LOCAL}/journal.jsonl", STATE, f"{LOCAL}/journal.jsonl"), False),
    # No entries at all.
    ({}, False),
    (given("/"), False),
]


@pytest.mark.parametrize(("entry", "right"), ASKED, ids=lambda value: str(value)[:60])
def test_a_node_is_believed_only_what_it_was_asked_for(entry: dict[str, Any], right: bool) -> None:
    wanted = sources(True, ["/srv/app/*/key", "/opt/tree/**/*.key"])
    said = list(unasked([entry], wanted))
    assert (said == []) is right, said
    assert list(unasked(["no entry", None], wanted))[1].startswith("None (part None)")


def test_what_is_collected_was_asked_for(node: Path) -> None:
    wanted = [Source(item["path"], item["part"], tuple(item.get("exclude", ()))) for item in WANTED]
    assert list(unasked(taken(node), wanted)) == []
    wanted = [Source("/etc/**/sync", KEYS), Source("/etc/lin*", REFERENCE), Source("etc/./corosync/", KEYS)]
    asked = [{"path": source.path, "part": source.part} for source in wanted]
    entries = collect(asked, False, node)["entries"]
    assert {entry["source"] for entry in entries} == {SYNC, "/etc/linuxha", "/etc/corosync"}
    assert list(unasked(entries, wanted)) == []


UNFIT: list[tuple[dict[str, Any], bool]] = [
    (given(f"{SYNC}/id"), False),
    (given(f"{SYNC}/id", mode="4755"), True),
    (given(f"{SYNC}/id", REFERENCE, mode="4755"), False),
    (given(f"{SYNC}/d", kind="directory", mode="2750"), False),
    (given(f"{SYNC}/a/l", kind="link", target="id"), False),
    (given(f"{SYNC}/a/l", kind="link", target="../id"), False),
    (given(f"{SYNC}/a/l", kind="link", target=f"{SYNC}/id"), False),
    (given(f"{SYNC}/a/l", kind="link", target=f"{SYNC}/../x"), True),
    (given(f"{SYNC}/a/l", kind="link", target="../../x"), True),
    (given(f"{SYNC}/a/l", kind="link", target=".."), True),
    (given(f"{SYNC}/a/l", kind="link", target="m/../id"), True),
    (given(f"{SYNC}/a/l", kind="link", target="/root/.ssh/authorized_keys"), True),
    (given(f"{SYNC}/a/l", kind="link", target=f"{SYNC}er/id"), True),
]


@pytest.mark.parametrize(("entry", "refused"), UNFIT, ids=lambda value: str(value)[:80])
def test_nothing_reaches_out_of_its_place(entry: dict[str, Any], refused: bool) -> None:
    assert (unfit({**entry, "source": SYNC}) is not None) is refused
