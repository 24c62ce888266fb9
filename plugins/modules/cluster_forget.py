#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_forget
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Make a Pacemaker cluster forget a node that has left it for good
description:
  - Removes the node from the CIB and from the caches of the daemons, by C(crm_node --remove). An entry that is only
    deleted from the CIB comes back from those caches.
  - Refuses while the node is online, while it waits to be fenced, and while corosync still lists it.
  - Run it on any one node that stays. Orders of an operator that name the node stay, and RV(left) tells them.
attributes:
  check_mode:
    support: full
    description: Looks and refuses in the same way, and removes nothing.
  diff_mode:
    support: none
    description: There is nothing more to show than whether something changed.
  idempotent:
    support: full
    description: A node that the cluster does not know is forgotten already.
options:
  name:
    description: Name of the node in the cluster.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Forget a node that was shut down and is not in corosync.conf any more
  linuxha.firewall.cluster_forget:
    name: fw3
  delegate_to: fw1
  run_once: true
"""

RETURN = r"""
left:
  description: Constraints that still name the node.
  returned: success
  type: list
  elements: str
  sample: ["cli-ban-vips-on-fw3"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync import runtime
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend, membership
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import PacemakerError


def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    name, programs = module.params["name"], frontend.programs(module)
    corosync = runtime(gateway(module.run_command)(["corosync-cmapctl"]).stdout)
    try:
        document = programs.query()
        if reason := membership.refusal(name, programs.status(), corosync):
            module.fail_json(msg=f"name: {reason} Nothing was changed.")
        known = membership.knows(document, name)
        if known and not module.check_mode:
            programs.command("crm_node", "--force", "--remove", name)
            if membership.knows(programs.query(), name):
                module.fail_json(msg=f"name: crm_node removed {name}, and it is back. Is its Pacemaker still running?")
    except PacemakerError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=known, left=membership.naming(document, name))


if __name__ == "__main__":
    main()
