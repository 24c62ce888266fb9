# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Fill the connection tracking table, to measure a takeover with many connections that nobody has to keep alive."""

from __future__ import annotations

from .hosts import NodeHost
from .pair import Pair, wait
from .run import LabError

FILE = "/run/linuxha/lab-table"
FLOWS_PER_PAIR = 60_000
TIMEOUT_S = 86_400


def entries(count: int, client: str, server: str) -> str:
    """Established TCP connections, as `conntrack --load-file` reads them (conntrack(8)).

    Args:
        count: how many; one pair of addresses and server port carries FLOWS_PER_PAIR.
        client: source address.
        server: destination address.
    """
    lines = []
    for number in range(count):
        source, target = 2000 + number % FLOWS_PER_PAIR, 20_000 + number // FLOWS_PER_PAIR
        lines.append(
            f"-A -t {TIMEOUT_S} -u SEEN_REPLY,ASSURED -s {client} -d {server} -r {server} -q {client} -p tcp "
            f"--sport {source} --dport {target} --reply-port-src {target} --reply-port-dst {source} "
            "--state ESTABLISHED\n"
        )
    return "".join(lines)


def count(node: NodeHost) -> int:
    """Entries in the node's table."""
    return int(node.exec("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


def fill(pair: Pair, size: int, timeout: float = 120) -> None:
    """Load `size` connections into the active node and wait until every node has them.

    Raises:
        LabError: a node does not have 99.9 % of them after `timeout` seconds.
    """
    active = pair.wait_steady()
    client, server = (next(p for p in pair.probes.values() if p.network.name == n) for n in _ends(pair))
    if client.ipv4 is None or server.ipv4 is None:
        raise LabError("the table is filled with IPv4 connections, and a network has no IPv4")
    active.container.exec(["sh", "-c", f"cat > {FILE}"], stdin=entries(size, client.ipv4, server.ipv4))
    active.exec("conntrack", "--load-file", FILE)
    wanted = 0.999 * size
    try:
        wait(lambda: all(count(node) >= wanted for node in pair.nodes.values()), timeout, interval=0.5)
    except TimeoutError as problem:
        shown = ", ".join(f"{name} {count(node)}" for name, node in pair.nodes.items())
        raise LabError(f"{size} connections were loaded; after {timeout:.0f} s the nodes have {shown}") from problem


def _ends(pair: Pair) -> tuple[str, str]:
    first, second, *_rest = pair.probes
    return first, second
