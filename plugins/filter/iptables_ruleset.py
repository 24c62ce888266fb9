# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: iptables_ruleset
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Compile zones, rules and NAT to iptables-restore text
description:
  - Turns the variables of the role P(linuxha.firewall.iptables#role) into the files that its loader reads.
  - Pure, and stable. The same input always gives the same text.
  - Every mistake in the input is reported in one error, with its path, value, reason and remedy.
options:
  _input:
    description:
      - The role's variables without their prefix, so C(zones), C(addresses), C(services), C(rules), C(nat),
        C(defaults), C(untracked), C(mss), C(raw), C(vips), C(cluster_rules), C(management), C(gate), C(antispoof),
        C(output), C(log_drops), C(echo_rate).
      - A missing one means the default of the role.
    type: dict
    required: true
  mode:
    description:
      - Whether the tables raw, nat and filter belong to these rules (V(exclusive)), or are shared with others, whose
        chains and rules then survive a load (V(shared)).
    type: str
    choices: [exclusive, shared]
    default: exclusive
"""

EXAMPLES = r"""
- name: Show what a rule becomes
  ansible.builtin.debug:
    msg: "{{ (policy | linuxha.firewall.iptables_ruleset)['rules.v4'] }}"
  vars:
    policy:
      zones:
        wan: {interfaces: [eth1]}
        lan: {interfaces: [eth2]}
      rules:
        - {name: lan-out, from: lan, to: wan, action: accept}
"""

RETURN = r"""
_value:
  description:
    - File name to content, for C(ipsets), C(rules.v4), C(rules.v6), C(closed.v4) and C(closed.v6).
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.linuxha.firewall.plugins.action.cluster_plan import plain
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.shared import refused, shared


def iptables_ruleset(value: object, mode: str = "exclusive") -> dict[str, str]:
    if mode not in ("exclusive", "shared"):
        raise AnsibleFilterError(f"iptables_mode: {mode!r}: unknown value. One of: exclusive, shared.")
    raw = plain(value)
    if not isinstance(raw, dict):
        raise AnsibleFilterError("iptables_ruleset wants a mapping of the role's variables without their prefix")
    ruleset, found = parse(raw)
    problems = [*found, *(refused(ruleset.raw) if mode == "shared" else ())]
    if problems:
        raise refusal("the firewall rules have", [str(problem) for problem in problems])
    files = render(ruleset)
    return shared(files) if mode == "shared" else files


def refusal(what: str, problems: list[str]) -> AnsibleFilterError:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return AnsibleFilterError(f"{what} {len(problems)} problem(s):\n{lines}")


class FilterModule:
    def filters(self) -> dict[str, object]:
        return {"iptables_ruleset": iptables_ruleset}
