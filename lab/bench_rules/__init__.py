# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`hafw lab bench-rules`: what rules cost when they are loaded, when packets meet them, and on the controller.

The same list of rules goes to every tool, one after the other on the same node, in an order that changes with every
repetition. Before each the node is emptied; afterwards real packets show that the kernel does what the list says.
"""

from __future__ import annotations

from .command import KIND, add_parser
from .figures import plot, tables

__all__ = ["KIND", "add_parser", "plot", "tables"]
