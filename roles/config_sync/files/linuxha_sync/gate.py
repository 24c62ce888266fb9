# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the key of a peer may do: say "notify", ask "time", and read the export with rsync. All else is refused."""

from __future__ import annotations

import hashlib
import os
import re
import select
import sys
import syslog
import time
from typing import Any, Callable, List, NoReturn

from .layout import Layout
from .manifest import SHA256

RRSYNC = "/usr/bin/rrsync"
# What our own rsync asks with (see fetch.py), and no more: a list of names that comes later (--files-from) could not be
# looked at here. rrsync checks all of it once more.
OPTION = re.compile(r"-[Wtv]*(?:e\.[A-Za-z0-9]*)?|--timeout=\d{1,4}")
Exec = Callable[[str, List[str]], Any]
# How often, and for how long, one who asks for the time may ask again; see fetch.py.
QUESTIONS = 8
QUESTIONS_S = 5.0


def is_reader(command: str) -> bool:
    """Whether this is an rsync that sends manifest or objects, and nothing else."""
    words = command.split(" ")
    if words[:3] != ["rsync", "--server", "--sender"] or "." not in words[3:]:
        return False
    middle = words.index(".", 3)
    options, names = words[3:middle], words[middle + 1 :]
    if not names or not all(OPTION.fullmatch(option) for option in options):
        return False
    return all(is_export(name) for name in names)


def is_export(name: str) -> bool:
    folder, _slash, rest = name.partition("/")
    return name == "manifest.json" or (folder == "objects" and SHA256.fullmatch(rest) is not None)


def refuse(command: str) -> NoReturn:
    shown = command[:200].encode("ascii", "backslashreplace").decode()
    source = os.environ.get("SSH_CONNECTION", "?").split(" ")[0]
    syslog.openlog("linuxha-sync-gate", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_WARNING, f"refused for {source}: {shown!r}")
    sys.exit("linuxha-sync: this key may only fetch the configuration that is kept equal")


def manifest_digest(layout: Layout) -> str:
    try:
        return hashlib.sha256((layout.export / "manifest.json").read_bytes()).hexdigest()
    except OSError:
        return "-"


def tell_time(digest: str) -> None:
    # Nothing between the clock and the answer.
    sys.stdout.write(f"{time.time_ns()} {digest}\n")
    sys.stdout.flush()


def asked_again(end: float) -> bool:
    """Whether the peer sends another byte in time; which one does not matter."""
    ready, _writable, _broken = select.select([0], [], [], max(0.0, end - time.monotonic()))
    return bool(ready and os.read(0, 1))


def main(layout: Layout, arguments: List[str], execute: Exec = os.execv) -> int:
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if arguments:
        refuse(" ".join(arguments))
    if command == "notify":
        # One name however often: the directory does not grow. How often it counts is up to linuxha-sync-told.service.
        (layout.told / "peer").touch(mode=0o600)
        return 0
    if command == "time":
        digest, end = manifest_digest(layout), time.monotonic() + QUESTIONS_S
        tell_time(digest)
        for _number in range(QUESTIONS):
            if not asked_again(end):
                break
            tell_time(digest)
        return 0
    if is_reader(command):
        execute(RRSYNC, [RRSYNC, "-ro", str(layout.export)])
    refuse(command)
