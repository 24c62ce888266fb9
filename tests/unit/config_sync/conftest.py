# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The package lies in the files of the role; nodes get it as a whole directory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "roles" / "config_sync" / "files"))
importlib.import_module("linuxha_sync.run")


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test cuts the power: what is on the disk already makes no difference here but for the time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(sys.modules["linuxha_sync.run"], "QUIET_S", 0.0)


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """The program sets one; the tests that come later have theirs."""
    before = os.umask(0o022)
    yield
    os.umask(before)
