# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Keeps this node from serving: for a maintenance, which outlives reboots, or for the moments of a switchover.

maintenance.py on [--for SECONDS] [--reason TEXT] [--by TEXT]   the node gives way, for so long or until `off`
maintenance.py off                                              the node takes part again
maintenance.py drain SECONDS                                    give way, for so long at most (keepalived)
maintenance.py ready                                            take that back
maintenance.py apply                                            at boot and by the timer: what is due
maintenance.py status                                           say what is in force

Every order answers with JSON, and with --check it only says what it would do.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple
from xml.etree import ElementTree as ET

CONFIG = "/etc/linuxha/maintenance.json"
TIMER = "linuxha-maintenance.timer"
VRRP = 112
# Adverts come each second at the latest (profile patient).
LISTEN_S = 4.0
# After a boot, silence may mean that a cable or a port of a switch is not ready (spanning tree takes up to 50 s).
BOOT_S = 90.0

Runner = Callable[[Sequence[str]], Tuple[int, str]]


class Failed(Exception):
    """The order was not carried out: what, why, and what to do."""


def run(argv: Sequence[str]) -> Tuple[int, str]:
    """A program, bounded in time; a failure is a value."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=False,
            text=True,
            env=dict(os.environ, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, "no answer within 30 s"
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(text: str) -> float:
    """Seconds since the epoch.

    Raises:
        ValueError: it is no moment with its offset from UTC.
    """
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return parsed.timestamp()


def heard(interfaces: Sequence[str], seconds: float = LISTEN_S) -> bool:
    """Whether somebody sends VRRP adverts on one of these interfaces. The rules decide whose adverts get here."""
    sockets = []
    try:
        for family, group, level, option in (
            (socket.AF_INET, "224.0.0.18", socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP),
            (socket.AF_INET6, "ff02::12", socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP),
        ):
            own = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, VRRP)
            sockets.append(own)
            for interface in interfaces:
                try:
                    index = socket.if_nametoindex(interface)
                    address = socket.inet_pton(family, group)
                    tail = (
                        struct.pack("@4si", b"\0" * 4, index) if family == socket.AF_INET else struct.pack("@i", index)
                    )
                    own.setsockopt(level, option, address + tail)
                except OSError:
                    continue  # an interface that is gone, or has no address of this family: nobody is heard there
        ready, _unused, _unused = select.select(sockets, [], [], seconds)
        return bool(ready)
    finally:
        for own in sockets:
            own.close()


class Maintenance:
    """The state of this node, and what keeps the cluster's manager to it."""

    def __init__(
        self,
        config: Dict[str, Any],
        runner: Runner = run,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = time.monotonic,
        listen: Callable[[Sequence[str]], bool] = heard,
        check: bool = False,
    ) -> None:
        self.config = config
        self.runner = runner
        self.clock = clock
        self.uptime = uptime
        self.listen = listen
        self.check = check
        self.file = Path(config["file"])
        self.drain_file = Path(config["drain_file"])
        # Of /run: neither has a meaning after a boot.
        self.giving_way = Path(config["runtime"], "giving-way")
        self.lifted = Path(config["runtime"], "maintenance-lifted")
        self.said: List[str] = []

    # --- what is in force
    def read(self) -> Optional[Dict[str, Any]]:
        """The maintenance in force; None without. A file that nobody can read keeps the node away, without an end."""
        try:
            found = json.loads(self.file.read_text())
            if found.get("until") is not None:
                moment(found["until"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError, TypeError) as error:
            return {"since": None, "until": None, "reason": f"{self.file} cannot be read: {error}", "by": ""}
        return {key: found.get(key) for key in ("since", "until", "reason", "by")}

    def drained(self) -> bool:
        return _content(self.drain_file, "0") not in ("", "0")

    def over(self, found: Dict[str, Any]) -> bool:
        return found["until"] is not None and moment(found["until"]) <= self.clock()

    def answer(self) -> Dict[str, Any]:
        return {
            "changed": bool(self.said),
            "changes": self.said,
            "maintenance": self.read(),
            "drained": self.drained(),
            "lifted": self.lifted.exists(),
        }

    # --- orders
    def on(self, seconds: Optional[float], reason: str, by: str) -> None:
        before = self.read()
        until = None if seconds is None else iso(self.clock() + seconds)
        if before is None or (before["until"], before["reason"]) != (until, reason):
            end = f"until {until}" if until else "without an end"
            self._say(f"maintenance {end}: {reason or 'no reason given'}")
            if not self.check:
                since = before["since"] if before and before["since"] else iso(self.clock())
                # First: from here on a reboot keeps to it.
                _write(self.file, json.dumps({"since": since, "until": until, "reason": reason, "by": by}) + "\n")
        if not self.check:
            self.lifted.unlink(missing_ok=True)
            self.giving_way.unlink(missing_ok=True)
        self._withdraw(True)
        self._watch()

    def off(self) -> None:
        present = self.file.exists()
        if present:
            self._say("end of the maintenance")
        if present or self.drained():
            # Before the flag goes: what failed is tried again.
            self._withdraw(False)
        if not self.check:
            self.file.unlink(missing_ok=True)
            self.lifted.unlink(missing_ok=True)
            self.giving_way.unlink(missing_ok=True)
        self._watch()

    def drain(self, seconds: float) -> None:
        if self.config["manager"] != "keepalived":
            raise Failed("drain: only keepalived reads the drain file; with Pacemaker order a move (crm_resource)")
        if self.drained() and not self.giving_way.exists():
            return  # the order of somebody else, who will end it
        if not self.check:
            _write(self.giving_way, f"{self.uptime() + seconds}\n")
        # What ends it is there before it begins.
        self._watch()
        self._withdraw(True)

    def ready(self) -> None:
        if not self.giving_way.exists() or (self.read() is not None and not self.lifted.exists()):
            return  # somebody else has more to say
        if not self.check:
            self.giving_way.unlink(missing_ok=True)
        if self.config["manager"] == "keepalived":
            self._withdraw(False)
        self._watch()

    def apply(self) -> None:
        """What is due: after a boot, and every few seconds while something is in force."""
        try:
            self._due()
        finally:
            # Also after a failure: at boot Pacemaker does not run yet.
            self._watch()

    def _due(self) -> None:
        found = self.read()
        late = self.giving_way.exists() and self.uptime() >= _seconds(_content(self.giving_way, "0"))
        if found is not None and self.over(found):
            self.off()
        # Also of a node that serves in its maintenance: nothing else would let it serve again.
        elif late and (found is None or self.lifted.exists()):
            self._say("a switchover did not take back its order in time")
            self.ready()
        elif found is not None:
            self._last_resort()
            # Under Pacemaker the configuration of the cluster keeps it, over reboots too.
            if self.config["manager"] == "keepalived" and not self.lifted.exists():
                self._withdraw(True)

    # --- how
    def _say(self, text: str) -> None:
        self.said.append(text)

    def _withdraw(self, away: bool) -> None:
        if self.config["manager"] == "pacemaker":
            self._standby(away)
        elif self.drained() != away:
            self._say("keepalived gives way" if away else "keepalived takes part")
            if not self.check:
                # Written in place: keepalived watches this file.
                self.drain_file.write_text(f"{int(away)}\n")

    def _standby(self, away: bool) -> None:
        code, node = self.runner(["crm_node", "--name"])
        if code != 0:
            raise Failed(f"crm_node: exit {code}: {node}. Is Pacemaker running? systemctl status pacemaker")
        base = ["crm_attribute", "--type", "nodes", "--node", node, "--name", "standby"]
        code, text = self.runner([*base, "--query", "--quiet", "--default", "off"])
        if code != 0:
            raise Failed(f"crm_attribute --query: exit {code}: {text}. Is Pacemaker running?")
        if (text.strip().lower() in ("on", "true", "yes", "1")) == away:
            return
        self._say(f"standby of {node}" if away else f"end of the standby of {node}")
        if self.check:
            return
        code, text = self.runner([*base, *(["--update", "on"] if away else ["--delete"])])
        if code != 0:
            raise Failed(f"crm_attribute: exit {code}: {text}. Is Pacemaker running?")

    def _last_resort(self) -> None:
        """Where it is allowed the node serves in spite of its maintenance when nobody else is left."""
        if self.config["takeover"] != "last_resort" or self.lifted.exists():
            return
        if self.uptime() < BOOT_S:
            return
        if self._others():
            return
        self._say("no other node is left: this one takes part in spite of its maintenance")
        self._withdraw(False)
        if not self.check:
            _write(self.lifted, f"{iso(self.clock())}\n")

    def _others(self) -> bool:
        if self.config["manager"] == "keepalived":
            return self.listen(self.config["links"])
        code, text = self.runner(["crm_mon", "--one-shot", "--output-as=xml"])
        own, name = self.runner(["crm_node", "--name"])
        if code != 0 or own != 0:
            return True  # without a cluster nothing can be said of the others
        try:
            nodes = ET.fromstring(text).findall("nodes/node")
        except ET.ParseError:
            return True
        return any(
            node.get("online") == "true" and node.get("standby") != "true" and node.get("name") != name
            for node in nodes
        )

    def _watch(self) -> None:
        """The timer runs while it has something to do."""
        if self.check:
            return
        found = self.read()
        due = self.giving_way.exists() or (
            found is not None
            and (found["until"] is not None or (self.config["takeover"] == "last_resort" and not self.lifted.exists()))
        )
        code, text = self.runner(["systemctl", "--no-block", "start" if due else "stop", TIMER])
        if code != 0 and due:
            raise Failed(f"systemctl start {TIMER}: exit {code}: {text}. Nothing would end this by itself.")


def _content(path: Path, default: str) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return default


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _write(path: Path, text: str) -> None:
    """Replaces the file in one step; after a power cut it is the old or the new one."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="linuxha-maintenance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("order", choices=["on", "off", "drain", "ready", "apply", "status"])
    parser.add_argument("seconds", nargs="?", type=float, help="of drain")
    parser.add_argument("--for", dest="lasts", type=float, metavar="SECONDS", help="the maintenance ends by itself")
    parser.add_argument("--reason", default="", help="shown by verify")
    parser.add_argument("--by", default="", help="who ordered it")
    parser.add_argument("--check", action="store_true", help="only say what would be done")
    parser.add_argument("--config", default=CONFIG)
    given = parser.parse_args(argv)
    if (given.order == "drain") != (given.seconds is not None):
        parser.error("drain, and nothing else, takes a number of seconds")
    for name in ("seconds", "lasts"):
        value = getattr(given, name)
        if value is not None and not 0 < value < 10 * 366 * 86400:
            parser.error(f"{value:g} seconds: more than 0 and less than ten years")
    return given


def main(argv: Sequence[str]) -> int:
    given = parse(argv)
    try:
        node = Maintenance(json.loads(Path(given.config).read_text()), check=given.check)
        if given.order == "on":
            node.on(given.lasts, given.reason, given.by)
        elif given.order == "drain":
            node.drain(given.seconds)
        elif given.order != "status":
            {"off": node.off, "ready": node.ready, "apply": node.apply}[given.order]()
    except (Failed, OSError, ValueError) as problem:
        print(json.dumps({"failed": True, "msg": str(problem)}))
        return 1
    if given.order == "apply":
        # For the journal, whose way to be told the priority of a line is the prefix.
        for line in node.said:
            print(f"<5>{line}")
        return 0
    print(json.dumps(node.answer()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
