#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_trace
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Ask the policy of a cluster about one packet, before it is deployed
description:
  - Says which rule of C(firewall_policy) decides about the first packet of a connection, which translations apply, and
    where the packet goes.
  - Asks the inventory and not the nodes. Runs on the controller and needs no connection to the host.
  - As netfilter does it (iptables(8)) - destinations are translated before the route is looked up, rules see the
    translated destination and the source as sent, sources are translated last.
  - What decides before the rules is told as well - administrators, the cluster's own traffic, exemptions from
    connection tracking, forged sources, echo requests. Raw rules are named and not looked at.
requirements:
  - netaddr >= 0.10.1 (on the controller)
attributes:
  action:
    support: full
    description: Runs on the controller only.
  check_mode:
    support: full
    description: Changes nothing in either mode.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: Changes nothing.
options:
  packet:
    description: The first packet of a connection, as it arrives.
    type: dict
    required: true
    suboptions:
      from:
        description: The zone in which it arrives, the name of a sync link, V(mgmt), or V(firewall) for one that the
          node itself sends. Behind interfaces of several zones the source tells which of them it is.
        type: str
        required: true
      to:
        description: The zone in which it leaves. Without it the networks of the zones and C(firewall_policy.outside)
          tell.
        type: str
      source:
        description: Address of the sender.
        type: str
        required: true
      destination:
        description: Address to which it was sent.
        type: str
        required: true
      protocol:
        description: V(tcp), V(udp), V(sctp), V(icmp), another name or a number.
        type: str
        required: true
      port:
        description: Port of the destination. Required with V(tcp), V(udp) and V(sctp).
        type: int
      source_port:
        description: Port of the sender, V(40000) unless given.
        type: int
      type:
        description: ICMP type, that of an echo request unless given.
        type: int
      code:
        description: ICMP code, V(0) unless given.
        type: int
seealso:
  - module: linuxha.firewall.cluster_plan
"""

EXAMPLES = r"""
- name: Who answers on port 443 of the shared address?
  linuxha.firewall.policy_trace:
    packet: {from: wan, source: 203.0.113.10, destination: 192.0.2.1, protocol: tcp, port: 443}
  register: web

- name: Show the way step by step
  ansible.builtin.debug:
    msg: "{{ web.msg.splitlines() }}"
"""

RETURN = r"""
msg:
  description: The way of the packet in lines, or what is wrong with the question.
  returned: always
  type: str
action:
  description: V(accept), V(drop) or V(reject); empty when no network of a zone has the destination.
  returned: success
  type: str
  sample: accept
rule:
  description: Name of the rule that decides, or of what does so before the rules. Empty for the default of the two
    zones.
  returned: success
  type: str
  sample: web-in
path:
  description: Where that rule stands, or where it comes from.
  returned: success
  type: str
  sample: firewall_policy[edge].rules[3]
conditional:
  description: Rules that would decide instead if their limit or schedule held.
  returned: success
  type: list
  elements: str
from:
  description: The zone that the packet is of.
  returned: success
  type: str
  sample: wan
to:
  description: The zone in which it leaves, or V(firewall).
  returned: success
  type: str
  sample: lan
dnat:
  description: Name of the translation of the destination.
  returned: success
  type: str
snat:
  description: Name of the translation of the source.
  returned: success
  type: str
source:
  description: Source of the packet as it leaves.
  returned: success
  type: str
destination:
  description: Destination of the packet as it leaves.
  returned: success
  type: str
port:
  description: Port of the destination as it leaves, 0 where the protocol has none.
  returned: success
  type: int
"""
