# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Which class a change is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.linuxha.firewall.plugins.module_utils._change import Running, classify, lines, older
from ansible_collections.linuxha.firewall.plugins.module_utils._change.classify import blocks, instances, started_with
from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer
from ansible_collections.linuxha.firewall.plugins.modules import service_change

CONF = """# by Ansible
global_defs {
\tvrrp_notify_fifo /run/fifo
}
vrrp_sync_group edge {
\tgroup {
\t\tone
\t}
}
vrrp_instance one {
\tinterface eth3
\tvirtual_router_id 51
\tversion 3
\ttrack_interface {
\t\teth1
\t}
\tvirtual_ipaddress_excluded {
\t\t192.0.2.1/24 dev eth1
\t}
}
"""
SECOND = CONF[CONF.index("vrrp_instance") :].replace("one", "two").replace("eth3", "eth4").replace(" 51", " 52")
SCRIPT = """vrrp_script NAME {
\tscript "/usr/local/bin/check NAME"
\tinterval 1
}
"""
ROUTER, PROXY = (SCRIPT.replace("NAME", name) for name in ("router", "proxy"))
TRACKED = ROUTER + CONF.replace("\tgroup {", "\ttrack_script {\n\t\trouter\n\t}\n\tgroup {")
VIP = CONF.replace("192.0.2.1/24 dev eth1\n", "192.0.2.1/24 dev eth1\n\t\t192.0.2.11/24 dev eth1\n")
LIMITS = ["LimitRTPRIO=infinity", "LimitMEMLOCK=infinity"]
ACTIVE = Running(True, LIMITS)


@pytest.mark.parametrize(
    ("running", "before", "after", "kind"),
    [
        (Running(False), "", CONF, "start"),
        (Running(False), CONF, VIP, "start"),
        (ACTIVE, CONF, CONF, "nothing"),
        (ACTIVE, CONF, CONF.replace("by Ansible", "by somebody"), "nothing"),
        (ACTIVE, CONF, VIP, "reload"),
        (ACTIVE, VIP, CONF, "reload"),
        (ACTIVE, CONF, CONF.replace("\t\teth1\n", "\t\teth1\n\t\teth5\n"), "reload"),
        # A name is nothing that another node hears.
        (ACTIVE, CONF, CONF.replace("one", "other"), "reload"),
        (ACTIVE, CONF, CONF + SECOND, "reload"),
        (ACTIVE, CONF + SECOND, CONF, "reload"),
        # keepalived takes a new script for fine until it has run, and its first failure counts.
        (ACTIVE, CONF, TRACKED, "check"),
        (ACTIVE, TRACKED, TRACKED + PROXY, "check"),
        (ACTIVE, CONF, TRACKED + SECOND, "check"),
        (ACTIVE, TRACKED, CONF, "reload"),
        # One that is known keeps its result.
        (ACTIVE, TRACKED, TRACKED.replace("interval 1", "interval 2"), "reload"),
        (ACTIVE, TRACKED, TRACKED, "nothing"),
        (Running(False), CONF, TRACKED, "start"),
        # What is felt more is said.
        (ACTIVE, CONF, TRACKED.replace(" 51", " 53"), "rejoin"),
        (Running(True, ["LimitRTPRIO=0", "LimitMEMLOCK=infinity"]), CONF, TRACKED, "restart"),
        # As long as one is heard, so is the group.
        (ACTIVE, CONF + SECOND, CONF.replace(" 51", " 53") + SECOND, "reload"),
        (ACTIVE, CONF, CONF.replace(" 51", " 53"), "rejoin"),
        (ACTIVE, CONF, CONF.replace("interface eth3", "interface eth4"), "rejoin"),
        (ACTIVE, CONF, CONF.replace("\tversion 3", "\tversion 2"), "rejoin"),
        (ACTIVE, CONF, CONF.replace("\tversion 3", "\tversion 3\n\tuse_vmac vrrp.51"), "rejoin"),
        (ACTIVE, CONF, CONF.replace("\tversion 3", "\tversion 3\n\tunicast_src_ip 203.0.113.65"), "rejoin"),
        # Not started by this collection, or before it said so: nobody knows, and nothing is restarted for it.
        (Running(True), CONF, CONF, "nothing"),
        (Running(True, ["LimitRTPRIO=0", "LimitMEMLOCK=infinity"]), CONF, CONF, "restart"),
        (Running(True, ["LimitRTPRIO=0", "LimitMEMLOCK=infinity"]), CONF, VIP, "restart"),
        (Running(True, [*LIMITS, "vrrp_cpu_affinity"]), CONF, CONF, "restart"),
    ],
)
def test_a_keepalived(running: Running, before: str, after: str, kind: str) -> None:
    assert classify(running, before, after, LIMITS, vrrp=True).kind == kind


@pytest.mark.parametrize(
    ("running", "before", "after", "checks"),
    [
        (ACTIVE, CONF, TRACKED, ["router"]),
        (ACTIVE, CONF, TRACKED + PROXY, ["proxy", "router"]),
        (ACTIVE, TRACKED, TRACKED + PROXY, ["proxy"]),
        (ACTIVE, TRACKED, TRACKED, []),
        # A restart that is pending is no reason not to look: the file is read again all the same.
        (Running(True, ["LimitRTPRIO=0"]), CONF, TRACKED, ["router"]),
        (ACTIVE, CONF, TRACKED.replace(" 51", " 53"), ["router"]),
        (Running(False), CONF, TRACKED, []),
    ],
)
def test_new_checks_are_told_whatever_else_changes(
    running: Running, before: str, after: str, checks: list[str]
) -> None:
    assert list(classify(running, before, after, LIMITS, vrrp=True).checks) == checks


def test_what_a_reload_brings_needs_no_restart() -> None:
    assert classify(ACTIVE, CONF, CONF, [*LIMITS, "vrrp_cpu_affinity"], vrrp=True).kind == "nothing"


def test_a_daemon_that_cannot_reload() -> None:
    found = classify(Running(True), "Mode FTFW\n", "Mode NOTRACK\n", [], "restart")
    assert (found.kind, list(found.lines)) == ("restart", ["- Mode FTFW", "+ Mode NOTRACK"])


def test_the_reason_names_the_lines() -> None:
    assert lines(CONF, VIP) == ["+ 192.0.2.11/24 dev eth1"]
    assert lines("# a\nx\n", "# b\n\tx\n") == []


@pytest.mark.parametrize(
    ("running", "planned", "wanted"),
    [
        (None, ["A=1"], []),
        ([], [], []),
        (["A=1"], ["A=1"], []),
        (["A=1"], ["A=2"], ["A: 1 -> 2"]),
        ([], ["A=2"], ["A: (none) -> 2"]),
        (["A=2"], [], ["A: 2 -> (none)"]),
        (["flag"], [], ["flag: taken away"]),
        ([], ["flag"], []),
    ],
)
def test_settings_of_a_start(running: list[str] | None, planned: list[str], wanted: list[str]) -> None:
    assert older(running, planned) == wanted


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        (None, None),
        (b"", None),
        (b"PATH=/bin\0X=LINUXHA_STARTED_WITH=no\0", None),
        (b"PATH=/bin\0LINUXHA_STARTED_WITH=A=1,flag\0", ["A=1", "flag"]),
        (b"LINUXHA_STARTED_WITH=", []),
        (b"\xff=\0LINUXHA_STARTED_WITH=A=1", ["A=1"]),
    ],
)
def test_a_process_says_what_it_was_started_with(environment: bytes | None, wanted: list[str] | None) -> None:
    assert started_with(environment) == wanted


def test_instances_are_what_others_hear() -> None:
    assert instances(CONF) == {("interface eth3", "version 3", "virtual_router_id 51")}
    assert len(instances(CONF + SECOND)) == 2
    assert instances("") == set()


def test_blocks_are_those_of_the_outermost_level() -> None:
    assert list(blocks(TRACKED + PROXY, "vrrp_script")) == ["router", "proxy"]
    assert blocks(TRACKED, "vrrp_sync_group")["edge"] == ["track_script {", "group {"]
    assert blocks(CONF, "track_script") == {}


def test_the_module_reads_the_process(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "environ").write_bytes(b"LINUXHA_STARTED_WITH=A=1\0")

    def shown(text: str) -> Running:
        return service_change.running(lambda argv: Answer(0, text), "x.service", tmp_path)

    assert shown("MainPID=7\nActiveState=active\n") == Running(True, ["A=1"])
    assert shown("MainPID=8\nActiveState=active\n") == Running(True, None)
    assert shown("MainPID=0\nActiveState=inactive\n") == Running(False)
    assert shown("") == Running(False)


def test_the_module_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = {"unit": "no-such.service", "path": str(tmp_path / "away"), "content": CONF, "vrrp": True}
    with patch_module_args(given), pytest.raises(SystemExit):
        service_change.main()
    answer = json.loads(capsys.readouterr().out)
    assert (answer["changed"], answer["kind"]) == (False, "start")
    assert not list(tmp_path.iterdir())
