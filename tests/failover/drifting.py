# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the tests of drift share: the report, changes made by hand, and what has to be said of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.run import LabError
from tests.failover.test_site import history, nowhere, stamp, touched

Seen = set[tuple[str, str, str]]
PARAMETER = "net.ipv4.tcp_syncookies"
SHARED = "net.netfilter.nf_conntrack_udp_timeout"
RULE = "INPUT -s 192.0.2.77 -j DROP"


@dataclass(frozen=True)
class Change:
    """What is done to a node by hand and taken back, and what has to be found there."""

    name: str
    do: Sequence[str]
    undo: Sequence[str]
    expected: Callable[[str], Seen]


def edited(path: str, *also: tuple[str, str]) -> Change:
    """A line more in a file, which is then as old as before; `also` is found, too."""
    return Change(
        f"edited {path}",
        [f"cp -p {path} /run/kept", f"echo '# by hand' >> {path}"],
        [f"cat /run/kept > {path}", f"touch -r /run/kept {path}", "rm /run/kept"],
        lambda node: {("file", node, path), *((layer, node, what) for layer, what in also)},
    )


def written(path: str, unit: str) -> Change:
    """A file that was written again since the daemon has read it."""
    return Change(
        f"written {path}",
        [f"touch -r {path} /run/kept-{unit}", f"touch {path}"],
        [f"touch -r /run/kept-{unit} {path}", f"rm /run/kept-{unit}"],
        lambda node: {("daemon", node, unit)},
    )


COMMON = (
    Change(
        "a kernel parameter that is planned",
        [f"sysctl -qw {PARAMETER}=0"],
        [f"sysctl -qw {PARAMETER}=1"],
        lambda node: {("kernel", node, PARAMETER)},
    ),
    Change(
        "a rule in the kernel",
        [f"iptables -I {RULE}"],
        [f"iptables -D {RULE}"],
        lambda node: {("kernel", node, "rules")},
    ),
    Change(
        "a daemon that does not run",
        ["systemctl stop linuxha-conntrackd-watch.service"],
        ["systemctl start linuxha-conntrackd-watch.service"],
        lambda node: {("daemon", node, "linuxha-conntrackd-watch.service")},
    ),
    written("/usr/local/libexec/linuxha/journal_core.py", "linuxha-journal.service"),
    Change(
        "a unit that systemd has not read",
        ["echo '# by hand' >> /etc/systemd/system/linuxha-takeover.service"],
        ["sed -i '$d' /etc/systemd/system/linuxha-takeover.service", "systemctl daemon-reload"],
        lambda node: {
            ("file", node, "/etc/systemd/system/linuxha-takeover.service"),
            ("daemon", node, "linuxha-takeover.service"),
        },
    ),
    Change(
        "what only the peer shows",
        [f"cat /proc/sys/{SHARED.replace('.', '/')} > /run/value", f"sysctl -qw {SHARED}=77"],
        [f"sysctl -qw {SHARED}=$(cat /run/value)", "rm /run/value"],
        lambda node: {("peer", "", SHARED)},
    ),
)


def look(pair: Pair, directory: Path, *arguments: str) -> dict[str, Any]:
    """The report of the playbook."""
    path = directory / "report.json"
    playbook.play(pair.lab, "drift", ["-e", f"firewall_drift_report={path}", *arguments], show=None)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def seen(report: dict[str, Any]) -> Seen:
    return {(item["layer"], item["node"], item["path"]) for item in report["differences"]}


@contextmanager
def changed(node: NodeHost, do: Sequence[str], undo: Sequence[str]) -> Iterator[None]:
    node.exec("sh", "-ec", "; ".join(do))
    try:
        yield
    finally:
        node.exec("sh", "-ec", "; ".join(undo))


def none_as_deployed(pair: Pair, directory: Path) -> None:
    before = history(pair)
    stamp(pair)

    report = look(pair, directory, "-e", "firewall_drift_fail=true")

    assert report["differences"] == [], report
    # Not because nothing was compared.
    assert report["compared"] > 60
    assert report["nodes"] == list(pair.nodes)
    assert history(pair) == before
    assert (written_to := touched(pair)) == nowhere(pair), written_to


def each_is_found(pair: Pair, directory: Path, changes: Sequence[Change]) -> None:
    """All at once: a run takes as long as one of site, and what is expected says which change was found as what."""
    node = pair.standby()
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(changed(node, change.do, change.undo))
        stamp(pair)
        before = history(pair)
        with pytest.raises(LabError) as error:
            look(pair, directory, "-e", "firewall_drift_fail=true")
        assert (written_to := touched(pair)) == nowhere(pair), written_to
        assert history(pair) == before

    found = seen(json.loads((directory / "report.json").read_text()))
    expected = {item for change in changes for item in change.expected(node.name)}
    # Different versions of iptables print the same rules differently, so only equal ones are compared.
    if len({each.exec("iptables", "--version") for each in pair.nodes.values()}) == 1:
        expected.add(("peer", "", "rules"))
    # States of connections that have ended can be left over on a standby node, whatever was done to it.
    left = {("daemon", node.name, "conntrackd")}
    assert found - left == expected, f"more: {found - left - expected}, missing: {expected - found}"
    assert PARAMETER in str(error.value)


def an_inventory_that_was_not_deployed(pair: Pair, directory: Path, file: str) -> None:
    report = look(pair, directory, "-e", "firewall_profile=patient")
    layers = {(layer, path) for layer, _node, path in seen(report)}
    assert ("inventory", file) in layers, report
    assert ("file", file) not in layers


def a_dead_node_is_told(pair: Pair, directory: Path) -> None:
    dead, alive = pair.standby(), pair.active()
    faults = Faults(pair.lab)
    faults.power_cut(dead)
    try:
        with changed(alive, [f"sysctl -qw {PARAMETER}=0"], [f"sysctl -qw {PARAMETER}=1"]):
            report = look(pair, directory)
    finally:
        faults.power_return(dead)
    assert {("unknown", dead.name, "connection"), ("kernel", alive.name, PARAMETER)} <= seen(report)
