# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Archives of what a node keeps for itself: what goes in, what may go back, and where to. Encryption is elsewhere."""
