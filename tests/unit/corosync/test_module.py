# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The module corosync_conf, whole, beside a corosync that is a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.modules import corosync_conf

FILE = "totem {\n    token: 300\n}\n"
REFUSED = "config.reload_error_message (str) = Failed to set crypto parameters\n"


@pytest.mark.parametrize(
    ("says", "needs", "error"),
    [
        ("totem.token (u32) = 300\n", "nothing", ""),
        ("totem.token (u32) = 1000\n", "reload", ""),
        ("totem.token (u32) = 300\n" + REFUSED, "reload", "Failed to set crypto parameters"),
    ],
)
def test_a_reload_that_was_not_taken_is_needed_again(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    says: str,
    needs: str,
    error: str,
) -> None:
    program, path = tmp_path / "corosync-cmapctl", tmp_path / "corosync.conf"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    path.write_text(FILE)
    with patch_module_args({"content": FILE, "path": str(path)}), pytest.raises(SystemExit):
        corosync_conf.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["changed"], answer["needs"], answer["reload_error"]) == (False, needs, error)
