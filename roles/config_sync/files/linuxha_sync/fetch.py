# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Asking a peer, over ssh with a key that can do nothing else, as a user that owns nothing (see gate.py).

What a peer sends is received by that user too: root reads only finished files, and believes only their checksums.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from . import manifest
from .decide import Clock
from .layout import read_regular
from .manifest import Files, ManifestError, Version
from .settings import Peer, Settings
from .store import Store

CONNECT_S = 3
ANSWER_S = 10
TRANSFER_S = 120
# In one command line; the kernel allows 128 KiB for one environment variable, and the gate gets it as such.
AT_ONCE = 200
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class PeerError(Exception):
    """Why a peer gave no answer, in one line."""


@dataclass
class Answer:
    """What a peer said in this run."""

    peer: Peer
    address: str = ""
    clock: Optional[Clock] = None
    files: Files = field(default_factory=dict)
    problem: str = ""

    @property
    def reached(self) -> bool:
        return bool(self.address)

    @property
    def usable(self) -> bool:
        """Whether it is known what the peer has."""
        return self.reached and not self.problem


def ssh(settings: Settings, connect_s: int = CONNECT_S) -> List[str]:
    """The remote shell: nothing of the user's or the system's configuration, and no question ever."""
    options = {
        "BatchMode": "yes",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": str(connect_s),
        "ControlPath": "none",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        "ServerAliveInterval": "5",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": settings.known_hosts,
    }
    argv = ["ssh", "-F", "/dev/null", "-T", "-i", settings.key, "-p", str(settings.port), "-l", settings.user]
    return argv + [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


class Peers:
    def __init__(self, settings: Settings, store: Store, shell: Optional[Sequence[str]] = None):
        self.settings, self.store = settings, store
        self.shell = list(shell) if shell is not None else ssh(settings)
        self.hurried = list(shell) if shell is not None else ssh(settings, 1)
        # Peers that did not answer the last time: nobody waits long for them.
        self.away: Set[str] = set()

    def run(self, argv: Sequence[str], timeout: float, limit: int) -> str:
        # No file may grow beyond what is allowed, whatever the peer claims.
        bounded = ["prlimit", f"--fsize={limit}:{limit}", "--", *argv]
        identity: Dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": self.store.uid, "group": self.store.gid, "extra_groups": []}
        try:
            done = subprocess.run(
                bounded,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                cwd="/",
                env=ENVIRONMENT,
                **identity,
            )
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"no answer within {timeout:g} s") from error
        except OSError as error:
            raise PeerError(f"{argv[0]}: {error.strerror}") from error
        if done.returncode != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
            raise PeerError(said or f"{argv[0]}: exit status {done.returncode}")
        return str(done.stdout[:65536], "utf-8", "replace")

    def command(self, address: str, words: str, hurry: bool = False) -> str:
        shell = self.hurried if hurry else self.shell
        return self.run([*shell, address, words], CONNECT_S + ANSWER_S, 1 << 20)

    def copy(self, address: str, names: Sequence[str], into: Path, limit: int) -> None:
        """Files of the export of a peer. Plain files only: rsync leaves out whatever else is there."""
        host = f"[{address}]" if ":" in address else address
        sources = [f"{host}:{names[0]}", *(f":{name}" for name in names[1:])]
        argv = ["rsync", "-e", shlex.join(self.shell), "--whole-file", "--timeout=20", "--", *sources, f"{into}/"]
        self.run(argv, TRANSFER_S, limit)

    def room(self, peer: Peer) -> Path:
        """An empty directory for what the peer sends, of the user who receives it."""
        path = self.store.layout.incoming / peer.name
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        os.chown(path, self.store.uid, self.store.gid)
        return path

    # --- what a run asks ---------------------------------------------------------------------------------------------
    def greet(self, peer: Peer) -> Tuple[str, Clock, str]:
        """The address at which the peer answers, its clock, and the checksum of its manifest."""
        problems = []
        for address in peer.addresses:
            before, began = time.time_ns(), time.monotonic_ns()
            try:
                said = self.command(address, "time", peer.name in self.away).split()
            except PeerError as error:
                problems.append(f"{address}: {error}")
                continue
            took = time.monotonic_ns() - began
            if len(said) != 2 or not said[0].isdecimal() or len(said[0]) > 20:
                problems.append(f"{address}: the answer to 'time' makes no sense")
                continue
            skew = (int(said[0]) - before - took / 2) / 1e9
            return address, Clock(round(skew, 6), round(took / 2e9, 6)), said[1]
        raise PeerError("; ".join(problems))

    def known(self, peer: Peer) -> Path:
        return self.store.layout.staging / f"manifest-{peer.name}.json"

    def ask(self, peer: Peer) -> Answer:
        """What the peer has. Its manifest is only fetched when it is another than the last time."""
        answer = Answer(peer)
        try:
            answer.address, answer.clock, digest = self.greet(peer)
            if digest == "-":
                # What it has it has not said: nobody may conclude that it has nothing.
                answer.problem = "has not run yet"
                return answer
            data = read_regular(self.known(peer), manifest.MAX_BYTES)
            if data is None or hashlib.sha256(data).hexdigest() != digest:
                data = self.manifest(peer, answer.address)
            answer.files = manifest.parse(data, peer.name)
        except PeerError as error:
            answer.problem = str(error)
        except ManifestError as error:
            answer.problem = f"its manifest is refused: {error}"
        except OSError as error:
            answer.problem = f"{error.filename}: {error.strerror}"
        return answer

    def manifest(self, peer: Peer, address: str) -> bytes:
        room = self.room(peer)
        self.copy(address, ["manifest.json"], room, manifest.MAX_BYTES)
        data = read_regular(room / "manifest.json", manifest.MAX_BYTES)
        if data is None:
            raise PeerError("sent no manifest, or one that is too large")
        self.store.write_changed(self.known(peer), data, 0o600, -1)
        return data

    def fetch(self, answer: Answer, wanted: Iterable[Version]) -> Dict[str, str]:
        """Brings objects; checksum to why it did not come."""
        sizes = {version.sha256: version.size for version in wanted}
        names, problems = sorted(sizes), {}
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            try:
                room = self.room(answer.peer)
                needed = sum(sizes[name] for name in some)
                free = os.statvfs(room)
                if needed > free.f_bavail * free.f_frsize // 2:
                    raise PeerError(f"no space left on the device for {needed} bytes")
                trouble = ""
                try:
                    self.copy(
                        answer.address, [f"objects/{name}" for name in some], room, self.settings.object_limit_bytes
                    )
                except PeerError as error:
                    trouble = str(error)  # what did come is used
                for name in some:
                    reason = self.store.take_in(name, sizes[name], room / name)
                    if reason:
                        problems[name] = f"{trouble or reason}"
            except PeerError as error:
                problems.update({name: str(error) for name in some})
            except OSError as error:
                problems.update({name: f"{error.strerror}" for name in some if not self.store.has(name)})
        return problems

    def notify(self, peer: Peer) -> str:
        """Tells a peer to look now; it would look within a minute anyway. Empty, or why it was not told."""
        problems = []
        for address in peer.addresses:
            try:
                self.command(address, "notify")
            except PeerError as error:
                problems.append(f"{address}: {error}")
                continue
            return ""
        return "; ".join(problems)
