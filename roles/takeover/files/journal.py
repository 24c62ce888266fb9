# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The failover journal: who changed its role, when and why; and the damping of a role that moves too often.

A process of its own: the takeover worker writes a line into a FIFO and goes on, whatever the disk, systemd or Pacemaker
take. Decisions are in journal_core.py and journal_damping.py.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

import journal_core as core
import journal_damping as damping
import journal_evidence as evidence
import journal_store as store
import takeover
import takeover_core

# What the cluster software says of a change is asked for when the takeover is over, and no part of it.
LATER_S = {"keepalived": 1.0, "pacemaker": 2.0}
RETRY_S = 10.0
ALARM_S = 30.0
RELEASE = "release"


class Journal:
    def __init__(self, config: Dict[str, Any]) -> None:
        self.config = config
        self.store = store.Store(Path(config["path"]), int(config["bytes_max"]), int(config["files"]))
        self.limits = damping.Limits(**{name: float(value) for name, value in config["limits"].items()})
        self.carriers = evidence.Carriers(config["tracked"])
        self.farewells = evidence.Farewells(config["vrids"])
        self.waiting: Deque[Tuple[float, core.Change, core.Evidence, Optional[int]]] = deque()
        self.damping = damping.Damping()
        self.daemons = evidence.daemons(config["units"])
        self.since: Dict[str, float] = {}
        # Why a group left for a fault or a stop: what ends it has the same reason.
        self.causes: Dict[str, str] = {}
        self.lifted: Optional[float] = None
        self.applied: Optional[bool] = None
        self.retry = 0.0
        self.alarm: Optional[Tuple[float, subprocess.Popen[bytes]]] = None
        self.fd = -1
        self.rest = b""
        self.idle = False
        self.leaving = False

    # --- what happened ------------------------------------------------------------------------------------------------
    def read(self) -> None:
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            self.rest += data
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            self.take(line)

    def take(self, line: bytes) -> None:
        """One line of the FIFO: a change, or an order of an operator."""
        try:
            found = json.loads(line)
            if found.get("order") == RELEASE:
                self.release(str(found.get("by") or ""))
                return
            if found.get("order") == takeover.BEHIND:
                waited = f"the states of the connections are not here after {float(found['seconds']):g} s"
                self.remark(core.FAULT, f"{waited}: this node takes nothing back by preference")
                return
            served, lifted = found["served_ms"], found.get("lifted")
            change = core.Change(
                str(found["group"]),
                str(found["old"]),
                str(found["new"]),
                float(found["at"]),
                float(found["mono"]),
                None if served is None else float(served),
                None if lifted is None else float(lifted),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            takeover.log(f"ignored, not a change: {line[:200]!r}: {error}", 4)
            return
        due = change.mono + LATER_S.get(self.config["topology"], 0.0)
        self.waiting.append((due, change, self.seen(change), evidence.entries()))

    def seen(self, change: core.Change) -> core.Evidence:
        """What is known at once, and may be over in a second."""
        now = time.monotonic()
        self.carriers.look(now)
        self.farewells.listen(now)
        # A node that was just let go takes back as one that just returned.
        known = (self.since.get(change.group), self.lifted, change.lifted)
        since = max((at for at in known if at is not None), default=None)
        self.since[change.group] = change.mono
        heard = self.farewells.heard_at
        return core.Evidence(
            topology=self.config["topology"],
            node=self.config["node"],
            links_down=self.carriers.down(change.mono - evidence.RECENT_S),
            drained=evidence.drained(self.config["drain_file"]),
            maintenance=Path(self.config["maintenance_file"]).exists(),
            scripts=tuple(self.config["scripts"]),
            farewell_s=None if heard is None else max(0.0, change.mono - heard),
            preempt=self.config["preempt"],
            old_for_s=None if since is None else change.mono - since,
            down_s=float(self.config["down_s"]),
            held=self.damping.level != damping.FREE,
        )

    def write(self, change: core.Change, seen: core.Evidence, states: Optional[int]) -> None:
        """One line, with all that is known by now."""
        now = evidence.daemons(self.config["units"])
        members = evidence.members() if self.config["topology"] == "pacemaker" else {}
        crashed = core.crashed(self.daemons, now)
        self.daemons = {**self.daemons, **now}
        seen = replace(
            seen,
            stopping=evidence.stopping(),
            crashed=crashed,
            before=self.causes.get(change.group, ""),
            members=members,
        )
        reason, detail = core.cause(change, seen)
        if change.new in ("FAULT", *core.GONE):
            self.causes[change.group] = reason
        elif change.gained:
            self.causes.pop(change.group, None)
        if change.old in core.GONE:
            # Pacemaker may have forgotten the attribute.
            self.applied = None
        was_held = self.damping.level == damping.HELD
        self.damping = damping.after(self.damping, change, reason, self.limits)
        held = self.damping.level == damping.HELD
        entry = core.Entry(
            change.at,
            change.group,
            change.old,
            change.new,
            reason,
            detail,
            core.blackout(change, reason, seen.down_s),
            states,
            held,
        )
        self.put(entry)
        if held and not was_held:
            self.cry(entry)
        self.hold_back()

    def put(self, entry: core.Entry) -> None:
        line = f"{entry.old} -> {entry.new}: {entry.cause}: {entry.detail}"
        takeover.log(f"{entry.cluster_group}: {line}" if entry.cluster_group else line, 5)
        problem = self.store.append(entry.plain())
        if problem:
            takeover.log(f"the journal could not be written: {problem}", 3)

    # --- damping ------------------------------------------------------------------------------------------------------
    def hold_back(self) -> None:
        """Brings into force what the damping says, and tells it to whoever wants to know."""
        wanted = self.damping.level != damping.FREE
        now = time.monotonic()
        if wanted != self.applied and now >= self.retry:
            problem = self.tell(wanted)
            if problem:
                # Pacemaker does not run, which is nobody's fault while the node starts.
                takeover.log(f"holding back is not set: {problem}, again in {RETRY_S:g} s", 4 if wanted else 6)
                self.retry = now + RETRY_S
            else:
                if self.applied and not wanted:
                    self.lifted = now
                # Without preference there is nothing to hold back from.
                if self.config["preempt"] and (self.applied is not None or wanted):
                    takeover.log(
                        "this node holds back: it serves where nobody else does, and takes nothing by preference"
                        if wanted
                        else "this node holds back no more",
                        4 if wanted else 5,
                    )
                self.applied = wanted
        document = {
            "moves": len(self.damping.moves),
            "window_s": self.limits.window_s,
            "held": self.damping.level == damping.HELD,
            "since": None if self.damping.since is None else core.iso(self.damping.since),
            "level": self.damping.level,
            # What is in force; the level is what should be.
            "holds": bool(self.applied),
            "until": None if self.damping.until is None else core.iso(self.damping.until),
        }
        problem = store.publish(Path(self.config["damping_file"]), document)
        if problem:
            takeover.log(f"the state of the damping could not be written: {problem}", 3)

    def tell(self, wanted: bool) -> str:
        """keepalived reads a file, Pacemaker a node attribute; neither where nothing is taken by preference."""
        if not self.config["preempt"]:
            return ""
        if self.config["topology"] == "pacemaker":
            change = ["--update", "1"] if wanted else ["--delete"]
            code, _unused = evidence.run(["attrd_updater", "--name", self.config["attribute"], *change], 10)
            return "" if code == 0 else f"attrd_updater: exit {code}"
        try:
            Path(self.config["hold_file"]).write_text(f"{takeover_core.LEAST if wanted else 0}\n")
        except OSError as error:
            return str(error)
        return ""

    def cry(self, entry: core.Entry) -> None:
        """The alarm: a line of priority crit, and the administrator's command with the entry as its input."""
        until = core.iso(self.damping.until or entry.at)
        often = f"{len(self.damping.moves)} times in {self.limits.window_s:.0f} s"
        what = f"it is held until {until}" if self.config["preempt"] else "find out why"
        text = f"ALARM: the role of this node moved {often}: {what}"
        takeover.log(text, 2)
        command: Sequence[str] = self.config["alarm_command"]
        if not command:
            return
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=dict(os.environ, LINUXHA_ALARM=text),
            )
            assert child.stdin is not None
            with child.stdin as pipe:
                pipe.write((json.dumps(entry.plain()) + "\n").encode())
        except OSError as error:
            takeover.log(f"the alarm command: {error}", 3)
            return
        self.alarm = (time.monotonic() + ALARM_S, child)

    def watch_alarm(self) -> None:
        if self.alarm is None:
            return
        deadline, child = self.alarm
        if child.poll() is None:
            if time.monotonic() < deadline:
                return
            child.kill()
        code = child.wait()
        if code:
            takeover.log(f"the alarm command: exit {code}", 3)
        self.alarm = None

    def remark(self, cause: str, detail: str) -> None:
        """A line for each group without a change of its state."""
        now = time.time()
        for group, state in sorted(self.damping.last.items()) or [("", core.NONE)]:
            self.put(core.Entry(now, group, state, state, cause, detail))

    def release(self, by: str) -> None:
        """An operator lets the node take part as usual. The line makes it true after a boot as well."""
        self.remark(core.OPERATOR, "damping was released" + (f" by {by}" if by else ""))
        self.damping = replace(damping.Damping(), last=self.damping.last)
        self.retry = 0.0
        self.hold_back()

    # --- the service --------------------------------------------------------------------------------------------------
    def start(self) -> None:
        self.fd = takeover.open_fifo(self.config["fifo"])
        known = [(change_of(entry), str(entry.get("cause"))) for entry in self.store.read()]
        found = [(change, reason) for change, reason in known if change is not None]
        self.damping = damping.replay(found, time.time(), self.limits)
        for change, reason in found:
            if change.new in ("FAULT", *core.GONE):
                self.causes[change.group] = reason
        for problem in self.farewells.problems:
            takeover.log(problem, 4)
        # keepalived starts when this is ready. Pacemaker is told in the first turn: it may hang.
        if self.config["topology"] != "pacemaker":
            self.hold_back()

    def timeout(self) -> Optional[float]:
        now = time.monotonic()
        waits = [self.waiting[0][0] - now] if self.waiting else []
        if self.damping.until is not None:
            waits.append(self.damping.until - time.time() + 0.1)
        if self.applied != (self.damping.level != damping.FREE):
            waits.append(self.retry - now)
        if self.alarm is not None:
            waits.append(1.0)
        # Also without a reason, for a clock that is set.
        return max(0.0, min([*waits, 60.0]))

    def turn(self) -> None:
        sources: List[Any] = [self.fd, *self.farewells.sockets]
        if self.carriers.socket is not None:
            sources.append(self.carriers.socket)
        self.idle = True
        ready = [] if self.leaving else select.select(sources, [], [], self.timeout())[0]
        self.idle = False
        now = time.monotonic()
        self.carriers.look(now)
        self.farewells.listen(now)
        if self.fd in ready:
            self.read()
        self.work(time.monotonic())

    def work(self, now: float) -> None:
        """What is due, in order."""
        while self.waiting and self.waiting[0][0] <= now:
            _unused, change, seen, states = self.waiting.popleft()
            self.write(change, seen, states)
        self.watch_alarm()
        left = damping.passed(self.damping, time.time(), self.limits)
        if left != self.damping or self.applied != (left.level != damping.FREE):
            self.damping = left
            self.hold_back()

    def finish(self) -> None:
        """The machine or the service stops: what is known counts."""
        self.read()
        self.work(float("inf"))


def change_of(entry: Dict[str, Any]) -> Optional[core.Change]:
    """A line of the journal as a change again."""
    at = core.parse_iso(entry.get("at"))
    if at is None:
        return None
    return core.Change(str(entry.get("cluster_group", "")), str(entry.get("from")), str(entry.get("to")), at, 0.0)


def main(argv: List[str]) -> int:
    config = json.loads(Path(argv[1] if len(argv) > 1 else "/etc/linuxha/journal.json").read_text())
    journal = Journal(config)

    def leave(number: int, _frame: object) -> None:
        # A line that is being written is written.
        journal.leaving = True
        if journal.idle:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    journal.start()
    takeover.notify("READY=1")
    try:
        while not journal.leaving:
            journal.turn()
    finally:
        journal.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
