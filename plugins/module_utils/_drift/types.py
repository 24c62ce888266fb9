# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One difference, and the layer in which it was seen."""

from __future__ import annotations

from dataclasses import dataclass

INVENTORY, FILE, KERNEL, DAEMON, PEER = "inventory", "file", "kernel", "daemon", "peer"
# Not a layer of the system: what could not be compared, which is no reason to believe that it is right.
UNKNOWN = "unknown"
LAYERS = (INVENTORY, FILE, KERNEL, DAEMON, PEER, UNKNOWN)


@dataclass(frozen=True)
class Difference:
    """Something is not as it should be.

    Attributes:
        cluster: the name of the cluster.
        node: where; empty when it is about the cluster as a whole.
        layer: one of LAYERS.
        path: which file, kernel parameter, unit or key.
        what: what was found.
        expected: what should be there.
        remedy: what to do.
    """

    cluster: str
    node: str
    layer: str
    path: str
    what: str
    expected: str
    remedy: str
