# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Blackout monitor: how long, and for how many packets, a stateful UDP stream is interrupted."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lab.monitors.blackout.analysis import BlackoutResult, Limits, StreamResult, analyse, gaps
from lab.monitors.blackout.records import EndpointRecord, Recording, unpack
from lab.monitors.host import Host
from lab.monitors.paths import Path
from lab.monitors.wire import MonitorError, Worker

__all__ = ["Blackout", "BlackoutResult", "Limits", "Recording", "StreamResult", "analyse", "gaps"]

# Above ordinary daemons, below the kernel's threaded interrupts (50).
PRIORITY = 45
IN_FLIGHT_S = 0.3


class Blackout:
    """One worker per network; each stream (a UDP path) is sent both ways over one 5-tuple."""

    def __init__(self, probes: Mapping[str, Host], streams: Sequence[Path], limits: Limits | None = None) -> None:
        self._probes = probes
        self._streams = tuple(streams)
        self._limits = limits or Limits()
        self._workers: dict[str, Worker] = {}
        self.recording: Recording | None = None

    def start(self, timeout: float = 15.0) -> None:
        """Start both ends and return once every direction of every stream flows."""
        if not self._streams:
            raise MonitorError("blackout: no stream to send; the policy allows none")
        ends: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for number, path in enumerate(self._streams):
            common = {"stream": number, "family": path.family}
            ends[path.server_network].append(
                {
                    **common,
                    "side": "server",
                    "network": path.server_network,
                    "peer_network": path.client_network,
                    "bind": path.server_address,
                    "bind_port": path.server_port,
                }
            )
            ends[path.client_network].append(
                {
                    **common,
                    "side": "client",
                    "network": path.client_network,
                    "peer_network": path.server_network,
                    "bind": path.client_address,
                    "bind_port": 0,
                    "connect": path.connect_address,
                    "connect_port": path.connect_port,
                }
            )
        try:
            for network, endpoints in ends.items():
                worker = Worker(self._probes[network], "lab.monitors.blackout")
                self._workers[network] = worker
                worker.post("configure", endpoints=endpoints, priority=PRIORITY)
            for worker in self._workers.values():
                worker.reply()
            for worker in self._workers.values():
                worker.ask("go")
            self.wait_flowing(timeout)
        except BaseException:
            self.close()
            raise

    def status(self) -> list[dict[str, Any]]:
        """Per end of a stream: sent, received, last_ns (the last arrival)."""
        for worker in self._workers.values():
            worker.post("status")
        return [item for worker in self._workers.values() for item in worker.reply()["streams"]]

    def wait_flowing(self, timeout: float = 15.0, since_ns: int | None = None) -> None:
        """Wait until every end has received a packet later than since_ns (default: now)."""
        since = time.monotonic_ns() if since_ns is None else since_ns
        deadline = time.monotonic() + timeout
        while True:
            silent = [item for item in self.status() if item["last_ns"] <= since]
            if not silent:
                return
            if time.monotonic() > deadline:
                text = ", ".join(self._describe(item) for item in silent)
                raise MonitorError(f"blackout: nothing arrives within {timeout:.0f} s at: {text}")
            time.sleep(0.05)

    def stop(self, fault_ns: int | None = None, until_ns: int | None = None) -> BlackoutResult:
        """Stop sending, collect, judge. The recording stays in self.recording for other windows and plots."""
        try:
            for worker in self._workers.values():
                worker.post("halt")
            for worker in self._workers.values():
                worker.reply()
            time.sleep(IN_FLIGHT_S)
            endpoints: list[EndpointRecord] = []
            for worker in self._workers.values():
                message, data = worker.ask_bytes("finish")
                endpoints += unpack(message["endpoints"], data)
        finally:
            self.close()
        self.recording = Recording(tuple(endpoints))
        return analyse(self.recording, fault_ns, until_ns, self._limits)

    def close(self) -> None:
        """End the workers without a result."""
        for worker in self._workers.values():
            worker.close()
        self._workers = {}

    def _describe(self, item: Mapping[str, Any]) -> str:
        path = self._streams[item["stream"]]
        network = path.client_network if item["side"] == "client" else path.server_network
        return f"{network} IPv{path.family} ({item['side']})"
