#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_change
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: What a daemon that runs needs in order to follow a changed file
description:
  - Compares a configuration with the one on the node, and the settings that only a start takes over with those that the
    process was started with (C(LINUXHA_STARTED_WITH) in its environment, which its unit sets).
  - Changes nothing, reloads nothing and restarts nothing.
attributes:
  check_mode:
    support: full
    description: Only reads, in either mode.
  diff_mode:
    support: none
    description: Has nothing to show; the task that writes the file has.
  idempotent:
    support: full
    description: Changes nothing.
options:
  unit:
    description: The systemd unit of the daemon.
    type: str
    required: true
  path:
    description: Its configuration.
    type: path
    required: true
  content:
    description: What the configuration shall be.
    type: str
    required: true
  settings:
    description:
      - What only a start takes over, as C(name=value). A name without a value is something that a reload brings and
        only a restart takes away.
    type: list
    elements: str
    default: []
  live:
    description: What a change of the configuration needs.
    type: str
    choices: [reload, restart]
    default: reload
  vrrp:
    description: The configuration is a C(keepalived.conf), whose VRRP instances have to be known again after a reload.
    type: bool
    default: false
seealso:
  - module: linuxha.firewall.cluster_changes
"""

EXAMPLES = r"""
- name: Look what a change means
  linuxha.firewall.service_change:
    unit: keepalived.service
    path: /etc/keepalived/keepalived.conf
    content: "{{ lookup('ansible.builtin.template', 'keepalived.conf.j2') }}"
    vrrp: true
  register: change
"""

RETURN = r"""
kind:
  description:
    - V(nothing), V(reload) or V(restart), and V(start) where it does not run. V(rejoin) is a reload after which no VRRP
      instance is the one that it was, so that it takes part anew, V(check) one that brings a track script, whose first
      result counts.
  returned: success
  type: str
lines:
  description: What goes and what comes.
  returned: success
  type: list
  elements: str
  sample: ["+ 192.0.2.11/24 dev eth1"]
checks:
  description: Names of track scripts that a keepalived which runs does not have yet, whatever the kind is.
  returned: success
  type: list
  elements: str
  sample: ["gateway"]
older:
  description: Settings that only a start takes over, as they are and as they should be.
  returned: success
  type: list
  elements: str
  sample: ["LimitRTPRIO: 0 -> infinity"]
"""

from pathlib import Path
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._change.classify import Running, classify, started_with
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Run, gateway


def read(path: Path) -> Optional[bytes]:
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return None


def running(run: Run, unit: str, processes: Path = Path("/proc")) -> Running:
    answer = run(["systemctl", "show", "--property=ActiveState,MainPID", "--", unit])
    found = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())
    pid = found.get("MainPID", "0")
    if found.get("ActiveState") not in ("active", "reloading") or not pid.isdigit() or pid == "0":
        return Running(False)
    return Running(True, started_with(read(processes / pid / "environ")))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True},
            "settings": {"type": "list", "elements": "str", "default": []},
            "live": {"type": "str", "choices": ["reload", "restart"], "default": "reload"},
            "vrrp": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    before = (read(Path(given["path"])) or b"").decode("utf-8", "replace")
    found = classify(
        running(gateway(module.run_command), given["unit"]),
        before,
        given["content"],
        given["settings"],
        given["live"],
        given["vrrp"],
    )
    module.exit_json(
        changed=False, kind=found.kind, lines=list(found.lines), older=list(found.older), checks=list(found.checks)
    )


if __name__ == "__main__":
    main()
