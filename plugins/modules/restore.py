#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Give a node back what a backup has of it
description:
  - Decrypts an archive of M(linuxha.firewall.backup) and looks whether it is whole, whether this version can read it,
    whether it is of this node of this cluster, and whether it holds only what a backup asks for, before anything is
    changed.
  - A bare machine gets its keys and its state before the site playbook runs. A node that serves gets only what differs,
    never older state, and no key that its cluster does not have.
attributes:
  action:
    support: full
    description: Decrypts on the controller.
  check_mode:
    support: full
    description: Says what it would put back.
  diff_mode:
    support: none
    description: There is nothing that may be shown.
  idempotent:
    support: full
    description: Only what differs is written.
options:
  step:
    description:
      - V(check) looks at the archive and at the node and changes nothing. Let all nodes do it before one goes on.
      - V(files) puts files back.
      - V(cib) adds what others than the site playbook had configured in the cluster, where it is missing. For one node
        of a cluster that runs, after the site playbook.
    type: str
    required: true
    choices: [check, files, cib]
  directory:
    description: Where the archives are. The newest of this node counts.
    type: path
    required: true
  archive:
    description: Another one.
    type: path
  host_keys:
    description: Whether the keys of the SSH server are put back. The server has to be restarted then.
    type: bool
    default: false
  paths:
    description:
      - The O(linuxha.firewall.backup#module:paths) of the backup. What neither they nor this collection names is not
        written, since it was the node that gave the names.
    type: list
    elements: str
    default: []
  accept:
    description: What may be other than in the archive. V(hostname) of the machine, an older V(release).
    type: list
    elements: str
    choices: [hostname, release]
    default: []
  owner:
    description: In whose name the site playbook configures the cluster. Its objects are not restored, it makes them.
    type: str
    default: site
seealso:
  - module: linuxha.firewall.backup
"""

EXAMPLES = r"""
- name: Look at the archive and the node
  linuxha.firewall.restore:
    step: check
    directory: firewall-backup

- name: Put back what is missing
  linuxha.firewall.restore:
    step: files
    directory: firewall-backup
"""

RETURN = r"""
archive:
  description: The archive that was read.
  returned: success
  type: str
made_at:
  description: When it was made.
  returned: success
  type: str
  sample: "2026-11-21T20:00:00Z"
paths:
  description: What was other and was written, or would be.
  returned: success
  type: list
  elements: str
kept:
  description: State of the node's own that was left alone.
  returned: success
  type: list
  elements: str
changes:
  description: With V(cib) what was added to the configuration of the cluster.
  returned: success
  type: list
  elements: str
"""
