# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Monitors that watch a firewall pair from its probe hosts while faults are injected."""
