# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The rules of this repository, applied to its files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import rules
from tests.tools.sources import ROOT, source_files

# The file that says what is forbidden, and the one that shows it, contain it.
ABOUT_RULES = ("tests/tools/rules.py", "tests/unit/repo/test_rule_functions.py")
EXAMPLES = ("*.md", "inventories/*", "playbooks/*", "plugins/modules/*", "plugins/filter/*", "roles/*/meta/*")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts(*patterns: str) -> Iterator[tuple[str, str]]:
    """Name and text of the matching files that are text, links and licence texts left out."""
    for path in source_files(*patterns):
        name = name_of(path)
        if path.is_symlink() or name.startswith("LICENSES/") or name in ABOUT_RULES:
            continue
        try:
            yield name, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def report(problems: dict[str, list[str]]) -> None:
    lines = [f"{name}: {problem}" for name, found in sorted(problems.items()) for problem in found]
    assert not lines, "\n" + "\n".join(lines)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def role_names() -> list[str]:
    return sorted({path.relative_to(ROOT).parts[1] for path in source_files("roles/*/*")})


def test_every_file_carries_the_licence() -> None:
    covered = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    patterns = [pattern for entry in covered for pattern in entry["path"]]
    without = {name_of(path) for pattern in patterns for path in ROOT.glob(pattern)}
    report({name: rules.licence(text) for name, text in texts() if name not in without and text})


def test_nothing_is_specific_to_one_machine() -> None:
    report({name: rules.machine_specific(text) for name, text in texts()})


def test_failures_are_not_hidden() -> None:
    report({name: rules.forbidden(text) for name, text in texts()})


def test_versions_are_pinned_in_one_place() -> None:
    report(
        {name: rules.pins(text) for name, text in texts("requirements.txt", "*.toml", "noxfile.py", ".ci/*", "hafw")}
    )


def test_examples_use_documentation_addresses() -> None:
    report({name: rules.foreign_addresses(text) for name, text in texts(*EXAMPLES)})


def test_links_lead_somewhere() -> None:
    report({name: rules.broken_links(ROOT / name, text) for name, text in texts("*.md")})


def test_what_runs_on_targets_is_old_python() -> None:
    targets = ("plugins/modules/*.py", "plugins/module_utils/*.py", "roles/*.py")
    report({name: rules.old_syntax(text) for name, text in texts(*targets)})


def test_sanity_ignores_nothing() -> None:
    assert not [name_of(path) for path in source_files("tests/sanity/ignore*")]


@pytest.mark.parametrize("role", role_names())
def test_role(role: str) -> None:
    base = ROOT / "roles" / role
    wanted = ("README.md", "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml")
    problems = {f"roles/{role}": [f"no {name}" for name in wanted if not (base / name).is_file()]}
    defaults, spec = load(base / "defaults/main.yml"), load(base / "meta/argument_specs.yml")
    problems[f"roles/{role}/defaults/main.yml"] = rules.parity(role, defaults or {}, spec or {})
    for path in sorted((base / "tasks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        problems[name_of(path)] = rules.task_file(path.stem, text, yaml.safe_load(text) or [])
    report(problems)


def plugins(kind: str) -> dict[str, Path]:
    return {path.stem: path for path in source_files(f"plugins/{kind}/*.py") if not path.stem.startswith("_")}


def test_every_plugin_has_a_test() -> None:
    found = texts("tests/unit/*.py", "tests/cluster/*", "tests/failover/*.py", "molecule/*.py")
    # Not the tests of the repository, which name everything.
    tests = {name: text for name, text in found if not name.startswith("tests/unit/repo/")}
    names = [*plugins("modules"), *plugins("filter"), *plugins("action"), *role_names()]
    assert not rules.untested(names, tests)


def test_every_plugin_is_documented() -> None:
    wanted = ("DOCUMENTATION", "EXAMPLES", "RETURN")
    documented = {**plugins("modules"), **plugins("filter")}
    report({name: rules.undocumented(path.read_text(encoding="utf-8"), wanted) for name, path in documented.items()})


def test_every_action_has_its_module() -> None:
    assert set(plugins("action")) <= set(plugins("modules"))


def test_action_group_is_complete() -> None:
    report({"meta/runtime.yml": rules.action_group(load(ROOT / "meta/runtime.yml"), plugins("modules"))})
