# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What differs between inventory, files, kernel, daemons and peers. Pure but for the reads that are handed in."""

from __future__ import annotations

from .compare import between_peers, running, verdicts
from .live import System, Watched, collect
from .report import Compared, plain, summary, table
from .site import Outcome, differences
from .types import DAEMON, FILE, INVENTORY, KERNEL, LAYERS, PEER, UNKNOWN, Difference

__all__ = [
    "DAEMON",
    "FILE",
    "INVENTORY",
    "KERNEL",
    "LAYERS",
    "PEER",
    "UNKNOWN",
    "Compared",
    "Difference",
    "Outcome",
    "System",
    "Watched",
    "between_peers",
    "collect",
    "differences",
    "plain",
    "running",
    "summary",
    "table",
    "verdicts",
]
