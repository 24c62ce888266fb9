# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A running cluster at a glance: one document from the answers of its nodes, shown as text or as a page. Pure."""

from __future__ import annotations

from .document import Facts, cluster, fleet
from .page import page
from .terminal import screen

__all__ = ["Facts", "cluster", "fleet", "page", "screen"]
