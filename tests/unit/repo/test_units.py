# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The lists of units in playbooks are complete: each names what the roles install."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.sources import ROOT, source_files

LIBEXEC = "/usr/local/libexec/linuxha/"
# Roles whose units make a machine a node. The rules stay, so that a machine that leaves stays closed.
NODE = ("conntrackd", "takeover")
KINDS = ("service", "timer", "path", "socket")


def units() -> Iterator[tuple[str, str, str]]:
    """Role, name and text of every unit that a role installs."""
    for path in source_files(*(f"roles/*/*.{kind}{end}" for kind in KINDS for end in ("", ".j2"))):
        name = path.name.removesuffix(".j2")
        yield path.relative_to(ROOT).parts[1], name, path.read_text(encoding="utf-8")


def tasks(playbook: str) -> dict[str, dict[str, Any]]:
    """The tasks of a playbook by name."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
    return {task["name"]: task for play in plays for task in play.get("tasks", [])}


def programs(directory: Path, name: str) -> set[str]:
    """A program with everything of its own directory that it imports."""
    found, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        found.add(current)
        text = (directory / current).read_text(encoding="utf-8")
        near = {f"{word}.py" for word in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)}
        waiting += [each for each in near if (directory / each).exists() and each not in found]
    return found


def daemons() -> dict[str, set[str]]:
    """By unit the files of this collection with which it runs: what is not over when it has started."""
    found = {}
    for role, name, text in units():
        start = re.search(rf"^ExecStart=.*{LIBEXEC}(\w+\.py)(.*)$", text, re.MULTILINE)
        if start and "Type=oneshot" not in text:
            made = {LIBEXEC + each for each in programs(ROOT / "roles" / role / "files", start[1])}
            found[name] = made | set(re.findall(r"/etc/linuxha/\S+", start[2]))
    return found


def changed_units() -> Iterator[tuple[Path, str]]:
    """Handlers, and each daemon whose unit or drop-in the same role installs."""
    for path in source_files("roles/*/templates/*-drop-in.conf.j2"):
        name = path.name.removesuffix("-drop-in.conf.j2")
        yield path.parents[1] / "handlers" / "main.yml", f"{name}.service"
    for role, name, _text in units():
        yield ROOT / "roles" / role / "handlers" / "main.yml", name


def test_a_handler_that_may_start_a_daemon_knows_its_unit() -> None:
    """On a first deployment the handlers run before the task that starts the daemon."""
    found = set()
    for path, unit in changed_units():
        for handler in yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []:
            given = handler.get("ansible.builtin.systemd_service", {})
            if given.get("name") == unit and given.get("state") in ("started", "reloaded", "restarted"):
                found.add(unit)
                assert given.get("daemon_reload") is True, handler["name"]
    assert {"keepalived.service", "conntrackd.service", "linuxha-conntrackd-watch.service"} <= found


def test_the_daemons_are_known() -> None:
    assert {"linuxha-takeover.service", "linuxha-journal.service", "linuxha-conntrackd-watch.service"} <= set(daemons())


@pytest.mark.parametrize("unit", daemons())
def test_drift_watches_every_daemon_with_all_that_it_is_made_of(unit: str) -> None:
    asked: Mapping[str, Any] = tasks("drift")["Drift | Ask which daemons are older than their files"]["vars"]
    assert set(asked["all_nodes"].get(unit, [])) == daemons()[unit]


def test_a_node_that_leaves_keeps_no_unit() -> None:
    stopped = tasks("remove_node")["Remove | Stop what made it a node"]["loop"]
    wanted = {name for role, name, _text in units() if role in NODE}
    assert len(wanted) > 4
    assert wanted <= set(stopped), sorted(wanted - set(stopped))
