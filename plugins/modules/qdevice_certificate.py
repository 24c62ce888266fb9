#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qdevice_certificate
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: The certificate by which a node is a client of a quorum device
description:
  - Looks whether C(corosync-qdevice) on this node has a key and a valid certificate in the name of its cluster, signed
    by the authority of the quorum device's host. If not, it makes a new key and returns the request for its
    certificate.
  - Called again with the signed certificate, it imports it. The key never leaves the node.
attributes:
  check_mode:
    support: full
    description: Says whether a certificate is needed, and returns no request.
  diff_mode:
    support: none
    description: There is nothing that may be shown.
  idempotent:
    support: full
    description: A certificate that fits is kept.
options:
  cluster:
    description: Name of the cluster, as in corosync.conf.
    type: str
    required: true
  authority:
    description:
      - The certificate of the authority, as C(corosync-qnetd-certutil) exports it.
      - Without it, a certificate of any authority that this node trusts already is kept, and none can be asked for.
    type: str
  certificate:
    description: The signed certificate for the last request, in base64.
    type: str
seealso:
  - module: linuxha.firewall.qnetd_certificate
"""

EXAMPLES = r"""
- name: Ask for a certificate if there is none that fits
  linuxha.firewall.qdevice_certificate:
    cluster: edge
    authority: "{{ authority }}"
  register: asked

- name: Have it signed
  linuxha.firewall.qnetd_certificate:
    cluster: edge
    request: "{{ asked.request }}"
  delegate_to: witness
  register: signed
  when: asked.request | length > 0

- name: Import it
  linuxha.firewall.qdevice_certificate:
    cluster: edge
    certificate: "{{ signed.certificate }}"
  when: asked.request | length > 0
"""

RETURN = r"""
request:
  description: The request to be signed, in base64, or an empty text when none is needed.
  returned: success
  type: str
reason:
  description: Why a certificate is needed, or an empty text.
  returned: success
  type: str
  sample: there is no certificate
"""

import base64
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync.certificates import (
    CertificateError,
    Node,
    decode,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "authority": {"type": "str"},
            "certificate": {"type": "str"},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    node = Node(gateway(module.run_command, seconds=60))
    cluster, authority, certificate = (module.params[key] for key in ("cluster", "authority", "certificate"))
    try:
        if certificate:
            if not module.check_mode:
                node.accept(decode(certificate))
                if problem := node.missing(cluster, None):
                    raise CertificateError(f"certificate: was imported, and {problem}. Run again to ask for another.")
            module.exit_json(changed=True, request="", reason="")
        trusted = decode(authority) if authority else None
        reason = node.missing(cluster, trusted)
        # In check mode the host of the device may have none yet either: a run would deploy it first.
        if reason and trusted is None and not module.check_mode:
            raise CertificateError(f"authority: is needed, because {reason}. The quorum device's host has it.")
        request = b"" if not reason or trusted is None or module.check_mode else node.request(cluster, trusted)
    except CertificateError as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=bool(reason), request=base64.b64encode(request).decode(), reason=reason)


if __name__ == "__main__":
    main()
