# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The end of a replacement, as Ansible runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .plays import Run


@pytest.mark.parametrize("absent", [[], ["fw3"], ["fw3", "fw4"]])
def test_it_names_the_nodes_that_were_absent(tmp_path: Path, absent: list[str]) -> None:
    own = {"firewall_plan": {"cluster": "edge"}, "firewall_replacement": {"absent": absent}}
    played = Run(tmp_path, ()).play("replace_absent.yml", {"fw1": own, "fw2": own}, {}, firewall_replace="fw2")
    told = " ".join(played.output.split())
    assert played.status == 0, played.output
    assert told.count("had no part in this") == bool(absent)
    assert f"{', '.join(absent)} of cluster edge had no part in this, and does not know fw2" in told or not absent
