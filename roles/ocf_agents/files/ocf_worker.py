# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""How the resource agents talk to the takeover worker: orders into its FIFO, answers from what it publishes."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from pathlib import Path

import ocf_common as ocf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Tuple

POLL_S = 0.003
AGAIN_S = 1.0
RESTART_S = 5.0  # the worker is back in some tenths of a second
PRIORITY = 100  # only VRRP has priorities; the line of the FIFO has a field for it


def reader(fifo: str) -> int:
    """The worker's FIFO, open for writing.

    systemd starts a worker that died, and a deployment restarts it: that is no failure of the resource, for which
    Pacemaker would take the addresses down.
    """
    deadline = time.monotonic() + RESTART_S
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT) or time.monotonic() >= deadline:
                reason = "the takeover worker does not run" if error.errno == errno.ENXIO else str(error)
                raise ocf.Failed(f"{fifo}: {reason}: systemctl status linuxha-takeover") from error
        time.sleep(POLL_S)


def tell(fifo: str, name: str, state: str) -> None:
    """One line into the worker's FIFO."""
    fd = reader(fifo)
    try:
        os.write(fd, f'INSTANCE "{name}" {state} {PRIORITY}\n'.encode())
    finally:
        os.close(fd)


def heard(state_file: str, name: str) -> Tuple[str, Dict[str, Any]]:
    """What the worker believes that an instance of this node is, and all that it publishes."""
    text = ocf.remembered(Path(state_file))
    if not text:
        return "", {}
    document = json.loads(text)
    instance = document.get("instances", {}).get(name, {})
    return str(instance.get("state", "")), document


def order(given: Dict[str, str], name: str, state: str, patience: float = math.inf) -> None:
    """Tells the worker, and waits until it has done what is urgent; at the latest Pacemaker's timeout ends the wait."""
    told, began = 0.0, time.monotonic()
    while heard(given["state_file"], name)[0] != state:
        if time.monotonic() - began > patience:
            raise ocf.Failed(f"the takeover worker does not answer: {state}")
        # Again, for a worker that died has not read it. It acts on changes only.
        if time.monotonic() - told >= AGAIN_S:
            tell(given["fifo"], name, state)
            told = time.monotonic()
        time.sleep(POLL_S)


def let_go(given: Dict[str, str], name: str, state: str) -> None:
    """For a stop, which gets the node fenced when it fails: a worker that does not answer has nothing to let go of."""
    try:
        order(given, name, state, RESTART_S)
    except ocf.Failed as problem:
        ocf.say(str(problem))


def serve(given: Dict[str, str], name: str) -> None:
    """Has the worker do all that a node needs to serve."""
    order(given, name, "MASTER")
    gate = heard(given["state_file"], name)[1].get("gate")
    if gate not in ("open", "none"):
        raise ocf.Failed(
            f"the gate is {gate}: this node would forward nothing; journalctl -u linuxha-takeover says why"
        )


def remind(given: Dict[str, str], name: str, state: str) -> None:
    """For a monitor: a worker that was restarted may begin again, and one that is gone is a failure."""
    if heard(given["state_file"], name)[0] != state:
        order(given, name, state)
    else:
        os.close(reader(given["fifo"]))
