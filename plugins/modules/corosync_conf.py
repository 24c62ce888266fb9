#!/usr/bin/python
# Copyright: (c) 2026 linuxha.firewall contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: corosync_conf
author:
  - linuxha.firewall contributors (@linuxha)
version_added: 0.1.0
short_description: Write corosync.conf and say what a corosync that runs needs for it
description:
  - Writes the file and compares it with the database of the corosync that runs (C(corosync-cmapctl)), not with the old
    file. What an interrupted run has left behind is seen too.
  - Neither reloads nor restarts anything.
attributes:
  check_mode:
    support: full
    description: Compares and writes nothing.
  diff_mode:
    support: full
    description: Shows the file.
  idempotent:
    support: full
    description: Only a different file is written.
options:
  content:
    description: The whole file.
    type: str
    required: true
  path:
    description: Where it belongs.
    type: path
    default: /etc/corosync/corosync.conf
"""

EXAMPLES = r"""
- name: Write the configuration
  linuxha.firewall.corosync_conf:
    content: "{{ lookup('ansible.builtin.template', 'corosync.conf.j2') }}"
  register: conf

- name: Reload it on all nodes where that is enough
  ansible.builtin.command:
    argv: [corosync-cfgtool, -R]
  when: conf.needs == 'reload'
"""

RETURN = r"""
needs:
  description:
    - What corosync needs in order to follow the file. V(nothing), V(reload), V(restart), or V(start) where it does not
      run.
  returned: success
  type: str
changes:
  description: The keys that it has to learn, one line each.
  returned: success
  type: list
  elements: str
  sample: ["totem.token: 1000 -> 300"]
restart_keys:
  description: Those of them that a reload does not change.
  returned: success
  type: list
  elements: str
  sample: ["totem.cluster_name"]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync import ConfError, compare, parse, runtime
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import gateway


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "path": {"type": "path", "default": "/etc/corosync/corosync.conf"},
        },
        supports_check_mode=True,
    )
    path, content = Path(module.params["path"]), module.params["content"]
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        after = parse(content)
    except ConfError as problem:
        module.fail_json(msg=f"content: {problem}. Nothing was written.")
    try:
        known = parse(before)
    except ConfError:
        # What corosync could not read either tells nothing about what it runs with.
        known = {}
    answer = gateway(module.run_command)(["corosync-cmapctl"])
    differences = compare(runtime(answer.stdout), known, after) if answer.ok else []
    needs = "start"
    if answer.ok:
        restart = any(item.restart for item in differences)
        needs = "restart" if restart else "reload" if differences else "nothing"
    if content != before and not module.check_mode:
        new = path.with_name(f".{path.name}.new")
        new.write_text(content, encoding="utf-8")
        new.chmod(0o644)
        module.atomic_move(str(new), str(path))
    module.exit_json(
        changed=content != before,
        needs=needs,
        changes=[item.line for item in differences],
        restart_keys=[item.key for item in differences if item.restart],
        diff={"before": before, "after": content, "before_header": str(path), "after_header": str(path)},
    )


if __name__ == "__main__":
    main()
