# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: config_sync_settings
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Make the settings of the config sync from the variables of its role
description:
  - Returns the content of the settings file that the program on a node reads.
  - Fails with every mistake at once, each with its path, its value, the reason and a remedy.
options:
  _input:
    description: The variables of the role C(config_sync) without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the node reads
  ansible.builtin.debug:
    msg: "{{ variables | linuxha.firewall.config_sync_settings }}"
  vars:
    variables:
      node: fw1
      user: linuxha-sync
      nodes:
        - {name: fw1, addresses: [203.0.113.65]}
        - {name: fw2, addresses: [203.0.113.66]}
      entries:
        - {name: resolver, path: /etc/resolv.conf}
"""

RETURN = r"""
_value:
  description: The settings.
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils._model import view_sync


def config_sync_settings(variables: Any) -> dict[str, Any]:
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError("config_sync_settings needs the variables of the role, without their prefix")
    found, problems = view_sync.settings(plain(variables))
    if problems:
        raise AnsibleFilterError("\n".join(["config_sync cannot work like this:", *problems]))
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"config_sync_settings": config_sync_settings}
