# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Asking a peer, over ssh with a key that can do nothing else, as a user that owns nothing (see gate.py).

What a peer sends is received by that user too: root reads only finished files, and believes only their checksums.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from . import manifest
from .decide import Clock
from .layout import read_regular
from .manifest import Bounds, Files, ManifestError, Version
from .settings import Peer, Settings
from .store import Store

CONNECT_S = 3
ANSWER_S = 10
TRANSFER_S = 120
# From the begin of a run on. systemd ends it after 300 s, and what came until then is to be checked and put in place.
TRANSFERS_S = 180
TOO_SLOW = "the peer is too slow; the next run goes on"
# What a peer says is a line, and what rsync and ssh complain of a few.
SAYS_BYTES = 65536
# How often a peer is asked for its time once the connection stands, unless it is known as well as this before.
QUESTIONS = 4
SURE_S = 0.01
# In one command line; the kernel allows 128 KiB for one environment variable, and the gate gets it as such.
AT_ONCE = 200
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
# Is told each line that a program prints, and says whether to ask it for one more.
Listener = Callable[[str], bool]


class PeerError(Exception):
    """Why a peer gave no answer, in one line."""


class Late(PeerError):
    """It did not end in time."""


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


class Meter:
    """Measures the clock of a peer: what it says lies between a question and the answer to it.

    The first question is the connection itself, and a node under load takes seconds for one. Those that follow go over
    the connection that stands. What counts is the answer that leaves the least doubt.
    """

    def __init__(self) -> None:
        self.clock: Optional[Clock] = None
        self.digest = ""
        self.left, self.last = QUESTIONS, False
        self.ask()

    def ask(self) -> None:
        # In this order: what passes between the two is doubt, not an error.
        self.began, self.before = time.monotonic_ns(), time.time_ns()

    def __call__(self, line: str) -> bool:
        took, said = time.monotonic_ns() - self.began, line.split()
        if self.last or len(said) != 2 or not said[0].isdecimal() or len(said[0]) > 20:
            raise PeerError("the answer to 'time' makes no sense")
        clock = Clock(round((int(said[0]) - self.before - took / 2) / 1e9, 6), round(took / 2e9, 6))
        if self.clock is None or clock.uncertainty_s < self.clock.uncertainty_s:
            self.clock = clock
        self.digest = self.digest or said[1]
        self.last = self.left == 0 or self.clock.uncertainty_s <= SURE_S
        self.left -= 1
        self.ask()
        return not self.last


def converse(child: subprocess.Popen[bytes], said: bytearray, place: int, listener: Listener) -> int:
    """Tells the listener the whole lines from `place` on, and asks again or no more. Where the next line begins."""
    assert child.stdin is not None
    while (end := said.find(b"\n", place)) >= 0:
        again, place = listener(str(said[place:end], "utf-8", "replace")), end + 1
        try:
            if again and not child.stdin.closed:
                os.write(child.stdin.fileno(), b"\n")
                continue
        except BrokenPipeError:
            pass  # a peer with an earlier version answers once
        child.stdin.close()
    return place


def heard(child: subprocess.Popen[bytes], timeout: float, listener: Optional[Listener] = None) -> Tuple[bytes, bytes]:
    """What a program prints, its complaints apart. Neither without an end: at most SAYS_BYTES, within the time."""
    assert child.stdout is not None and child.stderr is not None
    parts: Dict[int, bytearray] = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    first, second = parts
    end, place = time.monotonic() + timeout, 0
    with selectors.DefaultSelector() as ready:
        for handle in parts:
            ready.register(handle, selectors.EVENT_READ)
        while ready.get_map():
            left = end - time.monotonic()
            found = ready.select(left) if left > 0 else []
            if not found:
                raise Late(f"no answer within {timeout:g} s")
            for key, _events in found:
                data = os.read(key.fd, 65536)
                if not data:
                    ready.unregister(key.fd)
                parts[key.fd] += data
                if len(parts[key.fd]) > SAYS_BYTES:
                    raise PeerError(f"says more than {SAYS_BYTES} bytes where a line is expected")
            if listener is not None:
                place = converse(child, parts[first], place, listener)
    try:
        child.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise Late(f"no answer within {timeout:g} s") from error
    return bytes(parts[first]), bytes(parts[second])


def batches(sizes: Mapping[str, int], limit: int) -> List[List[str]]:
    """Names in the order of their sizes, each batch such that it cannot become larger than the limit.

    What bounds a transfer is a size for each of its files, so in a batch all count as the largest. A larger file is a
    batch of its own.
    """
    found: List[List[str]] = []
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        if not found or len(found[-1]) >= AT_ONCE or (len(found[-1]) + 1) * sizes[name] > limit:
            found.append([])
        found[-1].append(name)
    return found


class Peers:
    def __init__(self, settings: Settings, store: Store, shell: Optional[Sequence[str]] = None):
        self.settings, self.store = settings, store
        self.shell = list(shell) if shell is not None else ssh(settings)
        self.hurried = list(shell) if shell is not None else ssh(settings, 1)
        # Peers that did not answer the last time: nobody waits long for them.
        self.away: Set[str] = set()
        # One object for each run.
        self.end = time.monotonic() + TRANSFERS_S

    def run(self, argv: Sequence[str], timeout: float, limit: int, listener: Optional[Listener] = None) -> str:
        # No file may grow beyond what is allowed, whatever the peer claims.
        bounded = ["prlimit", f"--fsize={limit}:{limit}", "--", *argv]
        identity: Dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": self.store.uid, "group": self.store.gid, "extra_groups": []}
        try:
            child = subprocess.Popen(
                bounded,
                stdin=subprocess.DEVNULL if listener is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=ENVIRONMENT,
                **identity,
            )
        except OSError as error:
            raise PeerError(f"{argv[0]}: {error.strerror}") from error
        with child:
            try:
                said, complaint = heard(child, timeout, listener)
            except BaseException:
                child.kill()
                raise
        if child.returncode != 0:
            shown = " ".join(complaint.decode("utf-8", "replace").split())[-300:]
            raise PeerError(shown or f"{argv[0]}: exit status {child.returncode}")
        return str(said, "utf-8", "replace")

    def command(self, address: str, words: str, hurry: bool = False, listener: Optional[Listener] = None) -> str:
        shell = self.hurried if hurry else self.shell
        return self.run([*shell, address, words], CONNECT_S + ANSWER_S, 1 << 20, listener)

    def copy(self, address: str, names: Sequence[str], into: Path, limit: int, timeout: float) -> None:
        """Files of the export of a peer. Plain files only: rsync leaves out whatever else is there."""
        host = f"[{address}]" if ":" in address else address
        sources = [f"{host}:{names[0]}", *(f":{name}" for name in names[1:])]
        argv = ["rsync", "-e", shlex.join(self.shell), "--whole-file", "--timeout=20", "--", *sources, f"{into}/"]
        self.run(argv, timeout, limit)

    # --- what a run asks ---------------------------------------------------------------------------------------------
    def greet(self, peer: Peer) -> Tuple[str, Clock, str]:
        """The address at which the peer answers, its clock, and the checksum of its manifest."""
        problems = []
        for address in peer.addresses:
            meter = Meter()
            try:
                self.command(address, "time", peer.name in self.away, meter)
                if meter.clock is None:
                    raise PeerError("the answer to 'time' makes no sense")
            except PeerError as error:
                # What it did not say any more would only have left less doubt about its clock.
                if meter.clock is None or not isinstance(error, Late):
                    problems.append(f"{address}: {error}")
                    continue
            return address, meter.clock, meter.digest
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
            answer.files = manifest.parse(data, peer.name, Bounds(self.settings.members, time.time_ns()))
        except PeerError as error:
            answer.problem = str(error)
        except ManifestError as error:
            answer.problem = f"its manifest is refused: {error}"
        except OSError as error:
            answer.problem = f"{error.filename}: {error.strerror}"
        return answer

    def left(self, end: float) -> int:
        """Whole seconds that a transfer may still take; after the end none begins."""
        left = int(min(TRANSFER_S, end - time.monotonic()))
        if left < 1:
            raise PeerError(TOO_SLOW)
        return left

    def manifest(self, peer: Peer, address: str) -> bytes:
        with self.store.room(peer.name) as room:
            self.copy(address, ["manifest.json"], room, manifest.MAX_BYTES, self.left(self.end))
            data = read_regular(room / "manifest.json", manifest.MAX_BYTES)
        if data is None:
            raise PeerError(f"{peer.name} sent no manifest, or one that is larger than {manifest.MAX_BYTES} bytes")
        self.store.write_changed(self.known(peer), data, 0o600, -1)
        return data

    def fetch(self, answer: Answer, wanted: Iterable[Version]) -> Dict[str, str]:
        """Brings objects; checksum to why it did not come.

        All batches together have the time of one transfer: what other peers have waits for them, and so does what
        came. What is kept already is not fetched again, so the next run gets further.
        """
        end = min(self.end, time.monotonic() + TRANSFER_S)
        sizes = {version.sha256: version.size for version in wanted}
        problems: Dict[str, str] = {}
        for some in batches(sizes, self.settings.batch_limit_bytes):
            try:
                left = self.left(end)
                self.spare(sum(sizes[name] for name in some))
                with self.store.room(answer.peer.name) as room:
                    trouble = ""
                    try:
                        # No file may be larger than the largest was said to be.
                        most = max(1, *(sizes[name] for name in some))
                        self.copy(answer.address, [f"objects/{name}" for name in some], room, most, left)
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

    def spare(self, needed: int) -> None:
        """Objects take room twice: here, and where the files belong.

        What the file system keeps for root counts as free: what reserve_percent is a part of has it in it as well.
        """
        disk = os.statvfs(self.store.layout.incoming)
        left = disk.f_bfree * disk.f_frsize - 2 * needed
        if left < disk.f_blocks * disk.f_frsize * self.settings.reserve_percent // 100:
            reserve = f"reserve_percent {self.settings.reserve_percent} stay free"
            raise PeerError(f"no space left on the device for {needed} bytes: {reserve}")

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
