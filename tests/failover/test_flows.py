# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Established connections over a takeover: every byte is compared."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import product

import pytest

from lab.faults import Faults
from lab.hosts import Host, NodeHost
from lab.monitors.flows import Flows, mix
from lab.monitors.paths import Path
from lab.pair import Pair, wait
from lab.traffic import plans
from tests.failover.live import fault, measure, sound

MANY = 2000
CLIENT = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")


def established(node: NodeHost) -> set[tuple[str, ...]]:
    """The established TCP connections in a node's table, as their clients see them."""
    found: set[tuple[str, ...]] = set()
    for family in ("ipv4", "ipv6"):
        text = node.exec("conntrack", "-L", "-f", family, "-p", "tcp", "--state", "ESTABLISHED")
        found |= {match.groups() for match in map(CLIENT.search, text.splitlines()) if match}
    return found


def test_many_connections_survive_a_power_cut(pair: Pair) -> None:
    plan = plans(pair.lab.clusters)[pair.cluster.name]
    kinds = {(spec.path.kind, spec.path.family) for spec in mix(plan.flows, MANY)}
    assert kinds == {(kind, family) for kind in ("routed", "snat", "dnat") for family in (4, 6)}

    verdicts = measure(pair, "power_cut", flows=MANY)

    sound(verdicts)
    cut = verdicts["power_cut"]
    assert (cut.flows_survived, cut.flows_total, cut.resets) == (MANY, MANY, 0)


@pytest.mark.parametrize("where", ["active", "standby"])
def test_connections_opened_without_conntrackd_are_made_good(pair: Pair, where: str) -> None:
    """They are opened while one node's daemon is down. Once it runs again, the standby node gets them all."""
    faults = Faults(pair.lab)
    flows = 500

    def prepare() -> None:
        (pair.active() if where == "active" else pair.standby()).exec("systemctl", "stop", "conntrackd")

    def start_then_cut(active: NodeHost) -> None:
        standby = pair.standby()
        assert len(established(active) - established(standby)) >= flows
        for node in (active, standby):
            node.exec("systemctl", "start", "conntrackd")
        wait(lambda: established(active) <= established(standby), 10, interval=0.5)
        faults.power_cut(active)

    case = fault("opened before conntrackd", start_then_cut, faults.power_return, moves=True)
    verdicts = measure(pair, case, flows=flows, prepare=prepare)

    sound(verdicts)
    assert verdicts[case.name].flows_survived == flows


@contextmanager
def settings(hosts: Iterable[Host], values: Mapping[str, str]) -> Iterator[None]:
    """Kernel settings of these hosts, put back in the end."""

    def write(host: Host, key: str, value: str) -> None:
        done = host.run(["sysctl", "-qw", f"{key}={value}"])
        assert done.returncode == 0, done.stderr

    with ExitStack() as undo:
        for host, (key, value) in product(hosts, values.items()):
            undo.callback(write, host, key, host.run(["sysctl", "-n", key]).stdout.strip())
            write(host, key, value)
        yield


def open_move_and_open_again(pair: Pair, paths: Sequence[Path], flows: int, remembered: float) -> None:
    """Connections that end after a switchover, and new ones on the same ports when the kernel has done with the old."""
    first = pair.active()
    # tcp_tw_reuse: a client takes a port again whose connection ended more than a second ago.
    time.sleep(2)
    with closing(Flows(pair.probes, paths, flows)) as opened:
        opened.start()
        pair.drain(first, True)
        wait(lambda: not pair.held(first), 20)
        wait(lambda: any(pair.held(node) == pair.vips for node in pair.nodes.values()), 20)
        opened.stop()
    closed = time.monotonic()
    pair.drain(first, False)
    assert pair.wait_steady().name != first.name
    time.sleep(max(0.0, closed + remembered + 1 - time.monotonic()))

    with closing(Flows(pair.probes, paths, flows)) as again:
        again.start()
        time.sleep(1)
        assert again.stop().survived == flows


def test_ports_that_clients_use_again_belong_to_the_new_connection(pair: Pair) -> None:
    """The node that gave way forgets the first connections while the second ones, of the same ports, are made."""
    paths = plans(pair.lab.clusters)[pair.cluster.name].require().flows
    remembered = 5
    few_ports = {"net.ipv4.ip_local_port_range": "40000 40255", "net.ipv4.tcp_tw_reuse": "1"}
    soon = {"net.netfilter.nf_conntrack_tcp_timeout_time_wait": str(remembered)}
    with settings(pair.probes.values(), few_ports), settings(pair.nodes.values(), soon):
        # Twice: where the kernel happens to sweep right after the time is over, nothing is left to go wrong.
        for _way in ("there", "back"):
            open_move_and_open_again(pair, paths, 1000, remembered)
