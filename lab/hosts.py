# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""The hosts of a lab: firewall nodes, which boot systemd, and probe hosts, which are mere network namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model

from . import image, paths
from .container import POWER_ORDER, Container
from .namespace import Holder, inside
from .plan import NodePlan, Port, ProbePlan
from .run import LabError

_FENCE_AGENT = paths.REPO / "lab" / "power" / "fence_agent.py"
# Dropping on arrival comes before the bridge learns the sender's address, as with a cable that carries nothing.
# Ports without power are kept apart from cut cables: who mends a cable does not bring a dead node back.
SWITCH_TABLE = """
table bridge faults {
  set from_host { type ifname; }
  set to_host { type ifname; }
  set unpowered { type ifname; }
  chain arriving {
    type filter hook prerouting priority -400
    iifname @unpowered drop
    iifname @from_host drop
  }
  chain leaving {
    type filter hook postrouting priority 400
    oifname @unpowered drop
    oifname @to_host drop
  }
}
"""


class Host:
    """Something with a network namespace of its own in the lab."""

    def __init__(self, holder: Holder, name: str, netns: str) -> None:
        self.holder = holder
        self.name = name
        self.netns = netns

    def _argv(self, argv: Sequence[str]) -> list[str]:
        return [*self.holder.prefix(), "nsenter", f"--net=/run/netns/{self.netns}", "--", *argv]

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program in this host's network namespace, on the lab machine's own file system."""
        options.setdefault("env", {**os.environ, **paths.PYTHON})
        options.setdefault("cwd", paths.REPO)
        return subprocess.Popen(self._argv(argv), **options)

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in this host's network namespace; its output is captured."""
        return subprocess.run(self._argv(argv), capture_output=True, text=True, check=False, **options)

    def make_namespace(self, ports: Sequence[Port]) -> None:
        """Make the network namespace, with every link plugged into its switch and administratively down."""
        self.remove_namespace(ports)
        inside(self.holder, ["ip", "netns", "add", self.netns])
        commands = ""
        for port in ports:
            inner = f"{port.interface} address {port.mac} netns {self.netns}"
            commands += f"link add {port.switch_end} type veth peer name {inner}\n"
            commands += f"link set {port.switch_end} master {port.switch} up\n"
        inside(self.holder, ["ip", "-batch", "-"], stdin=commands)

    def remove_namespace(self, ports: Sequence[Port]) -> None:
        """Remove the network namespace and all its links."""
        # The kernel takes a namespace apart in the background, and its links with it; unplugged first, they go at once.
        links = {link["ifname"] for link in json.loads(inside(self.holder, ["ip", "-json", "link", "show"]))}
        ends = [port.switch_end for port in ports if port.switch_end in links]
        inside(self.holder, ["ip", "-batch", "-"], stdin="".join(f"link del {end}\n" for end in ends))
        known = inside(self.holder, ["ip", "netns", "list"])
        if self.netns in (line.split()[0] for line in known.splitlines() if line):
            inside(self.holder, ["ip", "netns", "del", self.netns])


class ProbeHost(Host):
    """A client and server on one network of one cluster."""

    def __init__(self, holder: Holder, plan: ProbePlan, network: model.Network) -> None:
        super().__init__(holder, plan.name, plan.name)
        self.plan = plan
        self.network = network
        self.interface = plan.port.interface
        self.ipv4 = plan.ipv4
        self.ipv6 = plan.ipv6

    def create(self) -> None:
        """Make it: addresses, and routes to everything through the cluster's virtual addresses."""
        self.make_namespace([self.plan.port])
        commands = "link set lo up\n"
        commands += f"link set {self.interface} up\n"
        for address in (*self.plan.port.addresses, *self.plan.extra):
            commands += f"addr add {address} dev {self.interface}" + (" nodad\n" if ":" in address else "\n")
        for gateway in self.plan.gateways:
            commands += f"route add default via {gateway} dev {self.interface}\n"
        done = self.run(["ip", "-batch", "-"], input=commands)
        if done.returncode != 0:
            raise LabError(f"probe host {self.name} on {self.network.name}: {done.stderr.strip()}")


class NodeHost(Host):
    """A firewall node."""

    def __init__(self, holder: Holder, plan: NodePlan, container: Container) -> None:
        super().__init__(holder, plan.name, f"n-{plan.name}")
        self.plan = plan
        self.container = container

    def install(self, administrator_key: str, host_key: str) -> None:
        """Make the node's disk: a fresh system with its interfaces configured and its SSH keys in place."""
        self.container.prepare()
        write = self.container.write
        write("/etc/hostname", self.name + "\n")
        write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n")
        write("/etc/network/interfaces", self._interfaces())
        write("/root/.ssh/authorized_keys", administrator_key, 0o600)
        write("/etc/ssh/ssh_host_ed25519_key", host_key, 0o600)
        # Part of the machine, as a management board is: no role installs it.
        # The interpreter is named here: ansible-test wants no such line in files of a collection.
        write("/usr/sbin/fence_lab", "#!/usr/bin/python3\n" + _FENCE_AGENT.read_text(), 0o755)
        write("/usr/lib/systemd/system-shutdown/lab", f'#!/bin/sh\necho "$1" > /{POWER_ORDER}\n', 0o755)

    def _interfaces(self) -> str:
        text = "auto lo\niface lo inet loopback\n"
        for port in self.plan.ports:
            text += f"\nauto {port.interface}\n"
            for address in port.addresses:
                text += (
                    f"iface {port.interface} {'inet6' if ':' in address else 'inet'} static\n    address {address}\n"
                )
                if ":" in address:
                    # A node that boots beside its own frozen past would find its address taken: no duplicate detection.
                    text += "    dad-attempts 0\n    accept_ra 0\n"
            if not port.addresses:
                text += f"iface {port.interface} inet manual\n"
        return text

    def boot(self) -> None:
        """Plug the cables in and start the node."""
        self.make_namespace(self.plan.ports)
        # Deleting what is not there is an error; added first, in the same transaction, it always is there.
        ports = self._port_set()
        self._nft(f"add element bridge faults unpowered {ports}\ndelete element bridge faults unpowered {ports}\n")
        self.container.boot(self.netns)

    def wait_booted(self, timeout: float = 60) -> None:
        """Wait until systemd has finished booting and sshd listens.

        Raises:
            LabError: not within `timeout` seconds; the message lists the units that failed.
        """
        limit = time.monotonic() + timeout
        state = "unknown"
        while time.monotonic() < limit:
            state = self.container.exec(["systemctl", "is-system-running"], check=False).strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise LabError(f"node {self.name} is {state!r} after {timeout:.0f} s: {self.failed_units()}")

    def failed_units(self) -> str:
        """Names of failed units, for messages."""
        text = self.container.exec(["systemctl", "--failed", "--plain", "--no-legend"], check=False)
        return ", ".join(line.split()[0] for line in text.splitlines() if line) or "no unit failed"

    def exec(self, *argv: str, check: bool = True) -> str:
        """Run a program on the node (its file system, its processes) and return what it printed."""
        return self.container.exec(argv, check=check)

    def shut_down(self, timeout: float = 90) -> None:
        """Shut the system down in good order, as `systemctl poweroff` does; its links are gone afterwards.

        Raises:
            LabError: it is still running after `timeout` seconds.
        """
        self.container.signal("SIGRTMIN+4")
        limit = time.monotonic() + timeout
        while self.container.running():
            if time.monotonic() > limit:
                raise LabError(f"node {self.name} does not shut down within {timeout:.0f} s")
            time.sleep(0.05)
        self.power_off()

    def versions(self) -> dict[str, str]:
        """Versions of the release and of the packages that make the firewall."""
        packages = ("keepalived", "corosync", "pacemaker", "conntrackd", "iptables")
        text = self.exec("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *packages, check=False)
        release = self.exec("cat", "/etc/debian_version").strip()
        return {"debian": release, **dict(line.split(" ", 1) for line in text.splitlines())}

    def _nft(self, text: str) -> None:
        inside(self.holder, ["nft", "-f", "-"], stdin=text)

    def _port_set(self) -> str:
        return "{ " + ", ".join(port.switch_end for port in self.plan.ports) + " }"

    def cut_power(self) -> None:
        """Silent on every port at one instant, then frozen for good. A node without power stays as it is."""
        self._nft(f"add element bridge faults unpowered {self._port_set()}\n")
        if self.container.status() == "running":
            self.container.pause()

    def powered(self) -> bool:
        """False after a power cut, and while nothing of the node runs."""
        return self.container.running() and not self._cut_off()

    def _cut_off(self) -> bool:
        found = json.loads(inside(self.holder, ["nft", "--json", "list", "set", "bridge", "faults", "unpowered"]))
        dark = {name for item in found["nftables"] for name in item.get("set", {}).get("elem", ())}
        return bool(dark & {port.switch_end for port in self.plan.ports})

    def power_off(self) -> None:
        """Kill all processes at once and take the network namespace away: nothing of the node is left but its disk."""
        self.container.destroy()
        self.remove_namespace(self.plan.ports)

    def wants_boot(self) -> bool:
        """True when the node has shut down in order to reboot, and nobody has started it since."""
        ended = self.container.power_order() == "reboot" and self.container.status() == "stopped"
        return ended and not self._cut_off()

    def reboot(self) -> None:
        """Lose power and start again; returns when the node has booted."""
        self.power_off()
        self.boot()
        self.wait_booted()


def node_host(lab: str, holder: Holder, plan: NodePlan) -> NodeHost:
    """A node of the lab of this name."""
    disk, runtime = paths.STATE / lab / plan.name, paths.RUNTIME / lab
    container = Container(holder, plan.name, image.path(plan.release), disk, runtime, f"/linuxha-lab-{lab}")
    return NodeHost(holder, plan, container)
