#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Set kernel parameters now and at every boot, all in one run
description:
  - Writes one file for C(systemd-sysctl) and sets those parameters in the running kernel whose value differs.
  - A key may have a C(*) for one component, as in C(net.ipv4.conf.*.send_redirects).
attributes:
  check_mode:
    support: full
    description: Neither writes nor sets. A key that does not exist yet counts as to be set.
  diff_mode:
    support: full
    description: Shows the file and the live values.
  idempotent:
    support: full
    description: Only values that differ are written.
options:
  values:
    description: Key to value.
    type: dict
    required: true
  optional:
    description:
      - Keys, with wildcards as in a shell, that may be missing or read-only, as several are in a container.
        They are returned in RV(unavailable) and warned about when they keep another value.
    type: list
    elements: str
    default: []
  warn_when_set:
    description:
      - Keys that no file in the C(sysctl.d) directories should set, with a warning for every file that does.
        Forwarding is one, since the rules must be there first.
    type: list
    elements: str
    default: []
  path:
    description: The file.
    type: path
    default: /etc/sysctl.d/60-linuxha.conf
"""

EXAMPLES = r"""
- name: Strict connection tracking
  linuxha.firewall.sysctl:
    values:
      net.netfilter.nf_conntrack_tcp_loose: 0
      net.netfilter.nf_conntrack_max: 262144
    optional: [net.netfilter.nf_conntrack_max]
"""

RETURN = r"""
changes:
  description: The live values that were changed, one line each.
  returned: always
  type: list
  elements: str
  sample: ["net.netfilter.nf_conntrack_tcp_loose: 1 -> 0"]
unavailable:
  description: Optional keys that are missing or cannot be written here.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.sysctl import apply


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "values": {"type": "dict", "required": True},
            "optional": {"type": "list", "elements": "str", "default": []},
            "warn_when_set": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": "/etc/sysctl.d/60-linuxha.conf"},
        },
        supports_check_mode=True,
    )
    result = apply(module.params, module.check_mode)
    for warning in result.pop("notes", []):
        module.warn(warning)
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
