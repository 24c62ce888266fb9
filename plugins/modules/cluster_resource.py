#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_resource
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Move, ban, start, stop or clean up a resource of a Pacemaker cluster
description:
  - Does what an operator does by hand with C(crm_resource), and waits until the cluster has done it.
  - Moves and bans are the same constraints that C(crm_resource) makes (C(cli-prefer-ID), C(cli-ban-ID-on-NODE)).
    They stay
    until they are cleared, through every run of M(linuxha.firewall.cib).
attributes:
  check_mode:
    support: full
    description: Says what would change and what resources would get to feel of it.
  diff_mode:
    support: full
    description: The configuration as lines.
  idempotent:
    support: full
    description: Nothing is written when it is that way already.
options:
  id:
    description: Id of the resource; a group or a clone moves as a whole.
    type: str
    required: true
    aliases: [name]
  action:
    description:
      - V(move) prefers O(node) above all else, and takes back a ban there. V(ban) keeps it off O(node).
        V(clear) takes back moves and bans, of O(node) only if it is given.
      - V(disable) stops it and V(enable) takes that back. V(unmanage) leaves it as it is, whatever happens, and
        V(manage)
        takes that back.
      - V(cleanup) forgets its failed operations, on O(node) only if it is given, so that the cluster tries again.
    type: str
    choices: [move, ban, clear, enable, disable, manage, unmanage, cleanup]
    required: true
  node:
    description: The node. Required for V(move) and V(ban).
    type: str
  role:
    description: For V(move) and V(ban) of a promotable clone, whether it is about its promoted instance only.
    type: str
    choices: [Started, Promoted]
    default: Started
  wait:
    description: Seconds to wait until that is reached and the cluster has nothing left to do; V(0) does not wait.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Switch over by hand
  linuxha.firewall.cluster_resource:
    id: vips
    action: move
    node: fw2

- name: Let the cluster decide again
  linuxha.firewall.cluster_resource:
    id: vips
    action: clear
"""

RETURN = r"""
changes:
  description: What was changed, or would be, one line each.
  returned: success
  type: list
  elements: str
effects:
  description: What running resources get to feel of it, by the scheduler's own words.
  returned: success
  type: list
  elements: str
  sample: ["move vips (fw1 -> fw2)"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend, operator


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True, "aliases": ["name"]},
            "action": {
                "type": "str",
                "choices": ["move", "ban", "clear", "enable", "disable", "manage", "unmanage", "cleanup"],
                "required": True,
            },
            "node": {"type": "str"},
            "role": {"type": "str", "choices": ["Started", "Promoted"], "default": "Started"},
            "wait": {"type": "int", "default": 60},
        },
        required_if=[("action", "move", ["node"]), ("action", "ban", ["node"])],
        supports_check_mode=True,
    )
    given = module.params
    order = operator.resource(given["id"], given["action"], given["node"], given["role"])
    frontend.operate(module, order)


if __name__ == "__main__":
    main()
