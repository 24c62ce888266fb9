#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cib_info
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: The configuration of a Pacemaker cluster in the words that the module cib takes
description:
  - Reads the CIB of the running cluster and returns it in exactly the vocabulary of M(linuxha.firewall.cib).
    Given back to that module it changes nothing.
  - What an operator has set on the running cluster (standby, maintenance, bans, moves, target roles) is returned apart.
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
options:
  show_secrets:
    description:
      - Whether values of parameters that look like a secret by their name, or are named in O(hide), are returned as
        they are.
        Without it they are replaced, and the result cannot be given back for those resources.
    type: bool
    default: false
  hide:
    description: Names of parameters whose values must not show, besides those that look like a secret.
    type: list
    elements: str
    default: []
seealso:
  - module: linuxha.firewall.cib
"""

EXAMPLES = r"""
- name: Read a cluster
  linuxha.firewall.cib_info:
  register: found

- name: Keep it in a file that the module cib takes
  ansible.builtin.copy:
    content: "{{ found.configuration | to_nice_yaml }}"
    dest: cluster.yml
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
configuration:
  description: The configuration, one key for each option of M(linuxha.firewall.cib) that takes objects or values.
  returned: success
  type: dict
operator:
  description: What an operator has set. Not part of RV(configuration).
  returned: success
  type: dict
  contains:
    nodes:
      description: Standby and maintenance, by node.
      type: dict
      returned: success
    resources:
      description: Target role, management and maintenance, by resource.
      type: dict
      returned: success
    constraints:
      description: Ids of bans and moves.
      type: list
      elements: str
      returned: success
    properties:
      description: Maintenance mode of the cluster.
      type: dict
      returned: success
owners:
  description: Owner to what was created in its name, each as section and key.
  returned: success
  type: dict
version:
  description: Version of the CIB.
  returned: success
  type: dict
  sample: {"admin_epoch": 0, "epoch": 12, "num_updates": 3, "schema": "pacemaker-3.9"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker.programs import PacemakerError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "show_secrets": {"type": "bool", "default": False, "no_log": False},
            "hide": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        document = frontend.programs(module).query()
    except PacemakerError as problem:
        module.fail_json(msg=str(problem))
    state = cib.state.read(document)
    if not module.params["show_secrets"]:
        state = cib.text.masked(state, module.params["hide"])
    admin_epoch, epoch, num_updates = document.version
    module.exit_json(
        changed=False,
        configuration=cib.export.export(state),
        operator=cib.export.operator_state(state),
        owners={
            owner: sorted(f"{section}:{key}" for section, key in cib.state.owned(document, owner))
            for owner in cib.state.owners(document)
        },
        version={
            "admin_epoch": admin_epoch,
            "epoch": epoch,
            "num_updates": num_updates,
            "schema": document.root.get("validate-with", ""),
        },
    )


if __name__ == "__main__":
    main()
