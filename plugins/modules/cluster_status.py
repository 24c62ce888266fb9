#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Show every cluster on one screen, and whether another node could take over
description:
  - Brings the plan of M(linuxha.firewall.cluster_plan) and the answers of M(linuxha.firewall.node_info) of all hosts of
    the play together, prints each cluster, and writes all of them as JSON and as a page where that is wanted.
  - Judges by the same checks as M(linuxha.firewall.cluster_verify), but never fails because of what it finds. A node
    that does not answer is shown as such.
  - For all clusters of the play at once, so with C(run_once). Runs on the controller and needs no connection.
extends_documentation_fragment:
  - linuxha.firewall.controller
  - linuxha.firewall.controller.answers
attributes:
  check_mode:
    support: full
    description: Prints, and writes no file.
  idempotent:
    support: full
    description: Changes no node. A file that it writes is a report, and no change.
options:
  json:
    description: Path of a file on the controller for everything as JSON.
    type: path
  html:
    description: Path of a file on the controller for a page that needs no other file.
    type: path
seealso:
  - module: linuxha.firewall.cluster_verify
"""

EXAMPLES = r"""
- name: Show every cluster, and write a page of the whole fleet
  linuxha.firewall.cluster_status:
    html: /var/www/html/firewalls.html
  run_once: true
"""

RETURN = r"""
msg:
  description: The state of each cluster.
  returned: always
  type: str
  sample: edge ok
status:
  description: Everything, as it is written as JSON.
  returned: success
  type: dict
  contains:
    format:
      description: Number of this form. Keys may be added under the same number.
      type: int
      sample: 1
    at:
      description: When the page was made, in UTC.
      type: str
      sample: "2026-01-01T12:00:00Z"
    clusters:
      description:
        - Each cluster, those in trouble first. C(state) is V(ok), V(degraded), when it serves and something is wrong or
          nobody could take over, or V(down), when a group of addresses has no single owner.
        - Each of C(groups) has its C(primary) node, C(owner), C(since), C(vips) with their owners, and C(takeover).
          That is whether another node is C(able) to take over now, C(why), and by node what keeps it from that.
        - Each of C(nodes) tells whether it C(answers), its C(health) and C(roles), and, when it does, C(states),
          C(rules), C(pings), C(maintenance), C(damping), C(sync), C(units) and C(versions).
        - C(rules) tells whether they are C(equal) on all nodes; null when fewer than two nodes could be compared.
        - C(journal) has the last moves, and C(findings) what M(linuxha.firewall.cluster_verify) finds.
      type: list
      elements: dict
"""
