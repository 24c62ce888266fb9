# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The edge between the role and the pure packages: the filter iptables_ruleset."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.filter.iptables_ruleset import FilterModule


def iptables_ruleset(value: object) -> dict[str, str]:
    result = FilterModule().filters()["iptables_ruleset"]
    assert callable(result)
    text = result(value)
    assert isinstance(text, dict)
    return text


def test_lazy_containers_and_tagged_strings_are_fine(raw: dict[str, Any], files: dict[str, str]) -> None:
    class Tagged(str):
        """Like the strings of ansible-core, which remember where they come from."""

    raw["rules"][0]["name"] = Tagged("lan-out")
    raw["zones"] = UserDict(raw["zones"])
    assert iptables_ruleset(UserDict(raw)) == files


def test_the_error_has_every_problem_on_a_line_of_its_own(raw: dict[str, Any]) -> None:
    raw["rules"][0]["from"] = "dmz"
    raw["nat"][0]["to_address"] = "192.0.2.2"
    with pytest.raises(AnsibleFilterError) as error:
        iptables_ruleset(raw)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "iptables_rules[0].from: 'dmz': unknown zone." in lines[1]


def test_something_else_than_a_mapping_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError):
        iptables_ruleset("rules")
