#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: The state of a Pacemaker cluster as data
description:
  - Asks C(crm_mon) for its XML status and returns nodes, resources, failures and bans, and whether the cluster is
    settled.
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: Only reads.
options: {}
"""

EXAMPLES = r"""
- name: Read the state
  linuxha.firewall.cluster_info:
  register: cluster

- name: Require every node
  ansible.builtin.assert:
    that: cluster.nodes | rejectattr('online') | list | length == 0
"""

RETURN = r"""
nodes:
  description:
    - The nodes, each with C(name), C(online), C(standby), C(maintenance), C(pending), C(unclean), C(dc), C(attributes).
  returned: success
  type: list
  elements: dict
resources:
  description:
    - Every instance of every resource, each with C(id), C(agent), C(role), C(nodes), C(parents), C(managed), C(failed),
      C(blocked), C(pending).
  returned: success
  type: list
  elements: dict
failures:
  description: Operations that failed and were not cleaned up, as C(crm_mon) says.
  returned: success
  type: list
  elements: dict
bans:
  description: Constraints that keep a resource off a node, as C(crm_mon) says.
  returned: success
  type: list
  elements: dict
quorum:
  description: Whether this partition has quorum.
  returned: success
  type: bool
dc:
  description: The designated controller, or an empty text.
  returned: success
  type: str
maintenance:
  description: Whether the whole cluster is in maintenance mode.
  returned: success
  type: bool
serving:
  description:
    - The nodes that hold what another would have to take over - a promoted instance, or the only one of a resource.
  returned: success
  type: list
  elements: str
unsettled:
  description: What keeps the cluster from being settled; empty when it is.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import PacemakerError


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        status = frontend.programs(module).status()
    except PacemakerError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=False, serving=status.serving(), unsettled=cib.ready.problems(status), **status.plain())


if __name__ == "__main__":
    main()
