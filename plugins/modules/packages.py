#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Install missing Debian packages without starting their daemons
description:
  - Installs what is missing. Never upgrades and never removes a package.
  - The maintainer scripts run with E(SYSTEMD_OFFLINE=1), with which C(systemctl) enables units but starts none.
    Unlike a C(policy-rc.d) this leaves nothing behind, whatever happens in the middle, and needs no list of units.
  - Asks C(dpkg-query) rather than the apt library, so it is fast when nothing is to do, and works in check mode on a
    node without C(python3-apt).
attributes:
  check_mode:
    support: full
    description: Names what would be installed.
  diff_mode:
    support: full
    description: Shows the packages that are added.
  idempotent:
    support: full
    description: Does nothing when all packages are installed.
options:
  name:
    description: The packages.
    type: list
    elements: str
    required: true
  cache_valid_time:
    description: Package lists older than this many seconds are fetched again before something is installed.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for another program that holds the lock of dpkg.
    type: int
    default: 120
notes:
  - A dependency that is upgraded on the way does not get its daemon restarted either.
"""

EXAMPLES = r"""
- name: Install the daemons, to be started when they are configured
  linuxha.firewall.packages:
    name: [conntrackd, keepalived]
"""

RETURN = r"""
installed:
  description: What was missing.
  returned: always
  type: list
  elements: str
  sample: [conntrackd]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.packages import install


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "cache_valid_time": {"type": "int", "default": 3600},
            "lock_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    result = install(module.params, module.run_command, module.check_mode)
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
