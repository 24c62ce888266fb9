# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Clusters in a temporary directory: every node has its own root.

With `real` rsync and the gate run as they do behind ssh; else the files of a peer are copied in the same process, which
is a hundred times faster.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linuxha_sync import gate, restore
from linuxha_sync import main as program
from linuxha_sync.fetch import Listener, PeerError, Peers
from linuxha_sync.layout import Layout, Step, locked, no_step
from linuxha_sync.run import Run
from linuxha_sync.settings import Settings, parse
from linuxha_sync.status import merged
from linuxha_sync.store import Store

FILES = Path(__file__).parents[3] / "roles" / "config_sync" / "files"
USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
FILE = "/etc/one.conf"
FOLDER = "/etc/many"
ENTRIES: tuple[dict[str, Any], ...] = (
    {"name": "one", "path": FILE, "kind": "file"},
    {"name": "many", "path": FOLDER, "kind": "directory"},
)


class Near(Peers):
    """Peers in the same process."""

    def __init__(self, settings: Settings, store: Store, cluster: Cluster):
        super().__init__(settings, store)
        self.cluster = cluster

    def there(self, address: str) -> Layout:
        name = self.cluster.up.get(address)
        if name is None or (self.settings.node, name) not in self.cluster.links:
            raise PeerError("No route to host")
        return self.cluster[name].layout

    def command(self, address: str, words: str, hurry: bool = False, listener: Listener | None = None) -> str:
        layout = self.there(address)
        if words == "notify":
            if not layout.told.is_dir():
                raise PeerError("it has not run since boot")
            (layout.told / "peer").touch()
            return ""
        ahead = self.cluster.ahead.get(self.cluster.up[address], 0.0)
        assert listener is not None
        while listener(f"{time.time_ns() + int(ahead * 1e9)} {gate.manifest_digest(layout)}"):
            pass
        return ""

    def copy(self, address: str, names: Sequence[str], into: Path, limit: int, timeout: float) -> None:
        for name in names:
            source = self.there(address).export / name
            if not source.is_file() or source.is_symlink():
                raise PeerError(f"{name}: No such file or directory")
            shutil.copyfile(source, into / source.name)


@dataclass
class Node:
    name: str
    base: Path
    cluster: Cluster
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

    def run(self, step: Step = no_step, patient: bool = False) -> int:
        if self.cluster.real:
            return program.run(self.layout, "test", self.cluster.shell, step)
        settings = program.read_settings(self.layout)
        store = Store(self.layout, settings, step)
        with locked(self.layout, 1):
            near = Near(settings, store, self.cluster)
            return Run(settings, store, near, patient=patient).whole("test")

    def restore(self, path: str, identity: str) -> int:
        restore.restore(program.read_settings(self.layout), self.store(), path, identity)
        return self.run()

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.layout.export / "manifest.json").read_text())["files"])

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
    """`links` are the pairs that reach each other: all, when none are given. With an empty list nobody has peers."""

    def __init__(
        self,
        base: Path,
        names: Sequence[str] = ("a", "b"),
        entries: Sequence[Mapping[str, Any]] = ENTRIES,
        links: Sequence[tuple[str, str]] | None = None,
        real: bool = False,
        **more: Any,
    ):
        self.real = real
        self.map = base / "map.json"
        self.up: dict[str, str] = {}
        self.ahead: dict[str, float] = {}
        self.nodes: dict[str, Node] = {}
        self.shell = [sys.executable, str(Path(__file__).with_name("peer_shell.py")), str(self.map)]
        pairs = links if links is not None else [(one, other) for one in names for other in names if one != other]
        self.links = {*pairs, *((other, one) for one, other in pairs)}
        self.addresses = {name: f"192.0.2.{number}" for number, name in enumerate(names, start=1)}
        for name in names:
            others = [other for other in names if other != name and self.links]
            peers = [{"name": other, "addresses": [self.addresses[other]]} for other in others]
            node = Node(name, base / name, self)
            node.settings = {
                "node": name,
                "primary": names[0],
                "conflict": "newest",
                "user": USER,
                "reserve_percent": 1,
                "peers": peers,
                "entries": [{"owners": [USER], "groups": [GROUP], **entry} for entry in entries],
                **more,
            }
            node.configure()
            self.nodes[name] = node
        self.connect(*names)

    def connect(self, *names: str) -> None:
        """Only these answer."""
        self.up = {self.addresses[name]: name for name in names}
        places = {}
        for address, name in self.up.items():
            layout = self.nodes[name].layout
            places[address] = {"files": str(FILES), "state": str(layout.state), "run": str(layout.run)}
        self.map.write_text(json.dumps(places))

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def round(self, times: int = 1) -> None:
        for _number in range(times):
            for node in self.nodes.values():
                assert node.run() == 0, node.status()

    def contents(self, path: str) -> list[str | None]:
        return [node.read(path) for node in self.nodes.values()]
