# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Flow monitor: established TCP connections through the pair, every byte compared."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.monitors.flows.analysis import FlowResult, FlowSpec, FlowsResult, judge, mix
from lab.monitors.host import Host
from lab.monitors.paths import Path
from lab.monitors.wire import MonitorError, Worker

__all__ = ["CheckResult", "FlowResult", "FlowSpec", "Flows", "FlowsResult", "judge", "mix"]


@dataclass(frozen=True)
class CheckResult:
    passed: int
    failed: tuple[int, ...]  # numbers of the flows


class Flows:
    """One client and one server program per network; all clients start before the first failure is looked for."""

    def __init__(
        self, probes: Mapping[str, Host], paths: Sequence[Path], total: int, interactive: float = 0.2, bulk: int = 8
    ) -> None:
        self._probes = probes
        self._specs = mix(paths, total, interactive, bulk)
        self._lost: set[int] = set()
        self._clients: list[Worker] = []
        self._servers: list[Worker] = []

    def start(self, timeout: float = 30.0) -> None:
        """Open all flows and return when each has had its first bytes sent back."""
        if not self._specs:
            raise MonitorError("flows: there is no flow to open; the policy allows none")
        flows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        listen: dict[str, dict[tuple[int, str, int], int]] = defaultdict(lambda: defaultdict(int))
        for number, spec in enumerate(self._specs):
            path = spec.path
            listen[path.server_network][path.family, path.server_address, path.server_port] += 1
            flows[path.client_network].append(
                {
                    "flow": number,
                    "kind": spec.kind,
                    "family": path.family,
                    "bind": path.client_address,
                    "connect": path.connect_address,
                    "port": path.connect_port,
                }
            )
        try:
            for network, sockets in listen.items():
                worker = Worker(self._probes[network], "lab.monitors.flows")
                self._servers.append(worker)
                where = [{"family": f, "address": a, "port": p} for f, a, p in sockets]
                worker.ask("configure", role="server", listen=where, files=len(where) + sum(sockets.values()))
            for network, items in flows.items():
                worker = Worker(self._probes[network], "lab.monitors.flows")
                self._clients.append(worker)
                worker.post("configure", role="client", flows=items, files=len(items))
            for worker in self._clients:
                worker.reply()
            self._wait_established(timeout)
        except BaseException:
            self.close()
            raise

    def status(self) -> dict[str, Any]:
        """established, failed, and the first failure as text."""
        for worker in self._clients:
            worker.post("status")
        found = [worker.reply() for worker in self._clients]
        return {
            "established": sum(item["established"] for item in found),
            "failed": sum(item["failed"] for item in found),
            "first": next((item["first"] for item in found if item["first"]), ""),
        }

    def mark(self) -> None:
        """Forget the stalls so far: call it just before a fault."""
        self._all(self._clients, "mark")

    def check_all(self, deadline_ms: int = 5000) -> CheckResult:
        """Each flow sends something and must get it back, byte-exact, before the deadline."""
        for worker in self._clients:
            worker.post("check", deadline_ms=deadline_ms)
        found = [worker.reply(deadline_ms / 1000 + 10) for worker in self._clients]
        failed = sorted(number for item in found for number in item["failed"])
        return CheckResult(len(self._specs) - len(failed), tuple(failed))

    def check(self, deadline_ms: int = 10000, stall_limit_ms: float | None = None) -> FlowsResult:
        """Check and judge without ending: flows that fail here are left out of later results, stalls start anew."""
        result = self._judge("report", deadline_ms, stall_limit_ms)
        self._lost.update(item.number for item in result.failures)
        self.mark()
        return result

    def stop(self, deadline_ms: int = 10000, stall_limit_ms: float | None = None) -> FlowsResult:
        """One last check of every flow, then the verdict."""
        try:
            self._all(self._clients, "halt")
            return self._judge("finish", deadline_ms, stall_limit_ms)
        finally:
            self.close()

    def close(self) -> None:
        for worker in (*self._clients, *self._servers):
            worker.close()
        self._clients, self._servers = [], []

    def _judge(self, command: str, deadline_ms: int, stall_limit_ms: float | None) -> FlowsResult:
        unanswered = self.check_all(deadline_ms).failed
        client = [item for worker in self._clients for item in _report(worker, command)]
        server = [item for worker in self._servers for item in _report(worker, command)]
        return judge(self._specs, client, server, unanswered, stall_limit_ms, self._lost)

    def _wait_established(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            status = self.status()
            if status["failed"]:
                raise MonitorError(f"flows: {status['failed']} cannot be opened; the first {status['first']}")
            if status["established"] == len(self._specs):
                return
            if time.monotonic() > deadline:
                raise MonitorError(
                    f"flows: {status['established']} of {len(self._specs)} were opened within {timeout:.0f} s"
                )
            time.sleep(0.05)

    @staticmethod
    def _all(workers: Sequence[Worker], command: str) -> None:
        for worker in workers:
            worker.post(command)
        for worker in workers:
            worker.reply()


def _report(worker: Worker, command: str) -> list[dict[str, Any]]:
    _unused, data = worker.ask_bytes(command)
    found: list[dict[str, Any]] = json.loads(data)
    return found
