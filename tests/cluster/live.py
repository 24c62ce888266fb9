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
from xml.etree import ElementTree as ET

from lab import paths, playbook
from lab.lab import Lab

# By how much the epoch grows: a patch brings the next one, and the cluster counts on when it has applied it.
PATCH = 2
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

    @property
    def diff(self) -> str:
        """What `--diff` shows."""
        return _ANSWER.split(self.output, maxsplit=1)[0].strip()

    def __getitem__(self, key: str) -> Any:
        return self.data[key]


class Cluster:
    """A cluster in a lab.

    Args:
        lab: where it runs.
        nodes: its nodes; all of the lab if none are named.
    """

    def __init__(self, lab: Lab, *nodes: str) -> None:
        self.lab = lab
        self.nodes = nodes or tuple(lab.nodes)

    def module(
        self, name: str, given: Mapping[str, Any], node: str = "", check: bool = False, diff: bool = False
    ) -> Result:
        """Run a module of this collection on a node, by default the first."""
        argv = ["ansible", node or self.nodes[0], *playbook.inventories(self.lab), "-m", f"linuxha.firewall.{name}"]
        argv += ["-a", json.dumps(dict(given))] if given else []
        argv += [*(["--check"] if check else []), *(["--diff"] if diff else [])]
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

    def run(self, *argv: str, node: str = "", check: bool = True) -> str:
        """A program on a node, by default the first."""
        return self.lab.nodes[node or self.nodes[0]].exec(*argv, check=check)

    def version(self) -> tuple[int, int]:
        """admin_epoch and epoch of the CIB: they grow with every change of the configuration."""
        text = self.run("cibadmin", "--query", "--no-children")
        admin, epoch = (re.search(rf' {name}="(\d+)"', text) for name in ("admin_epoch", "epoch"))
        assert admin is not None
        assert epoch is not None
        return int(admin[1]), int(epoch[1])

    @property
    def epoch(self) -> int:
        """How often the configuration was written."""
        return self.version()[1]

    def configuration(self, node: str = "fw1") -> ET.Element:
        """The part of the live CIB that administrators write."""
        found = ET.fromstring(self.run("cibadmin", "--query", node=node)).find("configuration")
        assert found is not None
        return found

    def status(self) -> ET.Element:
        """The part of the live CIB that the cluster writes."""
        found = ET.fromstring(self.run("cibadmin", "--query")).find("status")
        assert found is not None
        return found

    def xml(self, xpath: str) -> list[str]:
        """Elements of the live CIB as text that is the same for all ways to write it."""
        return [
            ET.canonicalize(ET.tostring(found, encoding="unicode"), strip_text=True)
            for found in self.configuration().findall(xpath)
        ]

    def replace(self, section: str, xml: str) -> None:
        """Write a section as an administrator does who edits XML."""
        text = f"<{section}>{xml}</{section}>"
        self.run("cibadmin", "--replace", "--scope", section, "--xml-text", text)

    def wipe(self) -> None:
        """Back to a cluster without resources, as the deployment leaves it, whatever a test did."""
        self.run("cibadmin", "--delete-all", "--force", "--xpath=//nodes/node/instance_attributes", check=False)
        self.run("cibadmin", "--delete-all", "--force", "--xpath=//nodes/node/utilization", check=False)
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
        for name in ("maintenance-mode", "placement-strategy"):
            self.run("crm_attribute", "--name", name, "--delete", check=False)
        self.run("crm_resource", "--wait", "--timeout=60")
        self.run("crm_resource", "--refresh")
        self.run("crm_resource", "--wait", "--timeout=60")
