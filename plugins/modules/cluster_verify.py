#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_verify
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Judge whether a running cluster is as planned
description:
  - Compares the plan of M(linuxha.firewall.cluster_plan) with the answers of M(linuxha.firewall.node_info) of every
    node of the cluster, and lists every difference with what was found, what is expected and what to do.
  - All nodes get the same verdict; one of them prints it, and fails when there is an error. A node that was not reached
    is an error too, and the others are judged all the same.
  - An address that two nodes hold fails at once. What may be right a moment later, such as states that are still on
    their way, is reported as RV(settling) while O(attempts_left) is not 0.
  - Runs on the controller and needs no connection to the host.
extends_documentation_fragment:
  - linuxha.firewall.controller
  - linuxha.firewall.controller.answers
attributes:
  idempotent:
    support: full
    description: Changes nothing.
options:
  without:
    description: Nodes that are known to be dead. The cluster is judged as if it had only the others.
    type: list
    elements: str
    default: []
  attempts_left:
    description: How often the nodes will be asked again if everything that is wrong may settle.
    type: int
    default: 0
  delay:
    description: Seconds to wait before the next attempt.
    type: float
    default: 1.5
"""

EXAMPLES = r"""
- name: Ask every node
  linuxha.firewall.node_info:
    vips: "{{ firewall_plan.vips }}"
  register: firewall_node_info
  ignore_unreachable: true # a dead node is a finding, and no reason not to judge the others

- name: Judge every cluster
  linuxha.firewall.cluster_verify:
"""

RETURN = r"""
msg:
  description: All findings as text when there is an error, else the headline of the summary.
  returned: always
  type: str
findings:
  description: Every difference, the worst first.
  returned: success, and by the nodes that do not speak
  type: list
  elements: dict
  contains:
    path:
      description: Cluster, node and part.
      type: str
      sample: edge/fw2/conntrackd
    what:
      description: What was found.
      type: str
    expected:
      description: What should be.
      type: str
    remedy:
      description: What to do.
      type: str
    severity:
      description: How bad it is.
      type: str
      sample: error
    settles:
      description: Whether it may be right a moment later.
      type: bool
    keeps:
      description: Nodes that could not take over as they should because of it.
      type: list
      elements: str
    of:
      description: The group of addresses that C(keeps) is about; empty for all of them.
      type: str
settling:
  description: Whether the nodes should be asked again.
  returned: always
  type: bool
attempts_left:
  description: What O(attempts_left) is to be in the next attempt.
  returned: success, and by the nodes that do not speak
  type: int
summary:
  description: The cluster on one screen, in lines.
  returned: success, and by the nodes that do not speak
  type: list
  elements: str
"""
