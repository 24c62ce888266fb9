#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ruleset_info
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: The firewall rules in force, by name, with what they have counted
description:
  - Reads the rules of both address families out of the kernel and adds up their counters by the names of the rules,
    which are their comments.
  - Tells which rules no packet has met since they were loaded, whether rules are on trial, and which backend of
    iptables holds them.
attributes:
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
  loader:
    description: The program that loads the rules, which the role P(linuxha.firewall.iptables#role) installs.
    type: path
    default: /usr/local/sbin/linuxha-rules
seealso:
  - module: linuxha.firewall.ruleset
"""

EXAMPLES = r"""
- name: Ask for the rules and their counters
  linuxha.firewall.ruleset_info:
  register: rules

- name: Show which rules no packet has met
  ansible.builtin.debug:
    var: rules.unused
"""

RETURN = r"""
rules:
  description: The rules by name, in the order in which the kernel has them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The comment. A rule without one stands under its table and chain, in brackets.
      type: str
      sample: web-in
    tables:
      description: The tables in which it stands.
      type: list
      elements: str
    chains:
      description: The chains in which it stands.
      type: list
      elements: str
    ipv4:
      description: How many kernel rules it became, and their packets and bytes. Missing where it became none.
      type: dict
      sample: {rules: 1, packets: 12, bytes: 720}
    ipv6:
      description: The same for IPv6.
      type: dict
unused:
  description:
    - Names of rules that no packet has met since they were loaded, in no family. A new load counts from zero.
    - Rules for what the state of a connection has decided already count only the first packet of each.
  returned: success
  type: list
  elements: str
state:
  description: V(loaded), V(trial), V(closed), V(stopped) or V(absent).
  returned: success
  type: str
since:
  description: Since when, in seconds of the epoch.
  returned: success
  type: float
policy:
  description: Equal on all nodes that enforce the same policy.
  returned: success
  type: str
backend:
  description: V(nft) or V(legacy).
  returned: success
  type: str
mode:
  description: V(exclusive) or V(shared). None before the first rules.
  returned: success
  type: str
forwarding:
  description: Family to whether the node forwards.
  returned: success
  type: dict
drift:
  description: Family to whether the kernel holds other rules than were loaded.
  returned: success
  type: dict
generation:
  description: How many rulesets were confirmed on this node. None when the installed one was loaded without a trial.
  returned: success
  type: int
trial:
  description: The last trial since boot.
  returned: success
  type: dict
  contains:
    state:
      description: V(none), V(loading), V(trial), V(confirmed), V(rolled-back), V(failed) or V(closed).
      type: str
    token:
      description: What confirms it.
      type: str
    seconds:
      description: How long it lasts.
      type: float
    left:
      description: Seconds until the previous rules come back.
      type: float
    reason:
      description: Why it ended.
      type: str
    policy:
      description: The policy on trial.
      type: str
    previous:
      description: The policy before it.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset_info import collect


def main() -> None:
    module = AnsibleModule(
        argument_spec={"loader": {"type": "path", "default": "/usr/local/sbin/linuxha-rules"}},
        supports_check_mode=True,
    )
    result = collect(module.run_command, module.params["loader"])
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
