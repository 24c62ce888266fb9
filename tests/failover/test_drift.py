# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Drift on a pair that works: none where nothing was changed, each change in its layer, nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.run import LabError
from tests.failover.test_site import history, nowhere, stamp, touched

pytestmark = pytest.mark.full
Seen = set[tuple[str, str, str]]


def look(pair: Pair, directory: Path, *arguments: str) -> dict[str, Any]:
    """The report of the playbook."""
    path = directory / "report.json"
    playbook.play(pair.lab, "drift", ["-e", f"firewall_drift_report={path}", *arguments], show=None)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def seen(report: dict[str, Any]) -> Seen:
    return {(item["layer"], item["node"], item["path"]) for item in report["differences"]}


def test_a_pair_as_deployed_has_no_drift_and_is_not_touched(pair: Pair, tmp_path: Path) -> None:
    before = history(pair)
    stamp(pair)

    report = look(pair, tmp_path, "-e", "firewall_drift_fail=true")

    assert report["differences"] == [], report
    # Not because nothing was compared.
    assert report["compared"] > 60
    assert report["nodes"] == list(pair.nodes)
    assert history(pair) == before
    assert touched(pair) == nowhere(pair)


@contextmanager
def changed(node: NodeHost, do: list[str], undo: list[str]) -> Iterator[None]:
    node.exec("sh", "-ec", "; ".join(do))
    try:
        yield
    finally:
        node.exec("sh", "-ec", "; ".join(undo))


KEEPALIVED = "/etc/keepalived/keepalived.conf"
PARAMETER = "net.ipv4.tcp_syncookies"
SHARED = "net.netfilter.nf_conntrack_udp_timeout"
RULE = "INPUT -s 192.0.2.77 -j DROP"


def changes() -> list[tuple[str, list[str], list[str], Callable[[str], Seen]]]:
    """By name what is done to a node and taken back, and what has to be found there."""
    return [
        (
            "a file, and a daemon that has not read it",
            [f"cp -p {KEEPALIVED} /run/kept", f"echo '# by hand' >> {KEEPALIVED}"],
            [f"cat /run/kept > {KEEPALIVED}", f"touch -r /run/kept {KEEPALIVED}", "rm /run/kept"],
            lambda node: {("file", node, KEEPALIVED), ("daemon", node, "keepalived.service")},
        ),
        (
            "a kernel parameter that is planned",
            [f"sysctl -qw {PARAMETER}=0"],
            [f"sysctl -qw {PARAMETER}=1"],
            lambda node: {("kernel", node, PARAMETER)},
        ),
        (
            "a rule in the kernel",
            [f"iptables -I {RULE}"],
            [f"iptables -D {RULE}"],
            lambda node: {("kernel", node, "rules")},
        ),
        (
            "a daemon that does not run",
            ["systemctl stop linuxha-conntrackd-watch.service"],
            ["systemctl start linuxha-conntrackd-watch.service"],
            lambda node: {("daemon", node, "linuxha-conntrackd-watch.service")},
        ),
        (
            "a unit that systemd has not read",
            ["echo '# by hand' >> /etc/systemd/system/linuxha-takeover.service"],
            ["sed -i '$d' /etc/systemd/system/linuxha-takeover.service", "systemctl daemon-reload"],
            lambda node: {
                ("file", node, "/etc/systemd/system/linuxha-takeover.service"),
                ("daemon", node, "linuxha-takeover.service"),
            },
        ),
        (
            "what only the peer shows",
            [f"cat /proc/sys/{SHARED.replace('.', '/')} > /run/value", f"sysctl -qw {SHARED}=77"],
            [f"sysctl -qw {SHARED}=$(cat /run/value)", "rm /run/value"],
            lambda node: {("peer", "", SHARED)},
        ),
    ]


def test_each_change_is_found_in_its_layer_and_fails_the_run(pair: Pair, tmp_path: Path) -> None:
    """All at once: a run takes as long as one of site, and what is expected says which change was found as what."""
    node = pair.standby()
    with ExitStack() as stack:
        for _name, do, undo, _expected in changes():
            stack.enter_context(changed(node, do, undo))
        stamp(pair)
        before = history(pair)
        with pytest.raises(LabError) as error:
            look(pair, tmp_path, "-e", "firewall_drift_fail=true")
        assert touched(pair) == nowhere(pair)
        assert history(pair) == before

    found = seen(json.loads((tmp_path / "report.json").read_text()))
    expected = {item for *_rest, what in changes() for item in what(node.name)}
    assert found == expected
    assert PARAMETER in str(error.value)


def test_an_inventory_that_was_not_deployed(pair: Pair, tmp_path: Path) -> None:
    report = look(pair, tmp_path, "-e", "firewall_profile=patient")
    layers = {(layer, path) for layer, _node, path in seen(report)}
    assert ("inventory", KEEPALIVED) in layers, report
    assert ("file", KEEPALIVED) not in layers


def test_a_dead_node_is_in_the_report_and_the_other_is_compared(pair: Pair, tmp_path: Path) -> None:
    dead, alive = pair.standby(), pair.active()
    faults = Faults(pair.lab)
    faults.power_cut(dead)
    try:
        with changed(alive, [f"sysctl -qw {PARAMETER}=0"], [f"sysctl -qw {PARAMETER}=1"]):
            report = look(pair, tmp_path)
    finally:
        faults.power_return(dead)
    assert {("unknown", dead.name, "connection"), ("kernel", alive.name, PARAMETER)} <= seen(report)
