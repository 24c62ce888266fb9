# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The takeover worker: one serial reader of a FIFO that drives conntrackd and the forwarding gate.

keepalived writes its states there, or the resource agent ocf:linuxha:states does. Notify scripts run concurrently and
out of order; a FIFO with one reader cannot. Decisions are in takeover_core.py.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import takeover_controller
import takeover_core as core
import takeover_links

Runner = Callable[[Sequence[str], str, float], Tuple[int, str]]

GATE_HALVES = {"4": ("0.0.0.0/1", "128.0.0.0/1"), "6": ("::/1", "8000::/1")}
RETRY_S = 10.0
GATE_RETRY_S = 1.0
STILL_COMING = 2  # exit status of `conntrackd_sync.py`
# So long nobody is told that a node waits for its states: a large table takes its time.
LATE_S = 60.0
BEHIND = "behind"  # what the journal is told then
HISTORY = 50


def run(argv: Sequence[str], stdin: str, timeout: float) -> Tuple[int, str]:
    """Runs a program; a failure is a value, because the worker has to go on."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            text=True,
            env=dict(os.environ, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {timeout:g} s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, (done.stdout or "").strip()


def log(text: str, priority: int = 6) -> None:
    # The prefix is the journal's way to be told the priority of a line.
    print(f"<{priority}>{text}", flush=True)


def held_any(vips: Iterable[Dict[str, str]], held: Set[Tuple[str, str]]) -> bool:
    return any((vip["interface"], vip["address"].split("/")[0]) in held for vip in vips)


def notify(text: str) -> None:
    """Tells systemd (Type=notify); a no-op when started by hand."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + path[1:] if path.startswith("@") else path)
        sock.send(text.encode())


def open_fifo(path: str) -> int:
    """Opens a FIFO to read from, and makes it where it is missing."""
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(os.lstat(path).st_mode):
            raise
    # Read and write: with a writer of its own the reader never sees an end of file when the others close it, and what
    # was written while nobody read is not lost.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)


class Worker:
    def __init__(self, config: Dict[str, Any], runner: Runner = run, clock: Callable[[], float] = time.monotonic):
        self.config = config
        self.runner = runner
        self.clock = clock
        self.core = core.Core(config["mode"], config["gate"], float(config["grace_s"]))
        self.core.groups = {group["name"]: list(group["instances"]) for group in config["groups"]}
        self.core.apart = core.apart(config["mode"], config["groups"])
        self.links = takeover_links.Links(config["links"], config["links_attribute"])
        self.queue: Deque[core.Step] = deque()
        self.timers: List[Tuple[float, core.Step]] = []
        self.request: Optional[subprocess.Popen[bytes]] = None
        self.states = "unknown"
        self.untold = ""
        # The states of the worker before this one; empty after a boot, when there was none.
        self.was = ""
        self.gate = "unknown"
        self.history: List[Dict[str, Any]] = []
        self.since: Dict[str, float] = {}
        self.fd = -1
        self.rest = b""
        # Changes of groups that the journal has not been told yet.
        self.journal_fd = -1
        self.changes: List[Dict[str, Any]] = []
        self.published = ""
        # Whether keepalived knows that this node takes nothing back by preference, None while nothing was told; since
        # when (clock), and since when it may again.
        self.behind: Optional[bool] = None
        self.behind_since = 0.0
        self.late = False
        self.lifted: Optional[float] = None
        self.leaving = False
        self.idle = False
        # Seconds between two signs of life for systemd; 0 where it does not watch.
        self.beat = 0.0
        self.beaten = 0.0

    # --- what the core decided -------------------------------------------------------------------------------------
    def apply(self, plan: core.Plan) -> None:
        if plan.steps is None:
            return
        names = ", ".join(step.name for step in plan.steps) or "nothing to do"
        self.record("decision", reason=plan.reason, steps=names)
        log(f"{plan.reason}: {names}", 5)
        if not plan.after:
            # Its answer would be taken for that to a later request.
            self.stop_request()
            self.queue.clear()
            self.timers = []
        if any(step.name in (core.REQUEST, core.AWAIT) for step in plan.steps):
            self.states = "resyncing"
        self.queue.extend(step for step in plan.steps if not step.delay)
        now = self.clock()
        self.timers.extend((now + step.delay, step) for step in plan.steps if step.delay)

    def step(self) -> None:
        step = self.queue.popleft()
        began = self.clock()
        problem = getattr(self, "do_" + step.name)()
        took = round((self.clock() - began) * 1000, 1)
        self.record("step", step=step.name, ms=took, **({"problem": problem} if problem else {}))
        log("{}: {} ({} ms)".format(step.name, problem or "done", took), 4 if problem else 6)
        if problem and step.name == core.OPEN_GATE:
            self.timers.append((self.clock() + GATE_RETRY_S, step))

    def conntrackd(self, timeout: float, *options: str) -> str:
        code, text = self.runner([*self.config["conntrackd"], *options], "", timeout)
        return "" if code == 0 else "conntrackd {}: exit {}: {}".format(" ".join(options), code, text)

    # A failed or overlong commit must not leave the cluster without forwarding: the gate opens after it all the same,
    # and the rules go on dropping what belongs to no state.
    def do_commit(self) -> str:
        return self.conntrackd(float(self.config["commit_timeout_s"]), "-c")

    def do_flush_caches(self) -> str:
        return self.conntrackd(10, "-f")

    def do_forget(self) -> str:
        return self.conntrackd(10, "-f", "internal")

    def do_resync_kernel(self) -> str:
        self.states = core.IN_STEP
        return self.conntrackd(30, "-R")

    def do_bulk(self) -> str:
        return self.conntrackd(30, "-B")

    def do_offer(self) -> str:
        self.states = core.IN_STEP
        self.publish()  # the program reads there which groups they are
        # It does what others are waiting to repeat. What comes after a grace stays.
        self.timers = [(due, step) for due, step in self.timers if step != core.Step(core.OFFER)]
        problem = self.begin(core.OFFER)
        # Until it has succeeded the last failure is what others are told.
        self.untold = problem or self.untold
        return problem

    def do_request(self) -> str:
        return self.ask(core.REQUEST)

    def do_await_states(self) -> str:
        return self.ask(core.AWAIT)

    def ask(self, step: str) -> str:
        self.states = "resyncing"
        problem = self.begin(step)
        if problem:
            self.states = "unknown"
        return problem

    def begin(self, step: str) -> str:
        """A step that takes its time: a program beside the worker, until it ends or another plan ends it."""
        self.stop_request()
        try:
            self.request = subprocess.Popen(list(self.config[core.PROGRAMS[step]]), stdin=subprocess.DEVNULL)
        except OSError as error:
            self.timers.append((self.clock() + RETRY_S, core.Step(core.REQUEST if step == core.AWAIT else step)))
            return str(error)
        return ""

    def do_open_gate(self) -> str:
        return self.set_gate("open")

    def do_close_gate(self) -> str:
        return self.set_gate("closed")

    def set_gate(self, wanted: str) -> str:
        lines = []
        for name in self.config["gate_sets"]:
            if wanted == "closed":
                lines.append(f"flush {name}")
            else:
                lines += [f"add {name} {half} -exist" for half in GATE_HALVES[name[-1]]]
        code, text = self.runner(["ipset", "restore"], "\n".join(lines) + "\n", 10)
        if code != 0:
            self.gate = "unknown"
            return f"ipset restore: exit {code}: {text}"
        self.gate = wanted
        return ""

    def read_gate(self) -> str:
        entries = []
        for name in self.config["gate_sets"]:
            code, text = self.runner(["ipset", "save", name], "", 5)
            if code != 0:
                return "unknown"
            entries.append(sum(line.startswith("add ") for line in text.splitlines()))
        return "open" if entries and all(count == 2 for count in entries) else "closed"

    # --- asking and telling the peers, in the background ------------------------------------------------------------
    def stop_request(self) -> None:
        if self.request is not None:
            self.request.terminate()
            self.request.wait()
            self.request = None

    def check_request(self) -> None:
        if self.request is None:
            return
        code = self.request.poll()
        if code is None:
            return
        self.request = None
        if self.core.active:
            self.record("offer", exit=code)
            self.untold = ""
            if code != 0:
                self.untold = f"{' '.join(self.config['offer'])}: exit {code}"
                log(f"the peers were not told of all connections ({self.untold}), again in {RETRY_S:g} s", 4)
                self.timers.append((self.clock() + RETRY_S, core.Step(core.OFFER)))
            return
        self.states = core.IN_STEP if code == 0 else "unknown"
        self.record("request", exit=code)
        if code != 0:
            log(f"the states of the peers did not arrive (exit {code}), asking again in {RETRY_S:g} s", 4)
            # States that are still coming must not be sent once more: each would replace itself.
            again = core.AWAIT if code == STILL_COMING else core.REQUEST
            self.timers.append((self.clock() + RETRY_S, core.Step(again)))
        # Added, not applied: a pending retry stays.
        steps = self.core.in_step(code == 0).steps or []
        self.queue.extend(step for step in steps if step.name != core.OPEN_GATE or self.gate != "open")

    # --- taking back ------------------------------------------------------------------------------------------------
    def hold_back(self) -> None:
        """With `preempt` a node takes nothing back before it has the states. Where nobody else serves it does."""
        path = self.config.get("behind_file")
        if not path:
            return
        wanted = self.core.behind(self.states)
        if wanted != self.behind:
            try:
                # Written in place: keepalived watches this file.
                Path(path).write_text(f"{core.LEAST if wanted else 0}\n")
            except OSError as error:
                log(f"keepalived is not told whether the states are here: {error}", 3)
                return
            if wanted:
                self.behind_since = self.clock()
                log("takes nothing back until the states are here", 5)
            elif self.behind and not self.core.active:
                self.lifted = self.clock()
                log("the states are here: takes back what it is preferred for", 5)
            self.behind, self.late = wanted, False
            self.record("behind" if wanted else "complete")
        elif wanted and not self.late and self.clock() >= self.behind_since + LATE_S:
            self.late = True
            log(f"the states are not here after {LATE_S:g} s: this node still takes nothing back", 4)
            self.write_journal({"order": BEHIND, "seconds": LATE_S})

    # --- state for others -------------------------------------------------------------------------------------------
    def record(self, kind: str, **values: Any) -> None:
        self.history.append({"time": time.time(), "monotonic": self.clock(), "kind": kind, **values})
        del self.history[:-HISTORY]

    def publish(self) -> None:
        document = {
            "instances": {
                name: {"state": state, "since": self.since.get(name, 0), "priority": priority}
                for name, (state, priority) in sorted(self.core.instances.items())
            },
            "active": self.core.active,
            "gate": self.gate if self.config["gate"] else "none",
            "states": self.states,
            # The groups of which alone this node tells its peers; null where it tells of all that it has.
            "offers": sorted(self.core.served()) if self.core.apart else None,
            # Why they were not told of all, the last time.
            "untold": self.untold if self.core.active else "",
            "behind": {"late": self.late} if self.behind else None,
            "events": self.history,
        }
        text = json.dumps(document) + "\n"
        if text == self.published:
            return
        self.published = text
        target = Path(self.config["state_file"])
        draft = target.with_name(target.name + ".new")
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(target)

    # --- the FIFO ---------------------------------------------------------------------------------------------------
    def read(self) -> None:
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    break
                raise
            self.rest += data
        lines, self.rest = core.split_lines(self.rest)
        events = []
        for line in lines:
            event = core.parse_line(line)
            if event is None:
                log(f"ignored, not a state: {line!r}", 4)
                continue
            events.append(event)
            self.record(event.kind.lower(), name=event.name, state=event.state, priority=event.priority)
        if not events:
            return
        self.links.again()
        before = dict(self.core.instances)
        now, clock = time.time(), self.clock()
        self.apply(self.core.batch(events))
        for group, old, new in self.core.changes(before):
            change = {"group": group, "old": old, "new": new, "at": now, "mono": clock, "lifted": self.lifted}
            self.changes.append(change)
        for name, (state, _unused) in self.core.instances.items():
            if before.get(name, ("",))[0] != state:
                self.since[name] = time.time()

    def earlier(self) -> Dict[str, Tuple[str, int]]:
        """What the worker before this one knew: keepalived does not repeat it. /run does not survive a boot."""
        try:
            text = Path(self.config["state_file"]).read_text()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            text = ""
        self.was = "unknown"
        try:
            document = json.loads(text)
            self.was = str(document["states"])
            instances = document["instances"]
            known = {name: (item["state"], item["priority"]) for name, item in instances.items()}
            self.since = {name: item["since"] for name, item in instances.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}
        return known

    def held(self) -> Set[Tuple[str, str]]:
        """Interface and address of all that this node has."""
        code, text = self.runner(["ip", "-json", "address", "show"], "", 5)
        if code != 0:
            return set()
        return {
            (link.get("ifname"), item.get("local")) for link in json.loads(text) for item in link.get("addr_info", [])
        }

    def holds_vip(self) -> bool:
        return held_any(self.config["vips"], self.held())

    def still(self, known: Dict[str, Tuple[str, int]]) -> Dict[str, Tuple[str, int]]:
        """Where groups have nodes of their own: what was given away while no worker ran has no address here."""
        held = self.held()
        found = dict(known)
        for group in self.config["groups"]:
            name = core.ADDRESSES + group["name"]
            state, priority = known.get(name, ("", 0))
            if state == "MASTER" and not held_any(group["addresses"], held):
                found[name] = ("BACKUP", priority)
                self.since[name] = time.time()
                change = {"group": group["name"], "old": state, "new": "BACKUP", "at": time.time()}
                self.changes.append({**change, "mono": self.clock(), "lifted": None})
        return found

    def takes_part(self) -> bool:
        """The cluster has put this node into a role: what starts or stops there is done."""
        states = [state for state, _unused in list(self.core.instances.values())]
        return any(state in ("MASTER", "BACKUP") for state in states)

    def timeout(self) -> Optional[float]:
        if self.queue:
            return 0.0
        waits = [due - self.clock() for due, _unused in self.timers]
        if self.beat:
            waits.append(self.beaten + self.beat - self.clock())
        if self.request is not None:
            waits.append(0.1)
        if self.behind and not self.late:
            waits.append(self.behind_since + LATE_S - self.clock())
        links = self.links.wait(self.clock())
        if links is not None:
            waits.append(links)
        return max(0.0, min(waits)) if waits else None

    def turn(self) -> None:
        """One turn: first what is reported, then one step. A newer event replaces the steps that are left."""
        sources = [self.fd] if self.links.socket is None else [self.fd, self.links.socket]
        # Only here a signal ends the worker at once: a step that has begun is done.
        self.idle = True
        ready = [] if self.leaving else select.select(sources, [], [], self.timeout())[0]
        self.idle = False
        if self.fd in ready:
            self.read()
            if self.core.behind(self.states):
                # At once: keepalived takes back within some adverts.
                self.hold_back()
        self.links.drain()
        problem = self.links.turn(self.clock())
        if problem:
            log(f"the state of the links is not set: {problem}, again in {takeover_links.RETRY_S:g} s", 4)
        self.check_request()
        now = self.clock()
        if self.beat and now >= self.beaten + self.beat:
            notify("WATCHDOG=1")
            self.beaten = now
        self.queue.extend(step for due, step in self.timers if due <= now)
        self.timers = [(due, step) for due, step in self.timers if due > now]
        if self.queue:
            self.step()
        # Who waits for a takeover reads this file: it tells nothing before the urgent steps are done.
        if not any(step.name in core.URGENT for step in self.queue):
            self.hold_back()
            self.publish()
            self.tell_journal()

    def tell_journal(self) -> None:
        """What has changed, when it is done. A journal that does not read must not hold anybody up."""
        for change in self.changes:
            took = (self.clock() - change["mono"]) * 1000
            self.write_journal({**change, "served_ms": round(took, 1) if change["new"] == "MASTER" else None})
        self.changes = []

    def write_journal(self, found: Dict[str, Any]) -> None:
        line = json.dumps(found)
        try:
            # A line is shorter than PIPE_BUF: it goes in whole, or not at all (pipe(7)).
            if self.journal_fd >= 0:
                os.write(self.journal_fd, line.encode() + b"\n")
        except OSError as error:
            log(f"the journal was not told: {line}: {error}", 4)

    def last_words(self) -> None:
        """Before the end: at a shutdown keepalived, or Pacemaker, has just said that it stops.

        Or that this node serves now: the next worker finds the addresses, and takes for done what belongs to that.
        """
        self.read()
        while self.queue and self.core.active:
            self.step()
        self.hold_back()
        self.publish()
        self.tell_journal()

    def start(self) -> None:
        self.fd = open_fifo(self.config["fifo"])
        # The program is installed before its configuration: a restart in between must not fail.
        journal = self.config.get("journal_fifo")
        if journal:
            self.journal_fd = open_fifo(journal)
        if self.config["gate"]:
            self.gate = self.read_gate()
        known = self.earlier()
        served = any(state == "MASTER" for state, _unused in known.values())
        # conntrackd asks when it starts, and never again: not for who gave way since, or waited for an answer in vain.
        asked = self.was in ("", core.IN_STEP) and not served
        if self.core.apart:
            known = self.still(known)
        self.apply(self.core.start(self.holds_vip(), known, asked))
        # keepalived starts after this.
        self.hold_back()
        self.publish()


def realtime(priority: int) -> None:
    if not priority:
        return
    try:
        # Only the worker decides in realtime. Its helpers, an interpreter among them, would hold a processor for tens
        # of milliseconds, in which this node forwards nothing there.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as error:
        log(f"no realtime priority: {error}", 4)


def main(argv: List[str]) -> int:
    config = json.loads(Path(argv[1] if len(argv) > 1 else "/etc/linuxha/takeover.json").read_text())
    realtime(int(config["realtime"]))
    worker = Worker(config)
    # sd_watchdog_enabled(3): half of the time is recommended.
    worker.beat = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6

    def leave(number: int, _frame: object) -> None:
        worker.leaving = True
        if worker.idle:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    worker.start()
    if config["wake_controller"]:
        # A thread, for the worker may be waiting for a step meanwhile.
        watch = takeover_controller.Controller().watch
        threading.Thread(target=watch, args=(worker.takes_part, log), daemon=True).start()
    notify("READY=1")
    try:
        while not worker.leaving:
            worker.turn()
    finally:
        worker.stop_request()
        worker.last_words()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
