# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Run this collection's playbooks against a lab, as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .lab import Lab
from .progress import say
from .run import LabError

_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


@dataclass(frozen=True)
class Played:
    """What a playbook run did."""

    seconds: float
    changed: int
    output: str


def environment() -> dict[str, str]:
    """The environment in which Ansible finds this collection and nothing of the user's own configuration."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(paths.COLLECTIONS),
        "ANSIBLE_CONFIG": str(paths.REPO / "lab" / "ansible.cfg"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def inventories(lab: Lab) -> list[str]:
    """The arguments by which Ansible finds the nodes of a lab and their variables."""
    found = ["-i", str(lab.inventory.path), "-i", str(lab.overlay)]
    return found + [part for key, value in lab.inventory.extra.items() for part in ("-e", f"{key}={value}")]


def play(lab: Lab, playbook: str, arguments: Sequence[str] = (), show: str | None = "TASK|PLAY ") -> Played:
    """Run a playbook on all nodes of a lab.

    Args:
        lab: the running lab.
        playbook: one of this collection by its name, for example `site`, or any other by its path.
        arguments: more arguments for ansible-playbook.
        show: regular expression of output lines that are printed as progress, or None.

    Raises:
        LabError: the run failed; the message ends with its last lines.
    """
    name = Path(playbook).stem
    argv = ["ansible-playbook", *inventories(lab), playbook if "/" in playbook else f"linuxha.firewall.{playbook}"]
    argv += arguments
    start = time.monotonic()
    lines: list[str] = []
    shown = re.compile(show) if show else None
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        cwd=paths.REPO,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if shown and shown.match(line):
                say(f"      {time.monotonic() - start:5.0f} s  {line.strip(' *').rstrip()[:100].rstrip('* ')}")
    seconds = time.monotonic() - start
    log = lab.runtime / f"{name}.log"
    log.write_text("".join(lines))
    if process.returncode != 0:
        raise LabError(f"{name}: exit {process.returncode} after {seconds:.0f} s\n" + "".join(lines[-60:]))
    recap = [match for match in map(_RECAP.match, lines) if match]
    return Played(seconds, sum(int(match[3]) for match in recap), "".join(lines))
