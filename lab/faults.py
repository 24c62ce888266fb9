# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Faults, injected into a running lab, each with its way back.

A network namespace is not a machine: its kernel goes on forwarding, answering ARP and holding addresses when all its
processes are frozen. A node is therefore cut off at its switch ports, in one atomic transaction, before anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .hosts import NodeHost
from .namespace import inside
from .power import supply
from .run import LabError

if TYPE_CHECKING:
    from .lab import Lab


@dataclass(frozen=True)
class Faults:
    """The faults of one lab."""

    lab: Lab

    def _nft(self, text: str) -> None:
        inside(self.lab.holder, ["nft", "-f", "-"], stdin=text)

    def _ports(self, node: NodeHost, networks: Iterable[str] | None) -> list[str]:
        wanted = None if networks is None else set(networks)
        known = {port.key: port.switch_end for port in node.plan.ports}
        if wanted is not None and (unknown := wanted - known.keys()):
            raise LabError(f"{node.name} has no port on {', '.join(sorted(unknown))}; it has {', '.join(known)}")
        return [end for key, end in known.items() if wanted is None or key in wanted]

    def cut(
        self, node: NodeHost, networks: Iterable[str] | None = None, *, sends: bool = True, receives: bool = True
    ) -> None:
        """Drop all frames of a node's ports (default: every port) with one transaction; the carrier stays up.

        Args:
            node: the node.
            networks: network or link names, or None for all.
            sends: drop what the node sends.
            receives: drop what is sent to the node.
        """
        members = "{ " + ", ".join(self._ports(node, networks)) + " }"
        text = f"add element bridge faults from_host {members}\n" if sends else ""
        text += f"add element bridge faults to_host {members}\n" if receives else ""
        self._nft(text)

    def mend(self) -> None:
        """Lift every cut. A node without power stays without."""
        self._nft("flush set bridge faults from_host\nflush set bridge faults to_host\n")

    def power_cut(self, node: NodeHost) -> None:
        """Take a node away as a power failure does: silent on every port at one instant, then frozen for good."""
        supply.off(node)

    def power_return(self, node: NodeHost) -> None:
        """Boot a node that lost its power, and lift every cut: nothing but its disk has survived."""
        with supply.switch(node):
            node.power_off()
            self.mend()
            node.boot()
        node.wait_booted()

    def pull_cable(self, node: NodeHost, network: str) -> None:
        """Take the carrier away from one interface of a node."""
        self._link(node, network, "down")

    def plug_cable(self, node: NodeHost, network: str) -> None:
        """Give the carrier back."""
        self._link(node, network, "up")

    def _link(self, node: NodeHost, network: str, state: str) -> None:
        (port,) = self._ports(node, [network])
        inside(self.lab.holder, ["ip", "link", "set", port, state])

    def kill(self, node: NodeHost, unit: str, who: str = "all") -> None:
        """SIGKILL the processes of a unit (`who`: all or main, as in systemctl(1))."""
        node.exec("systemctl", "kill", "--signal=SIGKILL", f"--kill-whom={who}", unit)

    def freeze(self, node: NodeHost, unit: str) -> None:
        """SIGSTOP all processes of a unit."""
        node.exec("systemctl", "kill", "--signal=SIGSTOP", unit)

    def thaw(self, node: NodeHost, unit: str) -> None:
        """SIGCONT them."""
        node.exec("systemctl", "kill", "--signal=SIGCONT", unit)
