# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem


@pytest.mark.parametrize("name", ["password", "passwd", "ssh_passphrase", "api_key", "secret", "auth_token", "key"])
def test_secret(name: str) -> None:
    assert cib.text.is_secret(name)


@pytest.mark.parametrize("name", ["ip", "monkey", "token", "keyboard", "pcmk_host_list", "stickiness"])
def test_no_secret(name: str) -> None:
    assert not cib.text.is_secret(name)


def test_a_mistake_about_a_secret_does_not_show_it() -> None:
    problem = Problem("resources.x.params.password", "correct-horse", "unknown", "Remove it.")
    assert "correct-horse" not in cib.text.problem(problem)
    assert "192.0.2.1" in cib.text.problem(Problem("resources.x.params.ip", "192.0.2.1", "unknown", "Remove it."))


def test_lines_are_one_for_each_value(live: cib.Document) -> None:
    found = cib.text.lines(cib.state.read(live))
    assert "primitive vip1: params.ip = 192.0.2.1" in found
    assert "primitive vip1: operations[monitor 10s].timeout = 20s" in found
    assert "location constraint connected: rule[1] = not_defined pingd or pingd lte number 0 (score=-INFINITY)" in found
    assert "properties.no-quorum-policy = ignore" in found
    assert found == sorted(found)
