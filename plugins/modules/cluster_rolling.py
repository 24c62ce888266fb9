#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_rolling
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Decide about a rolling update of a firewall cluster, node by node
description:
  - From the plan of M(linuxha.firewall.cluster_plan) and the answers of M(linuxha.firewall.node_info) of every node of
    the cluster it decides whether an update may begin, in which order the nodes take their turns, and when one is over.
  - Judges by the findings of M(linuxha.firewall.cluster_verify). Orders nothing itself; the playbook C(rolling_update)
    does what it says.
  - Every node of the cluster gets the same decision; one of them prints it.
  - Runs on the controller and needs no connection to the host.
extends_documentation_fragment:
  - linuxha.firewall.controller
attributes:
  idempotent:
    support: full
    description: A node for which nothing is to do has no turn.
options:
  step:
    description:
      - V(refuse) fails with every reason against beginning. V(plan) says whose turns there are, and in which order.
      - V(turn) fails unless the others can carry the service without O(node). V(sound) looks whether it may take part
        again, V(ready) whether it could then take over, and the cluster is as good as before.
      - V(back) says what has to move so that O(owners) serve again.
    type: str
    choices: [refuse, plan, turn, sound, ready, back]
    required: true
  node:
    description: For V(turn), V(sound) and V(ready), whose turn it is.
    type: str
    default: ""
  nodes:
    description: For V(refuse) and V(plan), only these nodes; all when empty. They may be of several clusters.
    type: list
    elements: str
    default: []
  reboot:
    description: For V(plan), when a node is rebooted.
    type: str
    choices: [never, needed, always]
    default: needed
  always:
    description: For V(plan), whether every node has a turn, whatever is new for it.
    type: bool
    default: false
  needs:
    description: For V(sound), why the node still needs a reboot.
    type: list
    elements: str
    default: []
  owners:
    description: For V(back), by group the node that shall serve.
    type: dict
    default: {}
  updates:
    description: For V(plan), name of the variable in which every node registered M(linuxha.firewall.node_update).
    type: str
    default: firewall_updates
  answers:
    description: Name of the variable in which every node registered its answer.
    type: str
    default: firewall_node_info
  attempts_left:
    description: How often the nodes will be asked again.
    type: int
    default: 0
  delay:
    description: Seconds to wait before the next attempt.
    type: float
    default: 1.5
seealso:
  - module: linuxha.firewall.node_update
  - module: linuxha.firewall.cluster_switchover
  - module: linuxha.firewall.cluster_verify
"""

EXAMPLES = r"""
- name: Ask every node
  linuxha.firewall.node_info:
    vips: "{{ firewall_plan.vips }}"
  register: firewall_node_info

- name: Refuse what would harm
  linuxha.firewall.cluster_rolling:
    step: refuse
"""

RETURN = r"""
msg:
  description: What was decided as text, or every reason against it.
  returned: always
  type: str
wanted:
  description: The nodes of this cluster that the update is about.
  returned: with the step refuse
  type: list
  elements: str
order:
  description: The nodes that have a turn, one after the other.
  returned: with the step plan
  type: list
  elements: str
  sample: [fw2, fw1]
owners:
  description: By group the node that serves it.
  returned: with the step plan
  type: dict
  sample: {"edge": "fw1"}
serves:
  description: Whether the node holds addresses, which have to move first.
  returned: with the step turn
  type: bool
reached:
  description: Whether nothing is missing.
  returned: with the steps sound and ready
  type: bool
missing:
  description: What is missing, in lines.
  returned: with the steps sound and ready
  type: list
  elements: str
again:
  description: Whether the nodes should be asked again.
  returned: with the steps sound and ready
  type: bool
attempts_left:
  description: What O(attempts_left) is to be in the next attempt.
  returned: with the steps sound and ready
  type: int
withdraw:
  description: Whether the node can, and should, be told to keep away. Not where it serves, or where others are ill.
  returned: with the steps sound and ready
  type: bool
moves:
  description: What has to move, with C(group) and C(target).
  returned: with the step back
  type: list
  elements: dict
"""
