#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_changes
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Say which class the changes of a run are of, and who has to be restarted for them
description:
  - Brings together what the roles have registered on every node of a cluster, and prints one table for each cluster. In
    check mode it says what site would do.
  - Orders nothing itself.
  - Runs on the controller and needs no connection to the host.
extends_documentation_fragment:
  - linuxha.firewall.controller
attributes:
  idempotent:
    support: full
    description: Changes nothing.
options:
  restart:
    description:
      - What to do about a keepalived that runs on settings which only a start takes over. With V(switchover) a node
        that serves gives way first, with V(now) it does not, and with V(never) nothing is restarted.
    type: str
    choices: [switchover, now, never]
    default: switchover
seealso:
  - module: linuxha.firewall.service_change
  - module: linuxha.firewall.cluster_switchover
"""

EXAMPLES = r"""
- name: Say what the changes meant
  linuxha.firewall.cluster_changes:
  register: changes
"""

RETURN = r"""
changes:
  description: Every change that needs something, with C(node), C(daemon), C(kind) and C(why).
  returned: success
  type: list
  elements: dict
  sample: [{"node": "fw2", "daemon": "keepalived", "kind": "reload", "why": "+ 192.0.2.11/24 dev eth1"}]
turns:
  description: The nodes whose keepalived has to be restarted, in order; none in check mode.
  returned: success
  type: list
  elements: str
"""
