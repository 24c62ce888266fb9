# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The mains switch of a node. Several processes may use it at once: tests, and the power service."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from ..hosts import NodeHost


@contextmanager
def switch(node: NodeHost) -> Iterator[None]:
    """Nobody else touches the power of this node meanwhile."""
    # flock(2) belongs to the open file, so it keeps threads of one process apart too.
    with node.container.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def off(node: NodeHost) -> None:
    """Cut the power. A node without power stays as it is."""
    with switch(node):
        node.cut_power()


def on(node: NodeHost) -> None:
    """Boot a node that has no power; returns before it has booted. A node that runs stays as it is."""
    with switch(node):
        if not node.powered():
            node.power_off()
            node.boot()


def again(node: NodeHost) -> bool:
    """Boot a node that has shut down in order to reboot, as the firmware of a machine does; whether it was so."""
    if not node.wants_boot():
        return False
    with switch(node):
        wants = node.wants_boot()
        if wants:
            node.power_off()
            node.boot()
    return wants
