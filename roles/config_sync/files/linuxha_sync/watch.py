# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A path unit watches one directory, so each below a declared one has an instance, which comes and goes with it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Callable, List, Sequence, Set

from .manifest import path_problem

MAIN = "linuxha-sync-watch.path"
INSTANCE = "linuxha-sync-watch@"
# Each of them costs systemd a file handle; what is beyond waits for the timer.
MOST = 200
# As long as the name of a unit may be.
LONGEST = 255
PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.")
Call = Callable[[Sequence[str]], str]


def escaped(path: str) -> str:
    """As `systemd-escape --path` writes it."""
    parts = [os.fsencode(part) for part in path.split("/") if part]
    plain = "-".join("".join(chr(byte) if byte in PLAIN else f"\\x{byte:02x}" for byte in part) for part in parts)
    return f"\\x2e{plain[1:]}" if plain.startswith(".") else plain


def units(directories: Sequence[str]) -> Set[str]:
    """One for each directory, those of the first first when there are too many.

    None where no path can be published: systemd refuses a name that is no UTF-8, and a call that fails
    in part is the last one.
    """
    names = [f"{INSTANCE}{escaped(path)}.path" for path in sorted(directories) if not path_problem(path)]
    return set([name for name in names if len(name) <= LONGEST][:MOST])


def systemctl(arguments: Sequence[str]) -> str:
    done = subprocess.run(
        ["systemctl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True, cwd="/"
    )
    return done.stdout.decode("utf-8", "replace")


def active(call: Call) -> Set[str]:
    found = json.loads(call(["list-units", "--state=active", "--output=json", MAIN, f"{INSTANCE}*.path"]))
    return {str(item["unit"]) for item in found}


def follow(directories: Sequence[str], call: Call = systemctl) -> None:
    """Starts what is lacking and stops what is no more. Where nothing is watched (stopped on purpose) that stays so."""
    try:
        running = active(call)
        if MAIN not in running:
            return
        wanted, there = units(directories), running - {MAIN}
        todo: List[List[str]] = [["start", *sorted(wanted - there)], ["stop", *sorted(there - wanted)]]
        for words in todo:
            if words[1:]:
                call([words[0], "--", *words[1:]])
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        print(f"linuxha-sync: what changes in subdirectories waits for the timer: {error}")
