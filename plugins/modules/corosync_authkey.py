#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: corosync_authkey
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Give a node the key that its cluster has
description:
  - Writes the key of a corosync cluster, which is binary, with mode 0400. The key shows in no output and no log.
  - The file is replaced in one step. A corosync that runs keeps its old key until it is restarted, and nodes with
    different keys do not hear each other, so bring the key to all nodes before any of them is restarted.
attributes:
  check_mode:
    support: full
    description: Compares and writes nothing. The directory need not exist yet.
  diff_mode:
    support: none
    description: There is nothing that may be shown.
  idempotent:
    support: full
    description: Only a different key is written.
options:
  key:
    description: The key, in base64. Decoded it has 128 to 4096 bytes, which are the limits of corosync itself.
    type: str
    required: true
  path:
    description: Where it belongs. The directory comes with the package corosync.
    type: path
    default: /etc/corosync/authkey
"""

EXAMPLES = r"""
- name: Read the key of the first node
  ansible.builtin.slurp:
    src: /etc/corosync/authkey
  delegate_to: fw1
  run_once: true
  no_log: true
  register: key

- name: Give it to the others
  linuxha.firewall.corosync_authkey:
    key: "{{ key.content }}"
  notify: Restart corosync on one node after the other
"""

RETURN = r"""
changed:
  description: Whether the key or its mode was another one. There is nothing else that may be told.
  returned: always
  type: bool
  sample: true
"""

import base64
import binascii
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

# TOTEM_PRIVATE_KEY_LEN_MIN and _MAX of corosync.
BYTES = (128, 4096)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "key": {"type": "str", "required": True, "no_log": True},
            "path": {"type": "path", "default": "/etc/corosync/authkey"},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    try:
        key = base64.b64decode(module.params["key"], validate=True)
    except binascii.Error as problem:
        module.fail_json(msg=f"key: is not base64: {problem}. Pass what ansible.builtin.slurp returns.")
    if not BYTES[0] <= len(key) <= BYTES[1]:
        limits = f"{BYTES[0]} to {BYTES[1]}"
        module.fail_json(msg=f"key: has {len(key)} bytes, corosync wants {limits}. Use corosync-keygen.")
    changed = not path.exists() or path.read_bytes() != key or path.stat().st_mode & 0o777 != 0o400
    if changed and not module.check_mode:
        if not path.parent.is_dir():
            module.fail_json(msg=f"path: {path}: there is no directory {path.parent}. Install corosync first.")
        new = path.with_name(f".{path.name}.new")
        # One that an interrupted run has left may be open to others.
        new.unlink(missing_ok=True)
        new.touch(0o600)
        new.write_bytes(key)
        new.chmod(0o400)
        new.replace(path)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
