#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Have a node of a keepalived cluster give way for a moment
description:
  - A drained node gives its addresses up and does not take over. The node takes this order back by itself, in case that
    who gave it is not there any more to do so.
  - A maintenance in force stays; that is what M(linuxha.firewall.node_maintenance) is for.
  - For Pacemaker see M(linuxha.firewall.cluster_resource).
extends_documentation_fragment:
  - linuxha.firewall.order
attributes:
  idempotent:
    support: full
    description: A drained node stays drained, counted from now.
options:
  state:
    description: V(drained) gives way, V(ready) takes part again.
    type: str
    choices: [drained, ready]
    required: true
  limit:
    description: Seconds after which a drained node takes part again by itself.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Give way
  linuxha.firewall.node_drain:
    state: drained

- name: Stand by
  linuxha.firewall.node_drain:
    state: ready
"""

RETURN = r"""
changes:
  description: As RV(linuxha.firewall.node_maintenance#module:changes).
  returned: success
  type: list
  elements: str
maintenance:
  description: As RV(linuxha.firewall.node_maintenance#module:maintenance).
  returned: success
  type: dict
drained:
  description: As RV(linuxha.firewall.node_maintenance#module:drained).
  returned: success
  type: bool
lifted:
  description: As RV(linuxha.firewall.node_maintenance#module:lifted).
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host import maintenance


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "limit": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        words = maintenance.drain(given["state"], given["limit"])
        result = maintenance.order(module.run_command, words, module.check_mode)
    except maintenance.OrderFailed as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
