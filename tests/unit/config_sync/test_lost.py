# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What looks like a deletion and is none, and what would get past a check: where a mistake loses or spreads a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from linuxha_sync import scan

from .nodes import ENTRIES, FOLDER, Cluster

BELOW = f"{FOLDER}/sub/x"


def folder(**more: Any) -> list[dict[str, Any]]:
    return [{**ENTRIES[1], **more}]


# --- deletions -------------------------------------------------------------------------------------------------------


def test_a_directory_that_cannot_be_read_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster["a"].write(BELOW, "x")
    cluster.round(2)
    real = os.open

    def broken(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "sub":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(scan.os, "open", broken)
        assert cluster["b"].run() == 0
    assert "Input/output" in cluster["b"].status()["files"][f"{FOLDER}/sub"]["reason"]
    assert cluster["a"].run() == 0
    assert cluster.contents(BELOW) == ["x", "x"] and not cluster["a"].history(BELOW)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_stands_in_place_of_a_directory_deletes_nothing_below_it(tmp_path: Path, kind: str) -> None:
    cluster = Cluster(tmp_path, entries=folder(delete=True))
    cluster["a"].write(BELOW, "x")
    cluster.round(2)
    cluster["b"].path(f"{FOLDER}/sub").rename(tmp_path / "elsewhere")
    if kind == "link":
        cluster["b"].path(f"{FOLDER}/sub").symlink_to(tmp_path / "elsewhere")
    else:
        cluster["b"].write(f"{FOLDER}/sub", "")
        cluster["b"].path(f"{FOLDER}/sub").chmod(0o666)
    cluster["b"].run()
    cluster.round(2)
    assert cluster["a"].read(BELOW) == "x"
    assert (tmp_path / "elsewhere/x").read_text() == "x"
