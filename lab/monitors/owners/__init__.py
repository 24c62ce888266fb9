# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Owner monitor: which MAC addresses answer for each VIP, asked from the network's probe host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from lab.monitors.host import ProbeHost
from lab.monitors.owners.analysis import OwnersResult, Span, VipResult, analyse
from lab.monitors.owners.records import OwnerRecord, unpack
from lab.monitors.wire import MonitorError, Worker

__all__ = ["OwnerRecord", "Owners", "OwnersResult", "Span", "VipResult", "analyse"]

INTERVAL_NS = 50_000_000
AT_ONCE = 20  # more VIPs than these take turns
PRIORITY = 40


def mac_for(host: str) -> str:
    """A locally administered MAC address that no interface has; hosts on one network must not share it."""
    return "026861" + sha256(host.encode()).hexdigest()[:6]


class Owners:
    """One worker per network. vips: the VIPs of each network, without prefix length."""

    def __init__(self, probes: Mapping[str, ProbeHost], vips: Mapping[str, Sequence[str]]) -> None:
        self._probes = probes
        self._vips = {network: list(dict.fromkeys(items)) for network, items in vips.items() if items}
        self._workers: dict[str, Worker] = {}
        self.records: dict[str, list[OwnerRecord]] = {}

    def start(self) -> None:
        if not self._vips:
            raise MonitorError("owners: there is no VIP to ask for")
        try:
            for network, vips in self._vips.items():
                probe = self._probes[network]
                worker = Worker(probe, "lab.monitors.owners")
                self._workers[network] = worker
                worker.post(
                    "configure",
                    interface=probe.interface,
                    mac=mac_for(probe.name),
                    vips=vips,
                    interval_ns=INTERVAL_NS,
                    at_once=AT_ONCE,
                    priority=PRIORITY,
                )
            for worker in self._workers.values():
                worker.reply()
        except BaseException:
            self.close()
            raise

    def stop(
        self,
        fault_ns: int | None = None,
        until_ns: int | None = None,
        names: Mapping[str, str] | None = None,
    ) -> OwnersResult:
        """Stop, collect, judge; the records stay in self.records for other windows."""
        try:
            for network, worker in self._workers.items():
                _unused, data = worker.ask_bytes("finish")
                self.records[network] = list(unpack(data, self._vips[network]))
        finally:
            self.close()
        return analyse(self.records, fault_ns, until_ns, names=names)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers = {}
