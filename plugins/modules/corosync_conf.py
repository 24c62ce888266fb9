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
    file. What an interrupted run has left behind is seen too, but for keys that only go.
  - C(corosync -t) checks a new file first. A reload would refuse it with nothing but a line in the journal.
  - In check mode it does not check on a node that has no key yet, which it wants to read.
  - Neither reloads nor restarts anything.
  - Refuses to change the quorum device of a corosync that runs while a node is away, or together with something that
    needs a restart. The nodes that are here may need its vote meanwhile.
  - Refuses to let nodes come or go together with something that a corosync which runs needs a restart for, to let nodes
    go together with a change of the quorum device, and to give a node that stays another id.
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
  gone:
    description: Keys that corosync must not have any more, besides those that the file on the disk has.
    type: list
    elements: str
    default: []
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
removed:
  description: Those of them that it has and should not have. A second call finds them again with O(gone) only.
  returned: success
  type: list
  elements: str
  sample: ["totem.token_coefficient"]
reload_error:
  description:
    - Why the last reload did not take effect on this node, or an empty text. It needs another one then.
    - What knet refuses is known from version 3.1.9 on; before, it is in the journal only.
  returned: success
  type: str
device:
  description: Whether the configuration of the quorum device is among them, which its client reads when it starts.
  returned: success
  type: bool
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync import (
    ConfError,
    compare,
    parse,
    refusal,
    reload_error,
    runtime,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import NOT_FOUND, Run, gateway

KEY = Path("/etc/corosync/authkey")


def refused(run: Run, directory: Path, content: str) -> str:
    """What corosync itself says against the file, or an empty text; also where it is not installed."""
    given = directory / "corosync.conf"
    given.write_text(content, encoding="utf-8")
    answer = run(["corosync", "-t", "-c", str(given)])
    return "" if answer.ok or answer.rc == NOT_FOUND else answer.reason


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "path": {"type": "path", "default": "/etc/corosync/corosync.conf"},
            "gone": {"type": "list", "elements": "str", "default": []},
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
    run = gateway(module.run_command)
    answer = run(["corosync-cmapctl"])
    running = runtime(answer.stdout)
    differences = compare(running, known, after, module.params["gone"]) if answer.ok else []
    if reason := refusal(running, after, differences):
        module.fail_json(msg=f"content: {reason} Nothing was written.")
    # corosync reads the key for it, and in check mode nobody has made one.
    testable = not module.check_mode or KEY.exists()
    if content != before and testable and (reason := refused(run, Path(module.tmpdir), content)):
        module.fail_json(msg=f"content: corosync refuses it: {reason}. Nothing was written.")
    needs, failed = "start", reload_error(running)
    if answer.ok:
        restart = any(item.restart for item in differences)
        needs = "restart" if restart else "reload" if differences or failed else "nothing"
    if failed:
        module.warn(f"corosync has not taken its last reload: {failed}")
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
        removed=[item.key for item in differences if not item.new],
        reload_error=failed,
        device=any(item.device for item in differences),
        diff={"before": before, "after": content, "before_header": str(path), "after_header": str(path)},
    )


if __name__ == "__main__":
    main()
