#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_place
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Put what a backup has back on a node
description:
  - Every file is prepared beside its place before the first one is replaced, so a full disk leaves the node as it was.
  - State that the node has already is left alone, since it is newer. A key with which a daemon of a cluster runs is not
    replaced by another one.
  - M(linuxha.firewall.restore) runs it, over a connection that leaves no copy of the module's options on the node.
attributes:
  check_mode:
    support: full
    description: Compares and writes nothing.
  diff_mode:
    support: none
    description: There is nothing that may be shown.
  idempotent:
    support: full
    description: Only what differs is written.
options:
  archive:
    description: The entries, as JSON in base64.
    type: str
    required: true
  parts:
    description: Which parts may go back.
    type: list
    elements: str
    default: [keys, state]
seealso:
  - module: linuxha.firewall.restore
"""

EXAMPLES = r"""
- name: Restore, which runs this module
  linuxha.firewall.restore:
    step: files
    directory: firewall-backup
"""

RETURN = r"""
paths:
  description: What was other and was written, or would be.
  returned: success
  type: list
  elements: str
kept:
  description: State of the node's own that was left alone.
  returned: success
  type: list
  elements: str
"""

import base64
import json

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._backup.place import IN_USE, Refused, place
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "str", "required": True, "no_log": True},
            "parts": {"type": "list", "elements": "str", "default": ["keys", "state"]},
        },
        supports_check_mode=True,
    )
    run = gateway(module.run_command)
    active = [unit for unit in IN_USE.values() if run(["systemctl", "is-active", "--quiet", unit]).ok]
    try:
        entries = json.loads(base64.b64decode(module.params["archive"], validate=True))
        result = place(entries, module.params["parts"], active, module.check_mode)
    except Refused as problem:
        module.fail_json(msg=f"nothing was changed: {problem}")
    except OSError as problem:
        module.fail_json(msg=f"{problem.filename}: {problem.strerror}. Mend that and run again; what is done stays.")
    except ValueError as problem:
        # The text of the problem may hold a part of the value.
        module.fail_json(msg=f"archive: is no JSON in base64 ({type(problem).__name__}). Nothing was changed.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
