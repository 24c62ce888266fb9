# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""cluster_replace: when a bare machine may take the place of a node, and each reason against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.action import cluster_replace
from ansible_collections.linuxha.firewall.plugins.module_utils._verify import Report, refusals

from .sample import VIPS, Nodes, expected, node

INTERFACES = {"eth1": ["192.0.2.3", "2001:db8:1::3"], "eth5": []}


def bare() -> Nodes:
    """What node_info says of a machine on which nothing is installed."""
    found = node(False)
    found["addresses"] = {"lo": ["127.0.0.1"], "eth1": ["192.0.2.3", "2001:db8:1::3"], "eth5": []}
    found["worker"] = {"instances": {}, "active": None, "gate": "unknown", "states": "unknown", "problem": "no file"}
    found["units"]["keepalived.service"].update(load="not-found", active="inactive")
    found["conntrackd"] = {"problem": "conntrackd is not installed"}
    found["rules"] = {"status": None, "problem": "no loader", "fingerprint": {}, "count": {}}
    found["forwarding"] = {"ipv4": False, "ipv6": False}
    return found


def half_dead() -> dict[str, Nodes]:
    return {"fw1": node(True), "fw2": bare()}


def said(nodes: dict[str, Nodes | None], name: str = "fw2", **more: Any) -> list[str]:
    reports = [Report(each, info, "" if info else "timed out") for each, info in nodes.items()]
    return [str(finding) for finding in refusals(expected(**more), reports, name, INTERFACES)]


def member(**more: Any) -> dict[str, Any]:
    return {"name": "fw2", "online": False, "unclean": False, "standby": False, "maintenance": False, **more}


def clustered(nodes: dict[str, Nodes], **more: Any) -> dict[str, Nodes]:
    own = member(name="fw1", online=True)
    nodes["fw1"]["cluster"] = {
        "problem": None, "dc": "fw1", "quorum": True, "nodes": [own, member(**more)], "maintenance": False,
        "failures": [], "bans": [], "unsettled": [],
    }  # fmt: skip
    return nodes


def test_nothing_speaks_against_a_bare_machine_beside_a_node_that_serves() -> None:
    assert said(half_dead()) == []
    assert said(clustered(half_dead()), manager="pacemaker") == []


def serves(nodes: dict[str, Any]) -> None:
    nodes["fw1"]["held"], nodes["fw2"]["held"] = [], list(VIPS)


def deployed(nodes: dict[str, Any]) -> None:
    nodes["fw2"]["units"]["keepalived.service"]["active"] = "active"


def away(nodes: dict[str, Any]) -> None:
    nodes["fw2"] = None


def another_machine(nodes: dict[str, Any]) -> None:
    nodes["fw2"]["addresses"]["eth1"] = ["192.0.2.77"]


def other_names(nodes: dict[str, Any]) -> None:
    nodes["fw2"]["addresses"]["enp1s0"] = nodes["fw2"]["addresses"].pop("eth1")


def nobody_serves(nodes: dict[str, Any]) -> None:
    nodes["fw1"]["held"] = []


def peer_dead(nodes: dict[str, Any]) -> None:
    nodes["fw1"] = None


def peer_without_rules(nodes: dict[str, Any]) -> None:
    nodes["fw1"]["rules"]["status"]["state"] = "failed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (serves, "the node lives and serves"),
        (deployed, "it runs keepalived.service"),
        (away, "no answer from the machine: timed out"),
        (another_machine, "eth1 has not 192.0.2.3, 2001:db8:1::3"),
        (other_names, "there is no interface eth1"),
        (nobody_serves, "edge"),
        (peer_dead, "no answer from the node"),
        (peer_without_rules, "the rules are failed"),
    ],
)
def test_refusals(change: Callable[[dict[str, Any]], None], words: str) -> None:
    nodes = half_dead()
    change(nodes)
    assert words in " ".join(said(nodes))


@pytest.mark.parametrize(
    ("seen", "words"), [({"online": True}, "sees fw2 online"), ({"unclean": True}, "stonith_admin --confirm fw2")]
)
def test_the_old_machine_has_to_be_off(seen: dict[str, bool], words: str) -> None:
    assert words in " ".join(said(clustered(half_dead(), **seen), manager="pacemaker"))


def test_a_node_of_no_cluster_and_the_last_of_one() -> None:
    assert "no such node" in said(half_dead(), "fw9")[0]
    alone = expected(groups={})
    alone = type(alone)(**{**vars(alone), "nodes": ["fw2"]})
    found = refusals(alone, [Report("fw2", bare())], "fw2", INTERFACES)
    assert "no other node is left" in " ".join(map(str, found))


def of_three(absent: Sequence[str] = (), **nodes: Nodes | None) -> list[str]:
    """One node serves, the second is a machine, and the third is dead as well."""
    given = {**half_dead(), "fw3": None, **nodes}
    reports = [Report(each, info, "" if info else "timed out") for each, info in given.items()]
    wanted = replace(expected(), nodes=["fw1", "fw2", "fw3"])
    return [str(finding) for finding in refusals(wanted, reports, "fw2", INTERFACES, absent)]


def test_two_dead_nodes_do_not_keep_each_other_from_being_replaced() -> None:
    (one,) = of_three()
    assert "edge/fw3: no answer from the node: timed out" in one
    assert "-e firewall_replace_absent=fw3" in one
    assert of_three(["fw3"]) == []
    # The rest has to be whole all the same.
    ill = half_dead()["fw1"]
    ill["rules"]["status"]["state"] = "failed"
    assert "the rules are failed" in " ".join(of_three(["fw3"], fw1=ill))
    assert "no other node is left" in " ".join(of_three(["fw1", "fw3"], fw1=None))


@pytest.mark.parametrize(("absent", "words"), [
    ("fw9", "edge/fw9: no such node in this cluster; expected: of the others (fw1, fw3) those that are dead"),
    ("fw2", "edge/fw2: it is the machine"),
    ("fw1", "edge/fw1: it answers"),
])  # fmt: skip
def test_only_a_silent_node_is_absent(absent: str, words: str) -> None:
    assert words in " ".join(of_three(["fw3", absent]))


@pytest.mark.parametrize(("seen", "words"), [
    ({}, ""), ({"online": True}, "sees fw3 online"), ({"unclean": True}, "stonith_admin --confirm fw3"),
])  # fmt: skip
def test_an_absent_node_has_to_be_off_too(seen: dict[str, bool], words: str) -> None:
    first = clustered(half_dead())["fw1"]
    first["cluster"]["nodes"].append(member(name="fw3", **seen))
    given = [Report("fw1", first), Report("fw2", bare()), Report("fw3", None, "timed out")]
    wanted = replace(expected(manager="pacemaker"), nodes=["fw1", "fw2", "fw3"])
    found = [str(item) for item in refusals(wanted, given, "fw2", INTERFACES, ["fw3"])]
    assert bool(found) == bool(words), found
    assert words in " ".join(found)


def judged(monkeypatch: pytest.MonkeyPatch, nodes: dict[str, Nodes]) -> dict[str, Any]:
    """Runs the action with the parts of Ansible that it uses; the decision is the real one."""
    monkeypatch.setattr(cluster_replace.ActionBase, "run", lambda self, tmp, task_vars: {})
    action = cluster_replace.ActionModule.__new__(cluster_replace.ActionModule)
    given = {"node": "fw2", "absent": [], "answers": "firewall_node_info"}
    monkeypatch.setattr(action, "validate_argument_spec", lambda spec: (None, given), raising=False)
    plan = {"cluster": "edge", "nodes": ["fw1", "fw2"], "vips": VIPS, "vip_groups": {"edge": VIPS}}
    hostvars = {
        name: {
            "firewall_plan": {**plan, "topology": "keepalived", "instances": ["edge"], "interfaces": INTERFACES},
            "firewall_node_info": {"info": info},
        }
        for name, info in nodes.items()
    }
    return dict(action.run(None, {**hostvars["fw1"], "hostvars": hostvars}))


def test_the_action_tells_who_holds_what_or_fails_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = judged(monkeypatch, half_dead())
    assert (fine["held"], fine["absent"]) == ({"fw1": VIPS, "fw2": []}, [])
    assert not fine.get("failed")
    nodes = half_dead()
    deployed(nodes)
    another_machine(nodes)
    refused = judged(monkeypatch, nodes)
    assert refused["failed"]
    assert len(refused["findings"]) == 2
    assert "nothing was changed" in refused["msg"]
