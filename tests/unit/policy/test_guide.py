# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The guides: the one to the rules names everything that the language has, and what they show is sound and true.

Recipes and the example of a migration are whole inventories. Each is loaded through the model, and shows no finding;
each rule of a recipe is held by an assertion; each assertion can fail; and the answers of `trace` are the real ones.
"""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import (
    extras,
    library,
    objects,
    ruleset,
    services,
    translations,
    zones,
)
from lab.__main__ import main

ROOT = Path(__file__).parents[3]
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "guides").glob("*.md")}
GUIDE = GUIDES["rules"]
PROSE = re.sub(r"^```.*?^```", "", GUIDE, flags=re.MULTILINE | re.DOTALL)
WORDS = set(re.findall(r"`([^`]+)`", PROSE))


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDES[guide], re.MULTILINE | re.DOTALL)


def files(guide: str) -> dict[str, str]:
    """The blocks of YAML by the name of the file, which is their first line."""
    return {text.splitlines()[0].removeprefix("# "): text for text in blocks(guide, "yaml")}


RECIPES = files("cookbook")
FILES = {**RECIPES, **files("migration")}
INVENTORIES = {name: text for name, text in FILES.items() if "firewalls" in yaml.safe_load(text)}
QUESTIONS = [
    (question, answer)
    for guide in sorted(GUIDES)
    for text in blocks(guide, "text")
    for question, answer in re.findall(r"^\$ \./hafw (trace .*)\n((?:[^$\n].*\n)*)", text, re.MULTILINE)
]

Data = dict[str, Any]


def load(inventory: Data) -> model.Loaded:
    group = inventory["firewalls"]
    shared = {key: value for key, value in group["vars"].items() if key.startswith("firewall_")}
    hosts = {name: {**shared, "firewall_node": own["firewall_node"]} for name, own in group["hosts"].items()}
    return model.load(copy.deepcopy(hosts))


def policy_of(inventory: Data) -> Data:
    found: Data = inventory["firewalls"]["vars"]["firewall_policy"]
    return found


def broken(inventory: Data) -> list[str]:
    """What the assertions say that do not hold; anything else that is wrong is a mistake of the test."""
    problems = load(inventory).problems
    assert [str(problem) for problem in problems if not problem.code.startswith("policy-")] == []
    return [str(problem) for problem in problems if problem.code == "policy-assertion"]


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
    example = blocks("rules", "yaml")[0]
    policy = yaml.safe_load(example)["firewall_policy"]
    policy["zones"]["wan"]["interfaces"] = ["eth1"]
    policy["zones"]["lan"] = {"interfaces": ["eth2"], "networks": ["198.51.100.0/24"]}
    policy["addresses"].update({"vips": ["192.0.2.1"], "net.lan": ["198.51.100.0/24"]})
    found, problems = ruleset.parse({**policy, "vips": ["192.0.2.1"]})
    assert problems == ()
    assert len(found.flat.rules) == 4


def test_the_cookbook_has_inventories_only() -> None:
    assert len(RECIPES) == len(blocks("cookbook", "yaml")) >= 5
    assert set(RECIPES) <= set(INVENTORIES)


@pytest.mark.parametrize("name", INVENTORIES)
def test_an_inventory_of_a_guide_is_sound(name: str) -> None:
    loaded = load(yaml.safe_load(INVENTORIES[name]))
    assert [str(problem) for problem in loaded.problems] == []
    assert [finding.text for cluster in loaded.clusters for finding in cluster.policy.review.findings] == []
    assert len(loaded.clusters[0].policy.review.assertions) >= 3


@pytest.mark.parametrize("name", RECIPES)
def test_an_assertion_holds_each_rule_of_a_recipe(name: str) -> None:
    inventory = yaml.safe_load(RECIPES[name])
    policy = policy_of(inventory)
    free = []
    for entry in (*policy["rules"], *policy["nat"]):
        entry["enabled"] = False
        if not broken(inventory):
            free.append(entry["name"])
        del entry["enabled"]
    defaults = policy.get("defaults", [])
    for number, entry in enumerate(defaults):
        policy["defaults"] = defaults[:number] + defaults[number + 1 :]
        if not broken(inventory):
            free.append(entry)
    assert free == []


@pytest.mark.parametrize("name", INVENTORIES)
@pytest.mark.parametrize("action", ["accept", "drop"])
def test_each_assertion_can_fail(name: str, action: str) -> None:
    """One rule in front of all that lets everything in, or nothing."""
    inventory = yaml.safe_load(INVENTORIES[name])
    policy = policy_of(inventory)
    everywhere = ["any", "firewall"]
    policy["rules"].insert(0, {"name": "all", "from": everywhere, "to": everywhere, "action": action})
    said = "\n".join(broken(inventory))
    wrong = [entry["name"] for entry in policy["assertions"] if (entry["expect"] == "accept") == (action == "drop")]
    assert wrong
    assert [name for name in wrong if f"'{name}'" not in said] == []


def test_there_are_answers_in_the_guides() -> None:
    assert len(QUESTIONS) == sum(text.count("$ ./hafw trace") for text in GUIDES.values()) >= 12


@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
def test_an_answer_in_a_guide_is_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], question: str, answer: str
) -> None:
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    for name, text in INVENTORIES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hafw", *question.split()])
    assert main() == 0
    assert capsys.readouterr().out == answer
