#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_node
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Put a node of a Pacemaker cluster in standby or maintenance, or bring it back
description:
  - Sets what an operator sets on a running cluster, and waits until the cluster has done it.
  - Works on the permanent node attributes C(standby) and C(maintenance). Standby until the next reboot only
    (C(crm_standby --lifetime reboot)) is not seen.
attributes:
  check_mode:
    support: full
    description: Says what would change and what resources would get to feel of it.
  diff_mode:
    support: full
    description: The configuration as lines.
  idempotent:
    support: full
    description: Nothing is written when the node is in that state already.
options:
  name:
    description: Name of the node in the cluster.
    type: str
    required: true
  state:
    description:
      - V(online) takes part. V(standby) runs no resource; what runs there moves.
        V(maintenance) keeps running what runs, and the cluster leaves it alone.
    type: str
    choices: [online, standby, maintenance]
    required: true
  wait:
    description:
      - Seconds to wait until the node is in that state and the cluster has nothing left to do; V(0) does not wait.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Move everything away from a node
  linuxha.firewall.cluster_node:
    name: fw1
    state: standby

- name: Let it take part again
  linuxha.firewall.cluster_node:
    name: fw1
    state: online
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
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["online", "standby", "maintenance"], "required": True},
            "wait": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    frontend.operate(module, operator.node(module.params["name"], module.params["state"]))


if __name__ == "__main__":
    main()
