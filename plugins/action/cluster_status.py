# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Runs on the controller: shows all clusters of the play from the plans and the answers of their nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.color import stringc
from ansible.utils.display import Display

from ansible_collections.linuxha.firewall.plugins.action.cluster_verify import NO_PLAN, answered, expected, fact
from ansible_collections.linuxha.firewall.plugins.module_utils import _status as status

display = Display()


class ActionModule(ActionBase):
    """Print all clusters, and write the files that are wanted."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(
            {
                "answers": {"type": "str", "default": "firewall_node_info"},
                "json": {"type": "path"},
                "html": {"type": "path"},
            }
        )
        variables = task_vars or {}
        now = time.time()
        clusters = self._clusters(variables, args["answers"], now)
        if not clusters:
            return {**result, **NO_PLAN}
        fleet = status.fleet(clusters, now)
        for cluster in fleet["clusters"]:
            display.display("\n".join(["", *status.screen(cluster, stringc)]))
        if not self._task.check_mode:
            contents = {"json": json.dumps(fleet, indent=2, ensure_ascii=False) + "\n", "html": status.page(fleet)}
            for kind, content in contents.items():
                try:
                    write(args[kind], content)
                except OSError as error:
                    remedy = "Name a file in a directory that exists on the controller and may be written."
                    return {**result, "failed": True, "msg": f"{kind}: {args[kind]}: {error.strerror}. {remedy}"}
        told = ", ".join(f"{cluster['name']} {cluster['state']}" for cluster in fleet["clusters"])
        return {**result, "changed": False, "msg": told, "status": fleet}

    @staticmethod
    def _clusters(variables: Mapping[str, Any], answers: str, now: float) -> list[dict[str, Any]]:
        hosts: Sequence[str] = variables.get("ansible_play_hosts_all") or []
        hostvars = variables["hostvars"]
        found: dict[str, dict[str, Any]] = {}
        for host in hosts:
            plan = fact(hostvars[host], "firewall_plan")
            if not plan or plan["cluster"] in found:
                continue
            reports, _failed = answered(plan["nodes"], hostvars, answers)
            facts = status.Facts(
                profile=plan["profile"],
                preempt=plan["preempt"],
                primaries=plan["primaries"],
                networks=[{key: network[key] for key in ("name", "zone", "vips")} for network in plan["networks"]],
                sync_links=plan["sync_links"],
            )
            found[plan["cluster"]] = status.cluster(expected(plan, hostvars[host], hostvars), reports, facts, now)
        return list(found.values())


def write(name: str | None, content: str) -> None:
    """A whole file or the old one: somebody may look at it right now."""
    if not name:
        return
    path = Path(name)
    draft = path.with_name(f".{path.name}.new")
    try:
        # A name that a hostile node has sent may hold half of a pair (surrogate).
        draft.write_text(content, encoding="utf-8", errors="replace")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
