# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A mistake in the input is a value, so that all of them can be shown at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what stands there, why it is wrong and what to do."""

    path: str
    value: object
    reason: str
    remedy: str
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r}: {self.reason}. {self.remedy}"
