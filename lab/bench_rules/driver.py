# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the node, so that the way there is not measured: programs one after the other, their time and CPU time.

Reads JSON from stdin: a list of {argv, stdin (a path), ready (whether to wait for sd_notify(3) instead of the end)}.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def cpu() -> float:
    """Of all programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(step: dict[str, Any]) -> str:
    source = step.get("stdin") or "/dev/null"
    with Path(source).open("rb") as file:
        done = subprocess.run(
            step["argv"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if done.returncode != 0:
        sys.exit(f"{step['argv']}: exit {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def until_ready(step: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        path = directory + "/notify"
        channel.bind(path)
        channel.settimeout(60)
        subprocess.Popen(
            step["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whoever called waits until nobody has it open
            env={**os.environ, "NOTIFY_SOCKET": path},
            start_new_session=True,
        )
        if channel.recv(100) != b"READY=1":
            sys.exit(f"{step['argv']}: not ready")


def main() -> None:
    before = cpu()
    begin = time.monotonic()
    last = ""
    for step in json.load(sys.stdin):
        if step.get("ready"):
            until_ready(step)
        else:
            last = run(step)
    print(json.dumps({"seconds": time.monotonic() - begin, "cpu": cpu() - before, "last": last[-500:]}))


if __name__ == "__main__":
    main()
