# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which class a change is of: what a daemon that runs needs in order to follow it, and why. Pure."""

from __future__ import annotations

from .classify import KINDS, Change, Running, classify, lines, older, started_with

# table.py is for the controller, and what nodes do not need does not travel to them.
__all__ = ["KINDS", "Change", "Running", "classify", "lines", "older", "started_with"]
