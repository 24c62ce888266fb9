# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Firewall policy: plain data in, iptables-restore text out. Pure, standard library only."""
