#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Ask a firewall node how it is
description:
  - Returns what the running node has and does, addresses, VRRP states, units, connection states, rules, forwarding and
    versions. Judges nothing; that is what M(linuxha.firewall.cluster_verify) does.
  - A part that cannot be read carries the reason in its C(problem), so that the others are returned all the same.
attributes:
  check_mode:
    support: full
    description: Only reads, in either mode.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: full
    description: Changes nothing.
options:
  vips:
    description: The virtual addresses to look for, without a prefix length.
    type: list
    elements: str
    default: []
  units:
    description: The systemd units to ask for.
    type: list
    elements: str
    default: []
  mask:
    description:
      - Words to replace before the fingerprint of the rules is taken, with their replacement. Give what differs
        between nodes, such as their addresses and interfaces, so that equal policies have equal fingerprints.
        The filter P(linuxha.firewall.node_mask#filter) makes it.
    type: dict
    default: {}
  cluster:
    description: Ask Pacemaker for its status, too.
    type: bool
    default: false
  device:
    description: Ask corosync for the vote of its quorum device, too.
    type: bool
    default: false
  state_file:
    description: Where the takeover worker publishes its state.
    type: path
    default: /run/linuxha/state.json
  loader:
    description: The program that loads the rules.
    type: path
    default: /usr/local/sbin/linuxha-rules
  conntrackd_config:
    description: The configuration of conntrackd, which names its control socket.
    type: path
    default: /etc/conntrackd/conntrackd.conf
  pings:
    description: Lists of addresses by group; each is asked for one answer, all at once.
    type: dict
    default: {}
  journal_lines:
    description: How many moves of the failover journal to return.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Ask the node
  linuxha.firewall.node_info:
    vips: [192.0.2.1, "2001:db8:1::1"]
    units: [keepalived.service, conntrackd.service]
  register: node

- name: Show which of the addresses it holds
  ansible.builtin.debug:
    var: node.info.held
"""

RETURN = r"""
info:
  description: The node's answers.
  returned: success
  type: dict
  contains:
    addresses:
      description: Addresses by interface.
      type: dict
      sample: {"eth1": ["192.0.2.2", "192.0.2.1"]}
    held:
      description: Those of O(vips) that the node has.
      type: list
      elements: str
      sample: [192.0.2.1]
    duplicate:
      description: Addresses that another host answers for, by duplicate address detection.
      type: list
      elements: str
    worker:
      description:
        - State of the takeover worker, with C(instances), C(active), C(gate), C(states), C(behind) (it takes nothing
          back by preference, since the states are not here), C(untold) (why the peers were not told of all
          connections) and C(problem).
      type: dict
      sample: {"instances": {"edge": {"state": "MASTER", "since": 1767225600.0, "priority": 250}}, "gate": "open"}
    drained:
      description: Whether the node was told not to take over.
      type: bool
    maintenance:
      description: The maintenance in force, with C(since), C(until), C(reason) and C(by); null without.
      type: dict
    units:
      description:
        - By name C(load), C(active), C(sub), C(enabled), C(result), C(restarts), and C(older), settings that only a
          restart would bring, as they are and as they should be.
      type: dict
    conntrackd:
      description:
        - Its statistics. C(internal) and C(external) are entries of the caches; with immediate injection C(external) is
          null and C(immediate) true. Then C(injected), C(no_space), C(no_memory), C(overruns), C(kernel_resyncs),
          C(malformed), C(lost), C(uptime_minutes), C(link) and C(problem).
      type: dict
    cluster:
      description:
        - With O(cluster) what M(linuxha.firewall.cluster_info) returns, and C(problem), the reason why there is no
          status; null without.
      type: dict
    device:
      description:
        - With O(device) whether the quorum device C(votes) for this node, the C(flags) of corosync from which that is
          known, and C(problem); null without.
      type: dict
      sample: {"votes": true, "flags": "A,V,NMW", "problem": null}
    watch:
      description: What the watcher of overruns has published, empty without one.
      type: dict
    conntrack:
      description:
        - C(entries) and C(max) of the kernel's connection table; C(entries_before) from before conntrackd was asked.
      type: dict
      sample: {"entries_before": 2040, "entries": 2048, "max": 262144}
    rules:
      description:
        - C(status) is the answer of O(loader). C(fingerprint) by family is equal on nodes with the same rules,
          C(count) the number of rules, C(problem) the reason why something of it is missing.
      type: dict
    pings:
      description: By group and address of O(pings) whether it answers; null where that cannot be told.
      type: dict
      sample: {"outside": {"192.0.2.80": true}}
    journal:
      description: The last moves of the failover journal, the newest last.
      type: list
      elements: dict
    damping:
      description: Whether the node is C(held) back, after how many C(moves) in C(window_s), and C(until); null without.
      type: dict
    sync:
      description:
        - Whether the files of config sync are C(in_step), C(problems), which are C(behind), and C(last_run),
          when it ran last, null when it has not since the boot. Null without config sync.
      type: dict
    clock:
      description: The node's time, in seconds since 1970.
      type: float
    forwarding:
      description: Whether it is on, by family.
      type: dict
      sample: {"ipv4": true, "ipv6": true}
    versions:
      description: Of the release, the kernel and the packages.
      type: dict
      sample: {"release": "debian 13", "kernel": "6.12.0", "keepalived": "1:2.3.3-1"}
"""

import os
import time
from pathlib import Path
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway
from ansible_collections.linuxha.firewall.plugins.module_utils._node import Question, Unreadable, collect


def read(path: str) -> Optional[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "vips": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "mask": {"type": "dict", "default": {}},
            "cluster": {"type": "bool", "default": False},
            "device": {"type": "bool", "default": False},
            "state_file": {"type": "path", "default": "/run/linuxha/state.json"},
            "loader": {"type": "path", "default": "/usr/local/sbin/linuxha-rules"},
            "conntrackd_config": {"type": "path", "default": "/etc/conntrackd/conntrackd.conf"},
            "pings": {"type": "dict", "default": {}},
            "journal_lines": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        info = collect(Question(**module.params), gateway(), read, os.uname().release)
    except Unreadable as error:
        module.fail_json(msg=f"the node cannot be asked: {error}")
    module.exit_json(changed=False, info={**info, "clock": time.time()})


if __name__ == "__main__":
    main()
