# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Does a running cluster answer as planned? Pure: the plan and every node's answer in, findings out."""

from __future__ import annotations

from .judge import judge
from .replacement import refusals
from .report import summary, table
from .takeover import Takeover, takeovers
from .types import Expectation, Finding, Report

__all__ = ["Expectation", "Finding", "Report", "Takeover", "judge", "refusals", "summary", "table", "takeovers"]
