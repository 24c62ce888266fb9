# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The module corosync_authkey, whole, on real files."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.modules import corosync_authkey

KEY = secrets.token_bytes(256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "authkey"


def run(capsys: pytest.CaptureFixture[str], path: Path, key: bytes | str = KEY, check: bool = False) -> dict[str, Any]:
    text = key if isinstance(key, str) else base64.b64encode(key).decode()
    given = {"key": text, "path": str(path), "_ansible_check_mode": check}
    with patch_module_args(given), pytest.raises(SystemExit):
        corosync_authkey.main()
    output = capsys.readouterr().out
    assert text not in output
    answer: dict[str, Any] = json.loads(output)
    return answer


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_key_is_written_once(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    assert run(capsys, path)["changed"]
    assert (path.read_bytes(), mode(path)) == (KEY, 0o400)
    before = path.stat().st_ino
    assert not run(capsys, path)["changed"]
    assert path.stat().st_ino == before
    assert list(path.parent.iterdir()) == [path]


def test_check_mode_tells_and_writes_nothing(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    assert run(capsys, path, check=True)["changed"]
    assert list(path.parent.iterdir()) == []
    assert run(capsys, path.parent / "not-there-yet" / "authkey", check=True)["changed"]


def test_another_key_replaces_it(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    path.write_bytes(secrets.token_bytes(128))
    path.chmod(0o400)
    assert run(capsys, path)["changed"]
    assert path.read_bytes() == KEY


@pytest.mark.parametrize("wide", [0o644, 0o440, 0o600])
def test_a_key_that_others_could_read_is_closed(capsys: pytest.CaptureFixture[str], path: Path, wide: int) -> None:
    path.write_bytes(KEY)
    path.chmod(wide)
    assert run(capsys, path, check=True)["changed"]
    assert mode(path) == wide
    assert run(capsys, path)["changed"]
    assert mode(path) == 0o400


def test_what_an_interrupted_run_left_does_not_open_the_key(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    left = path.with_name(".authkey.new")
    left.write_bytes(b"half")
    left.chmod(0o644)
    assert run(capsys, path)["changed"]
    assert (path.read_bytes(), mode(path)) == (KEY, 0o400)
    assert not left.exists()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("no base64!", "is not base64"),
        (b"x" * 127, "has 127 bytes, corosync wants 128 to 4096"),
        (b"x" * 4097, "has 4097 bytes, corosync wants 128 to 4096"),
    ],
)
def test_what_is_no_key_is_refused(
    capsys: pytest.CaptureFixture[str], path: Path, key: bytes | str, reason: str
) -> None:
    answer = run(capsys, path, key)
    assert answer["failed"]
    assert reason in answer["msg"]
    assert not path.exists()


def test_without_corosync_it_says_so(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    answer = run(capsys, path.parent / "corosync" / "authkey")
    assert answer["failed"]
    assert "Install corosync first" in answer["msg"]
