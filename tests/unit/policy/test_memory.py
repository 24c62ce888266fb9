# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Garbage collection is as it was, whatever happens while it stands still."""

from __future__ import annotations

import gc

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.memory import uncollected


def test_it_stands_still_meanwhile_only() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="why"), uncollected():
        raise ValueError("why")
    assert gc.isenabled()
