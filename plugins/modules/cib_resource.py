#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cib_resource
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: One resource of a Pacemaker cluster
description:
  - Creates, changes or deletes one primitive, template, group, clone or bundle, by the same transaction as
    M(linuxha.firewall.cib).
    For more than a few objects use that one. It is one commit, and objects may refer to each other.
  - The resource becomes exactly what is written here.
extends_documentation_fragment:
  - linuxha.firewall.cib
options:
  id:
    description: Its id.
    type: str
    required: true
    aliases: [name]
  state:
    description:
      - Whether it shall be there. A resource that is still named by a constraint, a tag or a level of fencing is not
        deleted;
        those have to go first, or together with it by O(ignore:absent) of M(linuxha.firewall.cib).
    type: str
    choices: [present, absent]
    default: present
  type:
    description: What it is. A bundle is written as O(xml).
    type: str
    choices: [primitive, template, group, clone, bundle]
    default: primitive
  agent:
    description: Class, provider and type of the agent, such as V(ocf:heartbeat:IPaddr2) or V(systemd:cron).
    type: str
  template:
    description: The template that a primitive is made from, instead of an agent.
    type: str
  params:
    description: Parameters of the agent, as a mapping or a list of C(values), C(rule) and C(score).
    type: raw
  meta:
    description: Meta attributes, in the same form.
    type: raw
  utilization:
    description: What it needs of a node, in the same form.
    type: raw
  operations:
    description: Its operations, each with C(name), C(interval) (V(0s) unless given), C(timeout), C(role), C(on_fail),
      C(start_delay), C(enabled), C(params), C(meta). Times are a number and a unit, such as V(20s) or V(500ms).
    type: list
    elements: dict
  members:
    description: What is inside a group, in this order, or inside a clone. They have to exist.
    type: list
    elements: str
  description:
    description: A text for people.
    type: str
  xml:
    description: The whole element, for what the other options have no words for.
    type: str
"""

EXAMPLES = r"""
- name: An address
  linuxha.firewall.cib_resource:
    id: vip-wan
    agent: ocf:heartbeat:IPaddr2
    params: {ip: 192.0.2.1, cidr_netmask: 24}
    operations:
      - {name: monitor, interval: 10s}

- name: Delete it, and say so to whoever waits for it
  linuxha.firewall.cib_resource:
    id: vip-wan
    state: absent
    wait: 60
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

OPTIONS = {
    "agent": {"type": "str"},
    "template": {"type": "str"},
    "params": {"type": "raw"},
    "meta": {"type": "raw"},
    "utilization": {"type": "raw"},
    "operations": {"type": "list", "elements": "dict"},
    "members": {"type": "list", "elements": "str"},
    "description": {"type": "str"},
    "xml": {"type": "str"},
}


def main() -> None:
    module = frontend.CibModule(
        argument_spec={
            **frontend.ARGUMENTS,
            **OPTIONS,
            "id": {"type": "str", "required": True, "aliases": ["name"]},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "type": {
                "type": "str",
                "choices": ["primitive", "template", "group", "clone", "bundle"],
                "default": "primitive",
            },
        },
        supports_check_mode=True,
    )
    frontend.transact_one(module, "resources", ("id", "type", *OPTIONS))


if __name__ == "__main__":
    main()
