#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_replace
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Decide whether a bare machine may take the place of a node now
description:
  - Compares the plan of M(linuxha.firewall.cluster_plan) with the answers of M(linuxha.firewall.node_info) of every
    node of the cluster, the new machine among them, and fails with the whole list of what speaks against it.
  - The other nodes have to carry the service without an error of M(linuxha.firewall.cluster_verify). The machine has to
    answer, hold no virtual address, run none of the cluster's units, and have the interfaces and addresses of the node.
    Where Pacemaker runs, the others must know that the old machine is off.
  - Runs on the controller and needs no connection to the host.
extends_documentation_fragment:
  - linuxha.firewall.controller
  - linuxha.firewall.controller.answers
attributes:
  idempotent:
    support: full
    description: Changes nothing.
options:
  node:
    description: Name of the node whose place the machine takes.
    type: str
    required: true
  absent:
    description:
      - Other nodes that are dead, too, and off. The rest is judged without them; it has to carry the service, and its
        Pacemaker has to know that they are off. One that answers is a reason against it.
    type: list
    elements: str
    default: []
seealso:
  - module: linuxha.firewall.cluster_verify
"""

EXAMPLES = r"""
- name: Ask every node
  linuxha.firewall.node_info:
    vips: "{{ firewall_plan.vips }}"
  register: firewall_node_info
  ignore_unreachable: true # a dead node is a finding, not the end

- name: Refuse what would harm
  linuxha.firewall.cluster_replace:
    node: fw2
"""

RETURN = r"""
msg:
  description: What speaks against it as text, else that nothing does.
  returned: always
  type: str
findings:
  description: What speaks against it; see M(linuxha.firewall.cluster_verify).
  returned: always
  type: list
  elements: dict
held:
  description: The virtual addresses that each node holds now, by its name.
  returned: success
  type: dict
  sample: {fw1: [192.0.2.1], fw2: []}
absent:
  description: O(absent), for who goes on without them.
  returned: success
  type: list
  elements: str
"""
