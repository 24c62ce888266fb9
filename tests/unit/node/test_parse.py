# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Parsers of node_info against recorded output of real programs, and what they do with damaged output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._node import conntrackd, parse

DATA = Path(__file__).parent / "data"
RECORDED = sorted(DATA.glob("conntrackd-*.txt"))


def sections(path: Path) -> dict[str, str]:
    parts = re.split(r"^=== (\w+)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_both_releases_are_recorded() -> None:
    assert {path.name.split("-")[1] for path in RECORDED} == {"1.4.7", "1.4.8"}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_statistics(path: Path) -> None:
    text = sections(path)
    caches = conntrackd.caches(text["cache"])
    tcp = path.stem.endswith("tcp")
    copies = 21 if tcp else 22
    wanted = {"internal": 3 if tcp else 2, "no_space": 0, "no_memory": 0}
    if "immediate" in path.stem:
        wanted |= {"external": None, "injected": copies}
    else:
        wanted |= {"external": copies, "injected": None}
    assert caches == wanted
    runtime = {"uptime_minutes": 0, "overruns": 0, "kernel_resyncs": 0, "event_errors": 0}
    assert conntrackd.runtime(text["runtime"]) == runtime
    assert conntrackd.messages(text["plain"]) == ({"malformed": 0, "lost": 0}, "s0")


def test_every_counter_is_read_by_its_label() -> None:
    """Each number is changed in the recorded text; only its own key may follow."""
    text = sections(DATA / "conntrackd-1.4.8-ftfw_cache.txt")
    runtime = re.sub(r"(netlink overrun:\s+)0", r"\g<1>7", text["runtime"])
    runtime = re.sub(r"(resync with kernel table:\s+)0", r"\g<1>3", runtime).replace("0 min", "2 days 3 h 4 min")
    assert conntrackd.runtime(runtime) == {
        "uptime_minutes": 2 * 1440 + 3 * 60 + 4,
        "overruns": 7,
        "kernel_resyncs": 3,
        "event_errors": 0,
    }
    cache = re.sub(r"(no space left in cache:\s+)0", r"\g<1>5", text["cache"])
    assert conntrackd.caches(cache)["no_space"] == 10  # of both caches
    plain = re.sub(r"0 Malformed msgs(\s+)0 Lost", r"4 Malformed msgs\g<1>6 Lost", text["plain"])
    assert conntrackd.messages(plain)[0] == {"malformed": 4, "lost": 6}


@pytest.mark.parametrize(
    "text", ["", "can't connect: is conntrackd running? appropriate permissions?\n", "cache:x\n:::\n"]
)
def test_missing_numbers_stay_missing(text: str) -> None:
    assert set(conntrackd.caches(text).values()) == {None}
    assert set(conntrackd.runtime(text).values()) == {None}
    assert conntrackd.messages(text) == ({"malformed": None, "lost": None}, None)


ADDRESSES = """[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},{},
{"ifname":"eth1","addr_info":[{"family":"inet","local":"192.0.2.2","prefixlen":24},
{"family":"inet","local":"192.0.2.1","prefixlen":24,"secondary":true},
{"family":"inet6","local":"2001:db8:1::1","prefixlen":64,"dadfailed":true}]}]"""


def test_addresses() -> None:
    found, duplicate = parse.addresses(ADDRESSES)
    assert found == {"lo": ["127.0.0.1"], "eth1": ["192.0.2.2", "192.0.2.1", "2001:db8:1::1"]}
    assert duplicate == ["2001:db8:1::1"]
    # The spelling of the question is kept, and another spelling of an address is the same address.
    assert parse.held(["192.0.2.1", "2001:DB8:1:0::1", "192.0.2.11"], found) == ["192.0.2.1", "2001:DB8:1:0::1"]


@pytest.mark.parametrize("text", ["{", "{}", '"x"'])
def test_addresses_refuse_other_output(text: str) -> None:
    with pytest.raises(parse.Unreadable):
        parse.addresses(text)


UNITS = """Result=success
NRestarts=2
Id=keepalived.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled

Result=success
NRestarts=0
Id=nosuch.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
"""


def test_units() -> None:
    found = parse.units(UNITS, ["keepalived.service", "nosuch.service"])
    assert found["keepalived.service"] == {
        "load": "loaded",
        "active": "active",
        "sub": "running",
        "enabled": "enabled",
        "result": "success",
        "restarts": 2,
    }
    assert found["nosuch.service"]["load"] == "not-found"
    with pytest.raises(parse.Unreadable, match="3 units and got 2"):
        parse.units(UNITS, ["a", "b", "c"])


def test_packages_that_are_not_installed_are_left_out() -> None:
    text = "keepalived\t1:2.2.7-1+b2\tinstalled\nipset\t7.17-1\tconfig-files\niptables\t\tnot-installed\n"
    assert parse.packages(text) == {"keepalived": "1:2.2.7-1+b2"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', "debian 12"),
        ("ID=debian\nVERSION_CODENAME=sid\n", "debian"),
        ('ID="unfinished\nVERSION_ID=13\n', "13"),
        ("", ""),
    ],
)
def test_os_release(text: str, wanted: str) -> None:
    assert parse.os_release(text) == wanted


def test_worker_state() -> None:
    text = (
        '{"instances":{"edge":{"state":"MASTER","since":1.5,"priority":250}},'
        '"active":true,"gate":"open","states":"in-step","events":[1]}'
    )
    assert parse.worker_state(text) == {
        "instances": {"edge": {"state": "MASTER", "since": 1.5, "priority": 250}},
        "active": True,
        "gate": "open",
        "states": "in-step",
        "behind": False,
        "untold": "",
    }
    assert parse.worker_state(text[:-1] + ',"untold":"exit 1"}')["untold"] == "exit 1"
    assert parse.worker_state(text[:-1] + ',"behind":{"late":false}}')["behind"] is True


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"instances": []}'])
def test_worker_without_a_state(text: str | None) -> None:
    with pytest.raises(parse.Unreadable):
        parse.worker_state(text)


def test_watch_state() -> None:
    assert parse.watch_state(None) == {}
    assert parse.watch_state('{"overruns": 2}') == {"overruns": 2}
    assert "no JSON" in parse.watch_state("{")["problem"]
    assert parse.watch_state("[]")["problem"]


# Of corosync 3.1.9.
QUORUM = """\
Quorum information
------------------
Date:             Sat Nov 21 11:20:09 2026
Quorum provider:  corosync_votequorum
Nodes:            2
Node ID:          1
Ring ID:          1.9
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      3
Quorum:           2
Flags:            Quorate Qdevice

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1    A,V,NMW fw1 (local)
         2          1   A,NV,NMW fw2
         0          1            Qdevice
"""


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("         1          1    A,V,NMW fw1 (local)", "A,V,NMW"),
        ("         1          1   A,NV,NMW fw1 (local)", "A,NV,NMW"),
        ("         1          1         NR fw1 (local)", "NR"),
        ("         1          1 fw1 (local)", ""),
    ],
)
def test_the_vote_is_read_from_the_line_of_this_node(line: str, flags: str) -> None:
    text = QUORUM.replace("         1          1    A,V,NMW fw1 (local)", line)
    assert parse.quorum_device(text) == flags


def test_no_status_is_no_missing_vote() -> None:
    with pytest.raises(parse.Unreadable, match="corosync-quorumtool"):
        parse.quorum_device("Cannot initialize QUORUM service\n")
