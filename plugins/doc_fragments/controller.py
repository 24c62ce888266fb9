# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say alike that decide on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """A module with an action of its own that asks and changes no node."""

    DOCUMENTATION = r"""
attributes:
  action:
    support: full
    description: Runs on the controller only.
  check_mode:
    support: full
    description: Changes nothing in either mode.
  diff_mode:
    support: none
    description: Has nothing to show.
"""

    ANSWERS = r"""
options:
  answers:
    description: Name of the variable in which every node registered its answer.
    type: str
    default: firewall_node_info
seealso:
  - module: linuxha.firewall.node_info
"""
