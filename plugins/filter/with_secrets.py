# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: with_secrets
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Put the parameters of fence devices into the configuration of a cluster
description:
  - The facts of M(linuxha.firewall.cluster_plan) hold no parameters of fence devices, of which some are secret, since
    facts show with C(-v) and stand in the cache of facts.
  - Returns the fact C(pacemaker_cib) with those that stand in the inventory, for the role C(pacemaker).
positional: cluster
options:
  _input:
    description: The fact C(pacemaker_cib).
    type: dict
    required: true
  cluster:
    description: The variable C(firewall_cluster) of this host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Deploy the resources of the clusters
  ansible.builtin.include_role:
    name: linuxha.firewall.pacemaker
  vars:
    pacemaker_cib: "{{ ansible_facts['pacemaker_cib'] | linuxha.firewall.with_secrets(firewall_cluster) }}"
"""

RETURN = r"""
_value:
  description: The variable C(pacemaker_cib) of the role.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils._model import view_cib


def with_secrets(variable: Any, cluster: Any) -> dict[str, Any]:
    if not isinstance(variable, Mapping) or not isinstance(cluster, Mapping):
        raise AnsibleFilterError(
            "with_secrets needs the fact pacemaker_cib of cluster_plan and the variable firewall_cluster"
        )
    return view_cib.with_secrets(plain(variable), plain(cluster))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"with_secrets": with_secrets}
