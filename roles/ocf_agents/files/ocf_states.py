# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""ocf:linuxha:states: connection states follow the promoted role.

conntrackd itself is run by systemd, which restarts it: what Pacemaker decides is which node uses the states. The
takeover worker does the steps; a promotion ends when the urgent ones are done.

Where groups of addresses have nodes of their own nothing is promoted: ocf:linuxha:vips tells the worker which groups
the node serves, and this agent tells the cluster which nodes have the states.
"""

from __future__ import annotations

import os
from pathlib import Path

import ocf_common as ocf
import ocf_worker as worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

NAME = "states"  # of the instance in the worker's eyes
# What this agent has done: its role, and the promotion score that it has told.
MARK = ocf.RUNTIME / "ocf-states"
# How willing a node is to be promoted. One without the states of its peers serves only where no other can.
IN_STEP, BEHIND = 100, 5
# The same for addresses that choose their nodes, as an attribute: more than any preference or stickiness, and less than
# one carrier. A node is worth a little less for each group that it serves, so that a group which lost its node goes to
# a free one; less than a preference or the stickiness, so that nothing moves for it.
ATTRIBUTE = "linuxha-states"
PREFERRED = 5000
SERVES, MOST = 10, 9


def mark() -> Tuple[str, str]:
    """Role and promotion score; an empty role when it was not started."""
    role, _unused, score = (ocf.remembered(MARK) or "").partition(" ")
    return role, score


def offer(given: Dict[str, str], role: str) -> None:
    """How willing this node is. Only a change is told: each costs a program and an update of the cluster."""
    if given["steer"] == "true":
        name, score = ["--promotion"], IN_STEP if _in_step(given) else BEHIND
    else:
        name, score = ["--name", ATTRIBUTE], PREFERRED - _served(given) * SERVES if _in_step(given) else 0
    if mark()[1] == str(score):
        return
    code, text = ocf.run(["crm_attribute", *name, "--lifetime", "reboot", "--update", str(score)])
    if code != 0:
        raise ocf.Failed(f"crm_attribute {name[-1]}: exit {code}: {text}")
    ocf.remember(MARK, f"{role} {score}")


def start(given: Dict[str, str]) -> int:
    worker.order(given, NAME, "BACKUP")
    ocf.remember(MARK, "unpromoted ")
    offer(given, "unpromoted")
    return ocf.OCF_SUCCESS


def stop(given: Dict[str, str]) -> int:
    if mark()[0]:
        worker.let_go(given, NAME, "STOP")
        MARK.unlink()
    return ocf.OCF_SUCCESS


def promote(given: Dict[str, str]) -> int:
    worker.serve(given, NAME)
    ocf.remember(MARK, f"promoted {mark()[1]}")
    return ocf.OCF_SUCCESS


def demote(given: Dict[str, str]) -> int:
    worker.order(given, NAME, "BACKUP")
    ocf.remember(MARK, f"unpromoted {mark()[1]}")
    return ocf.OCF_SUCCESS


def monitor(given: Dict[str, str]) -> int:
    role = mark()[0]
    if not role:
        return ocf.OCF_NOT_RUNNING
    promoted = role == "promoted"
    worker.remind(given, NAME, "MASTER" if promoted else "BACKUP")
    # A promoted node keeps its score: moving away from a dead conntrackd would lose what it has not sent.
    if not promoted:
        offer(given, role)
    return ocf.OCF_RUNNING_PROMOTED if promoted else ocf.OCF_SUCCESS


def _in_step(given: Dict[str, str]) -> bool:
    _unused, document = worker.heard(given["state_file"], NAME)
    # A node that serves has the states: the others have theirs from it.
    return given["replicated"] != "true" or bool(document.get("active")) or document.get("states") == "in-step"


def _served(given: Dict[str, str]) -> int:
    """Groups that this node serves, as far as they count."""
    _unused, document = worker.heard(given["state_file"], NAME)
    masters = [one for one in document.get("instances", {}).values() if one.get("state") == "MASTER"]
    return min(len(masters), MOST)


def validate(given: Dict[str, str]) -> int:
    if not Path(given["fifo"]).is_fifo():
        raise ocf.Failed(f"{given['fifo']}: no FIFO: deploy the role takeover", ocf.OCF_ERR_INSTALLED)
    return ocf.OCF_SUCCESS


AGENT = ocf.Agent(
    "states",
    "Connection states of a firewall",
    "Promotable clone over all nodes of a firewall cluster. The promoted node is the one that serves: the takeover "
    "worker commits the states of its peers where that is needed and opens the gate before the promotion ends. Nodes "
    "without the states of their peers are promoted only when no other node can be. With steer=false it is a plain "
    f"clone: the node attribute {ATTRIBUTE} is {PREFERRED} where the states are, {SERVES} less for each group that the "
    "node serves, and 0 where the states are not.",
    (
        *ocf.WORKER,
        ocf.Parameter(
            "steer",
            "true",
            "Whether the promoted role steers the takeover worker: true, or false where addresses do (parameter steer "
            "of ocf:linuxha:vips).",
        ),
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
