# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a new corosync.conf means for a corosync that runs, and the certificates of a quorum device."""

from __future__ import annotations

from .conf import ConfError, Difference, compare, parse, refusal, reload_error, runtime

__all__ = ["ConfError", "Difference", "compare", "parse", "refusal", "reload_error", "runtime"]
