#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Keep what a node cannot be rebuilt without, encrypted with ansible-vault
description:
  - Reads the keys, certificates and state that a node keeps for itself, with the configuration of its Pacemaker cluster
    and what the inventory says of it, and writes one file on the controller, encrypted with ansible-vault.
  - Nothing is ever written in clear, neither on the node nor on the controller, and nothing of it is in a result, a log
    or the arguments of a program. The task fails where Ansible was told to log what modules answer (C(ANSIBLE_DEBUG)).
  - Without news since the last archive no other is written.
attributes:
  action:
    support: full
    description: Encrypts and writes on the controller, and reads on the node.
  check_mode:
    support: full
    description: Says what it would take, without reading more than checksums, and which old archives would go.
  diff_mode:
    support: none
    description: There is nothing that may be shown.
  idempotent:
    support: full
    description: Only news are written.
options:
  directory:
    description: Where on the controller. Each node has a directory of its own in it.
    type: path
    required: true
  keep:
    description: How many archives of a node are kept.
    type: int
    default: 14
  host_keys:
    description: Whether the keys of the SSH server are taken.
    type: bool
    default: true
  paths:
    description: More files, directories or patterns, which a restore puts back.
    type: list
    elements: str
    default: []
  vault_id:
    description: Which of the vault secrets of this run encrypts. By default the first.
    type: str
seealso:
  - module: linuxha.firewall.restore
"""

EXAMPLES = r"""
- name: Keep what the node keeps
  linuxha.firewall.backup:
    directory: firewall-backup
"""

RETURN = r"""
archive:
  description: The newest archive of this node.
  returned: success
  type: str
  sample: firewall-backup/edge/fw1/20261121T200000Z.vault
taken:
  description: What is in it, or would be, in lines with part, path and size.
  returned: success
  type: list
  elements: str
left_out:
  description: What was not taken, and why.
  returned: success
  type: list
  elements: str
expired:
  description: Old archives that were deleted, or would be.
  returned: success
  type: list
  elements: str
"""
