# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""ocf:linuxha:states: connection states follow the promoted role.

conntrackd itself is run by systemd, which restarts it: what Pacemaker decides is which node uses the states. The
takeover worker does the steps; a promotion ends when the urgent ones are done.
"""

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
    from typing import Any, Dict, List, Tuple

NAME = "states"  # of the instance in the worker's eyes
# What this agent has done: its role, and the promotion score that it has told.
MARK = ocf.RUNTIME / "ocf-states"
POLL_S = 0.003
AGAIN_S = 1.0
RESTART_S = 5.0  # the worker is back in some tenths of a second
# How willing a node is to be promoted. One without the states of its peers serves only where no other can.
IN_STEP, BEHIND = 100, 5


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


def tell(fifo: str, state: str) -> None:
    """One line into the worker's FIFO."""
    fd = reader(fifo)
    try:
        os.write(fd, f'INSTANCE "{NAME}" {state} {IN_STEP}\n'.encode())
    finally:
        os.close(fd)


def heard(state_file: str) -> Tuple[str, Dict[str, Any]]:
    """What the worker believes that this node is, and all that it publishes."""
    text = ocf.remembered(Path(state_file))
    if not text:
        return "", {}
    document = json.loads(text)
    instance = document.get("instances", {}).get(NAME, {})
    return str(instance.get("state", "")), document


def order(given: Dict[str, str], state: str, patience: float = math.inf) -> None:
    """Tells the worker, and waits until it has done what is urgent; at the latest Pacemaker's timeout ends the wait."""
    told, began = 0.0, time.monotonic()
    while heard(given["state_file"])[0] != state:
        if time.monotonic() - began > patience:
            raise ocf.Failed(f"the takeover worker does not answer: {state}")
        # Again, for a worker that died has not read it. It acts on changes only.
        if time.monotonic() - told >= AGAIN_S:
            tell(given["fifo"], state)
            told = time.monotonic()
        time.sleep(POLL_S)


def mark() -> Tuple[str, str]:
    """Role and promotion score; an empty role when it was not started."""
    role, _unused, score = (ocf.remembered(MARK) or "").partition(" ")
    return role, score


def offer(role: str, score: int) -> None:
    """The promotion score of this node. Only a change is told: each costs a program and an update of the cluster."""
    if mark()[1] == str(score):
        return
    code, text = ocf.run(["crm_attribute", "--promotion", "--lifetime", "reboot", "--update", str(score)])
    if code != 0:
        raise ocf.Failed(f"crm_attribute --promotion: exit {code}: {text}")
    ocf.remember(MARK, f"{role} {score}")


def start(given: Dict[str, str]) -> int:
    order(given, "BACKUP")
    ocf.remember(MARK, "unpromoted ")
    offer("unpromoted", _readiness(given))
    return ocf.OCF_SUCCESS


def stop(given: Dict[str, str]) -> int:
    if mark()[0]:
        # A worker that does not run, or hangs, has nothing to let go of; a stop that fails would get the node fenced.
        try:
            order(given, "STOP", RESTART_S)
        except ocf.Failed as problem:
            ocf.say(str(problem))
        MARK.unlink()
    return ocf.OCF_SUCCESS


def promote(given: Dict[str, str]) -> int:
    order(given, "MASTER")
    gate = heard(given["state_file"])[1].get("gate")
    if gate not in ("open", "none"):
        raise ocf.Failed(
            f"the gate is {gate}: this node would forward nothing; journalctl -u linuxha-takeover says why"
        )
    ocf.remember(MARK, f"promoted {mark()[1]}")
    return ocf.OCF_SUCCESS


def demote(given: Dict[str, str]) -> int:
    order(given, "BACKUP")
    ocf.remember(MARK, f"unpromoted {mark()[1]}")
    return ocf.OCF_SUCCESS


def monitor(given: Dict[str, str]) -> int:
    role = mark()[0]
    if not role:
        return ocf.OCF_NOT_RUNNING
    promoted = role == "promoted"
    wanted = "MASTER" if promoted else "BACKUP"
    if heard(given["state_file"])[0] != wanted:
        # A worker that was restarted on a node without addresses begins again.
        order(given, wanted)
    else:
        os.close(reader(given["fifo"]))
    # A promoted node keeps its score: moving away from a dead conntrackd would lose what it has not sent.
    if not promoted:
        offer(role, _readiness(given))
    return ocf.OCF_RUNNING_PROMOTED if promoted else ocf.OCF_SUCCESS


def _readiness(given: Dict[str, str]) -> int:
    _unused, document = heard(given["state_file"])
    return IN_STEP if document.get("states") == "in-step" or given["replicated"] != "true" else BEHIND


def validate(given: Dict[str, str]) -> int:
    if not Path(given["fifo"]).is_fifo():
        raise ocf.Failed(f"{given['fifo']}: no FIFO: deploy the role takeover", ocf.OCF_ERR_INSTALLED)
    return ocf.OCF_SUCCESS


AGENT = ocf.Agent(
    "states",
    "Connection states of a firewall",
    "Promotable clone over all nodes of a firewall cluster. The promoted node is the one that serves: the takeover "
    "worker commits the states of its peers where that is needed and opens the gate before the promotion ends. Nodes "
    "without the states of their peers are promoted only when no other node can be.",
    (
        ocf.Parameter("fifo", "/run/linuxha/vrrp.fifo", "FIFO of the takeover worker."),
        ocf.Parameter("state_file", "/run/linuxha/state.json", "Where the takeover worker publishes its state."),
        ocf.Parameter("replicated", "true", "Whether conntrackd replicates states: true or false."),
    ),
    (
        ("start", 20, 0, ""),
        ("stop", 20, 0, ""),
        ("promote", 60, 0, ""),
        ("demote", 20, 0, ""),
        ("monitor", 20, 10, "Promoted"),
        ("monitor", 20, 5, "Unpromoted"),
        ("validate-all", 5, 0, ""),
        ("meta-data", 5, 0, ""),
    ),
    {
        "start": start,
        "stop": stop,
        "promote": promote,
        "demote": demote,
        "monitor": monitor,
        "validate-all": validate,
    },
)


def main(argv: List[str]) -> int:
    return ocf.main(AGENT, argv, os.environ)
