# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: node_mask
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Tell what differs from node to node in the rules of a cluster
description:
  - Returns the option O(linuxha.firewall.node_info#module:mask) for one node, the addresses of all nodes of its cluster
    and its own interfaces, each with the name of its network.
positional: node, links, management
options:
  _input:
    description: The fact C(firewall_plan).
    type: dict
    required: true
  node:
    description: The variable C(firewall_node) of this node.
    type: dict
    required: true
  links:
    description: The variable C(conntrackd_links), entries with C(name) and C(interface).
    type: list
    elements: dict
    default: []
  management:
    description: The variable C(iptables_management), of which C(interfaces) is taken.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Ask the node
  linuxha.firewall.node_info:
    mask: "{{ firewall_plan | linuxha.firewall.node_mask(firewall_node, conntrackd_links, iptables_management) }}"
"""

RETURN = r"""
_value:
  description: Word to replacement.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.module_utils._node.mask import mask


def node_mask(
    plan: Any, node: Any, links: Optional[Sequence[Any]] = None, management: Optional[Mapping[str, Any]] = None
) -> dict[str, str]:
    if not isinstance(plan, Mapping) or not isinstance(node, Mapping):
        raise AnsibleFilterError("node_mask needs the facts of cluster_plan and the variable firewall_node")
    interfaces = [(str(link["name"]), str(link["interface"])) for link in links or []]
    interfaces += [("mgmt", str(interface)) for interface in (management or {}).get("interfaces") or []]
    return mask(plan, node, interfaces)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"node_mask": node_mask}
