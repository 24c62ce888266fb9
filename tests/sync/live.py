# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Nodes with the role config_sync in a lab, what is written on them and what they say."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab import playbook
from lab.lab import Lab

HERE = Path(__file__).parent
NAME = os.environ.get("HAFW_LAB", "sync")
LINKS = ("sync0", "sync1")
# Longer than anything takes here; how long a change takes is measured by a test of its own.
PATIENCE_S = 60.0
# What starts a run without a peer or a person.
BY_ITSELF = ("linuxha-sync.path", "linuxha-sync-watch.service", "linuxha-sync.timer")
# One line for each time that the action ran.
ACTIONS = "/var/log/sync-actions"

DIRECTORIES = ("tree", "gone", "newest", "primary", "refuse", "small", "many")


def path(entry: str, name: str = "") -> str:
    """Where an entry lies, or a file in it."""
    return f"/etc/sync-{entry}/{name}" if name else f"/etc/sync-{entry}"


def entries() -> list[dict[str, Any]]:
    """One for each thing that is tested; all in one deployment."""
    found: list[dict[str, Any]] = [{"name": name, "path": path(name), "kind": "directory"} for name in DIRECTORIES]
    by_name = {entry["name"]: entry for entry in found}
    by_name["tree"]["check"] = ["/bin/sh", "-n", "{file}"]
    by_name["tree"]["exclude"] = ["*.swp"]
    by_name["gone"]["delete"] = True
    for policy in ("newest", "primary", "refuse"):
        by_name[policy]["conflict"] = policy
    plain = {"name": "plain", "path": path("plain"), "action": ["/bin/sh", "-c", f"echo ran >>{ACTIONS}"]}
    return [plain, *found]


class Sync:
    """The nodes of a lab; `fw1` is the primary."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.nodes = tuple(lab.nodes)

    def deploy(self, *arguments: str) -> playbook.Played:
        """Run the role, on all nodes unless the arguments say otherwise."""
        given = ["-e", json.dumps({"config_sync_entries": entries()})]
        return playbook.play(self.lab, str(HERE / "deploy.yml"), [*given, *arguments], show=None)

    def exec(self, node: str, *argv: str, check: bool = True) -> str:
        return self.lab.nodes[node].exec(*argv, check=check)

    def shell(self, node: str, script: str, check: bool = True) -> str:
        return self.exec(node, "sh", "-c", script, check=check)

    def write(self, node: str, where: str, text: str) -> None:
        """A file as an editor leaves it: a new one in place of the old one."""
        # Beside the directory that is watched, so that the draft is never seen.
        draft = "/etc/sync-draft"
        script = f"mkdir -p {Path(where).parent} && cat >{draft} && chmod 644 {draft} && mv {draft} {where}"
        self.lab.nodes[node].container.exec(["sh", "-c", script], stdin=text)

    def read(self, node: str, where: str) -> str | None:
        """What stands in a file; None when there is none."""
        text = self.shell(node, f"if test -e {where}; then echo yes; cat {where}; fi")
        return text.removeprefix("yes\n") if text else None

    def status(self, node: str) -> dict[str, Any]:
        found = json.loads(self.exec(node, "linuxha-sync", "status", "--json", check=False))
        assert isinstance(found, dict)
        return found

    def file(self, node: str, where: str) -> dict[str, Any]:
        """What a node says of one file."""
        found = self.status(node).get("files", {}).get(where, {"state": "unknown"})
        assert isinstance(found, dict)
        return found

    def run(self, *nodes: str) -> None:
        """A run on these nodes, or on all, one after the other."""
        for node in nodes or self.nodes:
            self.exec(node, "linuxha-sync", "run", "--cause", "test")

    def starts(self, node: str, unit: str, since: str) -> int:
        """How often a unit was started since a moment, `date` of the node."""
        # The message of systemd that a unit has been started.
        message = "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"
        found = self.exec(
            node, "journalctl", "--no-pager", "--quiet", f"--since={since}", "--output=json", f"UNIT={unit}", message
        )
        return len(found.splitlines())

    def now(self, node: str) -> str:
        return f"@{self.exec(node, 'date', '+%s').strip()}"

    def wait(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> float:
        """Seconds until the condition held."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > limit_s:
                told = {node: self.status(node) for node in self.nodes}
                raise AssertionError(f"not within {limit_s:g} s: {json.dumps(told, indent=1)}")
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_text(self, where: str, text: str | None, nodes: Sequence[str] = ()) -> float:
        """Seconds until a file says the same on these nodes, or on all."""
        return self.wait(lambda: all(self.read(node, where) == text for node in nodes or self.nodes))

    def wait_in_step(self) -> None:
        if all(self.status(node)["in_step"] for node in self.nodes):
            return
        self.run()
        self.wait(lambda: all(self.status(node)["in_step"] for node in self.nodes))

    def converge(self, condition: Callable[[], bool]) -> None:
        """Runs on all nodes until the condition holds: what one node learns late goes on with the next round."""

        def after_a_round() -> bool:
            self.run()
            return condition()

        self.wait(after_a_round)

    def converge_text(self, where: str, text: str) -> None:
        self.converge(lambda: all(self.read(node, where) == text for node in self.nodes))

    def pause(self) -> None:
        """Nothing runs by itself; the peers still answer."""
        for node in self.nodes:
            self.exec(node, "systemctl", "stop", *BY_ITSELF)
            self.wait(lambda node=node: self._idle(node))  # type: ignore[misc]

    def resume(self) -> None:
        for node in self.nodes:
            self.exec(node, "systemctl", "start", *BY_ITSELF)

    def _idle(self, node: str) -> bool:
        return self.exec(node, "systemctl", "is-active", "linuxha-sync.service", check=False).strip() == "inactive"
