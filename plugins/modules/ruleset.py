#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ruleset
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Install the files of a ruleset together, tested as a whole
description:
  - Writes IPv4 rules, IPv6 rules and sets side by side with a manifest of checksums, all of them or none.
  - Before anything is written, the new files are really loaded in a throwaway network namespace by the loader.
  - Also compares the kernel with what was loaded, and reports a difference as a change, so that a task which loads
    the rules can depend on it. The module itself never changes the rules in the kernel.
attributes:
  check_mode:
    support: full
    description: Writes nothing. The test load is done too when the loader is installed.
  diff_mode:
    support: full
    description: Shows what happens to which rule, and then every file that changes.
  idempotent:
    support: full
    description: A second run changes nothing as long as nobody changes the rules in the kernel.
options:
  directory:
    description: Where the files live.
    type: path
    default: /etc/linuxha/rules
  files:
    description: File name to content, as the filter P(linuxha.firewall.iptables_ruleset#filter) returns it.
    type: dict
    required: true
  loader:
    description: The program that tests and loads.
    type: path
    default: /usr/local/sbin/linuxha-rules
  management:
    description:
      - Who may always connect, with C(sources) and C(port). When the running connection of Ansible is not among them,
        the module fails before it writes, since the new rules would cut it off.
      - Empty means that this is not checked.
    type: dict
    default: {}
  trial:
    description:
      - Seconds for which new files will be on trial. They are then laid down beside O(directory), with the ending
        C(.trial), and nothing that boots changes. C(linuxha-rules-trial.service) loads them, and
        M(linuxha.firewall.ruleset_trial) confirms them, which moves them to O(directory).
      - V(0) replaces the files in O(directory) at once.
      - Fails while rules of another run are on trial.
    type: int
    default: 0
seealso:
  - module: linuxha.firewall.ruleset_trial
  - module: linuxha.firewall.ruleset_info
"""

EXAMPLES = r"""
- name: Install the rules
  linuxha.firewall.ruleset:
    files: "{{ policy | linuxha.firewall.iptables_ruleset }}"
  register: ruleset

- name: Load them, or load again what somebody has changed in the kernel
  ansible.builtin.systemd_service:
    name: linuxha-rules.service
    state: reloaded
  when: ruleset is changed
"""

RETURN = r"""
changes:
  description: What is different, one readable line each, by the names of the rules.
  returned: always
  type: list
  elements: str
  sample:
    - "new rule web-in (IPv4 and IPv6)"
    - "rule dns (IPv4 and IPv6): --dport 53 -> 54"
    - "set partners: new 198.51.100.7"
    - "ipv6: the kernel holds other rules than were loaded"
status:
  description: The loader's own answer, empty while it is not installed.
  returned: always
  type: dict
tested:
  description: Whether the new files were loaded for a test.
  returned: always
  type: bool
trial:
  description: What M(linuxha.firewall.ruleset_trial) needs.
  returned: always
  type: dict
  contains:
    token:
      description: Names the trial; empty when there is nothing to try.
      type: str
    seconds:
      description: How long it will last.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import Installer


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": "/etc/linuxha/rules"},
            "files": {"type": "dict", "required": True},
            "loader": {"type": "path", "default": "/usr/local/sbin/linuxha-rules"},
            "management": {"type": "dict", "default": {}},
            "trial": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    result = Installer(module.params, module.run_command, module.check_mode).run()
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
