# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Leak monitor: packets that the policy must drop are sent all the time; one arrival is one too many."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.monitors.host import ProbeHost
from lab.monitors.paths import Canary
from lab.monitors.wire import Worker

__all__ = ["Leak", "LeakRecords", "Leaks", "LeaksResult", "analyse"]

INTERVAL_NS = 20_000_000
AT_ONCE = 12  # per network; more canaries take turns
PRIORITY = 35
MOST_EXAMPLES = 20


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
class LeakRecords:
    canaries: tuple[Canary, ...]
    sent: tuple[tuple[int, int], ...]  # when, number of the canary
    arrived: tuple[Leak, ...]  # in order of time
    uncounted: int  # arrivals without a record, because there were too many
    errors: int  # attempts to send that failed


@dataclass(frozen=True)
class LeaksResult:
    void: str | None
    leaked: int
    sent: int
    examples: tuple[Leak, ...]  # the first ones


def analyse(records: LeakRecords, fault_ns: int | None = None, until_ns: int | None = None) -> LeaksResult:
    """Judge the time between two moments, or all. Pure."""

    def inside(t: int) -> bool:
        return (fault_ns is None or t >= fault_ns) and (until_ns is None or t <= until_ns)

    sent = [number for t, number in records.sent if inside(t)]
    leaks = [item for item in records.arrived if inside(item.t_ns)]
    silent = [item for number, item in enumerate(records.canaries) if number not in set(sent)]
    reasons = [f"no {item.protocol} canary left {item.client_network} for {item.target}" for item in silent]
    if records.errors and reasons:
        reasons.append(f"{records.errors} attempts failed")
    if not records.canaries:
        reasons.append("there was no canary to send")
    return LeaksResult(
        void="; ".join(reasons) or None,
        leaked=len(leaks) + records.uncounted,
        sent=len(sent),
        examples=tuple(leaks[:MOST_EXAMPLES]),
    )


class Leaks:
    """One worker per network that sends or may receive canaries."""

    def __init__(self, probes: Mapping[str, ProbeHost], canaries: Iterable[Canary]) -> None:
        self._probes = probes
        self._canaries = tuple(canaries)
        self._workers: dict[str, Worker] = {}
        self.records = LeakRecords(self._canaries, (), (), 0, 0)

    def start(self) -> None:
        """Start all workers. Without any canary (the policy accepts everything) the result will be void."""
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

    def arrived(self) -> int:
        """How many have leaked up to now."""
        for worker in self._workers.values():
            worker.post("status")
        return sum(int(worker.reply()["arrived"]) for worker in self._workers.values())

    def stop(self, fault_ns: int | None = None, until_ns: int | None = None) -> LeaksResult:
        """Stop, collect, judge; the records stay in self.records for other windows."""
        sent: list[tuple[int, int]] = []
        leaks: list[Leak] = []
        uncounted = errors = 0
        try:
            for network, worker in self._workers.items():
                report, data = worker.ask_bytes("finish")
                log = array("q")
                log.frombytes(data)
                sent += zip(log[::2], log[1::2], strict=True)
                leaks += (Leak(network=network, **item) for item in report["kept"])
                uncounted += report["arrived"] - len(report["kept"])
                errors += report["errors"]
        finally:
            self.close()
        ordered = tuple(sorted(leaks, key=lambda leak: leak.t_ns))
        self.records = LeakRecords(self._canaries, tuple(sorted(sent)), ordered, uncounted, errors)
        return analyse(self.records, fault_ns, until_ns)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers = {}
