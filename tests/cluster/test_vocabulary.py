# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Every word there is in one commit, and every element there are no words for."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._cib.shapes import DEFAULTS, SECTIONS, Shape
from tests.cluster.live import PATCH, Cluster
from tests.cluster.vocabulary import DUMMY, EVERYTHING, WITH_TICKETS

pytestmark = pytest.mark.full


def _words(shape: Shape, item: dict[str, Any]) -> set[str]:
    """The words of a shape that an object uses, those of its children included."""
    found = {f"{shape.tag}.{word}" for word in item if word in shape.known}
    for word, children in shape.children.items():
        for child in item.get(word, ()):
            found |= _words(children.shape, child)
    return found


def _all_words(shape: Shape) -> set[str]:
    found = {f"{shape.tag}.{word}" for word in shape.known}
    for children in shape.children.values():
        found |= _all_words(children.shape)
    return found


# What a cluster of two such nodes cannot show, or 3.0 does not take any more.
ELSEWHERE = {
    "op.description",
    "op.interval_origin",
    "op.record_pending",
    "op.role",
    "template.description",
    "template.operations",
    "template.params",
    "template.utilization",
    "group.params",
    "clone.description",
    "clone.params",
    "rsc_colocation.node_attribute",
    "rsc_colocation.role",
    "rsc_order.kind",
    "rsc_order.require_all",
    "rsc_order.score",
    "rsc_ticket.role",
    "resource_set.kind",
    "resource_set.ordering",
    "resource_set.score",
    "tag.description",
    "recipient.description",
    "acl_permission.description",
    "acl_target.name",
    "acl_group.name",
}


def test_the_example_uses_the_vocabulary() -> None:
    used: set[str] = set()
    every: set[str] = set()
    for word, section in SECTIONS.items():
        for shape in section.kinds.values():
            every |= _all_words(shape)
        for item in WITH_TICKETS[word]:
            kind = item.get("type", "primitive" if word == "resources" else section.default)
            if kind in section.kinds:
                used |= _words(section.kinds[kind], item)
    assert every - used <= ELSEWHERE
    assert set(DEFAULTS) <= WITH_TICKETS.keys()


def test_everything_in_one_commit_and_nothing_the_second_time(cluster: Cluster) -> None:
    """Neither pcs nor crmsh is there."""
    for node in cluster.lab.nodes:
        assert cluster.run("sh", "-c", "command -v pcs crm crmsh", node=node, check=False) == ""
    before = cluster.epoch
    first = cluster.cib({**WITH_TICKETS, "wait": 60})
    assert first.changed
    assert cluster.epoch == before + PATCH
    expected = {f"{word}:{item['id']}" for word in SECTIONS for item in WITH_TICKETS[word] if "id" in item}
    owned = set(cluster.module("cib_info", {})["owners"]["default"])
    assert expected - {f"nodes:{name}" for name in cluster.lab.nodes} <= owned
    for node in cluster.lab.nodes:
        again = cluster.cib({**WITH_TICKETS, "wait": 60}, node=node)
        assert (again.changed, again["changes"], again["attempts"]) == (False, [], 1)
    assert cluster.epoch == before + PATCH
    assert "error" not in cluster.run("crm_verify", "--live-check", check=False)


def test_everything_runs(cluster: Cluster) -> None:
    """The cluster does with it what it says."""
    cluster.cib({**EVERYTHING, "wait": 90})
    status = cluster.module("cluster_info", {})
    # Looking for containers where there is no podman fails, and nothing else does.
    assert [item for item in status["failures"] if not item["op_key"].startswith("box-")] == []
    where = {(item["id"], item["role"]): item["nodes"] for item in status["resources"] if item["nodes"]}
    assert where["a", "Started"] == where["b", "Started"] == where["s", "Promoted"] == ["fw1"]
    assert where["c", "Started"]
    assert where["d", "Started"]
    assert where["power", "Started"]
    assert not any(name in ("spare", "box") for name, _role in where)
    # The first set of parameters whose rule holds there.
    assert "/run/a-here.state" in cluster.run("sh", "-c", "ls /run/*.state")


def test_an_export_of_everything_fed_back_changes_nothing(cluster: Cluster) -> None:
    cluster.cib(WITH_TICKETS)
    exported = cluster.module("cib_info", {"show_secrets": True})["configuration"]
    before = cluster.epoch
    again = cluster.cib(exported)
    assert again["changes"] == []
    # In another name, and as the only thing that owner wants.
    assert cluster.cib({**exported, "owner": "other", "purge": "owned"})["changes"] == []
    assert cluster.epoch == before


def test_everything_by_words_can_go_again(cluster: Cluster) -> None:
    before = cluster.module("cib_info", {})["configuration"]
    cluster.cib({**WITH_TICKETS, "owner": "site", "purge": "owned"})
    nothing: dict[str, Any] = {word: [] for word in SECTIONS}
    nothing |= {word: [] for word in DEFAULTS}
    nothing["nodes"] = [
        {
            "name": item["name"],
            "attributes": dict.fromkeys(item["attributes"]),
            "utilization": dict.fromkeys(item["utilization"]),
        }
        for item in WITH_TICKETS["nodes"]
    ]
    cluster.cib({**nothing, "owner": "site", "purge": "owned", "allow": ["*"], "wait": 60})
    left = cluster.module("cib_info", {})
    assert left["configuration"]["resources"] == left["configuration"]["constraints"] == []
    assert left["configuration"]["nodes"] == before["nodes"]
    assert left["owners"].get("site", []) == []


# ---- what there are no words for

STRANGE = {
    "resources": [
        """<primitive id="twin" class="ocf" provider="heartbeat" type="Dummy">
        <operations id="twin-ops"><op id="twin-mon" name="monitor" interval="33s"/></operations>
        <instance_attributes id="twin-params"><nvpair id="twin-fake" name="fake" value="1"/></instance_attributes>
        <meta_attributes id="twin-meta"><nvpair id="twin-role" name="target-role" value="Stopped"/></meta_attributes>
        </primitive>""",
        """<primitive id="sharing" class="ocf" provider="heartbeat" type="Dummy">
        <meta_attributes id-ref="twin-meta"/>
        <instance_attributes id="sharing-params"><nvpair id-ref="twin-fake"/></instance_attributes>
        <operations id-ref="twin-ops"/></primitive>""",
    ],
    "alerts": [
        """<alert id="some" path="/bin/true"><select><select_attributes><attribute id="some-a" name="site"/>
        </select_attributes></select><recipient id="some-r" value="z"/></alert>""",
    ],
    "rsc_defaults": [
        """<meta_attributes id="shared-defaults"><nvpair id-ref="twin-role"/></meta_attributes>""",
        """<meta_attributes id-ref="twin-meta"/>""",
    ],
    "tags": ["""<tag id="odd"><obj_ref id="twin-mon"/><obj_ref id="nowhere"/></tag>"""],
}
PATHS = (
    "resources/primitive[@id='twin']",
    "resources/primitive[@id='sharing']",
    "alerts/alert[@id='some']",
    "rsc_defaults/meta_attributes[@id='shared-defaults']",
    "rsc_defaults/meta_attributes[@id-ref]",
    "tags/tag[@id='odd']",
)


@pytest.fixture
def strange(cluster: Cluster) -> Cluster:
    for section, elements in STRANGE.items():
        cluster.replace(section, "".join(elements))
    return cluster


def test_strange_xml_survives_untouched(strange: Cluster) -> None:
    before = {path: strange.xml(path) for path in PATHS}
    assert all(len(found) == 1 for found in before.values())
    given = {
        "resources": [{"id": "x", "agent": DUMMY}],
        "resource_defaults": {"resource-stickiness": 3},
        "alerts": [{"id": "own", "path": "/bin/false"}],
        "tags": [{"id": "own-tag", "resources": ["x"]}],
        "constraints": [{"type": "location", "resource": "sharing", "node": "fw1", "score": 1}],
        "owner": "site",
        "purge": "owned",
    }
    strange.cib(given)
    assert {path: strange.xml(path) for path in PATHS} == before
    exported = strange.module("cib_info", {})["configuration"]
    assert strange.cib(exported)["changes"] == []
    # All of this owner goes, and nothing else.
    strange.cib(
        {
            "constraints": [],
            "alerts": [],
            "tags": [],
            "resources": [],
            "owner": "site",
            "purge": "owned",
            "allow": ["*"],
        }
    )
    assert {path: strange.xml(path) for path in PATHS} == before
    assert strange.xml("resources/primitive[@id='x']") == []


def test_what_has_words_can_be_changed_around_what_has_none(strange: Cluster) -> None:
    changed = strange.cib({"alerts": [{"id": "some", "path": "/bin/false", "recipients": [{"value": "z"}]}]})
    assert changed["changes"] == ["change alert some: path /bin/true -> /bin/false"]
    (alert,) = strange.xml(PATHS[2])
    assert '<attribute id="some-a" name="site">' in alert
    assert 'path="/bin/false"' in alert


def test_what_cannot_be_said_is_refused_and_not_lost(strange: Cluster) -> None:
    before = strange.xml(PATHS[1])
    refused = strange.module("cib", {"resources": [{"id": "sharing", "agent": DUMMY, "params": {"fake": 2}}]})
    assert refused.failed
    assert "resources.sharing" in refused.msg
    assert "Write the element as `xml`" in refused.msg
    assert strange.xml(PATHS[1]) == before
