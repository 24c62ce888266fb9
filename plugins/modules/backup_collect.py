#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_collect
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Read what a node keeps for itself
description:
  - Returns files with their owners and modes, and what the node is. M(linuxha.firewall.backup) runs it, and encrypts
    what it returns.
  - With O(content) the result holds secrets in clear. Do not register it; use M(linuxha.firewall.backup).
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
  sources:
    description:
      - What to read, each with C(path) (a file, a directory or a pattern), C(part), and C(exclude), patterns of names.
    type: list
    elements: dict
    default: []
  content:
    description: Whether to return the files, and not only their sizes and checksums.
    type: bool
    default: false
seealso:
  - module: linuxha.firewall.backup
"""

EXAMPLES = r"""
- name: See what there is
  linuxha.firewall.backup_collect:
    sources:
      - {path: /etc/corosync/authkey, part: keys}
  register: found
"""

RETURN = r"""
entries:
  description:
    - Each with C(path), C(kind), C(mode), C(owner), C(group), C(part), C(source), and for a file C(size), C(sha256) and
      C(content) in base64.
  returned: success
  type: list
  elements: dict
left_out:
  description: What is too large.
  returned: success
  type: list
  elements: str
system:
  description: The C(hostname), C(release) and C(versions) of the node.
  returned: success
  type: dict
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._backup.collect import collect
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import read_text
from ansible_collections.linuxha.firewall.plugins.module_utils._node import parse
from ansible_collections.linuxha.firewall.plugins.module_utils._node.collect import PACKAGES


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "list", "elements": "dict", "default": []},
            "content": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        found = collect(module.params["sources"], module.params["content"])
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename}: cannot be read: {problem.strerror}")
    listing = ["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Status}\n", *PACKAGES]
    system = {
        "hostname": os.uname().nodename,
        "release": parse.os_release(read_text(Path("/etc/os-release"))),
        "versions": {"kernel": os.uname().release, **parse.packages(gateway(module.run_command)(listing).stdout)},
    }
    module.exit_json(changed=False, system=system, **found)


if __name__ == "__main__":
    main()
