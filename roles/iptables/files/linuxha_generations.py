# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Three generations of files side by side: what boots, a candidate, what booted before the last confirmation."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

import linuxha_rules as rules

CANDIDATE = rules.RULES.with_name(rules.RULES.name + ".trial")
PREVIOUS = rules.RULES.with_name(rules.RULES.name + ".previous")
ORDER = "trial.json"  # in the candidate: the token and the seconds
GENERATION = "generation.json"
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, on the disk when this returns."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o600)
    Path(name).replace(path)


def generation(directory: Path) -> dict[str, Any]:
    """Which confirmed generation lies in this directory; nothing where rules were installed without a trial."""
    return read_json(directory / GENERATION)


def exchange(one: Path, other: Path) -> None:
    """Both names change places in one step (renameat2(2)): there is no moment without rules for a power cut to find."""
    import ctypes  # not where the unit forbids executable memory

    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    if done != 0:  # a file system that cannot
        aside = one.with_name(one.name + ".aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def promote(token: str, files: str) -> None:
    """The candidate becomes what boots, and what booted becomes the previous generation. `files` is their digest."""
    order = read_json(CANDIDATE / ORDER)
    if order.get("token") != token or rules.digest(rules.read(CANDIDATE)) != files:
        raise rules.RulesError(f"{CANDIDATE} holds other files than those on trial")
    number = int(generation(rules.RULES).get("number", 0)) + 1
    write_json(CANDIDATE / GENERATION, {"number": number, "token": token, "confirmed": time.time()})
    (CANDIDATE / ORDER).unlink()
    sync_directory(CANDIDATE)
    shutil.rmtree(PREVIOUS, ignore_errors=True)
    if rules.RULES.is_dir():
        exchange(rules.RULES, CANDIDATE)
        CANDIDATE.rename(PREVIOUS)
    else:
        CANDIDATE.rename(rules.RULES)
    sync_directory(rules.RULES.parent)


def former() -> Optional[Path]:
    """Where promote has put what booted before, also when it was interrupted; None after the first confirmation."""
    if PREVIOUS.is_dir():
        return PREVIOUS
    # A candidate has an order; what lies there without one came from RULES.
    return CANDIDATE if CANDIDATE.is_dir() and not (CANDIDATE / ORDER).exists() else None


def mend() -> None:
    """An exchange that was interrupted where it takes more than one step: what is aside is what booted."""
    aside = rules.RULES.with_name(rules.RULES.name + ".aside")
    if aside.is_dir():
        aside.rename(PREVIOUS if rules.RULES.exists() else rules.RULES)


def demote() -> None:
    """The way back of promote. Of first rules that nobody confirmed nothing stays that boots."""
    old = former()
    if old != CANDIDATE:
        shutil.rmtree(CANDIDATE, ignore_errors=True)
    if old is None:
        rules.RULES.rename(CANDIDATE)
    else:
        exchange(rules.RULES, old)
        if old != CANDIDATE:
            old.rename(CANDIDATE)
    sync_directory(rules.RULES.parent)
