# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Each difference lands in its layer; what could not be compared is never silence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _drift as drift
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import Finding

PAIR = {"fw1": "edge", "fw2": "edge"}
KEEPALIVED = "/etc/keepalived/keepalived.conf"


def outcome(action: str, result: dict[str, Any], host: str = "fw1", status: str = "ok") -> drift.Outcome:
    return drift.Outcome(host, "configure | Do it", f"ansible.builtin.{action}", status, result)


def file_diff(path: str, before: str, after: str, **more: Any) -> dict[str, Any]:
    header = {"before_header": path, "after_header": path}
    return {"changed": True, "diff": {"before": before, "after": after, **header}, **more}


def seen(*outcomes: drift.Outcome) -> list[tuple[str, str, str]]:
    return [(item.node, item.layer, item.path) for item in drift.differences(PAIR, outcomes)]


TABLE = [
    (
        "template",
        {"changed": True, "dest": KEEPALIVED, "diff": [{"before": "a\n", "after": "b\n"}]},
        "file",
        KEEPALIVED,
    ),
    (
        "template",
        {"changed": True, "results": [{"changed": False}, file_diff("/etc/x.conf", "a\n", "b\n")]},
        "file",
        "/etc/x.conf",
    ),
    ("copy", file_diff("/etc/y", "", "b\n"), "file", "/etc/y"),
    (
        "file",
        {"changed": True, "path": "/etc/z", "diff": {"before": {"mode": "0777"}, "after": {"mode": "0755"}}},
        "file",
        "/etc/z",
    ),
    (
        "sysctl",
        {"changed": True, "changes": ["net.core.rmem_max: 1 -> 2"], "diff": [{"before": "x", "after": "x"}]},
        "kernel",
        "net.core.rmem_max",
    ),
    ("kernel_modules", {"changed": True, "diff": {"before": "a", "after": "a"}}, "kernel", "modules"),
    ("kernel_modules", file_diff("/etc/modules-load.d/l.conf", "a", "b"), "file", "/etc/modules-load.d/l.conf"),
    (
        "systemd_service",
        {"changed": True, "name": "keepalived.service", "status": {"ActiveState": "inactive"}},
        "daemon",
        "keepalived.service",
    ),
    (
        "ruleset",
        {"changed": True, "changes": ["ipv4: the kernel holds other rules than were loaded"]},
        "kernel",
        "rules",
    ),
    ("ruleset", {"changed": True, "changes": ["filter.v4: 1 lines new, 0 gone"]}, "file", "rules"),
    ("corosync_conf", {"changed": True, "changes": ["totem.token: 1 -> 2"], "diff": {}}, "daemon", "corosync"),
    ("cib", {"changed": True, "changes": ["create primitive vip"]}, "daemon", "CIB"),
    ("packages", {"changed": True, "installed": ["conntrackd"]}, "file", "packages"),
    ("corosync_authkey", {"changed": True}, "peer", "/etc/corosync/authkey"),
    ("qdevice_certificate", {"changed": True, "reason": "there is no database"}, "file", "/etc/corosync/qdevice/net"),
]


@pytest.mark.parametrize(("action", "result", "layer", "path"), TABLE)
def test_layer(action: str, result: dict[str, Any], layer: str, path: str) -> None:
    assert seen(outcome(action, result)) == [("fw1", layer, path)]
    assert seen(outcome(action, {**result, "changed": False, "results": []})) == []


def test_every_changed_result_is_a_difference() -> None:
    assert seen(outcome("a_module_of_tomorrow", {"changed": True})) == [("fw1", "file", "configure | Do it")]


def test_a_file_that_no_node_has_is_about_the_inventory() -> None:
    both = [outcome("template", file_diff(KEEPALIVED, "a\n", "b\n"), host) for host in PAIR]
    assert seen(*both) == [("", "inventory", KEEPALIVED)]
    assert seen(both[0]) == [("fw1", "file", KEEPALIVED)]
    # Two nodes with a parameter that somebody set have nothing to do with the inventory.
    kernel = {"changed": True, "changes": ["net.core.rmem_max: 1 -> 2"]}
    assert [layer for _node, layer, _path in seen(*(outcome("sysctl", kernel, host) for host in PAIR))] == [
        "kernel"
    ] * 2


def test_what_differs_shows_no_content() -> None:
    (found,) = drift.differences(PAIR, [outcome("template", file_diff(KEEPALIVED, "old secret\n", "new secret\n"))])
    assert "secret" not in str(found)
    assert "1 lines" in found.what


def test_failure_and_loss_are_told() -> None:
    found = drift.differences(
        PAIR,
        [
            outcome("template", {"msg": "no such\n  directory"}, status="failed"),
            outcome("setup", {"msg": "timed out"}, "fw2", "unreachable"),
        ],
    )
    assert [(item.layer, item.node) for item in found] == [("unknown", "fw1"), ("unknown", "fw2")]
    assert "no such directory" in found[0].what
    assert "timed out" in found[1].what


def test_of_a_failed_loop_only_the_failed_item_counts() -> None:
    result = {"msg": "One or more items failed", "results": [{"failed": False}, {"failed": True, "msg": "this one"}]}
    (found,) = drift.differences(PAIR, [outcome("template", result, status="failed")])
    assert "this one" in found.what


# --- daemons and their files


def system(text: str, times: dict[str, float], files: dict[str, bytes] | None = None, rc: int = 0) -> drift.System:
    def run(argv: Sequence[str]) -> Answer:
        assert argv[:2] == ["systemctl", "show"]
        return Answer(rc, text, "no bus" if rc else "")

    # The machine has run for 1 000 s, and it is 5 000 s after the epoch: it was booted at 4 000.
    return drift.System(run, (files or {}).get, times.get, lambda: (5000.0, 1000.0))


def show(stamp: str = "500000000", reload: str = "no", active: str = "active") -> str:
    return (
        f"Id=x.service\nLoadState=loaded\nActiveState={active}\n"
        f"StateChangeTimestampMonotonic={stamp}\nNeedDaemonReload={reload}\n"
    )


@pytest.mark.parametrize(("written", "newer"), [(4499.0, []), (4500.01, []), (4501.0, ["/a"])])
def test_daemon_older_than_its_file(written: float, newer: list[str]) -> None:
    watched = drift.Watched(units={"x.service": ["/a", "/missing"]})
    info = drift.collect(watched, system(show(), {"/a": written}))
    assert info["units"]["x.service"]["since"] == 4500.0
    assert info["units"]["x.service"]["newer"] == newer
    assert [item.layer for item in drift.running("edge", {"fw1": info})] == ["daemon"] * len(newer)


def test_units_that_systemd_has_in_an_older_form() -> None:
    info = drift.collect(drift.Watched(units={"x.service": []}), system(show(reload="yes"), {}))
    (found,) = drift.running("edge", {"fw1": info})
    assert "daemon-reload" in found.remedy


def test_a_daemon_that_does_not_run_is_not_old() -> None:
    units = drift.Watched(units={"x.service": ["/a"]})
    info = drift.collect(units, system(show(active="inactive", reload="yes"), {"/a": 9999.0}))
    assert list(drift.running("edge", {"fw1": info})) == []
    never = drift.collect(units, system(show(stamp="0"), {"/a": 1.0}))
    assert never["units"]["x.service"]["newer"] == []


def test_no_answer_of_systemd_is_told() -> None:
    info = drift.collect(drift.Watched(units={"x.service": []}), system("", {}, rc=1))
    assert [item.layer for item in drift.running("edge", {"fw1": info})] == ["unknown"]
    fewer = drift.collect(drift.Watched(units={"x.service": [], "y.service": []}), system(show(), {}))
    assert "got 1" in fewer["problem"]


# --- nodes and their peers


def test_peers() -> None:
    watched = drift.Watched(parameters=["net.a", "net.b", "net.c"], files=["/etc/resolv.conf", "/etc/same"])
    files = {"/proc/sys/net/a": b"1\n", "/proc/sys/net/b": b"1\t2\n", "/etc/same": b"x"}
    one = drift.collect(watched, system("", {}, files))
    two = drift.collect(
        watched, system("", {}, {**files, "/proc/sys/net/a": b"0\n", "/proc/sys/net/c": b"7", "/etc/resolv.conf": b"y"})
    )
    assert one["parameters"] == {"net.a": "1", "net.b": "1 2", "net.c": None}
    assert one["files"]["/etc/same"] == hashlib.sha256(b"x").hexdigest()
    found = list(drift.between_peers("edge", {"fw1": one, "fw2": two}))
    # net.c: one of the kernels has no such parameter.
    assert [(item.layer, item.path) for item in found] == [("peer", "net.a"), ("peer", "/etc/resolv.conf")]
    assert "fw1 has none" in found[1].what
    assert list(drift.between_peers("edge", {"fw1": one, "fw2": one})) == []


FINDINGS = [
    ("edge/fw1/keepalived.service", "the unit is failed (exit-code)", "daemon", "fw1", "keepalived.service"),
    ("edge/fw1/rules", "the kernel holds other ipv4 rules than were loaded", "kernel", "fw1", "rules"),
    ("edge/fw1/rules", "the files differ from what was loaded", "file", "fw1", "rules"),
    ("edge/fw1/forwarding", "ipv4 forwarding is off", "kernel", "fw1", "forwarding"),
    ("edge/rules", "the nodes enforce different policies: fw1 a, fw2 b", "peer", "", "rules"),
    ("edge/versions", "kernel differs: fw1 6.1, fw2 6.12", "peer", "", "versions"),
    ("edge/fw2", "no answer from the node: timed out", "unknown", "fw2", "connection"),
    ("edge", "two owners", "daemon", "", "cluster"),
]


@pytest.mark.parametrize(("path", "what", "layer", "node", "part"), FINDINGS)
def test_findings_of_verify(path: str, what: str, layer: str, node: str, part: str) -> None:
    found, remarks = drift.verdicts("edge", [Finding(path, what, "e", "r")])
    assert [(item.layer, item.node, item.path) for item in found] == [(layer, node, part)]
    assert not remarks


def test_a_remark_is_no_drift() -> None:
    found, remarks = drift.verdicts("edge", [Finding("edge/versions", "other releases", "one", "r", "info")])
    assert not found
    assert "other releases" in remarks[0]


# --- the report


def test_report() -> None:
    items = [
        drift.Difference("edge", "fw2", drift.KERNEL, "net.a", "is 1, planned 0", "the inventory", "Run site."),
        drift.Difference("edge", "fw1", drift.FILE, KEEPALIVED, "differs", "the inventory", "Run site."),
        drift.Difference("edge", "witness", drift.UNKNOWN, "task", "fails", "an answer", "Mend it."),
    ]
    compared = drift.Compared(["edge"], ["fw1", "fw2"], items, ["remark"], 7)
    data = drift.plain(compared)
    assert data["drift"] is True
    assert data["counts"] == {"inventory": 0, "file": 1, "kernel": 1, "daemon": 0, "peer": 0, "unknown": 1}
    assert [item["layer"] for item in data["differences"]] == ["file", "kernel", "unknown"]
    text = "\n".join(drift.table(compared))
    assert "edge: 2 differences, 1 things could not be compared on 2 nodes" in text
    for word in ("fw1", "fw2", "witness", KEEPALIVED, "remark"):
        assert word in text


def test_nothing_differs() -> None:
    compared = drift.Compared(["edge"], ["fw1", "fw2"], [])
    assert drift.table(compared) == ["edge: no drift on 2 nodes"]
    assert drift.plain(compared)["drift"] is False
