# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a new corosync.conf means for a corosync that runs."""

from __future__ import annotations

from .conf import ConfError, Difference, compare, parse, runtime

__all__ = ["ConfError", "Difference", "compare", "parse", "runtime"]
