# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Whatever holds a secret is in the table of secrets, so that the live scan looks for it, and users can read of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils._backup import sources
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.text import is_secret
from tests.tools import secret_places
from tests.tools.rules import flat_tasks
from tests.tools.sources import ROOT, source_files

GUIDE = "docs/guides/secrets.md"


def of_modules(source: str) -> Iterator[str]:
    """Options that a module declares as secret, or that are named like one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "DOCUMENTATION" for t in node.targets):
            documented = yaml.safe_load(ast.literal_eval(node.value))
            yield from (path for path, option in nested(documented.get("options") or {}) if secret(path, option))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Dict) and declared(value):
                    yield str(key.value)


def declared(option: ast.Dict) -> bool:
    """Whether an argument is declared with no_log, be it to say that it is none."""
    return any(isinstance(key, ast.Constant) and key.value == "no_log" for key in option.keys)


def nested(options: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, option in options.items():
        yield f"{above}{name}", option
        yield from nested(option.get("options") or option.get("suboptions") or {}, f"{above}{name}.")


def secret(path: str, option: Mapping[str, Any]) -> bool:
    return bool(option.get("no_log")) or is_secret(path.rpartition(".")[2])


def of_tasks(text: str) -> Iterator[str]:
    for task in flat_tasks(yaml.safe_load(text) or []):
        if task.get("no_log"):
            yield str(task["name"])


def found() -> set[str]:
    names = set()
    for path in source_files("plugins/modules/*.py"):
        names |= {f"module {path.stem}: {name}" for name in of_modules(path.read_text(encoding="utf-8"))}
    for path in source_files("roles/*/meta/argument_specs.yml"):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        options = nested(spec["main"].get("options") or {})
        names |= {f"role {path.parts[-3]}: {name}" for name, option in options if secret(name, option)}
    for path in (*source_files("roles/*/tasks/*.yml"), *source_files("playbooks/tasks/*.yml")):
        names |= {f"task {name}" for name in of_tasks(path.read_text(encoding="utf-8"))}
    kept = [item.path for item in sources.SOURCES if item.part in (sources.KEYS, sources.HOST_KEYS)]
    return names | {f"backup {path}" for path in kept}


def test_every_secret_is_in_the_table() -> None:
    assert found() == set(secret_places.OPTIONS)


def test_every_secret_of_the_table_has_a_place_and_is_looked_for() -> None:
    named = {text for text in secret_places.OPTIONS.values() if not text.startswith(secret_places.NONE)}
    assert named <= {place.secret for place in secret_places.PLACES}
    live = (ROOT / "tests/failover/test_secrets.py").read_text(encoding="utf-8")
    names = {name for name, value in vars(secret_places).items() if isinstance(value, str) and value in every()}
    assert {name for name in names if f"places.{name}" not in live} == set()


def every() -> set[str]:
    return {place.secret for place in secret_places.PLACES} | {secret_places.VAULT}


def test_the_guide_has_every_place() -> None:
    guide = (ROOT / GUIDE).read_text(encoding="utf-8")
    rows = [line for line in guide.splitlines() if line.startswith("|")]
    for place in secret_places.PLACES:
        wanted = (place.secret, f"`{place.path}`", f"{place.mode:04o}", place.readers)
        assert any(all(word in row for word in wanted) for row in rows), wanted


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('x = {"word": {"type": "str", "no_log": True}}', ["word"]),
        ('x = {"word": {"type": "str"}}', []),
        ('DOCUMENTATION = """\noptions:\n  a: {suboptions: {password: {}}}\n  b: {}\n"""', ["a.password"]),
    ],
)
def test_options_are_found(source: str, names: list[str]) -> None:
    assert list(of_modules(source)) == names


def test_tasks_are_found() -> None:
    assert list(of_tasks("- block:\n    - {name: a, no_log: true}\n    - {name: b}\n")) == ["a"]


@pytest.mark.parametrize(
    ("mode", "owner", "problem"),
    [
        (0o600, "root:root", ""),
        (0o400, "root:root", ""),
        (0o644, "root:root", "mode 0644, at most 0600"),
        (0o600, "nobody:nogroup", "belongs to nobody:nogroup, not to root:root"),
    ],
)
def test_a_place_judges_files(mode: int, owner: str, problem: str) -> None:
    place = secret_places.Place("x", "/etc/x/*", 0o600)
    assert place.covers("/etc/x/deep/file")
    assert not place.covers("/etc/y")
    assert place.problem(mode, owner) == problem


def test_the_paths_are_absolute() -> None:
    assert all(Path(place.path).is_absolute() for place in secret_places.PLACES)
