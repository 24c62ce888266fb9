# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The rules find what they are for: each meets bad samples, and good ones that look alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tools import rules


@pytest.mark.parametrize(
    "line",
    [
        "  ignore_errors: true",
        "  failed_when: false",
        "rm file || true",
        "rm file || :",
        "import x  # noqa",
        "import x  # noqa: E402",
        "x = y()  # type: ignore",
        "when: ansible_distribution == 'Debian'",
    ],
)
def test_forbidden(line: str) -> None:
    assert rules.forbidden(f"first\n{line}\n")[0].startswith("line 2: ")


@pytest.mark.parametrize(
    "line",
    [
        "  failed_when: result.rc not in [0, 3]",
        "a || trueish",
        "import x  # noqa: E402 - documentation comes first",
        "import x  # noqa: E402  (documentation comes first)\nimport y  # noqa: E402",
        "x = y()  # type: ignore[arg-type]",
        "when: ansible_facts['distribution'] == 'Debian'",
    ],
)
def test_not_forbidden(line: str) -> None:
    assert not rules.forbidden(line)


@pytest.mark.parametrize(
    "line",
    ["cd /work/project", "x = '/home/me/x'", "/root/.cache/x", "deb http://ftp.example.org/debian bookworm main"],
)
def test_machine_specific(line: str) -> None:
    assert rules.machine_specific(line)


@pytest.mark.parametrize(
    "line", ["cd /var/work/x", "network/work/", "https://www.debian.org/", "/root/..", "/root/.ssh/authorized_keys"]
)
def test_not_machine_specific(line: str) -> None:
    assert not rules.machine_specific(line)


def test_licence() -> None:
    assert not rules.licence(f"#!/bin/sh\n# {rules.SPDX}\n")
    assert rules.licence("#!/bin/sh\n")
    assert rules.licence("\n" * 40 + rules.SPDX)


def test_pins() -> None:
    assert rules.pins("ruff == 0.17.5") and rules.pins("ansible-core[x]==2.19.1")
    assert not rules.pins("ansible-core >= 2.19.0") and not rules.pins("if x == 0:")


@pytest.mark.parametrize("text", ["10.0.0.1/24", "dst 192.168.1.1.", "8.8.8.8", "fd00:1::1", "2001:470:0:1::2/64"])
def test_foreign_addresses(text: str) -> None:
    assert rules.foreign_addresses(f"\n{text}")[0].startswith("line 2: ")


@pytest.mark.parametrize(
    "text",
    ["192.0.2.1/24", "2001:db8:1::1", "0.0.0.0/0", "::/0", "224.0.0.18", "255.255.255.0", "ff02::12", "v1.2.3.4.5",
     "00:11:22:33:44:55", "12:30:45"],
)  # fmt: skip
def test_documentation_addresses(text: str) -> None:
    assert not rules.foreign_addresses(text)


def test_broken_links(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# One `two`, three\n", encoding="utf-8")
    page.write_text("", encoding="utf-8")
    good = "[a](other.md) [b](other.md#one-two-three) [c](https://example.org/x)"
    assert rules.broken_links(page, good) == []
    assert rules.broken_links(page, "```\n[a](nowhere.md)\n```\n") == []
    assert rules.broken_links(page, "[a](nowhere.md)") == ["nowhere.md: no such file"]
    assert rules.broken_links(page, "[a](other.md#four)") == ["other.md#four: no such heading"]
    assert rules.broken_links(page, "# Here\n[a](#there)") == ["#there: no such heading"]


def test_old_syntax() -> None:
    assert rules.old_syntax("match x:\n    case 1: pass\n")
    assert not rules.old_syntax("def f(a, /, b: 'int | None' = None): return a\n")


def spec(**options: Any) -> dict[str, Any]:
    return {"argument_specs": {"main": {"options": options}}}


@pytest.mark.parametrize(
    ("defaults", "options"),
    [
        ({"x_a": 1}, {}),
        ({}, {"x_a": {"type": "int", "default": 1}}),
        ({"x_a": 1}, {"x_a": {"type": "int"}}),
        ({"x_a": 1}, {"x_a": {"type": "int", "default": 2}}),
        ({"x_a": 1}, {"x_a": {"type": "bool", "default": True}}),
        ({"x_a": [{"b": 0}]}, {"x_a": {"type": "list", "default": [{"b": False}]}}),
        ({"x_a": 1}, {"x_a": {"type": "int", "required": True}}),
        ({"a": 1}, {"a": {"type": "int", "default": 1}}),
    ],
)
def test_parity_finds(defaults: dict[str, Any], options: dict[str, Any]) -> None:
    assert len(rules.parity("x", defaults, spec(**options))) == 1


def test_parity_holds() -> None:
    options = {"x_a": {"default": {"b": [1]}}, "x_c": {"required": True}, "x_d": {"type": "str"}}
    assert not rules.parity("x", {"x_a": {"b": [1]}}, spec(**options))


def test_task_file() -> None:
    good = [{"name": "install | Install it", "block": [{"name": "install | Then this"}]}]
    assert not rules.task_file("install", "", good)
    assert rules.task_file("install", "", [{"name": "Install it"}])
    assert rules.task_file("install", "", [{"debug": {}}])
    assert rules.task_file("install", "", [{"name": "install | Install", "block": [{"name": "configure | Other"}]}])
    assert rules.task_file("install", "\n" * (rules.MAX_TASK_LINES + 1), good)
    nested: list[Any] = [{"name": "install | A"}]
    for _level in range(3):
        nested = [{"name": "install | A", "block": nested}]
    assert rules.task_file("install", "", nested) == ["blocks three deep"]


def test_main_is_a_table_of_contents() -> None:
    assert not rules.task_file("main", "", [{"name": "Install"}] * 10)
    assert rules.task_file("main", "", [{"name": "Install"}] * 11)


def test_untested() -> None:
    assert rules.untested(["ruleset", "sysctl"], {"test_x.py": "from plugins import ruleset"}) == ["sysctl"]
    assert rules.untested(["rule"], {"test_x.py": "ruleset"}) == ["rule"]


def test_undocumented() -> None:
    assert rules.undocumented('EXAMPLES = ""', ("DOCUMENTATION", "EXAMPLES")) == ["no DOCUMENTATION"]


def test_action_group() -> None:
    runtime = {"action_groups": {"all": ["a", "b", {"metadata": {}}]}}
    assert not rules.action_group(runtime, ["b", "a"])
    assert rules.action_group(runtime, ["a", "b", "c"])
    assert rules.action_group(runtime, ["a"])
    assert rules.action_group({"action_groups": {"all": ["b", "a"]}}, ["a", "b"])
