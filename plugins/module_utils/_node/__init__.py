# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a node answers about itself: pure parsers, and `collect`, which asks through an injected runner."""

from __future__ import annotations

from .collect import Question, collect
from .parse import Unreadable

__all__ = ["Question", "Unreadable", "collect"]
