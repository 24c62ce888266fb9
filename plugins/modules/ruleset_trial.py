#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ruleset_trial
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Confirm rules that are on trial, on all nodes of a cluster or on none
description:
  - Rules that M(linuxha.firewall.ruleset) has laid down for a trial go back by themselves, unless they are confirmed
    over a connection that was made after they were loaded.
  - Every order of this module goes over an SSH connection of its own, never over a shared one (C(ControlMaster)).
    The node checks it. It compares the age of the server process of the connection with the age of the rules, and
    refuses an older one.
  - Without a trial every step succeeds and does nothing.
  - The steps V(confirm) and V(settle) read what the step before them has registered on all O(nodes), so every
    step has to end on all of them before the next one begins, as the strategy linear does it.
attributes:
  action:
    support: full
    description: Decides on the controller and runs one program on the host.
  check_mode:
    support: full
    description: There is no trial in check mode, so nothing is done.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: What is confirmed stays confirmed.
options:
  step:
    description:
      - V(reach) asks the node until it answers over a new connection, and fails when it does not. For the moment after
        loading, so that the next node is not touched.
      - V(ask) is the same without failing. Register it.
      - V(confirm) confirms when all O(nodes) have answered V(ask), and otherwise takes the rules back. Register it.
      - V(settle) takes the rules back and fails unless all O(nodes) have confirmed.
    type: str
    required: true
    choices: [reach, ask, confirm, settle]
  trial:
    description: What M(linuxha.firewall.ruleset) returned as RV(linuxha.firewall.ruleset#module:trial).
    type: dict
    required: true
  nodes:
    description: Who stands together. Only this host when empty.
    type: list
    elements: str
    default: []
  answers:
    description: Name of the variable in which every node registered the step before.
    type: str
    default: ""
  patience:
    description: Seconds for which an answer is waited for.
    type: float
    default: 15
  loader:
    description: The program on the node.
    type: path
    default: /usr/local/sbin/linuxha-rules
seealso:
  - module: linuxha.firewall.ruleset
"""

EXAMPLES = r"""
- name: Lay the rules down for a trial
  linuxha.firewall.ruleset:
    files: "{{ policy | linuxha.firewall.iptables_ruleset }}"
    trial: 60
  register: rules

- name: Load them without waiting for an answer
  ansible.builtin.systemd_service:
    name: linuxha-rules-trial.service
    state: restarted
    no_block: true
  when: rules.trial.token | length > 0

- name: Ask every node over a new connection
  linuxha.firewall.ruleset_trial:
    step: ask
    trial: "{{ rules.trial }}"
  register: asked

- name: Confirm when all answered
  linuxha.firewall.ruleset_trial:
    step: confirm
    trial: "{{ rules.trial }}"
    nodes: "{{ ansible_play_hosts_all }}"
    answers: asked
  register: confirmed

- name: Take the rules back unless all confirmed
  linuxha.firewall.ruleset_trial:
    step: settle
    trial: "{{ rules.trial }}"
    nodes: "{{ ansible_play_hosts_all }}"
    answers: confirmed
"""

RETURN = r"""
ok:
  description: Whether this node has answered, or has kept its rules.
  returned: always
  type: bool
reason:
  description: Why not.
  returned: always
  type: str
remedy:
  description: What to do about it.
  returned: always
  type: str
lines:
  description: Of the step V(confirm), the reasons of all nodes for not confirming.
  returned: when this node took its rules back
  type: list
  elements: str
"""
