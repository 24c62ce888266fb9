#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_modules
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Load kernel modules now and at every boot
description:
  - Writes one file for C(systemd-modules-load) and loads what is not there.
  - What is built into the kernel counts as loaded.
  - A kernel without any module directory, as in a container, cannot load modules. What cannot be seen there is
    returned in RV(unverified) instead of failing.
attributes:
  check_mode:
    support: full
    description: Neither writes nor loads.
  diff_mode:
    support: full
    description: Shows the file.
  idempotent:
    support: full
    description: Does nothing when the file is as wanted and all modules are there.
options:
  name:
    description: The modules.
    type: list
    elements: str
    required: true
  path:
    description: The file.
    type: path
    default: /etc/modules-load.d/linuxha.conf
"""

EXAMPLES = r"""
- name: Connection tracking, before its sysctls are set
  linuxha.firewall.kernel_modules:
    name: [nf_conntrack, nf_conntrack_netlink]
"""

RETURN = r"""
loaded:
  description: The modules that were loaded by this run.
  returned: always
  type: list
  elements: str
unverified:
  description: The modules of which nobody can tell whether the kernel has them.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.kernel_modules import apply


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "path": {"type": "path", "default": "/etc/modules-load.d/linuxha.conf"},
        },
        supports_check_mode=True,
    )
    result = apply(module.params, module.run_command, module.check_mode)
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
