# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What no file shows: daemons that run with an older file, and what nodes should share though nobody plans it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from .._gateway import Run

# Milliseconds of doubt between a clock of files and that of the boot.
SLACK_S = 0.05
PROPERTIES = ("Id", "LoadState", "ActiveState", "StateChangeTimestampMonotonic", "NeedDaemonReload")


@dataclass(frozen=True)
class Watched:
    """What to look at.

    Attributes:
        units: unit to the files that it reads when it starts or reloads.
        files: what should be equal on all nodes.
        parameters: kernel parameters that should be equal on all nodes.
    """

    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Sequence[str] = ()
    parameters: Sequence[str] = ()


@dataclass(frozen=True)
class System:
    """How to look. `modified` is when a file was written, `clocks` the time and that since the boot, in seconds."""

    run: Run
    read: Callable[[str], Optional[bytes]]
    modified: Callable[[str], Optional[float]]
    clocks: Callable[[], tuple[float, float]]


def collect(watched: Watched, system: System) -> dict[str, Any]:
    """The answers of one node; `problem` says why a part is missing."""
    parameters = {}
    for key in watched.parameters:
        value = system.read("/proc/sys/" + key.replace(".", "/"))
        parameters[key] = None if value is None else " ".join(value.decode("ascii", "replace").split())
    files = {path: system.read(path) for path in watched.files}
    units, problem = _units(watched.units, system)
    return {
        "units": units,
        "parameters": parameters,
        "files": {path: None if text is None else hashlib.sha256(text).hexdigest() for path, text in files.items()},
        "problem": problem,
    }


def _units(units: Mapping[str, Sequence[str]], system: System) -> tuple[dict[str, Any], Optional[str]]:
    if not units:
        return {}, None
    answer = system.run(["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *units])
    if not answer.ok:
        return {}, f"systemctl show: {answer.reason}"
    blocks = []
    for paragraph in answer.stdout.strip().split("\n\n"):
        pairs = (line.partition("=") for line in paragraph.splitlines())
        blocks.append({key: value for key, equals, value in pairs if equals})
    if len(blocks) != len(units):
        return {}, f"asked systemctl for {len(units)} units and got {len(blocks)}"
    now, since_boot = system.clocks()
    found = {}
    for (unit, files), block in zip(units.items(), blocks):
        stamp = block.get("StateChangeTimestampMonotonic", "0")
        # A reload is a change of state, too; what was read then is what was there then.
        since = now - since_boot + int(stamp) / 1e6 if stamp.isdigit() and int(stamp) else None
        newer = [path for path in files if _newer(system.modified(path), since)]
        found[unit] = {
            "load": block.get("LoadState", ""),
            "active": block.get("ActiveState", ""),
            "since": since,
            "newer": newer,
            "reload": block.get("NeedDaemonReload") == "yes",
        }
    return found, None


def _newer(written: Optional[float], since: Optional[float]) -> bool:
    """A file that is not there is found by its own layer, and a unit that never ran has read nothing."""
    return written is not None and since is not None and written > since + SLACK_S
