# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Read an Ansible inventory into the cluster model, and write the overlay that makes its nodes reachable in the lab."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import paths
from .run import LabError

os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(paths.COLLECTIONS))

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

KEYS = ("firewall_cluster", "firewall_policy", "firewall_node", "firewall_lab", "ansible_host")


@dataclass(frozen=True)
class Inventory:
    """An inventory as the lab sees it.

    Attributes:
        path: where it is.
        clusters: the clusters in it.
        ansible_host: by which address Ansible reaches each node and each bystander.
        extra: variables that win over it.
        bystanders: hosts with `firewall_lab` that belong to no cluster, and the release of each.
    """

    path: Path
    clusters: tuple[model.Cluster, ...]
    ansible_host: Mapping[str, str]
    extra: Mapping[str, str]
    bystanders: Mapping[str, str | None]


def _plain(value: Any) -> Any:
    # ansible-core 2.19 tags every string and hands out lazy containers; a round trip leaves plain data.
    return json.loads(json.dumps(value, default=str))


def _release(path: Path, name: str, given: Any) -> str | None:
    """The release of a host that the model does not know, and so does not check."""
    unknown = set(given) - {"release"} if isinstance(given, dict) else {repr(given)}
    if unknown:
        found = ", ".join(sorted(unknown))
        raise LabError(f"{path}: {name}: firewall_lab: {found}: unknown; without a cluster there is only `release`")
    release = given.get("release")
    return None if release is None else str(release)


def read(path: Path, extra: Mapping[str, str] | None = None, findings: bool = True) -> Inventory:
    """Read and validate an inventory.

    Args:
        path: the inventory, a file or a directory.
        extra: variables that win over it, as ansible-playbook's -e does.
        findings: whether what the analysis of a policy found counts as mistakes.

    Raises:
        LabError: the inventory is missing, describes no cluster, or the model finds mistakes; all of them are listed.
    """
    if not path.exists():
        raise LabError(f"{path}: no such inventory")
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(path.resolve())])
    variables = VariableManager(loader=loader, inventory=manager)
    hosts: dict[str, dict[str, Any]] = {}
    for host in manager.get_hosts():
        values = {**variables.get_vars(host=host, include_hostvars=False), **(extra or {})}
        templar = Templar(loader=loader, variables=values)
        hosts[_plain(host.name)] = {key: _plain(templar.template(values[key])) for key in KEYS if key in values}
    members = {name: data for name, data in hosts.items() if "firewall_cluster" in data and "firewall_node" in data}
    bystanders = {name: data for name, data in hosts.items() if "firewall_lab" in data and name not in members}
    if not members:
        raise LabError(f"{path}: no host has both firewall_cluster and firewall_node")
    loaded = model.load(
        {name: {k: v for k, v in data.items() if k != "ansible_host"} for name, data in members.items()},
        findings,
    )
    errors = [str(problem) for problem in loaded.problems if problem.severity == "error"]
    if errors:
        raise LabError(f"{path}: {len(errors)} mistakes:\n  " + "\n  ".join(errors))
    return Inventory(
        path,
        loaded.clusters,
        {name: str(data.get("ansible_host", name)) for name, data in (members | bystanders).items()},
        extra or {},
        {name: _release(path, name, data["firewall_lab"]) for name, data in bystanders.items()},
    )
