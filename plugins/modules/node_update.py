#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_update
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Upgrade the Debian packages of a node, and say whether it needs a reboot
description:
  - Upgrades what is installed, keeping configuration files as they are. Nothing is removed without O(full), and never
    what makes the machine a firewall or lets you reach it.
  - Daemons restart as their packages order it, so the node has to serve nothing meanwhile. The playbook
    C(rolling_update) takes care of that.
  - Asks C(apt-get) what it would do rather than the apt library, so it works without C(python3-apt).
attributes:
  check_mode:
    support: full
    description: Names what would be upgraded, by the package lists that the node has.
  diff_mode:
    support: full
    description: Shows the versions before and after.
  idempotent:
    support: full
    description: Does nothing when no newer version is offered.
options:
  name:
    description:
      - V(all) packages, those of the V(firewall) and its cluster, V(none), or names of installed packages.
      - With what they depend on.
    type: list
    elements: str
    default: [all]
  full:
    description: Packages may also be removed where the upgrade needs that (C(dist-upgrade)).
    type: bool
    default: false
  state:
    description: V(latest) upgrades. V(listed) fetches the package lists and says what would be upgraded.
    type: str
    choices: [latest, listed]
    default: latest
  cache_valid_time:
    description: Package lists older than this many seconds are fetched again. Never in check mode.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for another program that holds the lock of dpkg.
    type: int
    default: 120
seealso:
  - module: linuxha.firewall.packages
  - module: linuxha.firewall.cluster_rolling
"""

EXAMPLES = r"""
- name: Ask what is new
  linuxha.firewall.node_update:
    state: listed
  register: news

- name: Upgrade one daemon
  linuxha.firewall.node_update:
    name: [keepalived]
"""

RETURN = r"""
packages:
  description: What is upgraded or newly needed, or would be, with C(name), C(from) and C(to).
  returned: success
  type: list
  elements: dict
  sample: [{"name": "keepalived", "from": "1:2.3.3-1", "to": "1:2.3.3-1+deb13u1"}]
removed:
  description: What is removed, or would be.
  returned: success
  type: list
  elements: str
reboot:
  description: Why the node needs a reboot, after the upgrade if there was one; empty when it does not.
  returned: success
  type: list
  elements: str
  sample: ["kernel 6.12.43-1 runs, 6.12.48-1 is installed"]
"""

import os
from pathlib import Path
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.updates import update


def read(path: str) -> Optional[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "default": ["all"]},
            "full": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["latest", "listed"], "default": "latest"},
            "cache_valid_time": {"type": "int", "default": 3600},
            "lock_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    result = update(module.params, module.run_command, read, os.uname().version, module.check_mode)
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
