#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: running_info
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Which daemons run with older files than the disk has
description:
  - Compares for each unit the time at which it was started or reloaded with the times of the files that it reads then.
  - Returns kernel parameters and digests of files, so that nodes can be compared with one another.
  - Judges nothing and changes nothing; M(linuxha.firewall.cluster_drift) judges.
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
  units:
    description: Unit to the list of the files that it reads when it starts or reloads.
    type: dict
    default: {}
  parameters:
    description: Kernel parameters, as sysctl spells them.
    type: list
    elements: str
    default: []
  files:
    description: Files whose digests are wanted.
    type: list
    elements: path
    default: []
seealso:
  - module: linuxha.firewall.cluster_drift
  - module: linuxha.firewall.node_info
"""

EXAMPLES = r"""
- name: Ask whether conntrackd runs with the configuration that is there
  linuxha.firewall.running_info:
    units:
      conntrackd.service: [/etc/conntrackd/conntrackd.conf]
  register: running
"""

RETURN = r"""
info:
  description: The node's answers.
  returned: success
  type: dict
  contains:
    units:
      description:
        - By name C(load), C(active), C(since) in seconds of the epoch, C(newer) with the files that were written later,
          and C(reload), whether systemd itself has older files of the unit.
      type: dict
    parameters:
      description: By name the value, none where the kernel has no such parameter.
      type: dict
    files:
      description: By path the SHA-256 digest, none where there is no such file.
      type: dict
    problem:
      description: Why the units are missing.
      type: str
"""

import time
from pathlib import Path
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._drift.live import System, Watched, collect
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway


def read(path: str) -> Optional[bytes]:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def modified(path: str) -> Optional[float]:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None


def clocks() -> tuple[float, float]:
    return time.time(), time.clock_gettime(time.CLOCK_MONOTONIC)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "dict", "default": {}},
            "parameters": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    watched = Watched(**module.params)
    module.exit_json(changed=False, info=collect(watched, System(gateway(module.run_command), read, modified, clocks)))


if __name__ == "__main__":
    main()
