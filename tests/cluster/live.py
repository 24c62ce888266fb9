# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Modules on the nodes of a live cluster, called as Ansible calls them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab import paths, playbook
from lab.lab import Lab

_ANSWER = re.compile(r"(\S+) \| (\w+)!? => (\{.*\})", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """What a module returned."""

    failed: bool
    data: Mapping[str, Any]
    output: str

    @property
    def changed(self) -> bool:
        return bool(self.data.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.data.get("msg", ""))

    def __getitem__(self, key: str) -> Any:
        return self.data[key]


class Cluster:
    """A cluster in a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def module(self, name: str, given: Mapping[str, Any], node: str = "fw1", check: bool = False) -> Result:
        """Run a module of this collection on a node."""
        argv = ["ansible", node, *playbook.inventories(self.lab), "-m", f"linuxha.firewall.{name}"]
        argv += ["--one-line", *(["-a", json.dumps(dict(given))] if given else []), *(["--check"] if check else [])]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=playbook.environment(), cwd=paths.REPO
        )
        match = _ANSWER.search(done.stdout)
        assert match, done.stdout + done.stderr
        return Result(match[2] in ("FAILED", "UNREACHABLE"), json.loads(match[3]), done.stdout + done.stderr)

    def cib(self, given: Mapping[str, Any], **more: Any) -> Result:
        """The module cib; it must not fail."""
        result = self.module("cib", given, **more)
        assert not result.failed, result.msg
        return result

    def run(self, *argv: str, node: str = "fw1", check: bool = True) -> str:
        """A program on a node."""
        return self.lab.nodes[node].exec(*argv, check=check)

    def version(self) -> tuple[int, int]:
        """admin_epoch and epoch of the CIB: they grow with every change of the configuration."""
        text = self.run("cibadmin", "--query", "--no-children")
        admin, epoch = (re.search(rf' {name}="(\d+)"', text) for name in ("admin_epoch", "epoch"))
        assert admin is not None
        assert epoch is not None
        return int(admin[1]), int(epoch[1])

    def wipe(self) -> None:
        """Back to a cluster without resources, as the deployment leaves it, whatever a test did."""
        self.run("cibadmin", "--delete-all", "--force", "--xpath=//nodes/node/instance_attributes", check=False)
        for section in (
            "constraints",
            "fencing-topology",
            "tags",
            "alerts",
            "acls",
            "resources",
            "rsc_defaults",
            "op_defaults",
        ):
            self.run("cibadmin", "--delete-all", "--force", f"--xpath=//configuration/{section}/*", check=False)
        self.run(
            "cibadmin",
            "--delete-all",
            "--force",
            "--xpath=//crm_config/cluster_property_set[starts-with(@id,'linuxha-owned-')]",
            check=False,
        )
        self.run("crm_attribute", "--name", "maintenance-mode", "--delete", check=False)
        self.run("crm_resource", "--wait", "--timeout=60")
        self.run("crm_resource", "--refresh")
        self.run("crm_resource", "--wait", "--timeout=60")
