#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cib
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Make the configuration of a Pacemaker cluster what it should be, in one transaction
description:
  - Takes the whole wanted configuration or any part of it, compares it with the CIB, and writes the difference in one
    versioned patch, after Pacemaker has verified it and its scheduler has said what it would do to running resources.
  - What somebody else writes meanwhile is never lost. The patch is refused by the cluster then, and decided anew.
  - Objects that are named become exactly what is written here. Objects that are not named stay, unless O(purge) says
    otherwise. Of properties, defaults and node attributes only the names given here are touched; V(null) removes one.
  - XML that the vocabulary has no words for survives untouched.
  - Every value becomes the text that the CIB holds, a boolean V(true) or V(false). Times are a number and a unit
    (V(500ms), V(20s), V(5min), V(1h)); a number alone means seconds. What is not given has the default of
    Pacemaker, which is not written. What an object, attribute or option means is documented in Pacemaker Explained.
extends_documentation_fragment:
  - linuxha.firewall.cib
options:
  nodes:
    description:
      - Nodes by C(name) with C(attributes) and C(utilization). Nodes are not created; they come from the cluster
        membership.
    type: list
    elements: dict
  resources:
    description:
      - Resources, each with C(id) and C(type) (C(primitive), the default, C(template), C(group) or C(clone)).
      - A primitive has C(agent) (class:provider:type) or C(template), and C(params), C(meta), C(utilization) and
        C(operations) (each C(name), C(interval), C(timeout), C(role), C(on_fail), C(start_delay), C(enabled),
        C(params), C(meta)). The C(interval) is V(0s) unless given, as C(start) and C(stop) need it. A group or
        clone has C(members), in order; a clone has one.
      - Sets such as C(params) are a mapping, or a list of C(values), C(rule) and C(score).
      - Bundles, and whatever else has no words here, are written as C(xml).
    type: list
    elements: dict
  constraints:
    description:
      - Constraints, each with C(type) (C(location), C(colocation), C(order) or C(ticket)). Without C(id) it gets one
        that is derived from what it says.
      - C(location) has C(resource) or C(pattern), and C(node) with C(score), or C(rules) (each C(rule) and C(score)).
        C(colocation) has C(resource), C(with), C(score), C(role), C(with_role); C(order) has C(first), C(then),
        C(first_action), C(then_action), C(kind); C(ticket) has C(ticket), C(resource), C(loss_policy).
        All take C(sets) instead of resources.
    type: list
    elements: dict
  fencing:
    description:
      - Levels of fencing, each with C(target) (or C(target_pattern), C(target_attribute)), C(index) and C(devices).
    type: list
    elements: dict
  tags:
    description: Tags, each with C(id) and C(resources).
    type: list
    elements: dict
  alerts:
    description: Alerts, each with C(id), C(path), C(params), C(meta) and C(recipients) (each C(value)).
    type: list
    elements: dict
  acls:
    description:
      - Access control, each with C(id) and C(type) (C(role) with C(permissions), C(target) or C(group) with C(roles)).
    type: list
    elements: dict
  properties:
    description: Properties of the cluster, as a mapping or a list of C(values), C(rule) and C(score).
    type: raw
  resource_defaults:
    description: Default meta attributes of resources, in the same form.
    type: raw
  operation_defaults:
    description: Default options of operations, in the same form.
    type: raw
  absent:
    description:
      - What shall not be there, as a mapping of one of the words above to a list of ids or names.
        Nodes cannot be deleted this way.
    type: dict
    default: {}
  purge:
    description:
      - With V(owned), objects that were created in the name of O(owner) and are not wanted any more are deleted.
        Then this task has to name everything of that owner.
    type: str
    choices: [none, owned]
    default: none
seealso:
  - module: linuxha.firewall.cib_info
  - name: Pacemaker Explained
    description: What every object and attribute means.
    link: https://clusterlabs.org/projects/pacemaker/doc/
"""

EXAMPLES = r"""
- name: Two addresses that stay together, where conntrackd is promoted
  linuxha.firewall.cib:
    properties:
      no-quorum-policy: ignore
    resource_defaults:
      resource-stickiness: 100
    resources:
      - id: vip-wan
        agent: ocf:heartbeat:IPaddr2
        params: {ip: 192.0.2.1, cidr_netmask: 24, nic: eth1}
        operations:
          - {name: monitor, interval: 10s, timeout: 20s}
      - id: vip-lan
        agent: ocf:heartbeat:IPaddr2
        params: {ip: 198.51.100.1, cidr_netmask: 24, nic: eth2}
      - id: vips
        type: group
        members: [vip-wan, vip-lan]
    constraints:
      - type: location
        resource: vips
        rules:
          - rule: not_defined pingd or pingd lt number 1
            score: -INFINITY
    wait: 60

- name: Change an address, which restarts it and what stands after it in its group
  linuxha.firewall.cib:
    resources:
      - id: vip-wan
        agent: ocf:heartbeat:IPaddr2
        params: {ip: 192.0.2.2, cidr_netmask: 24, nic: eth1}
    allow: ["restart:vips"]

- name: The whole configuration from a file, and nothing else of this owner
  linuxha.firewall.cib: "{{ cluster_configuration | combine({'owner': 'site', 'purge': 'owned'}) }}"
"""

RETURN = r"""
changes:
  description: What was changed, or would be, one line each.
  returned: success or refusal
  type: list
  elements: str
  sample: ["create primitive vip-wan (ocf:heartbeat:IPaddr2)", "create properties.no-quorum-policy: ignore"]
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
  sample: ["resources.vip-wan.params.ipp: '192.0.2.1': ocf:heartbeat:IPaddr2 has no such parameter. Did you mean 'ip'?"]
operator:
  description:
    - What an operator has set on the running cluster and this run has left alone, as in M(linuxha.firewall.cib_info).
  returned: success or refusal
  type: dict
attempts:
  description:
    - How often the CIB was queried and the change decided. 1 when there is nothing to do or in check mode, 2 for a
      change, more when others changed the CIB at the same time.
  returned: success or refusal
  type: int
"""

from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import frontend

OBJECTS = ("nodes", "resources", "constraints", "fencing", "tags", "alerts", "acls")
SETS = ("properties", "resource_defaults", "operation_defaults")


def main() -> None:
    module = frontend.CibModule(
        argument_spec={
            **frontend.ARGUMENTS,
            **{word: {"type": "list", "elements": "dict"} for word in OBJECTS},
            **{word: {"type": "raw"} for word in SETS},
            "absent": {"type": "dict", "default": {}},
            "purge": {"type": "str", "choices": ["none", "owned"], "default": "none"},
        },
        supports_check_mode=True,
    )
    raw = {word: module.params[word] for word in (*OBJECTS, *SETS) if module.params[word] is not None}
    frontend.transact(module, raw, module.params["absent"], module.params["purge"] == "owned")


if __name__ == "__main__":
    main()
