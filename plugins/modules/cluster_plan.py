#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_plan
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Validate all firewall clusters of the inventory and derive the variables of the roles
description:
  - Reads C(firewall_cluster), C(firewall_policy) and C(firewall_node) of every host of the inventory, whatever
    C(--limit) says, so that clashes between clusters are seen too.
  - Fails with every mistake at once, each with its path, its value, the reason and a remedy.
  - Warns of what works but hurts availability. A cluster accepts a warning with its code in
    C(firewall_cluster.accept_warnings).
  - Sets what it derives for the current host as facts, a summary and the variables of the roles.
  - Runs on the controller and needs no connection to the host.
requirements:
  - netaddr >= 0.10.1 (on the controller)
extends_documentation_fragment:
  - linuxha.firewall.controller
attributes:
  idempotent:
    support: full
    description: The same inventory gives the same plan.
options: {}
"""

EXAMPLES = r"""
- name: Plan before anything is touched
  hosts: firewalls
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Validate all clusters and derive the variables of the roles
      linuxha.firewall.cluster_plan:

    - name: Show the computed failover budget
      ansible.builtin.debug:
        var: firewall_plan.budget
"""

RETURN = r"""
msg:
  description: The failover budget in lines, or all mistakes.
  returned: always
  type: raw
problems:
  description: The mistakes, one per entry.
  returned: failure
  type: list
  elements: str
ansible_facts:
  description: The plan, and all variables that the roles take from it.
  returned: success
  type: dict
  contains:
    firewall_plan:
      description: The cluster as this host sees it.
      type: dict
      contains:
        cluster:
          description: Name of the cluster.
          type: str
          sample: edge
        topology:
          description: How the cluster moves its addresses.
          type: str
          sample: keepalived
        failover_role:
          description: The role that moves the addresses of a node.
          type: str
          sample: linuxha.firewall.keepalived
        profile:
          description: Timing profile.
          type: str
          sample: fast
        node:
          description: This host.
          type: str
          sample: fw1
        nodes:
          description: All hosts of the cluster.
          type: list
          elements: str
          sample: [fw1, fw2]
        peers:
          description: The other hosts of the cluster.
          type: list
          elements: str
          sample: [fw2]
        peer_addresses:
          description: Addresses of the peers by network.
          type: dict
        priority:
          description: VRRP priority of this host.
          type: int
          sample: 250
        vrrp_mode:
          description: Whether one instance holds every VIP or each network has its own.
          type: str
          sample: shared
        instances:
          description: Names of the VRRP instances.
          type: list
          elements: str
          sample: [edge]
        vips:
          description: All shared addresses, without prefix length.
          type: list
          elements: str
          sample: [192.0.2.1, "2001:db8:1::1"]
        primaries:
          description: By group of addresses the node that should hold it while all are well.
          type: dict
          sample: {"edge": "fw1"}
        preempt:
          description: Whether that node takes them back after a fault.
          type: bool
        ping_groups:
          description: Hosts by ping group; one of each has to answer.
          type: dict
          sample: {"outside": [192.0.2.80]}
        sync_links:
          description: Names of the links between the nodes.
          type: list
          elements: str
          sample: [sync0, sync1]
        networks:
          description: Forwarded networks with this host's interface and addresses.
          type: list
          elements: dict
        budget:
          description: The computed interruption at a power cut of the active node, in milliseconds.
          type: dict
          sample: {detection_ms: 306.2, announcement_ms: 2.4, commit_ms: 0.0, total_ms: 308.6, limit_ms: 350}
"""
