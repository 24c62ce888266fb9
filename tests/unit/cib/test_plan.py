# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib

from .conftest import WANTED, lines, mistakes, wish


def test_everything_is_created_in_one_plan(empty: cib.Document) -> None:
    plan = cib.plan(empty, wish(WANTED))
    assert mistakes(plan) == []
    found = lines(plan)
    assert "create primitive vip1 (ocf:heartbeat:IPaddr2)" in found
    assert "create location constraint connected" in found
    assert "create properties.stonith-enabled: false" in found
    assert "change node fw1: with attributes.site a" in found
    assert len(found) == 17


def test_what_was_deleted_a_moment_ago_can_be_created_again(empty: cib.Document) -> None:
    # Until a deleted resource has stopped, the status remembers it under its id.
    status = ET.SubElement(empty.root, "status")
    ET.SubElement(status, "lrm_resource", id="vip1")
    assert mistakes(cib.plan(cib.Document(empty.text()), wish(WANTED))) == []


def test_the_same_again_is_nothing(live: cib.Document) -> None:
    plan = cib.plan(live, wish(WANTED))
    assert lines(plan) == []
    assert plan.document.text() == live.text()


def test_the_present_cib_is_left_alone(empty: cib.Document) -> None:
    before = empty.text()
    cib.plan(empty, wish(WANTED))
    assert empty.text() == before


def test_order_is_kept_where_it_matters_and_ignored_elsewhere(live: cib.Document) -> None:
    shuffled = copy.deepcopy(WANTED)
    for section in ("resources", "constraints"):
        shuffled[section].reverse()
    assert lines(cib.plan(live, wish(shuffled))) == []
    shuffled["resources"] = [{"id": "vips", "type": "group", "members": ["vip2", "vip1"]}]
    plan = cib.plan(live, wish({"resources": shuffled["resources"]}))
    assert lines(plan) == ["change group vips: members vip1 vip2 -> vip2 vip1"]


def resource(**changes: Any) -> dict[str, Any]:
    return {**WANTED["resources"][0], **changes}


@pytest.mark.parametrize(
    "same",
    [
        resource(operations=[{"name": "monitor", "interval": "10000ms", "timeout": 20}]),
        resource(operations=[{"name": "monitor", "interval": 10, "timeout": "20s", "id": "other"}]),
        resource(params=[{"values": {"cidr_netmask": "24", "ip": "192.0.2.1"}}]),
        resource(meta={}),
    ],
)
def test_what_means_the_same_changes_nothing(live: cib.Document, same: dict[str, Any]) -> None:
    assert lines(cib.plan(live, wish({"resources": [same]}))) == []


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (resource(params={"ip": "192.0.2.9", "cidr_netmask": 24}), "params.ip 192.0.2.1 -> 192.0.2.9"),
        (resource(params={"ip": "192.0.2.1"}), "without params.cidr_netmask 24"),
        (resource(meta={"priority": 5}), "with meta.priority 5"),
        (resource(operations=[]), "without operations[monitor 10s].timeout 20s"),
        (resource(agent="ocf:heartbeat:IPaddr"), "agent ocf:heartbeat:IPaddr2 -> ocf:heartbeat:IPaddr"),
        (
            resource(params=[{"values": {"ip": "192.0.2.1", "cidr_netmask": 24}, "rule": "#uname eq fw1"}]),
            "with params[#uname eq fw1].ip 192.0.2.1",
        ),
    ],
)
def test_a_change_says_what(live: cib.Document, changed: dict[str, Any], line: str) -> None:
    plan = cib.plan(live, wish({"resources": [changed]}))
    assert f"change primitive vip1: {line}" in lines(plan)
    assert lines(cib.plan(cib.Document(plan.document.text()), wish({"resources": [changed]}))) == []


@pytest.mark.parametrize(
    ("section", "index", "word", "first", "second", "line"),
    [
        (
            "resources", 0, "operations",
            [{"name": "monitor", "interval": 10}, {"name": "stop", "timeout": 20}],
            [{"name": "monitor", "interval": 10}, {"name": "stop", "timeout": 30}],
            "change primitive vip1: operations[stop 0s].timeout 20 -> 30",
        ),
        (
            "constraints", 1, "rules",
            [{"rule": "defined a", "score": 1}, {"rule": "defined b", "score": 2}],
            [{"rule": "defined a", "score": 1}, {"rule": "defined b", "score": 3}],
            "change location constraint connected: rule[2] defined b (score=2) -> defined b (score=3)",
        ),
        (
            "constraints", 3, "sets",
            [{"resources": ["states-clone"]}, {"resources": ["vips"], "sequential": False}],
            [{"resources": ["states-clone"]}, {"resources": ["vips"], "sequential": True}],
            "change order constraint order-states-clone-vips: sets[2].sequential false -> true",
        ),
    ],
)  # fmt: skip
def test_every_child_counts(
    live: cib.Document, section: str, index: int, word: str, first: Any, second: Any, line: str
) -> None:
    item = WANTED[section][index]
    document = cib.plan(live, wish({section: [{**item, word: first}]})).document
    assert lines(cib.plan(document, wish({section: [{**item, word: second}]}))) == [line]


def test_a_changed_password_is_a_change_that_does_not_show(empty: cib.Document) -> None:
    def one(secret: str) -> cib.Wish:
        device = {"id": "power", "agent": "stonith:fence_ipmilan", "params": {"password": secret, "ip": "192.0.2.7"}}
        return wish({"resources": [device]})

    first = cib.plan(empty, one("correct-horse"))
    second = cib.plan(first.document, one("battery-staple"))
    assert lines(second) == ["change primitive power: params.password (hidden)"]
    for plan in (first, second):
        shown = "\n".join([*lines(plan), *plan.before, *plan.after])
        assert "correct" not in shown
        assert "staple" not in shown
    assert "battery-staple" in second.document.text()


def test_secrets_by_the_users_own_names(empty: cib.Document) -> None:
    device = {"id": "power", "agent": "stonith:fence_x", "params": {"combination": "correct-horse"}}
    plan = cib.plan(empty, wish({"resources": [device]}, secrets=("combination",)))
    assert "correct-horse" not in "\n".join(plan.after)


# ---- what an operator has set


def operated(live: cib.Document) -> cib.Document:
    """The same cluster after an operator was there."""
    text = live.text()
    text = text.replace('uname="fw1">', 'uname="fw1"><!-- by hand -->', 1)
    document = cib.Document(text)
    plan = cib.plan(
        document,
        wish(
            {
                "nodes": [{"name": "fw2", "attributes": {"standby": "on", "maintenance": "true"}}],
                "properties": {"maintenance-mode": True},
                "resources": [resource(meta={"target-role": "Stopped", "is-managed": False})],
                "constraints": [
                    {"id": "cli-prefer-vips", "type": "location", "resource": "vips", "node": "fw2", "score": 1},
                    {"id": "cli-ban-vips-on-fw1", "type": "location", "resource": "vips", "node": "fw1", "score": -1},
                ],
            },
            owner="",
        ),
    )  # fmt: skip
    assert mistakes(plan) == []
    return cib.Document(plan.document.text())


@pytest.mark.parametrize("purge", [False, True])
def test_what_an_operator_has_set_survives(live: cib.Document, purge: bool) -> None:
    document = operated(live)
    plan = cib.plan(document, wish(WANTED, purge=purge))
    assert lines(plan) == []
    changed = copy.deepcopy(WANTED)
    changed["resources"][0]["params"]["ip"] = "192.0.2.9"
    changed["nodes"] = [{"name": "fw2", "attributes": {"site": "b"}}]
    plan = cib.plan(document, wish(changed, purge=purge))
    assert lines(plan) == [
        "change node fw2: with attributes.site b",
        "change primitive vip1: params.ip 192.0.2.1 -> 192.0.2.9",
    ]
    assert cib.export.operator_state(cib.state.read(plan.document)) == {
        "nodes": {"fw2": {"standby": "on", "maintenance": "true"}},
        "resources": {"vip1": {"target-role": "Stopped", "is-managed": "false"}},
        "constraints": ["cli-prefer-vips", "cli-ban-vips-on-fw1"],
        "properties": {"maintenance-mode": "true"},
    }


def test_what_an_operator_has_set_can_be_named(live: cib.Document) -> None:
    document = operated(live)
    named = {
        "resources": [resource(meta={"target-role": "Started"})],
        "nodes": [{"name": "fw2", "attributes": {"standby": None}}],
    }
    assert lines(cib.plan(document, wish(named))) == [
        "change node fw2: without attributes.standby on",
        "change primitive vip1: meta.target-role Stopped -> Started",
    ]  # fmt: skip


def test_null_takes_back_what_an_operator_has_set(live: cib.Document) -> None:
    plan = cib.plan(operated(live), wish({"resources": [resource(meta={"target-role": None})]}))
    assert lines(plan) == ["change primitive vip1: without meta.target-role Stopped"]


# ---- deleting


def test_purge_deletes_only_what_its_owner_has_made(live: cib.Document) -> None:
    other = {"resources": [{"id": "other", "agent": "ocf:heartbeat:Dummy"}]}
    document = cib.plan(live, wish(other, owner="somebody")).document
    less = copy.deepcopy(WANTED)
    del less["constraints"][1]
    del less["alerts"]
    plan = cib.plan(document, wish(less, purge=True))
    assert lines(plan) == ["delete location constraint connected", "delete alert mail"]
    kept = cib.plan(document, wish(less))
    assert lines(kept) == []


def test_purge_deletes_a_property_of_its_owner(live: cib.Document) -> None:
    less = {**WANTED, "properties": {"stonith-enabled": False}}
    plan = cib.plan(live, wish(less, purge=True))
    assert lines(plan) == ["delete properties.no-quorum-policy: ignore"]
    assert 'name="dc-version"' in plan.document.text()


def test_what_was_there_before_is_not_owned(live: cib.Document) -> None:
    mine = {"resources": [resource(params={"ip": "192.0.2.9"})]}
    document = cib.plan(live, wish(mine, owner="late")).document
    assert cib.state.owned(document, "late") == set()
    assert lines(cib.plan(document, wish({}, owner="late", purge=True))) == []


def test_a_group_that_goes_leaves_its_members(live: cib.Document) -> None:
    absent = (("resources", "vips"), *(("constraints", key) for key in cib.state.read(live).objects["constraints"]))
    plan = cib.plan(live, wish({}, absent=absent))
    assert mistakes(plan) == []
    assert "delete group vips" in lines(plan)
    section = plan.document.section("resources")
    assert section is not None
    assert {"vip1", "vip2"} <= {item.get("id") for item in section}


def test_an_operators_ban_goes_with_its_resource(live: cib.Document) -> None:
    document = operated(live)
    keys = [key for key in cib.state.read(document).objects["constraints"] if not key.startswith("cli-")]
    plan = cib.plan(document, wish({}, absent=(("resources", "vips"), *(("constraints", key) for key in keys))))
    assert mistakes(plan) == []
    assert "delete location constraint cli-ban-vips-on-fw1" in lines(plan)


def test_deleting_what_is_not_there_is_nothing(live: cib.Document) -> None:
    assert lines(cib.plan(live, wish({}, absent=(("resources", "ghost"), ("properties", "ghost"))))) == []


# ---- what has no words


UNKNOWN = '<rsc_future id="f" rsc="vip1"><inner id="i">text</inner></rsc_future>'
BUNDLE = '<bundle id="box"><docker image="x"/><primitive id="inside" class="lsb" type="x"/></bundle>'


def test_unknown_xml_survives(live: cib.Document) -> None:
    document = cib.Document(
        live.text()
        .replace("</constraints>", f"{UNKNOWN}</constraints>")
        .replace("</resources>", f"{BUNDLE}</resources>")
        .replace('<primitive id="vip2"', '<primitive id="vip2" future="yes"')
    )
    changed = copy.deepcopy(WANTED)
    changed["resources"][1]["params"]["ip"] = "192.0.2.9"
    text = cib.plan(document, wish(changed, purge=True)).document.text()
    assert UNKNOWN in text
    assert 'future="yes"' in text
    assert '<docker image="x" />' in text
    assert 'value="192.0.2.9"' in text


def test_sets_without_words_are_left_alone(live: cib.Document) -> None:
    """One that refers to another, and one whose rule nobody can write: neither is an error of who changes the rest."""
    sets = (
        '<meta_attributes id="shared"><nvpair id-ref="somewhere" /></meta_attributes>',
        '<meta_attributes id="odd"><rule id="odd-r" boolean-op="future"><future id="odd-f" /></rule></meta_attributes>',
        '<meta_attributes id-ref="elsewhere" />',
    )
    document = cib.Document(live.text().replace("</rsc_defaults>", f"{''.join(sets)}</rsc_defaults>"))
    assert all(item in document.text() for item in sets)
    plan = cib.plan(document, wish({"resource_defaults": {"resource-stickiness": 7}}))
    assert (lines(plan), mistakes(plan)) == (["change resource_defaults.resource-stickiness: 100 -> 7"], [])
    assert all(item in plan.document.text() for item in sets)
    exported = cib.export.export(cib.state.read(document))
    assert lines(cib.plan(document, wish(exported))) == []


def test_a_bundle_passes_through(live: cib.Document) -> None:
    wanted = wish({"resources": [{"id": "box", "type": "bundle", "xml": BUNDLE}]})
    plan = cib.plan(live, wanted)
    assert lines(plan) == ["create bundle box"]
    inner = {"constraints": [{"type": "location", "resource": "inside", "node": "fw1", "score": 1}]}
    assert mistakes(cib.plan(plan.document, wish(inner))) == []
    again = cib.Document(plan.document.text())
    assert lines(cib.plan(again, wanted)) == []
    changed = wish({"resources": [{"id": "box", "type": "bundle", "xml": BUNDLE.replace('"x"', '"y"')}]})
    assert lines(cib.plan(again, changed)) == ["change bundle box: its XML"]


# ---- mistakes


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        (
            {"constraints": [{"type": "location", "resource": "vipss", "node": "fw1", "score": 1}]},
            "constraints.location-vipss-fw1.resource: 'vipss': there is no such resource. Did you mean 'vips'?",
        ),
        (
            {"constraints": [{"type": "location", "resource": "vips", "node": "fw3", "score": 1}]},
            "constraints.location-vips-fw3.node: 'fw3': the cluster has no such node. Did you mean 'fw2'?",
        ),
        (
            {"nodes": [{"name": "fw9", "attributes": {"a": 1}}]},
            "nodes.fw9: 'fw9': the cluster has no such node. Did you mean 'fw2'?",
        ),
        (
            {"resources": [{"id": "vips", "agent": "ocf:heartbeat:Dummy"}]},
            "resources.vips: 'primitive': is a group already. Delete it first, or choose another id.",
        ),
        (
            {"resources": [{"id": "g", "type": "group", "members": ["vip1", "ghost"]}]},
            "resources.g.members: 'ghost': there is no such resource.",
        ),
        (
            {"resources": [{"id": "g", "type": "group", "members": ["states-clone"]}]},
            "resources.g.members: 'states-clone': a clone cannot be inside. Only these can be: primitive.",
        ),
        (
            {"resources": [{"id": "connected", "agent": "ocf:heartbeat:Dummy"}]},
            "resources.connected: 'connected': another element of the CIB has this id. Choose another id.",
        ),
        (
            {"resources": [{"id": "x", "template": "ghost"}]},
            "resources.x.template: 'ghost': there is no such resource.",
        ),
        (
            {"fencing": [{"target": "fw2", "index": 1, "devices": "ghost"}]},
            "fencing.fw2/1.devices: 'ghost': there is no such resource.",
        ),
        ({"tags": [{"id": "t", "resources": ["ghost"]}]}, "tags.t.resources: 'ghost': there is no such resource."),
    ],
)
def test_mistakes_have_a_path_a_reason_and_a_remedy(live: cib.Document, raw: dict[str, Any], mistake: str) -> None:
    found = mistakes(cib.plan(live, wish(raw)))
    assert any(item.startswith(mistake) for item in found), found


def test_nothing_is_left_that_names_what_goes(live: cib.Document) -> None:
    found = mistakes(cib.plan(live, wish({}, absent=(("resources", "states-clone"),))))
    assert found == [
        "constraints.colocation-vips-states-clone-Promoted.with: 'states-clone': still names a resource that would be "
        "deleted. Delete or change it as well.",
        "constraints.order-states-clone-vips.sets[0].resources: 'states-clone': still names a resource that would be "
        "deleted. Delete or change it as well.",
    ]


def test_an_empty_group_is_a_mistake(live: cib.Document) -> None:
    absent = (("resources", "vip1"), ("resources", "vip2"), ("tags", "addresses"), ("fencing", "fw1/1"))
    assert any("the group would be empty" in item for item in mistakes(cib.plan(live, wish({}, absent=absent))))
