# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The guide to the rules names everything that the language has, and its example is sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import (
    extras,
    library,
    objects,
    ruleset,
    services,
    translations,
    zones,
)

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "rules.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```", "", GUIDE, flags=re.MULTILINE | re.DOTALL)
WORDS = set(re.findall(r"`([^`]+)`", PROSE))


@pytest.mark.parametrize(
    "words",
    [
        library.SERVICES,
        library.ICMP,
        library.HELPERS,
        ruleset.POLICY_KEYS,
        objects.RULE_KEYS,
        objects.DEFAULT_KEYS,
        objects.ACTIONS,
        translations.TYPES,
        services.KEYS,
        zones.KEYS,
        extras.MSS_KEYS,
        extras.RAW_KEYS,
    ],
)
def test_the_guide_names(words: object) -> None:
    assert isinstance(words, (dict, tuple))
    assert [word for word in words if word not in WORDS] == []


def test_the_example_of_the_guide_is_sound() -> None:
    example = next(text for text in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
    policy = yaml.safe_load(example)["firewall_policy"]
    policy["zones"]["wan"]["interfaces"] = ["eth1"]
    policy["zones"]["lan"] = {"interfaces": ["eth2"], "networks": ["198.51.100.0/24"]}
    policy["addresses"].update({"vips": ["192.0.2.1"], "net.lan": ["198.51.100.0/24"]})
    found, problems = ruleset.parse({**policy, "vips": ["192.0.2.1"]})
    assert problems == ()
    assert len(found.flat.rules) == 4
