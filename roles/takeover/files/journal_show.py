# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The command `linuxha-journal`: what happened to the role of this node, as a table or as JSON.

linuxha-journal [--json] [--last N]      the journal, newest last
linuxha-journal release                                a node that is held back takes part as usual again
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import journal_store as store

CONFIG = "/etc/linuxha/journal.json"
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


def release(config: Mapping[str, Any]) -> str:
    """Tells the service; returns what went wrong, or nothing."""
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
    return ""


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
        problem = release(config)
        if problem:
            print(problem, file=sys.stderr)
        return 1 if problem else 0
    found = list(store.Store(Path(config["path"]), config["bytes_max"], config["files"]).read())
    if given.last > 0:
        found = found[-given.last :]
    for line in [json.dumps(entry) for entry in found] if given.json else table(found):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
