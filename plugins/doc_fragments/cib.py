# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for the CIB say alike."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of every module that changes the CIB."""

    DOCUMENTATION = r"""
requirements:
  - Pacemaker 2.1 or later on the target, with its command line tools (C(cibadmin), C(crm_verify), C(crm_simulate),
    C(crm_diff), C(crm_resource)); neither pcs nor crmsh
attributes:
  check_mode:
    support: full
    description:
      - Decides, verifies and simulates as a real run does, and writes nothing. What it predicts is what the run then
        does.
      - Where the cluster does not run yet, the comparison is with an empty configuration, with a warning.
  diff_mode:
    support: full
    description: The configuration as lines, one per value, without secrets.
  idempotent:
    support: full
    description: Nothing is written when the CIB says what is wanted already, in whatever words.
options:
  owner:
    description:
      - In whose name objects are created. The CIB itself remembers it, in a property set C(linuxha-owned-OWNER), so
        that
        O(ignore:purge) of M(linuxha.firewall.cib) deletes nothing that somebody else has made.
    type: str
    default: default
  allow:
    description:
      - What this change may restart, move, stop, demote or fence. The scheduler is asked before anything is written;
        a change
        that would disrupt anything else is refused, with a list of what would happen.
      - Each is an action, such as V(restart), a pattern of resource ids, such as V(vip*), or both, such as
        V(restart:vip*). A group or clone stands for what is inside, V(fence:fw1) for the fencing of a node, V(*) for
        everything.
      - The stop of a resource that is deleted by its name needs no permission.
    type: list
    elements: str
    default: []
  check_names:
    description:
      - Compare agents, their parameters and operations, and properties of the cluster with the metadata on this node.
        A name that does not exist is an error with the nearest one that does.
    type: bool
    default: true
  hide:
    description:
      - Names of parameters whose values must not show, besides those that look like a secret by their name
        (password, secret, key, token and the like).
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds to wait after a change until the cluster has nothing left to do; V(0) does not wait.
    type: int
    default: 0
notes:
  - Run it on one node of the cluster; the CIB is the same on all. It needs root, or another user of the group haclient.
  - When others change the CIB at the same time, the change is decided and verified anew, for a minute at most; then
    the module fails, nothing of it was written, and the CIB holds the changes of the others.
  - A program of Pacemaker that does not answer within 30 seconds ends the module. Only if that is C(cibadmin
    --patch) itself is it open whether the change was written; the next run finds out.
  - Standby and maintenance of nodes, C(maintenance-mode), C(target-role), C(is-managed) and the constraints of
    C(crm_resource --ban)
    and C(--move) belong to the operator. They stay as they are unless the wanted state names them.
"""
