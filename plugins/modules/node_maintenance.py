#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_maintenance
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Begin or end the maintenance of a firewall node
description:
  - A node in maintenance does not serve and does not take over, also after a reboot, until it is told otherwise or
    until the end that was set for it. The node looks at its clock itself, at boot too.
  - A node that serves gives way at once. The playbook C(maintenance) asks first whether another node can take over.
  - The same order for Keepalived (drain file) and Pacemaker (standby). Role P(linuxha.firewall.takeover#role) installs
    what does it.
extends_documentation_fragment:
  - linuxha.firewall.order
attributes:
  idempotent:
    support: partial
    description: With O(lasts) the end is counted from now, so each run sets it anew.
options:
  state:
    description: V(on) begins it, V(off) ends it.
    type: str
    choices: ["on", "off"]
    required: true
  lasts:
    description: How long, such as V(90m), V(2h) or V(1d). When empty it lasts until somebody ends it.
    type: str
    default: ""
  reason:
    description: Why. Shown by the playbook C(verify).
    type: str
    default: ""
  by:
    description: Who ordered it.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Two hours for a new power supply
  linuxha.firewall.node_maintenance:
    state: "on"
    lasts: 2h
    reason: new power supply

- name: Done
  linuxha.firewall.node_maintenance:
    state: "off"
"""

RETURN = r"""
changes:
  description: What was changed, or would be, one line each.
  returned: success
  type: list
  elements: str
maintenance:
  description: The maintenance in force with C(since), C(until), C(reason) and C(by); null without.
  returned: success
  type: dict
  sample: {"since": "2026-11-21T20:00:00Z", "until": "2026-11-21T22:00:00Z", "reason": "disk", "by": "alice"}
drained:
  description: Whether keepalived is told to give way.
  returned: success
  type: bool
lifted:
  description: Whether the node serves in spite of its maintenance, since no other was left.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host import maintenance


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "lasts": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": ""},
            "by": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        words = maintenance.maintenance(
            given["state"], maintenance.seconds(given["lasts"]), given["reason"], given["by"]
        )
        result = maintenance.order(module.run_command, words, module.check_mode)
    except ValueError as problem:
        module.fail_json(msg=f"lasts: {problem}")
    except maintenance.OrderFailed as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
