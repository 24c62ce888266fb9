# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A lab: bring it up from an inventory, find a running one, take it down."""

from __future__ import annotations

import concurrent.futures
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from . import image, namespace, paths, ssh
from .hosts import SWITCH_TABLE, NodeHost, ProbeHost, node_host
from .inventory import Inventory
from .inventory import read as read_inventory
from .plan import LabPlan, NodePlan, Port, ProbePlan
from .plan import make as make_plan
from .power.client import Power
from .progress import step
from .run import LabError
from .traffic import plans as traffic_plans


class Lab:
    """A running lab."""

    def __init__(self, name: str, holder: namespace.Holder, inventory: Inventory, plan: LabPlan) -> None:
        self.name = name
        self.holder = holder
        self.inventory = inventory
        self.clusters = inventory.clusters
        self.plan = plan
        self.runtime = paths.RUNTIME / name
        self.power = Power(self.runtime, plan.controller)
        self.nodes: dict[str, NodeHost] = {node.name: node_host(name, holder, node) for node in plan.nodes}
        self.probes: dict[tuple[str, str], ProbeHost] = {
            (probe.cluster, probe.key): self._probe(probe) for probe in plan.probes
        }

    def _probe(self, probe: ProbePlan) -> ProbeHost:
        network = next(n for c in self.clusters if c.name == probe.cluster for n in c.networks if n.name == probe.key)
        return ProbeHost(self.holder, probe, network)

    @property
    def overlay(self) -> Path:
        """The Ansible inventory file that goes behind the user's: how to reach the nodes of this lab."""
        return self.runtime / "inventory.yml"

    def replace(self, name: str) -> None:
        """Put a bare machine in the place of a node: its cables, addresses and SSH keys, and an empty disk."""
        node, keys = self.nodes[name], self.runtime / "ssh"
        node.power_off()
        node.container.unmount()
        node.install((keys / "id.pub").read_text(), (keys / f"host-{name}").read_text())
        # Ansible keeps connections for a while; one to the machine that is gone leads nowhere.
        for path in (self.runtime / "connections").glob("*"):
            path.unlink(missing_ok=True)
        node.boot()
        node.wait_booted()

    def save(self) -> None:
        """Write the state file by which later commands find this lab."""
        data = {
            "name": self.name,
            "inventory": str(self.inventory.path.resolve()),
            "extra": dict(self.inventory.extra),
            "holder": asdict(self.holder),
            "releases": {node.name: node.release for node in self.plan.nodes},
        }
        temporary = self.runtime / "lab.json.new"
        temporary.write_text(json.dumps(data))
        temporary.rename(self.runtime / "lab.json")

    def write_access(self) -> None:
        """Write the SSH client configuration and the overlay inventory."""
        opts = ssh.options(self.holder, self.runtime / "ssh")
        quoted = " ".join(f"-o {key}='{value}'" for key, value in (o.split("=", 1) for o in opts))
        common: dict[str, Any] = {
            "ansible_user": "root",
            "ansible_ssh_common_args": quoted,
            "ansible_python_interpreter": "/usr/bin/python3",
            # Another lab, also an earlier one of this name, has the same addresses: never share a connection with it.
            "ansible_control_path_dir": str(self.runtime / "connections"),
            # The nodes share the clock of this machine, and none of them may set it.
            "base_time_sync": "off",
        }
        hosts = {node.name: {"ansible_host": node.management} for node in self.plan.nodes}
        # Group variables of `all` in a later source do not win over the user's own; host variables do.
        overlay = {"all": {"hosts": {name: {**values, **common} for name, values in hosts.items()}}}
        self.overlay.write_text(yaml.safe_dump(overlay))
        lines = []
        for node in self.plan.nodes:
            lines += [f"Host {node.name}", f"  HostName {node.management}", "  User root"]
            lines += ["  {} {}".format(*o.split("=", 1)) for o in opts]
        (self.runtime / "ssh_config").write_text("\n".join(lines) + "\n")


@contextmanager
def _locked(name: str) -> Iterator[None]:
    paths.RUNTIME.mkdir(parents=True, exist_ok=True)
    with (paths.RUNTIME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _extra(inventory: Inventory) -> Mapping[tuple[str, str], list[str]]:
    return {
        (cluster, key): list(addresses)
        for cluster, plan in traffic_plans(inventory.clusters).items()
        for key, addresses in plan.extra_addresses.items()
    }


def _plan(inventory: Inventory, release: str | None = None) -> LabPlan:
    return make_plan(
        inventory.clusters, inventory.ansible_host, _extra(inventory), release, bystanders=inventory.bystanders
    )


def up(
    name: str,
    inventory_path: Path,
    release: str | None = None,
    fresh: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Lab:
    """Bring a lab up, or return the one that runs with this name, inventory and images.

    What an earlier, crashed start left behind is removed first.
    """
    inventory = read_inventory(inventory_path, extra)
    plan = _plan(inventory, release)
    with _locked(name):
        running = _find(name)
        if running is not None and not fresh and running.plan == plan:
            # The same machines and cables; what runs on them may be configured anew.
            lab = Lab(name, running.holder, inventory, plan)
            lab.save()
            if lab.power.runs() or _powered_again(lab):
                return lab
        _remove(name)
        image.build_all({node.release for node in plan.nodes})
        try:
            return _build(name, inventory, plan)
        except BaseException:
            _remove(name)
            raise


def _powered_again(lab: Lab) -> bool:
    """Start a power service that has died; False when the lab itself is dying under it."""
    try:
        lab.power.start(lab.name, lab.holder, lab.plan.nodes)
        lab.power.wait_ready()
    except LabError:
        if lab.holder.alive():
            raise
        return False
    return True


def _build(name: str, inventory: Inventory, plan: LabPlan) -> Lab:
    with step(f"lab {name}: namespaces, {len(plan.switches)} switches, {len(plan.probes)} probe hosts"):
        holder = namespace.start(name)
        lab = Lab(name, holder, inventory, plan)
        keys = lab.runtime / "ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        public = ssh.make_key(keys / "id", "lab")
        for switch in plan.switches:
            # Ageing stays at the default: a takeover must move the MAC address table by its own frames.
            namespace.inside(
                holder,
                [
                    "ip",
                    "link",
                    "add",
                    switch.name,
                    "alias",
                    switch.alias,
                    "up",
                    "type",
                    "bridge",
                    "mcast_snooping",
                    "0",
                ],
            )
        namespace.inside(holder, ["nft", "-f", "-"], stdin=SWITCH_TABLE)
        for port in plan.controller:
            _controller(holder, port)
        for probe in lab.probes.values():
            probe.create()
    with step(f"lab {name}: boot " + ", ".join(f"{n.name} ({n.release})" for n in plan.nodes)):
        known = []
        for node in lab.nodes.values():
            host_key = ssh.make_key(keys / f"host-{node.name}", node.name)
            known.append(f"{node.plan.management} {host_key}")
            node.install(public, (keys / f"host-{node.name}").read_text())
        (keys / "known_hosts").write_text("".join(known))
        lab.write_access()
        lab.power.start(name, holder, plan.nodes)
        with concurrent.futures.ThreadPoolExecutor(len(lab.nodes)) as pool:
            list(pool.map(lambda node: (node.boot(), node.wait_booted()), lab.nodes.values()))
        lab.power.wait_ready()
    lab.save()
    return lab


def _controller(holder: namespace.Holder, port: Port) -> None:
    commands = f"""
link add {port.interface} address {port.mac} type veth peer name {port.switch_end}
link set {port.switch_end} master {port.switch} up
link set {port.interface} up
"""
    for address in port.addresses:
        commands += f"addr add {address} dev {port.interface}" + (" nodad\n" if ":" in address else "\n")
    namespace.inside(holder, ["ip", "-batch", "-"], stdin=commands)


def _find(name: str) -> Lab | None:
    state = paths.RUNTIME / name / "lab.json"
    holder = namespace.load(state)
    if holder is None:
        return None
    data = json.loads(state.read_text())
    inventory = read_inventory(Path(data["inventory"]), data["extra"])
    plan = _plan(inventory)
    releases = data["releases"]
    nodes = tuple(NodePlan(n.name, n.cluster, releases[n.name], n.ports, n.management) for n in plan.nodes)
    return Lab(name, holder, inventory, LabPlan(plan.switches, nodes, plan.probes, plan.controller))


def get(name: str) -> Lab:
    """The running lab of this name.

    Raises:
        LabError: there is none.
    """
    lab = _find(name)
    if lab is None:
        raise LabError(f"no lab named {name!r} is running; start it with: ./hafw lab up --name {name}")
    return lab


def names() -> list[str]:
    """The names of all labs that run."""
    return sorted(path.parent.name for path in paths.RUNTIME.glob("*/lab.json") if namespace.load(path) is not None)


def down(name: str) -> None:
    """Take a lab down and remove everything of it. A lab that does not exist is fine."""
    with _locked(name):
        _remove(name)


def _orphans(name: str) -> Iterator[int]:
    """Holders of this lab without a state file: a start that was killed half-way."""
    wanted = ["-m", "lab.holder", name]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if argv[1:4] == wanted:
                yield int(entry.name)


def _remove(name: str) -> None:
    for pid in _orphans(name):
        namespace.stop(namespace.identify(pid))
    cgroups = {Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")}
    for cgroup in (base / f"linuxha-lab-{name}" for base in cgroups):
        if cgroup.is_dir():
            _remove_cgroup(cgroup)
    for directory in (paths.STATE / name, paths.RUNTIME / name):
        if directory.exists():
            shutil.rmtree(directory)


def _remove_cgroup(top: Path) -> None:
    limit = time.monotonic() + 10
    while True:
        try:
            for directory, _unused, _unused in os.walk(top, topdown=False):
                Path(directory).rmdir()
        except OSError as problem:
            if time.monotonic() > limit:
                raise LabError(f"{top}: the control group does not empty: {problem}") from problem
            time.sleep(0.05)
        else:
            return
