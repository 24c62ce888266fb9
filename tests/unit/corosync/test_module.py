# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The module corosync_conf, whole, beside a corosync that is a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.modules import corosync_conf

FILE = "totem {\n    token: 300\n}\n"
REFUSED = "config.reload_error_message (str) = Failed to set crypto parameters\n"


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The module, on a file that says FILE; a corosync that says this of its keys, and refuses every file."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(corosync_conf, "KEY", tmp_path / "authkey")
    path = tmp_path / "corosync.conf"

    def program(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    def answer(says: str | None, content: str = FILE, **options: Any) -> dict[str, Any]:
        path.write_text(FILE)
        program("corosync-cmapctl", "exit 1" if says is None else f"cat <<'END'\n{says}END")
        program("corosync", "echo wrong key >&2; exit 8")
        with patch_module_args({"content": content, "path": str(path), **options}), pytest.raises(SystemExit):
            corosync_conf.main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return answer


@pytest.mark.parametrize(
    ("says", "needs", "error"),
    [
        ("totem.token (u32) = 300\n", "nothing", ""),
        ("totem.token (u32) = 1000\n", "reload", ""),
        ("totem.token (u32) = 300\n" + REFUSED, "reload", "Failed to set crypto parameters"),
        ("totem.token (u32) = 300\nconfig.reload_status (i32) = 7\n", "reload", "status 7"),
        ("totem.token (u32) = 300\nconfig.reload_status (i32) = 1\n", "nothing", ""),
        (None, "start", ""),
    ],
)
def test_a_reload_that_was_not_taken_is_needed_again(run: Run, says: str | None, needs: str, error: str) -> None:
    answer = run(says)
    assert (answer["changed"], answer["needs"], answer["reload_error"]) == (False, needs, error)


def test_a_key_that_the_file_had_is_found_again(run: Run) -> None:
    answer = run("totem.token (u32) = 300\ntotem.join (u32) = 50\n", gone=["totem.join"])
    assert (answer["needs"], answer["removed"]) == ("reload", ["totem.join"])


def test_corosync_judges_a_new_file(run: Run, tmp_path: Path) -> None:
    """Also in check mode, but for a node that has no key yet: corosync reads it, and the run would make it before."""
    new = FILE.replace("300", "400")
    assert "wrong key" in run(None, new)["msg"]
    assert run(None, new, _ansible_check_mode=True)["changed"]
    (tmp_path / "authkey").touch()
    assert "wrong key" in run(None, new, _ansible_check_mode=True)["msg"]
