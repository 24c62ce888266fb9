#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_drift
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: What differs from the inventory, on which node, in which layer
description:
  - Runs the site playbook in check mode within this task, with the inventory, the extra variables and the secrets of
    this run, and sorts what it would change by layer. So it knows every file and every setting that site knows.
  - Adds what M(linuxha.firewall.node_info) and M(linuxha.firewall.running_info) have registered on the nodes, judged as
    M(linuxha.firewall.cluster_verify) does, and compares the nodes with one another.
  - Changes nothing. One task is for all clusters of the play; use C(run_once).
  - Runs on the controller and needs no connection to the host.
attributes:
  action:
    support: full
    description: Runs on the controller only, and site in check mode on the nodes.
  check_mode:
    support: full
    description: Changes nothing in either mode; O(report) is written in the normal mode only.
  diff_mode:
    support: none
    description: Lines that differ may hold secrets. Run site with C(--check --diff) to see them.
  idempotent:
    support: full
    description: Changes nothing.
options:
  playbook:
    description: What to run in check mode.
    type: str
    default: linuxha.firewall.site
  fail:
    description: Whether a difference, or something that could not be compared, fails the task.
    type: bool
    default: false
  report:
    description: File on the controller for the report as JSON. None by default.
    type: path
  nodes:
    description: Name of the variable with the answers of M(linuxha.firewall.node_info).
    type: str
    default: firewall_node_info
  running:
    description: Name of the variable with the answers of M(linuxha.firewall.running_info).
    type: str
    default: firewall_running
seealso:
  - module: linuxha.firewall.node_info
  - module: linuxha.firewall.running_info
"""

EXAMPLES = r"""
- name: Compare and report
  linuxha.firewall.cluster_drift:
    fail: true
    report: drift.json
  run_once: true
"""

RETURN = r"""
msg:
  description: One line, or the whole table when the task fails.
  returned: always
  type: str
report:
  description: The report.
  returned: success, and failure because of a difference
  type: dict
  contains:
    drift:
      description: Whether anything differs or could not be compared.
      type: bool
    counts:
      description: How many of each layer.
      type: dict
      sample: {"inventory": 0, "file": 1, "kernel": 0, "daemon": 1, "peer": 0, "unknown": 0}
    differences:
      description:
        - Each with C(cluster), C(node) (empty when it is about all of them), C(layer), C(path), C(what), C(expected)
          and C(remedy).
      type: list
      elements: dict
    compared:
      description: How many results of the site playbook were looked at.
      type: int
    clusters:
      description: The clusters that were compared.
      type: list
      elements: str
    nodes:
      description: The nodes that were compared.
      type: list
      elements: str
    remarks:
      description: What is worth knowing and no difference.
      type: list
      elements: str
"""
