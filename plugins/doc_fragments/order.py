# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say alike that order a node to serve or not to."""

from __future__ import annotations


class ModuleDocFragment:
    """A module that runs the program of role takeover."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: none
    description: Has nothing to show but RV(changes).
"""
