# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: policy_trace
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Ask a policy about one packet, before it is deployed
description:
  - Answers as the module M(linuxha.firewall.policy_trace) does, in templates and conditions, and also for the role
    P(linuxha.firewall.iptables#role) used alone.
  - Give either O(policy), or O(hostvars) and O(host). No node is asked.
  - Every mistake in the policy or the packet is reported in one error, with its path, value, reason and remedy.
positional: policy
options:
  _input:
    description:
      - The first packet of a connection, as in the option O(linuxha.firewall.policy_trace#module:packet).
    type: dict
    required: true
  policy:
    description:
      - The variables of the role P(linuxha.firewall.iptables#role) without their prefix, as the filter
        P(linuxha.firewall.iptables_ruleset#filter) takes them.
    type: dict
  outside:
    description:
      - With O(policy), the zone of all addresses that are in no C(networks) of a zone. Without it a packet to one of
        them needs C(to).
    type: str
  own:
    description:
      - With O(policy), the addresses of the node itself. The C(vips) are known without it.
    type: list
    elements: str
    default: []
  hostvars:
    description:
      - The variable C(hostvars), for the firewall clusters of the inventory.
    type: dict
  host:
    description:
      - With O(hostvars), a node of the cluster whose C(firewall_policy) is asked, such as C(inventory_hostname).
    type: str
seealso:
  - module: linuxha.firewall.policy_trace
"""

EXAMPLES = r"""
- name: The web server answers and the database does not
  ansible.builtin.assert:
    that: (packet | linuxha.firewall.policy_trace(hostvars=hostvars, host=inventory_hostname)).action == item.value
  loop: "{{ {443: 'accept', 5432: 'drop'} | dict2items }}"
  vars:
    packet: {from: wan, source: 203.0.113.200, destination: 192.0.2.1, protocol: tcp, port: "{{ item.key }}"}

- name: Which rule of the role used alone lets the office in?
  ansible.builtin.debug:
    msg: "{{ (packet | linuxha.firewall.policy_trace(policy, outside='wan', own=['192.0.2.2'])).rule }}"
  vars:
    packet: {from: wan, source: 203.0.113.200, destination: 192.0.2.2, protocol: tcp, port: 22}
    policy:
      zones: "{{ iptables_zones }}"
      rules: "{{ iptables_rules }}"
"""

RETURN = r"""
_value:
  description:
    - What the module M(linuxha.firewall.policy_trace) returns, among it C(action), C(rule), C(to), C(destination), and
      C(msg), the way of the packet in lines.
  type: dict
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.action.policy_trace import of_cluster, told
from ansible_collections.linuxha.firewall.plugins.filter.iptables_ruleset import refusal
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import early
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.review import review
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, trace


def policy_trace(
    packet: object,
    policy: Optional[Mapping[str, Any]] = None,
    outside: str = "",
    own: Iterable[str] = (),
    hostvars: Optional[Mapping[str, Any]] = None,
    host: str = "",
) -> dict[str, Any]:
    if isinstance(hostvars, Mapping) == isinstance(policy, Mapping):
        raise AnsibleFilterError("policy_trace needs either policy, a mapping, or hostvars with host")
    if isinstance(policy, Mapping):
        asked, found = of_role(plain(policy), plain(outside), plain(own))
        problems = [str(problem) for problem in found]
    else:
        asked, problems = of_cluster(hostvars, str(host))
    if asked is None or problems:
        raise refusal("the policy has", problems)
    question, found = read_packet(plain(packet), asked.context.zone_names)
    if question is None:
        raise refusal("the question has", [str(problem) for problem in found])
    return told(trace(asked, question))


def of_role(raw: dict[str, Any], outside: object, own: object) -> tuple[Policy, list[Problem]]:
    """The policy of the role's variables, with what the cluster model knows beside it and the role does not."""
    ruleset, found = parse(raw)
    problems = list(found)
    if problems:
        return Policy(), problems
    mine = addresses(own, "policy_trace.own", problems)
    vips = addresses(raw.get("vips"), "iptables_vips", problems)
    judged, found = review(ruleset, {"outside": outside} if outside else {}, "policy_trace", mine, vips)
    return replace(judged.policy, early=early.of(ruleset, {}, "")), [*problems, *found]


def addresses(raw: object, path: str, problems: list[Problem]) -> list[Address]:
    """Addresses, with or without a prefix length."""
    found: list[Address] = []
    for item in raw if isinstance(raw, list) else [raw] if raw else []:
        try:
            found.append(ipaddress.ip_address(str(item).partition("/")[0]))
        except ValueError:
            problems.append(Problem(path, item, "is not an address", "Write it such as 192.0.2.1 or 2001:db8:1::1."))
    return found


class FilterModule:
    def filters(self) -> dict[str, object]:
        return {"policy_trace": policy_trace}
