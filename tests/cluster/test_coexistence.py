# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""pcs and crmsh on the same cluster: each reads and keeps what the others have made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.bench_cib import install_tools
from tests.cluster.live import Cluster

pytestmark = pytest.mark.full

DUMMY = "ocf:heartbeat:Dummy"
MONITOR = ["op", "monitor", "interval=10s", "timeout=20s"]
COMMANDS = {
    "pcs": [
        ["resource", "create", "theirs", DUMMY, "fake=1", *MONITOR],
        ["resource", "create", "second", DUMMY, "meta", "priority=3", "--group", "their-group"],
        ["resource", "create", "state", "ocf:pacemaker:Stateful", "promotable", "promoted-max=1"],
        ["constraint", "location", "theirs", "prefers", "fw1=50"],
        ["constraint", "location", "their-group", "rule", "score=7", "#uname", "eq", "fw2"],
        ["constraint", "colocation", "add", "their-group", "with", "Promoted", "state-clone", "9"],
        ["constraint", "order", "promote", "state-clone", "then", "start", "their-group", "kind=Optional"],
        ["constraint", "order", "set", "theirs", "second", "sequential=false", "setoptions", "kind=Optional"],
        ["property", "set", "cluster-recheck-interval=9min"],
        ["resource", "defaults", "update", "migration-threshold=4"],
        ["resource", "op", "defaults", "update", "timeout=33s"],
        ["tag", "create", "their-tag", "theirs", "second"],
        ["alert", "create", "path=/bin/true", "id=their-alert"],
        ["alert", "recipient", "add", "their-alert", "value=me"],
    ],
    "crm": [
        ["primitive", "theirs", DUMMY, "params", "fake=1", *MONITOR],
        ["primitive", "second", DUMMY, "meta", "priority=3"],
        ["group", "their-group", "second"],
        ["primitive", "state", "ocf:pacemaker:Stateful"],
        ["clone", "state-clone", "state", "meta", "promotable=true"],
        ["location", "l1", "theirs", "50:", "fw1"],
        ["location", "l2", "their-group", "rule", "7:", "#uname", "eq", "fw2"],
        ["colocation", "c1", "9:", "their-group", "state-clone:Promoted"],
        ["order", "o1", "Optional:", "state-clone:promote", "their-group:start"],
        ["order", "o2", "Optional:", "[", "theirs", "second", "]"],
        ["property", "cluster-recheck-interval=9min"],
        ["rsc_defaults", "migration-threshold=4"],
        ["op_defaults", "timeout=33s"],
        ["tag", "their-tag:", "theirs", "second"],
        ["alert", "their-alert", "/bin/true", "to", "me"],
    ],
}
OWN: dict[str, Any] = {
    "properties": {"no-quorum-policy": "ignore"},
    "resource_defaults": {"resource-stickiness": 100},
    "resources": [{"id": "own", "agent": DUMMY}],
    "constraints": [{"type": "colocation", "resource": "own", "with": "theirs", "score": 5}],
    "owner": "site",
    "purge": "owned",
    "wait": 60,
}
THEIRS = (
    *(f"resources/*[@id='{name}']" for name in ("theirs", "their-group", "state-clone")),
    "tags",
    "alerts",
    "op_defaults",
    *(f"constraints/{kind}" for kind in ("rsc_location", "rsc_order")),
)


@pytest.fixture(scope="module")
def equipped(live: Cluster) -> Iterator[Cluster]:
    """With pcs and crmsh on both nodes, each of its release, for as long as these tests run."""
    for node in live.lab.nodes.values():
        install_tools(node)
    yield live
    for node in live.lab.nodes.values():
        node.exec("apt-get", "purge", "--yes", "--auto-remove", "pcs", "crmsh")


@pytest.fixture(params=[(tool, node) for tool in COMMANDS for node in ("fw1", "fw2")], ids="-".join)
def theirs(request: pytest.FixtureRequest, equipped: Cluster, cluster: Cluster) -> tuple[Cluster, str, str]:
    """A cluster that one of the tools has configured, with the tool and where it ran."""
    tool, node = request.param
    for words in COMMANDS[tool]:
        cluster.run(tool, *(["configure"] if tool == "crm" else []), *words, node=node)
    return cluster, tool, node


def test_each_keeps_what_the_other_has_made(theirs: tuple[Cluster, str, str]) -> None:
    cluster, tool, node = theirs
    before = {path: cluster.xml(path) for path in THEIRS}
    assert all(before.values())
    # A purge deletes none of it, for it is not this owner's.
    assert cluster.cib(OWN).changed
    assert {path: cluster.xml(path) for path in THEIRS} == before
    # Adopted: an export, fed back, is what is there already ...
    exported = cluster.module("cib_info", {})["configuration"]
    epoch = cluster.epoch
    assert cluster.cib({**exported, "owner": "adopted"})["changes"] == []
    assert cluster.epoch == epoch
    # ... and one value of it changes that value alone.
    adopted = next(item for item in exported["resources"] if item["id"] == "theirs")
    adopted["params"]["fake"] = 2
    changed = cluster.cib({"resources": [adopted], "allow": ["restart"], "wait": 60})
    assert changed["changes"] == ["change primitive theirs: params.fake 1 -> 2"]
    after = cluster.xml(THEIRS[0])
    assert after == [text.replace('name="fake" value="1"', 'name="fake" value="2"') for text in before[THEIRS[0]]]
    # The tool reads what was made here, and changes it.
    shown = cluster.run(tool, *({"pcs": ["resource", "config"], "crm": ["configure", "show"]}[tool]), node=node)
    assert "own" in shown
    if tool == "crm":
        cluster.run("crm", "configure", "verify", node=node)
        cluster.run("crm", "resource", "meta", "own", "set", "priority", "8", node=node)
    else:
        cluster.run("pcs", "resource", "meta", "own", "priority=8", node=node)
    # What was declared here comes back, and what the operator says with the tool stays.
    cluster.run(tool, "resource", {"pcs": "disable", "crm": "stop"}[tool], "own", node=node)
    again = cluster.cib(OWN)
    assert again["changes"] == ["change primitive own: without meta.priority 8"]
    assert again["operator"]["resources"]["own"] == {"target-role": "Stopped"}
    assert cluster.cib(OWN)["changes"] == []
