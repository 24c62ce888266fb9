# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._corosync import (
    ConfError,
    Difference,
    compare,
    parse,
    refusal,
    runtime,
)

TEXT = """# a comment
totem {
  version: 2
  cluster_name: edge
  token: 1000
  interface {
    linknumber: 1
    knet_link_priority: 5
  }
}
nodelist {
  node {
    ring0_addr: 192.0.2.1
    nodeid: 1
  }
  node {
    ring0_addr: 192.0.2.2
    nodeid: 2
  }
}
quorum {
  provider: corosync_votequorum
  device {
    model: net
    net {
      host: 192.0.2.9
    }
  }
}
"""
KEYS = {
    "totem.version": "2",
    "totem.cluster_name": "edge",
    "totem.token": "1000",
    "totem.interface.1.knet_link_priority": "5",
    "nodelist.node.0.ring0_addr": "192.0.2.1",
    "nodelist.node.0.nodeid": "1",
    "nodelist.node.1.ring0_addr": "192.0.2.2",
    "nodelist.node.1.nodeid": "2",
    "quorum.provider": "corosync_votequorum",
    "quorum.device.model": "net",
    "quorum.device.net.host": "192.0.2.9",
}
RUNNING = {**KEYS, "nodelist.local_node_pos": "0", "runtime.config.totem.token": "1000"}


def test_keys_are_those_of_the_database() -> None:
    assert parse(TEXT) == KEYS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("totem {", "section totem is not closed"),
        ("}", "line 1: closes a section"),
        ("totem {\nversion 2\n}", "line 2: 'version 2' is no `key: value`"),
        ("version: 2", "line 1: 'version: 2' is no `key: value` within a section"),
        ("to tem {\n}", "line 1: 'to tem {' opens no section"),
    ],
)
def test_mistakes_name_the_line(text: str, reason: str) -> None:
    with pytest.raises(ConfError, match=reason):
        parse(text)


def test_what_runs() -> None:
    said = "totem.token (u32) = 1000\ntotem.cluster_name (str) = edge\nlogging.x (str) = \nno key at all\n"
    assert runtime(said) == {"totem.token": "1000", "totem.cluster_name": "edge", "logging.x": ""}


def test_nothing_to_learn() -> None:
    assert compare(RUNNING, KEYS, KEYS) == []


def test_a_file_that_was_never_loaded_is_still_to_be_learnt() -> None:
    after = {**KEYS, "totem.token": "300"}
    assert compare(RUNNING, after, after) == [Difference("totem.token", "1000", "300", False)]


def test_a_key_that_goes() -> None:
    after = {key: value for key, value in KEYS.items() if key != "totem.token"}
    assert compare(RUNNING, KEYS, after) == [Difference("totem.token", "1000", "", False)]


@pytest.mark.parametrize(
    ("key", "restart"),
    [
        ("totem.token", False),
        ("totem.crypto_cipher", False),
        ("totem.interface.1.knet_link_priority", False),
        ("nodelist.node.1.ring0_addr", False),
        ("logging.debug", False),
        ("quorum.expected_votes", False),
        ("totem.cluster_name", True),
        ("totem.transport", True),
        ("totem.interface.0.mcastport", True),
        ("quorum.provider", True),
        ("system.sched_rr", True),
        ("nodelist.node.2.nodeid", False),
    ],
)
def test_what_a_reload_can_change(key: str, restart: bool) -> None:
    (found,) = compare({}, {}, {key: "x"})
    assert (found.restart, found.line) == (restart, f"{key}: (none) -> x")


def nodes(listed: str, name: bool = True) -> dict[str, str]:
    """A list of nodes; each is its name, its id and, where it is not that of the name, the letter of its address."""
    found = {}
    for place, node in enumerate(listed.split()):
        found[f"nodelist.node.{place}.ring0_addr"] = f"192.0.2.{ord(node[-1] if len(node) > 2 else node[0])}"
        found[f"nodelist.node.{place}.nodeid"] = node[1]
        if name:
            found[f"nodelist.node.{place}.name"] = node[0]
    return found


@pytest.mark.parametrize(
    ("before", "after", "restart"),
    [
        ("a1 b2", "a1 b2 c3", False),
        ("a1 b2", "c3 a1 b2", False),
        ("a1 b2 c3", "a1 c3", False),
        ("a1 b2 c3", "a1 b2", False),
        ("a1 b2", "a1 c3", False),
        ("a1 b2", "b2 a1", False),
        ("a1 b2", "a1 b2x", True),
        ("a1 b2", "a1 c2", True),
        ("a1 b2 c3", "a1 c2", True),
    ],
)
def test_nodes_come_and_go_by_a_reload_and_keep_their_addresses(before: str, after: str, restart: bool) -> None:
    old, new = nodes(before), nodes(after)
    found = compare(old, old, new)
    assert found
    assert any(item.restart for item in found) is restart
    # An interrupted run has written the file, and not loaded it.
    assert compare(old, new, new) == found


def test_another_link_comes_by_a_reload() -> None:
    old = nodes("a1 b2")
    new = {**old, "nodelist.node.0.ring1_addr": "198.51.100.1", "nodelist.node.1.ring1_addr": "198.51.100.2"}
    assert [item.restart for item in compare(old, old, new)] == [False, False]


@pytest.mark.parametrize(
    ("before", "after", "named", "refused"),
    [
        ("a1 b2", "a1 b2 c3", True, ""),
        ("a1 b2 c3", "a1 c3", True, ""),
        ("a1 b2", "a1 c2", True, ""),
        ("a1 b2", "b2 a1", True, ""),
        ("a1 b2 c3", "a1 c2", True, "c 3 -> 2"),
        ("a1 b2", "c1 a2 b3", True, "a 1 -> 2, b 2 -> 3"),
        ("a1 b2", "a2 b1", True, "a 1 -> 2, b 2 -> 1"),
        ("a1 b2", "a1 b3x", True, "b 2 -> 3"),
        ("a5 b6", "a1 b2", False, "a 5 -> 1, b 6 -> 2"),
    ],
)
def test_a_node_that_stays_keeps_its_id(before: str, after: str, named: bool, refused: str) -> None:
    """Known by its name, or by an address where the running one has no names."""
    old, new = nodes(before, named), nodes(after)
    reason = refusal(old, new, compare(old, old, new))
    assert (f"({refused})" in reason and "firewall_node.id" in reason) if refused else reason == ""


def test_a_key_that_is_a_secret_does_not_show() -> None:
    (found,) = compare({}, {}, {"totem.key": "correct-horse"})
    assert found.line == "totem.key: (hidden)"


MEMBERS = {
    "nodelist.node.0.nodeid": "1",
    "nodelist.node.0.name": "fw1",
    "nodelist.node.1.nodeid": "2",
    "nodelist.node.1.name": "fw2",
    "runtime.members.1.status": "joined",
    "runtime.members.2.status": "joined",
}
LIST = {key: value for key, value in MEMBERS.items() if key.startswith("nodelist.")}
DEVICE = Difference("quorum.device.timeout", "10000", "2000", False)
TOKEN = Difference("totem.token", "1000", "300", False)
NAME = Difference("totem.cluster_name", "a", "b", True)


def test_the_device_changes_only_while_all_nodes_are_here() -> None:
    away = {**MEMBERS, "runtime.members.2.status": "left"}
    assert refusal(MEMBERS, LIST, [DEVICE, TOKEN]) == ""
    assert "away: fw2" in refusal(away, LIST, [DEVICE])
    assert "away: fw2" in refusal({k: v for k, v in MEMBERS.items() if k != "runtime.members.2.status"}, LIST, [DEVICE])
    assert refusal(away, LIST, [TOKEN, NAME]) == ""


def test_the_device_does_not_change_together_with_a_restart() -> None:
    assert "totem.cluster_name: a -> b" in refusal(MEMBERS, LIST, [DEVICE, NAME])


@pytest.mark.parametrize(("before", "after", "named"), [("a1 b2", "a1 b2 c3", "ids 3"), ("a1 b2 c3", "a1", "ids 2, 3")])
def test_nodes_do_not_come_or_go_together_with_a_restart(before: str, after: str, named: str) -> None:
    assert refusal(nodes(before), nodes(after), [TOKEN]) == ""
    reason = refusal(nodes(before), nodes(after), [NAME, TOKEN])
    assert f"({named})" in reason
    assert "totem.cluster_name: a -> b" in reason
    assert refusal(nodes(before), nodes(before), [NAME]) == ""


def test_another_cluster_that_runs_is_restarted() -> None:
    """Debian starts one of its own when the package is installed."""
    assert refusal(nodes("x1"), nodes("a1 b2"), [NAME]) == ""


def test_nodes_do_not_go_together_with_a_change_of_the_device() -> None:
    fewer = {key: value for key, value in LIST.items() if key.startswith("nodelist.node.0.")}
    assert "go (ids 2)" in refusal(MEMBERS, fewer, [DEVICE])
    assert refusal(MEMBERS, fewer, [TOKEN]) == ""
    assert refusal(MEMBERS, {**LIST, "nodelist.node.2.nodeid": "3"}, [DEVICE]) == ""


def test_a_key_that_went_with_an_earlier_file_is_still_to_go() -> None:
    running, after = {"totem.token_coefficient": "0", "totem.token": "300"}, {"totem.token": "300"}
    assert compare(running, after, after) == []
    (found,) = compare(running, after, after, ["totem.token_coefficient", "totem.join"])
    assert (found.key, found.new, found.restart) == ("totem.token_coefficient", "", False)
