# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Make a worker punctual, as far as the machine permits."""

from __future__ import annotations

import ctypes
import gc
import os

MCL_CURRENT_AND_FUTURE = 1 | 2
PR_SET_TIMERSLACK = 29


def enter(priority: int) -> list[str]:
    """Ask for realtime scheduling and locked memory. Returns what was refused, for the record."""
    refused = []
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except OSError as error:
        refused.append(f"SCHED_RR: {error.strerror}")
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
        except OSError as nice_error:
            refused.append(f"nice -20: {nice_error.strerror}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT_AND_FUTURE) != 0:
        refused.append(f"mlockall: {os.strerror(ctypes.get_errno())}")
    # Without it an ordinary task's sleep is rounded up by 50 microseconds (realtime tasks have none).
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    # A collection of old objects would show up as a late packet; the workers make no reference cycles.
    gc.collect()
    gc.freeze()
    gc.disable()
    return refused
