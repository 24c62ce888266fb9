# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What conntrackd does not do by itself.

conntrackd_sync.py check FILE              test a configuration with conntrackd's own parser, without a daemon
conntrackd_sync.py request [SECONDS]       ask the peers for their states, wait until they have arrived
conntrackd_sync.py await [SECONDS]         the same after a start of conntrackd, whose unit has asked already
conntrackd_sync.py started                 exchange states with the peers after a start of conntrackd
conntrackd_sync.py watch                   tell anew, from the kernel, after a netlink overrun (states lost silently)
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple

PROGRAM = "conntrackd"
CONFIG = "/etc/conntrackd/conntrackd.conf"
STATE_FILE = "/run/linuxha/conntrackd.json"
ROLE_FILE = "/run/linuxha/state.json"  # of the takeover worker, where there is one
TAKEOVER = "/etc/linuxha/takeover.json"  # its configuration
# States count as arrived when hardly any has come in for this long, and the peer was heard meanwhile. conntrackd says
# nothing about the end of a bulk transfer, but in ftfw and notrack it says that it is alive when it has had nothing to
# send for a second. Silence alone means nothing: a peer with a large table may read it for seconds before it sends.
SETTLED_S = 1.5
# A peer that is heard again after so long was cut off: the question is lost, or the answer, which it does not repeat.
SILENT_S = 3.0
SLOW = 2000
SENT_IN_A_SECOND = 20_000  # a peer with two processors and live traffic sends more
TABLE_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
NO_PEER = 3
POLL_S = 0.2
WATCH_S = 2.0

_COUNTER = re.compile(r"^(?P<label>[a-z][a-z ()]*):\s+(?P<value>\d+)(?:\s+failed:\s+(?P<failed>\d+))?\s*$")
_PACKETS = re.compile(r"(\d+) Pckts recv")
_ALARM = re.compile(r"(?im)^\s*Mode\s+ALARM\b")
_SECTION = re.compile(r"^(?P<section>[a-z][a-z ]*):\s*$")


def parse_stats(text: str) -> Dict[str, Dict[str, int]]:
    """The output of `conntrackd -s` or `-s runtime`: {section: {label: value}}; failed ones as "label failed".

    It is made for people, but it is all that conntrackd offers. Lines of any other form are skipped.
    """
    sections: Dict[str, Dict[str, int]] = {}
    current: Dict[str, int] = {}
    for raw in text.splitlines():
        line = raw.strip()
        section = _SECTION.match(line)
        if section:
            current = sections.setdefault(section.group("section"), {})
            continue
        counter = _COUNTER.match(line)
        if counter:
            current[counter.group("label")] = int(counter.group("value"))
            if counter.group("failed") is not None:
                current[counter.group("label") + " failed"] = int(counter.group("failed"))
    return sections


def received(stats: Dict[str, Dict[str, int]]) -> Optional[Tuple[int, ...]]:
    """What came from the peers so far, in either cache mode; None when the output has no such section."""
    for name in ("external inject", "cache external"):
        if name in stats:
            section = stats[name]
            labels = ("connections created", "connections updated")
            return tuple(section.get(label + suffix, 0) for label in labels for suffix in ("", " failed"))
    return None


def heard(text: str) -> int:
    """Packets that came in over all links, with states or without."""
    return sum(int(found) for found in _PACKETS.findall(text))


@dataclass
class Settled:
    """Tells when the states that a peer sends at once are here, while those of new connections keep coming.

    They come by the ten thousand in a second: what is slower is the life of the table, and so is what still comes after
    the time in which a full table would have been sent. Silence counts only when the peer was heard in it.
    """

    settle: float
    beats: bool = True  # False: a peer that has nothing to say is silent
    slow: float = 0.0  # states in a second
    limit: float = math.inf  # seconds
    seen: Deque[Tuple[float, int, int]] = field(default_factory=deque)
    began: float = 0.0

    def see(self, now: float, received: int, packets: int) -> bool:
        if not self.seen:
            self.began = now
        self.seen.append((now, received, packets))
        # One moment that is old enough to compare with is kept, the newest of them.
        while len(self.seen) > 1 and now - self.seen[1][0] >= self.settle:
            self.seen.popleft()
        then, before, heard_before = self.seen[0]
        passed = now - then
        if passed < self.settle or (self.beats and packets <= heard_before):
            return False
        return abs(received - before) <= self.slow * passed or now - self.began >= self.limit


@dataclass
class Silence:
    """Tells once when a peer is heard that was not heard for long."""

    limit: float
    last: Optional[Tuple[float, int]] = None
    over: bool = False

    def see(self, now: float, packets: int) -> bool:
        if self.last is None:
            self.last = (now, packets)
        since, before = self.last
        if packets == before:
            return False
        self.last = (now, packets)
        if self.over or now - since < self.limit:
            return False
        self.over = True
        return True


@dataclass
class Overruns:
    """Counts netlink overruns over restarts of the daemon, which begins again at zero."""

    last: Optional[int] = None
    total: int = 0

    def see(self, value: int) -> bool:
        # A watcher that starts late does not know whether an overrun before it was mended: it is, then.
        before = 0 if self.last is None or value < self.last else self.last
        self.last = value
        self.total += value - before
        return value > before


def conntrackd(*options: str, config: str = CONFIG, timeout: float = 30.0) -> Tuple[int, str]:
    try:
        done = subprocess.run(
            [PROGRAM, "-C", config, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            text=True,
            errors="replace",
            env=dict(os.environ, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout:g} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def say(text: str, priority: int = 6) -> None:
    print(f"<{priority}>{text}" if "INVOCATION_ID" in os.environ else text, flush=True)


def check(path: str) -> int:
    """A client call parses the file before it connects: the real parser, no daemon, no lock, no interface.

    The socket is one of ours that only takes the connection, so a wrong answer can only come from the parser.
    """
    text = Path(path).read_text()
    with tempfile.TemporaryDirectory(prefix="conntrackd-check-") as folder:
        address = str(Path(folder, "ctl"))
        changed, count = re.subn(r"(?m)^(\s*Path\s+)\S+", lambda match: match.group(1) + address, text)
        if count != 1:
            say(f"{path}: one line 'Path FILE' expected in General/UNIX, found {count}", 3)
            return 1
        copy = Path(folder, "conntrackd.conf")
        copy.write_text(changed)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(address)
            server.listen(1)
            server.setblocking(False)
            code, answer = _client(copy, server)
    # Mere warnings to the parser: an interface that does not exist (the daemon ends there), and a protocol that
    # /etc/protocols (package netbase) does not know (its states are not replicated, silently).
    if code != 0 or any(word in answer.lower() for word in ("error", "invalid interface", "cannot find protocol")):
        say(answer or f"conntrackd: exit {code}", 3)
        return 1
    return 0


def _client(copy: Path, server: socket.socket) -> Tuple[int, str]:
    with subprocess.Popen(
        [PROGRAM, "-C", str(copy), "-n"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=dict(os.environ, LC_ALL="C"),
    ) as client:
        deadline = time.monotonic() + 10
        while client.poll() is None and time.monotonic() < deadline:
            try:
                connection, _unused = server.accept()
            except BlockingIOError:
                time.sleep(0.01)
                continue
            connection.close()
        if client.poll() is None:
            client.kill()
        output = client.stdout.read() if client.stdout else b""
        return client.wait(), output.decode(errors="replace").strip()


def request(timeout: float) -> int:
    """Every answer to a request is the whole table, and to a node that has it each state replaces itself."""
    deadline = time.monotonic() + timeout
    code, answer = conntrackd("-n")
    while code != 0:
        # Right after the start of the daemon its socket may not be there yet.
        if time.monotonic() >= deadline:
            say(f"request to the peers: exit {code}: {answer}", 3)
            return 1
        time.sleep(POLL_S)
        code, answer = conntrackd("-n")
    return arrived(deadline - time.monotonic())


def role() -> Mapping[str, Any]:
    """What the takeover worker says of this node."""
    try:
        found = json.loads(Path(ROLE_FILE).read_text())
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


def copies(said: Mapping[str, Any]) -> bool:
    """This node does not serve, and its states came from one that does."""
    return said.get("active") is False and said.get("states") == "in-step"


def apart(said: Mapping[str, Any]) -> bool:
    """This node serves groups beside others that serve groups: of the kernel's table it tells their part only."""
    return said.get("active") is True and said.get("offers") is not None


def filled() -> str:
    """Tells the takeover worker, whose matter the cache is where groups have nodes of their own; empty, or why not."""
    try:
        fd = os.open(json.loads(Path(TAKEOVER).read_text())["fifo"], os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(fd, b'INSTANCE "conntrackd" FILLED 0\n')
        finally:
            os.close(fd)
    except (OSError, ValueError, KeyError) as error:
        return f"the takeover worker is not told that conntrackd has filled its cache: {error}"
    return ""


def told(*options: str, timeout: float = 30.0) -> str:
    """Empty when conntrackd did it, else what it says."""
    code, answer = conntrackd(*options, timeout=timeout)
    return "" if code == 0 else f"conntrackd {' '.join(options)}: exit {code}: {answer}"


def started() -> int:
    """conntrackd has read the kernel's table by now: what came from an active peer is not told again."""
    said = role()
    first = filled() if apart(said) else told("-f", "internal") if copies(said) else told("-B")
    found = [problem for problem in (first, told("-n")) if problem]
    for problem in found:
        say(problem, 3)
    return 1 if found else 0


def full_table() -> float:
    """Seconds after which a peer has sent a full table."""
    try:
        return int(Path(TABLE_MAX).read_text()) / SENT_IN_A_SECOND
    except FileNotFoundError:  # no connection tracking yet, so no table
        return 0.0


def arrived(timeout: float) -> int:
    deadline = time.monotonic() + timeout
    longest = full_table()
    beats = not _ALARM.search(Path(CONFIG).read_text())
    settled = Settled(SETTLED_S, beats, SLOW, longest)
    silence = Silence(SILENT_S)
    first: Optional[int] = None
    packets = 0
    while time.monotonic() < deadline:
        code, answer = conntrackd("-s")
        values = received(parse_stats(answer)) if code == 0 else None
        if values is not None:
            packets = heard(answer)
            first = packets if first is None else first
            # Once: a peer that is busy with its answer is silent as well.
            if beats and silence.see(time.monotonic(), packets):
                code, answer = conntrackd("-n")
                say(f"a silent peer is heard again, and asked again: {answer or 'done'}", 5)
                settled = Settled(SETTLED_S, beats, SLOW, longest)
            elif settled.see(time.monotonic(), sum(values), packets):
                say(f"in step, received so far: {sum(values)}")
                return 0
        time.sleep(POLL_S)
    if packets == first:
        say(f"no peer was heard in {timeout:g} s", 4)
        return NO_PEER
    say(f"still receiving states after {timeout:g} s", 4)
    return 2


def mend(said: Mapping[str, Any]) -> str:
    """States were lost on their way from the kernel: tells all anew; empty, or what failed."""
    if copies(said):
        # Such a node hears of what it has written into its kernel itself: nobody misses that.
        return ""
    return filled() if apart(said) else told("-R", timeout=60) or told("-B", timeout=60)


def watch() -> int:
    overruns = Overruns()
    mended = 0
    problem = ""
    published = ""
    while True:
        code, answer = conntrackd("-s", "runtime")
        counters = parse_stats(answer).get("netlink stats", {})
        if code != 0 or "netlink overrun" not in counters:
            problem = f"no statistics (exit {code}): {answer[-200:]}"
        else:
            problem = ""
            if overruns.see(counters["netlink overrun"]):
                said = role()
                then = "they are copies" if copies(said) else "they are told anew, from the kernel"
                say(f"netlink overrun (now {counters['netlink overrun']}): states were lost, {then}", 4)
                mended += 1
                problem = mend(said)
                if problem:
                    say(problem, 3)
        text = json.dumps({"overruns": overruns.total, "mended": mended, "problem": problem}) + "\n"
        if text != published:
            draft = Path(STATE_FILE + ".new")
            draft.parent.mkdir(mode=0o755, exist_ok=True)
            draft.write_text(text)
            draft.replace(STATE_FILE)
            published = text
        time.sleep(WATCH_S)


def main(argv: List[str]) -> int:
    if argv[1:2] == ["check"] and len(argv) == 3:
        return check(argv[2])
    if argv[1:2] in (["request"], ["await"]) and len(argv) <= 3:
        return {"request": request, "await": arrived}[argv[1]](
            float(argv[2]) if len(argv) == 3 else max(15.0, full_table() + 2 * SETTLED_S)
        )
    if argv[1:] == ["started"]:
        return started()
    if argv[1:] == ["watch"]:
        return watch()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
