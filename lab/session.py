# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""A stretch of live traffic through one cluster, during which faults are injected and measured one after the other."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .cases import Case
from .faults import Faults
from .hosts import NodeHost
from .monitors.blackout import Blackout, BlackoutResult
from .monitors.blackout import analyse as analyse_blackout
from .monitors.flows import Flows, FlowsResult
from .monitors.leaks import Leaks, LeaksResult
from .monitors.leaks import analyse as analyse_leaks
from .monitors.owners import Owners, OwnersResult
from .monitors.owners import analyse as analyse_owners
from .monitors.wire import MonitorError
from .pair import Pair, wait
from .traffic import plans as traffic_plans

CLEAN_S = 3.2
SETTLE_S = 1.0
# A takeover that takes longer than this has failed; the slowest profile needs under 4 s.
TAKEOVER_S = 20.0


@dataclass
class Window:
    """One measured fault: when it was injected, until when its effects count, and what happened to the cluster."""

    name: str
    fault_ns: int
    until_ns: int
    before: str
    after: str
    moves: bool
    flows: FlowsResult | None
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """A window with what every monitor says about it."""

    window: Window
    blackout: BlackoutResult
    owners: OwnersResult
    leaks: LeaksResult


class Session:
    """Traffic and monitors on one cluster.

    Args:
        pair: the cluster.
        flows: how many TCP connections to hold through all faults.
        seed: of the random moment of each fault.
        more_vips: by network, addresses beside those of the cluster that are asked for their owner.
    """

    def __init__(self, pair: Pair, flows: int, seed: int, more_vips: Mapping[str, Sequence[str]] | None = None) -> None:
        self.pair = pair
        self.faults = Faults(pair.lab)
        self.plan = traffic_plans(pair.lab.clusters)[pair.cluster.name].require()
        self._random = random.Random(seed)
        vips = {network.name: [str(vip.address) for vip in network.vips] for network in pair.cluster.networks}
        for network, addresses in (more_vips or {}).items():
            vips[network] = [*vips.get(network, []), *addresses]
        self.blackout = Blackout(pair.probes, self.plan.streams)
        self.owners = Owners(pair.probes, vips)
        self.leaks = Leaks(pair.probes, self.plan.canaries)
        self.flows = Flows(pair.probes, self.plan.flows, flows) if flows else None
        self.windows: list[Window] = []
        self._started = 0.0

    def start(self) -> None:
        """Start all traffic; returns when every stream flows and every connection is established."""
        self.pair.wait_steady()
        if self.flows is not None:
            self.flows.start()
        self.leaks.start()
        self.owners.start()
        self.blackout.start()
        self._started = time.monotonic()

    def close(self) -> None:
        """Stop without a result, after an error."""
        for monitor in (self.blackout, self.owners, self.leaks, self.flows):
            if monitor is not None:
                monitor.close()
        self.faults.mend()

    def _phase(self) -> None:
        """Let clean time pass, then wait for a random moment within a second: faults do not respect advert phases."""
        earliest = max([self._started, *(w.until_ns / 1e9 for w in self.windows[-1:])]) + CLEAN_S
        time.sleep(max(0.0, earliest - time.monotonic()) + self._random.uniform(0.0, 1.0))

    def run(self, case: Case, way_back: bool = True) -> None:
        """Inject one fault into the active node, wait for the answer, undo it, wait until the cluster is whole.

        Args:
            case: the fault.
            way_back: measure the way back too, where the case names it.
        """
        node = self.pair.wait_steady()
        self._phase()
        window = self._measure(case.name, node.name, case.moves, lambda: case.inject(self.pair, self.faults, node))
        if case.undo_name is None or not way_back:
            self._undo(case, node)
        else:
            self._phase()
            self._measure(case.undo_name, window.after, False, lambda: self._undo(case, node))

    def _undo(self, case: Case, node: NodeHost) -> None:
        case.undo(self.pair, self.faults, node)
        self.pair.wait_steady()

    def _measure(self, name: str, before: str, moves: bool, act: Callable[[], None]) -> Window:
        held = self.pair.held(self.pair.nodes[before])
        wanted = [vips for vips in self.pair.groups.values() if vips <= held]
        fault_ns = time.monotonic_ns()
        act()
        problems: list[str] = []
        try:
            if moves:
                wait(lambda: self._successor(before, wanted) is not None, TAKEOVER_S)
            self.blackout.wait_flowing(TAKEOVER_S)
        except (TimeoutError, MonitorError) as problem:
            problems.append(f"the cluster did not answer within {TAKEOVER_S:.0f} s: {problem or 'no node took over'}")
        after = (self._successor(before, wanted) or "nobody") if moves else before
        time.sleep(SETTLE_S)
        until_ns = time.monotonic_ns()
        flows = self.flows.check() if self.flows is not None else None
        window = Window(name, fault_ns, until_ns, before, after, moves, flows, problems)
        self.windows.append(window)
        return window

    def _successor(self, before: str, wanted: Sequence[frozenset[str]]) -> str | None:
        """The node that has the first of these groups, once other nodes have all of them."""
        # The old owner is not asked: without power it keeps its addresses in a kernel that nobody can reach.
        held = {name: self.pair.held(node) for name, node in self.pair.nodes.items() if name != before}
        found = [next((name for name, vips in held.items() if vips >= group), None) for group in wanted]
        return found[0] if found and None not in found else None

    def finish(self) -> list[Measured]:
        """Stop all traffic and say what was seen in every window."""
        macs = {port.mac: node.name for node in self.pair.nodes.values() for port in node.plan.ports}
        self.blackout.stop()
        self.owners.stop()
        self.leaks.stop()
        if self.flows is not None:
            self.flows.stop()
        assert self.blackout.recording is not None
        measured = []
        for window in self.windows:
            measured.append(
                Measured(
                    window,
                    analyse_blackout(self.blackout.recording, window.fault_ns, window.until_ns),
                    analyse_owners(self.owners.records, window.fault_ns, window.until_ns, names=macs),
                    analyse_leaks(self.leaks.records, window.fault_ns, window.until_ns),
                )
            )
        return measured
