# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The command `linuxha-journal`: what happened to the role of this node, as a table or as JSON.

linuxha-journal [--json] [--last N]      the journal, newest last
linuxha-journal release                  a node that is held back takes part as usual again; waits until that is so
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import journal_store as store

CONFIG = "/etc/linuxha/journal.json"
# The service may be telling Pacemaker something right now, for ten seconds at most, and then has to tell it this.
ANSWER_S = 25.0
COLUMNS = ("at", "cluster_group", "change", "cause", "blackout_ms", "states", "held", "detail")
TITLES = ("when", "group", "change", "cause", "blackout", "states", "held", "why")


def cell(entry: Mapping[str, Any], column: str) -> str:
    if column == "change":
        return "{} -> {}".format(entry.get("from", "?"), entry.get("to", "?"))
    value = entry.get(column)
    if column == "held":
        return "HELD" if value else ""
    if column == "blackout_ms":
        return "" if value is None else f"{value:g} ms"
    # A journal is text for a terminal: nothing in it may steer that.
    return "" if value is None else "".join(sign if sign.isprintable() else "?" for sign in str(value))


def table(entries: Sequence[Mapping[str, Any]]) -> List[str]:
    rows = [TITLES, *(tuple(cell(entry, column) for column in COLUMNS) for entry in entries)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    # Columns that say nothing in any line are left out.
    shown = [number for number in range(len(COLUMNS)) if any(row[number] for row in rows[1:]) or len(rows) == 1]
    return ["  ".join(row[number].ljust(widths[number]) for number in shown).rstrip() for row in rows]


def published(path: Path) -> Tuple[Tuple[int, int], str]:
    """What the service has last said: which file that is, for each is a new one, and the level. Empty without any.

    A node that is free and holds back all the same could not be told yet, for instance as Pacemaker does not run.
    """
    try:
        found, said = path.stat(), json.loads(path.read_text())
        level = str(said["level"])
        waits = level == "free" and said.get("holds", False)
        return (found.st_ino, found.st_mtime_ns), "not yet free" if waits else level
    except (OSError, ValueError, KeyError, TypeError):
        return (0, 0), ""


def release(config: Mapping[str, Any], wait_s: float) -> str:
    """Tells the service, and waits until it says that it did so; returns what went wrong, or nothing."""
    answer = Path(config["damping_file"])
    before, _unused = published(answer)
    order = {"order": "release", "by": os.environ.get("SUDO_USER") or os.environ.get("USER") or ""}
    try:
        fd = os.open(config["fifo"], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "linuxha-journal.service does not run" if error.errno == errno.ENXIO else str(error)
        return f"{config['fifo']}: {reason}: systemctl status linuxha-journal"
    try:
        os.write(fd, json.dumps(order).encode() + b"\n")
    except OSError as error:
        return f"{config['fifo']}: {error}"
    finally:
        os.close(fd)
    deadline = time.monotonic() + wait_s
    while True:
        # Of a node that was not held back, too, the service says anew how it is.
        file, level = published(answer)
        if file != before and level == "free":
            return ""
        if time.monotonic() >= deadline:
            break
        time.sleep(0.05)
    if file in (before, (0, 0)):
        return (
            f"{answer}: nothing new for {wait_s:g} s: {config['node']} does not answer, and may still be held back. "
            "It does as it was told when it goes on: systemctl status linuxha-journal"
        )
    return f"{answer}: {config['node']} is {level}: linuxha-journal and the log of its service say why"


def main(argv: List[str]) -> int:
    parser = argparse.ArgumentParser(prog="linuxha-journal", description="The failover journal of this node.")
    parser.add_argument("order", nargs="?", choices=["release"], help="let a node that is held back take part again")
    parser.add_argument("--json", action="store_true", help="one JSON object in a line, as in the file")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="only the last N entries")
    parser.add_argument("--config", default=CONFIG, help=argparse.SUPPRESS)
    given = parser.parse_args(argv[1:])
    try:
        config: Dict[str, Any] = json.loads(Path(given.config).read_text())
    except (OSError, ValueError) as error:
        print(f"{given.config}: {error}", file=sys.stderr)
        return 1
    if given.order == "release":
        problem = release(config, ANSWER_S)
        if problem:
            print(problem, file=sys.stderr)
            return 1
        print(f"{config['node']} takes part as usual")
        return 0
    found = list(store.Store(Path(config["path"]), config["bytes_max"], config["files"]).read())
    if given.last > 0:
        found = found[-given.last :]
    for line in [json.dumps(entry) for entry in found] if given.json else table(found):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
