# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Clusters in a temporary directory: every node has its own root, rsync and the gate are real, ssh is not."""

from __future__ import annotations

import grp
import json
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILES = Path(__file__).parents[3] / "roles" / "config_sync" / "files"
if str(FILES) not in sys.path:
    sys.path.insert(0, str(FILES))

from linuxha_sync import main as program  # noqa: E402 - found by the line above
from linuxha_sync import restore  # noqa: E402
from linuxha_sync.layout import Layout, Step, no_step  # noqa: E402
from linuxha_sync.settings import parse  # noqa: E402
from linuxha_sync.status import merged  # noqa: E402
from linuxha_sync.store import Store  # noqa: E402

USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
FILE = "/etc/one.conf"
FOLDER = "/etc/many"
ENTRIES: list[dict[str, Any]] = [
    {"name": "one", "path": FILE, "kind": "file"},
    {"name": "many", "path": FOLDER, "kind": "directory"},
]


@dataclass
class Node:
    name: str
    base: Path
    shell: list[str]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(
            state=self.base / "state",
            run=self.base / "run",
            settings=self.base / "sync.json",
            root=str(self.base / "root"),
        )

    def configure(self) -> None:
        self.base.mkdir(exist_ok=True)
        (self.base / "root/etc").mkdir(parents=True, exist_ok=True)
        self.layout.settings.write_text(json.dumps(self.settings))

    def path(self, path: str) -> Path:
        return Path(self.layout.root + path)

    def write(self, path: str, content: str, mtime: float | None = None) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(0o644)
        if mtime is not None:
            os.utime(target, (mtime, mtime))

    def read(self, path: str) -> str | None:
        target = self.path(path)
        return target.read_text() if target.exists() else None

    def run(self, step: Step = no_step) -> int:
        return program.run(self.layout, "test", self.shell, step)

    def restore(self, path: str, identity: str) -> int:
        return program.go_back(self.layout, path, identity, self.shell)

    def history(self, path: str) -> list[dict[str, Any]]:
        return restore.history(self.store(), path)

    def store(self) -> Store:
        return Store(self.layout, parse(self.layout.settings.read_text()))

    def status(self) -> dict[str, Any]:
        return merged(self.layout)

    def state(self, path: str) -> str:
        return str(self.status()["files"][path]["state"])

    def everything(self) -> dict[str, tuple[int, int]]:
        """Every file of the state with inode and time: to see whether anything was written."""
        found = {}
        for top in (self.layout.state, Path(self.layout.root)):
            for path in top.rglob("*"):
                status = path.lstat()
                found[str(path)] = (status.st_ino, status.st_mtime_ns)
        return found


class Cluster:
    """`links` are the pairs that know each other; all, when none are given."""

    def __init__(
        self,
        base: Path,
        names: Sequence[str] = ("a", "b"),
        entries: Sequence[Mapping[str, Any]] = ENTRIES,
        links: Sequence[tuple[str, str]] | None = None,
        **more: Any,
    ):
        self.map = base / "map.json"
        self.places: dict[str, dict[str, str]] = {}
        self.nodes: dict[str, Node] = {}
        shell = [sys.executable, str(Path(__file__).with_name("peer_shell.py")), str(self.map)]
        pairs = links if links is not None else [(one, other) for one in names for other in names if one != other]
        known = {*pairs, *((other, one) for one, other in pairs)}
        self.addresses = {name: f"192.0.2.{number}" for number, name in enumerate(names, start=1)}
        for name in names:
            peers = [{"name": other, "addresses": [self.addresses[other]]} for other in names if (name, other) in known]
            node = Node(name, base / name, shell)
            node.settings = {
                "node": name,
                "primary": names[0],
                "conflict": "newest",
                "user": USER,
                "peers": peers,
                "entries": [{"owners": [USER], "groups": [GROUP], **entry} for entry in entries],
                **more,
            }
            node.configure()
            self.nodes[name] = node
        self.connect(*names)

    def connect(self, *names: str) -> None:
        """Only these answer."""
        self.places = {
            self.addresses[name]: {
                "files": str(FILES),
                "state": str(self.nodes[name].layout.state),
                "run": str(self.nodes[name].layout.run),
            }
            for name in names
        }
        self.map.write_text(json.dumps(self.places))

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def round(self, times: int = 1) -> None:
        for _number in range(times):
            for node in self.nodes.values():
                assert node.run() == 0, node.status()

    def contents(self, path: str) -> list[str | None]:
        return [node.read(path) for node in self.nodes.values()]
