# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""collect asks through a runner: these give the answers of a healthy node and take away one program after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._gateway import Answer, gateway
from ansible_collections.linuxha.firewall.plugins.module_utils._node import Question, Unreadable, collect

from .test_parse import ADDRESSES, DATA, UNITS, sections

STATISTICS = sections(DATA / "conntrackd-1.4.8-ftfw_immediate.txt")
QUESTION = Question(vips=["192.0.2.1"], units=["keepalived.service", "nosuch.service"])
ANSWERS = {
    "ip": Answer(0, ADDRESSES),
    "systemctl": Answer(0, UNITS),
    "conntrackd": Answer(0, ""),
    "/usr/local/sbin/linuxha-rules": Answer(1, '{"state": "loaded", "ok": false}'),
    "iptables-save": Answer(0, "*filter\n-A INPUT -j DROP\nCOMMIT\n"),
    "ip6tables-save": Answer(0, ""),
    "dpkg-query": Answer(1, "keepalived\t1:2.3.3-1\tinstalled\n", "no packages found matching ipset"),
}
FILES = {
    "/run/linuxha/state.json": '{"instances": {}, "gate": "open", "states": "in-step", "active": true}',
    "/proc/sys/net/netfilter/nf_conntrack_count": "22\n",
    "/proc/sys/net/ipv4/ip_forward": "1\n",
    "/proc/sys/net/ipv6/conf/all/forwarding": "0\n",
    "/etc/os-release": "ID=debian\nVERSION_ID=13\n",
}


QUORUM = "Quorate:          Yes\n         1          1    A,V,NMW fw1 (local)\n"


def ask(
    answers: dict[str, Answer] | None = None, files: dict[str, str] | None = None, question: Question = QUESTION
) -> dict[str, Any]:
    def run(argv: Sequence[str]) -> Answer:
        answer = {**ANSWERS, **(answers or {})}[argv[0]]
        if argv[0] == "conntrackd" and answer.ok:
            return Answer(0, STATISTICS["plain" if argv[-1] == "-s" else argv[-1]])
        return answer

    return collect(question, run, {**FILES, **(files or {})}.get, "6.12.0")


def test_a_healthy_node() -> None:
    info = ask()
    assert info["held"] == ["192.0.2.1"]
    assert info["conntrackd"] == {
        "internal": 2,
        "external": None,
        "injected": 22,
        "no_space": 0,
        "no_memory": 0,
        "uptime_minutes": 0,
        "overruns": 0,
        "kernel_resyncs": 0,
        "event_errors": 0,
        "malformed": 0,
        "lost": 0,
        "link": "s0",
        "immediate": True,
        "problem": None,
    }
    assert info["conntrack"] == {"entries_before": 22, "entries": 22, "max": None}
    assert info["forwarding"] == {"ipv4": True, "ipv6": False}
    assert info["versions"] == {"kernel": "6.12.0", "release": "debian 13", "keepalived": "1:2.3.3-1"}
    assert info["rules"]["status"] == {"state": "loaded", "ok": False}
    assert info["rules"]["count"] == {"ipv4": 1, "ipv6": 0}
    assert not info["drained"]


@pytest.mark.parametrize(
    ("program", "part"),
    [("conntrackd", "conntrackd"), ("/usr/local/sbin/linuxha-rules", "rules"), ("ip6tables-save", "rules")],
)
def test_a_part_that_fails_says_so(program: str, part: str) -> None:
    info = ask({program: Answer(124)})
    assert "no answer in time" in info[part]["problem"]
    assert info["held"] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("answer", "votes", "problem"),
    [
        (Answer(0, QUORUM), True, None),
        # Quorum is one question, the vote of the device another.
        (Answer(2, QUORUM.replace("Yes", "No")), True, None),
        (Answer(0, QUORUM.replace("A,V", "A,NV")), False, None),
        (Answer(0, QUORUM.replace("A,V", "NA,V")), False, None),
        (Answer(1, "", "Cannot initialize QUORUM service"), False, "Cannot initialize"),
    ],
)
def test_the_vote_of_a_quorum_device(answer: Answer, votes: bool, problem: str | None) -> None:
    asked = Question(device=True)
    found = ask({"corosync-quorumtool": answer}, question=asked)["device"]
    assert found["votes"] is votes
    assert problem is found["problem"] or problem in found["problem"]


def test_nobody_asks_for_a_device_that_does_not_exist() -> None:
    assert ask()["device"] is None


@pytest.mark.parametrize("program", ["ip", "systemctl"])
def test_without_the_basics_there_is_no_answer(program: str) -> None:
    with pytest.raises(Unreadable):
        ask({program: Answer(127, "", "No such file")})


def test_statistics_of_an_unknown_form_are_a_problem() -> None:
    saved = dict(STATISTICS)
    try:
        STATISTICS["cache"] = "caches are fine, thank you\n"
        assert "form" in ask()["conntrackd"]["problem"]
    finally:
        STATISTICS.update(saved)


def test_a_drained_node() -> None:
    assert ask(files={"/run/linuxha/drain": "1\n"})["drained"]
    assert not ask(files={"/run/linuxha/drain": "0\n"})["drained"]


def test_gateway_bounds_the_time_and_sets_the_language() -> None:
    seen = {}

    def run_command(argv: list[str], **more: object) -> tuple[int, str, str]:
        seen.update(more, argv=argv)
        return 3, "out", " two\nlines "

    answer = gateway(run_command)(["ip", "x"])
    assert seen["argv"] == ["timeout", "--kill-after=1", "10", "ip", "x"]
    assert seen["environ_update"] == {"LC_ALL": "C"}
    assert not answer.ok
    assert answer.reason == "two lines"
    assert Answer(4).reason == "exit status 4"


def test_gateway_names_a_missing_program() -> None:
    stderr = "timeout: failed to run command 'conntrackd': No such file or directory"
    assert gateway(lambda argv, **more: (127, "", stderr))(["conntrackd", "-s"]).reason == "conntrackd is not installed"


def test_the_module_is_thin() -> None:
    """The module node_info only passes parameters on: its options are the fields of the question."""
    text = (Path(__file__).parents[3] / "plugins/modules/node_info.py").read_text()
    assert "Question(**module.params)" in text


@pytest.mark.parametrize(("text", "wanted"), [
    (None, None),
    ('{"since": "2026-11-21T20:00:00Z", "until": null, "reason": "disk", "by": "alice"}', "disk"),
    ("{", "the flag of the maintenance is no JSON"),
    ("[]", None),
])  # fmt: skip
def test_a_maintenance(text: str | None, wanted: str | None) -> None:
    info = ask(files={"/var/lib/linuxha/maintenance.json": text} if text else {})
    if text is None:
        assert info["maintenance"] is None
    else:
        # What cannot be read is a maintenance too: the node is away.
        assert set(info["maintenance"]) == {"since", "until", "reason", "by"}
        assert wanted is None or wanted in info["maintenance"]["reason"]


@pytest.mark.parametrize(
    ("process", "older"),
    [
        ("LINUXHA_STARTED_WITH=LimitRTPRIO=0\0", ["LimitRTPRIO: 0 -> infinity"]),
        ("LINUXHA_STARTED_WITH=LimitRTPRIO=infinity\0", []),
        ("PATH=/bin\0", []),
        (None, []),
    ],
)
def test_a_daemon_that_was_started_with_other_settings(process: str | None, older: list[str]) -> None:
    first, _blank, rest = UNITS.partition("\n\n")
    shown = f"{first}\nMainPID=77\nEnvironment=LINUXHA_STARTED_WITH=LimitRTPRIO=infinity\n\n{rest}"
    info = ask({"systemctl": Answer(0, shown)}, {"/proc/77/environ": process} if process else {})
    assert info["units"]["keepalived.service"]["older"] == older
    assert info["units"]["nosuch.service"]["older"] == []
