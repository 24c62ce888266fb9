# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The module running_info, whole, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.modules import running_info


def test_files_and_parameters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "here").write_text("x")
    files = [str(tmp_path / "here"), str(tmp_path / "away")]
    with patch_module_args({"files": files, "parameters": ["kernel.ostype", "no.such"]}), pytest.raises(SystemExit):
        running_info.main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["changed"] is False
    assert answer["info"]["parameters"] == {"kernel.ostype": "Linux", "no.such": None}
    digests = answer["info"]["files"]
    assert digests[files[0]].startswith("2d711642b726b044")
    assert digests[files[1]] is None
    assert answer["info"]["units"] == {}


def test_clocks_and_times(tmp_path: Path) -> None:
    now, since_boot = running_info.clocks()
    assert now > since_boot > 0
    assert running_info.modified(str(tmp_path)) is not None
    assert running_info.modified(str(tmp_path / "away")) is None
