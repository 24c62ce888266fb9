# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Leak monitor: packets that the policy must drop are sent all the time; one arrival is one too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.monitors.host import ProbeHost
from lab.monitors.paths import Canary
from lab.monitors.wire import MonitorError, Worker

__all__ = ["Leak", "Leaks", "LeaksResult", "judge"]

INTERVAL_NS = 20_000_000
AT_ONCE = 12  # per network; more canaries take turns
PRIORITY = 35


@dataclass(frozen=True)
class Leak:
    network: str  # where it arrived
    t_ns: int
    family: int
    protocol: str
    source: str
    target: str
    port: int


@dataclass(frozen=True)
class LeaksResult:
    void: str | None
    leaked: int
    sent: int
    examples: tuple[Leak, ...]  # the first ones


def judge(canaries: Sequence[Canary], reports: Mapping[str, Mapping[str, Any]]) -> LeaksResult:
    """reports: network -> what its worker counted. Pure."""
    sent = {int(number): counts for report in reports.values() for number, counts in report["sent"].items()}
    silent = [item for number, item in enumerate(canaries) if not sent.get(number, (0, 0))[0]]
    reasons = [
        f"no {item.protocol} canary left {item.client_network} for {item.target}: "
        f"{sent.get(number, (0, 0))[1]} attempts failed"
        for number, item in enumerate(canaries)
        if item in silent
    ]
    leaks = [Leak(network=network, **item) for network, report in reports.items() for item in report["examples"]]
    return LeaksResult(
        void="; ".join(reasons) or (None if canaries else "there was no canary to send"),
        leaked=sum(int(report["arrived"]) for report in reports.values()),
        sent=sum(int(counts[0]) for counts in sent.values()),
        examples=tuple(sorted(leaks, key=lambda leak: leak.t_ns)),
    )


class Leaks:
    """One worker per network that sends or may receive canaries."""

    def __init__(self, probes: Mapping[str, ProbeHost], canaries: Iterable[Canary]) -> None:
        self._probes = probes
        self._canaries = tuple(canaries)
        self._workers: dict[str, Worker] = {}

    def start(self) -> None:
        if not self._canaries:
            raise MonitorError("leaks: there is no canary to send")
        send: dict[str, list[dict[str, Any]]] = defaultdict(list)
        ports: dict[int, set[int]] = defaultdict(set)
        for number, item in enumerate(self._canaries):
            ports[item.family].add(item.port)
            send[item.client_network].append(
                {
                    "number": number,
                    "family": item.family,
                    "protocol": item.protocol,
                    "bind": item.client_address,
                    "target": item.target,
                    "port": item.port,
                }
            )
        networks = dict.fromkeys(name for item in self._canaries for name in (item.server_network, item.client_network))
        try:
            # A canary that takes a wrong way may come out anywhere: every network watches for all of them.
            for network in networks:
                probe = self._probes[network]
                worker = Worker(probe, "lab.monitors.leaks")
                self._workers[network] = worker
                worker.post(
                    "configure",
                    interface=probe.interface,
                    send=send[network],
                    receive=[[family, sorted(found)] for family, found in ports.items()],
                    interval_ns=INTERVAL_NS,
                    at_once=AT_ONCE,
                    priority=PRIORITY,
                )
            for worker in self._workers.values():
                worker.reply()
        except BaseException:
            self.close()
            raise

    def so_far(self) -> LeaksResult:
        return self._collect("status")

    def stop(self) -> LeaksResult:
        try:
            return self._collect("finish")
        finally:
            self.close()

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers = {}

    def _collect(self, command: str) -> LeaksResult:
        for worker in self._workers.values():
            worker.post(command)
        return judge(self._canaries, {network: worker.reply() for network, worker in self._workers.items()})
