#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_switchover
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Decide about a planned switchover of a firewall cluster, and prove it
description:
  - From the plan of M(linuxha.firewall.cluster_plan) and the answers of M(linuxha.firewall.node_info) of every node of
    the cluster it decides which groups of addresses move from where to where, and refuses with every reason at once.
  - Orders nothing itself. RV(drain) and RV(resources) are for M(linuxha.firewall.node_drain) and
    M(linuxha.firewall.cluster_resource), as the playbook C(switchover) does it.
  - Every node of the cluster gets the same decision; one of them prints it, and fails when it is refused.
  - Runs on the controller and needs no connection to the host.
extends_documentation_fragment:
  - linuxha.firewall.controller
attributes:
  idempotent:
    support: full
    description: Where the addresses are already nothing moves.
options:
  step:
    description:
      - V(plan) decides. V(arrived) looks whether O(moves) are done by the nodes' own answers, one owner, its gate open.
        V(settled) looks whether the cluster is then as ready as before, states in step and the other node standing by.
        V(back) says what has to be ordered so that O(moves) that did not come to pass are undone.
    type: str
    choices: [plan, arrived, settled, back]
    required: true
  target:
    description: For V(plan), the node that shall take. Without it the best of those that are ready.
    type: str
    default: ""
  source:
    description: For V(plan), the node that shall give way.
    type: str
    default: ""
  group:
    description: For V(plan), only this group of addresses.
    type: str
    default: ""
  force:
    description:
      - Accept that connections are lost, because states are not in step, the rules of the nodes differ, or conntrackd
        does not run. What would lose the service itself is refused all the same.
    type: bool
    default: false
  stays:
    description: Refuse a move that would not last, because the cluster takes the addresses back by itself (preempt).
    type: bool
    default: true
  moves:
    description: For the other steps, what the step V(plan) or V(back) returned.
    type: list
    elements: dict
    default: []
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
    default: 1.0
seealso:
  - module: linuxha.firewall.cluster_verify
"""

EXAMPLES = r"""
- name: Decide
  linuxha.firewall.cluster_switchover:
    step: plan
    target: fw2
  register: decided

- name: Give way
  linuxha.firewall.node_drain:
    state: drained
  when: decided.drain
"""

RETURN = r"""
moves:
  description: The groups that move, with C(group), C(source) and C(target).
  returned: with the steps plan and back
  type: list
  elements: dict
  sample: [{"group": "edge", "source": "fw1", "target": "fw2"}]
drain:
  description: Whether this node has to be drained for that (keepalived).
  returned: with the steps plan and back
  type: bool
resources:
  description: The moves that this node has to order (Pacemaker).
  returned: with the steps plan and back
  type: list
  elements: dict
gives_way:
  description: Whether this node loses a group by it.
  returned: with the steps plan and back
  type: bool
refused:
  description: Every reason against it, in lines.
  returned: with the step plan
  type: list
  elements: str
accepted:
  description: The reasons that O(force) went over, in lines.
  returned: with the step plan
  type: list
  elements: str
reached:
  description: Whether nothing is missing.
  returned: with the steps arrived and settled
  type: bool
missing:
  description: What is missing, in lines.
  returned: with the steps arrived and settled
  type: list
  elements: str
again:
  description: Whether the nodes should be asked again.
  returned: with the steps arrived and settled
  type: bool
attempts_left:
  description: What O(attempts_left) is to be in the next attempt.
  returned: with the steps arrived and settled
  type: int
"""
