#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cib_property
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: One property or default of a Pacemaker cluster
description:
  - Sets or removes one property of the cluster, one default meta attribute of resources or one default option of
    operations,
    by the same transaction as M(linuxha.firewall.cib).
extends_documentation_fragment:
  - linuxha.firewall.cib
options:
  name:
    description: Its name.
    type: str
    required: true
  value:
    description:
      - Its value. Required with O(state=present). It becomes text, a boolean V(true) or V(false).
        Times are a number and a unit, such as V(5min); a number alone means seconds.
    type: raw
  section:
    description:
      - Where it belongs. Only the set without a rule is meant; values that depend on a rule are written by
        M(linuxha.firewall.cib).
    type: str
    choices: [properties, resource_defaults, operation_defaults]
    default: properties
  state:
    description: Whether it shall be there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Go on without quorum
  linuxha.firewall.cib_property:
    name: no-quorum-policy
    value: ignore

- name: Resources stay where they are
  linuxha.firewall.cib_property:
    section: resource_defaults
    name: resource-stickiness
    value: 100
"""

RETURN = r"""
changes:
  description: What was changed, or would be, one line each.
  returned: success or refusal
  type: list
  elements: str
effects:
  description: What running resources get to feel of it, by the scheduler's own words.
  returned: success or refusal
  type: list
  elements: str
  sample: ["restart vip-wan (fw1): resource definition change"]
refused:
  description: The effects that O(allow) does not name. Nothing was changed.
  returned: refusal
  type: list
  elements: str
problems:
  description: Mistakes in what is wanted, each with its path, value, reason and remedy. Nothing was changed.
  returned: mistakes
  type: list
  elements: str
operator:
  description:
    - What an operator has set on the running cluster and this run has left alone, as in M(linuxha.firewall.cib_info).
  returned: success or refusal
  type: dict
attempts:
  description: How often it was decided, as in M(linuxha.firewall.cib).
  returned: success or refusal
  type: int
"""

from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend


def main() -> None:
    module = frontend.CibModule(
        argument_spec={
            **frontend.ARGUMENTS,
            "name": {"type": "str", "required": True},
            "value": {"type": "raw"},
            "section": {
                "type": "str",
                "choices": ["properties", "resource_defaults", "operation_defaults"],
                "default": "properties",
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["value"])],
        supports_check_mode=True,
    )
    section, name = module.params["section"], module.params["name"]
    present = module.params["state"] == "present"
    raw = {section: {name: module.params["value"]}} if present else {}
    frontend.transact(module, raw, {} if present else {section: [name]})


if __name__ == "__main__":
    main()
