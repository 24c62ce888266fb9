#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qnetd_certificate
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Sign the certificate of a node on the host of its quorum device
description:
  - Runs on the host of C(corosync-qnetd) and signs what M(linuxha.firewall.qdevice_certificate) asked for. One request
    after the other, also when several nodes ask at once.
attributes:
  check_mode:
    support: full
    description: Signs nothing.
  diff_mode:
    support: none
    description: Has nothing to show.
  idempotent:
    support: none
    description: Every request is signed.
options:
  cluster:
    description: Name of the cluster. A request in another name is refused.
    type: str
    required: true
  request:
    description: The request, in base64.
    type: str
    required: true
seealso:
  - module: linuxha.firewall.qdevice_certificate
"""

EXAMPLES = r"""
- name: Sign what this node asks for
  linuxha.firewall.qnetd_certificate:
    cluster: edge
    request: "{{ asked.request }}"
  delegate_to: witness
  register: signed
"""

RETURN = r"""
certificate:
  description: The signed certificate, in base64.
  returned: success, and not in check mode
  type: str
"""

import base64
import fcntl
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync.certificates import (
    CertificateError,
    decode,
    sign,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway

DATABASE = Path("/etc/corosync/qnetd/nssdb")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "request": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True)
    os.umask(0o077)
    if not DATABASE.is_dir():
        module.fail_json(msg=f"{DATABASE} is missing: this host has no authority. Run the role qnetd on it first.")
    run = gateway(module.run_command, seconds=60)
    lock = os.open(DATABASE, os.O_RDONLY)
    try:
        # The serial numbers are counted in a file, and the result has one name for all nodes of a cluster.
        fcntl.flock(lock, fcntl.LOCK_EX)
        certificate = sign(
            run, module.params["cluster"], decode(module.params["request"]), Path(module.tmpdir), DATABASE
        )
    except CertificateError as problem:
        module.fail_json(msg=str(problem))
    finally:
        os.close(lock)
    module.exit_json(changed=True, certificate=base64.b64encode(certificate).decode())


if __name__ == "__main__":
    main()
