# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._pacemaker import operator

CIB = """<cib validate-with="pacemaker-3.9" epoch="5" num_updates="7" admin_epoch="0"><configuration><crm_config/>
<nodes><node id="1" uname="fw1"/><node id="2" uname="fw2"/></nodes><resources>
<group id="vips"><primitive id="vip" class="ocf" provider="heartbeat" type="Dummy">
<meta_attributes id="m"><nvpair id="m1" name="priority" value="5"/></meta_attributes></primitive></group>
<bundle id="box"/></resources><constraints/></configuration><status/></cib>"""
STATUS = """<pacemaker-result><summary><current_dc present="true" name="fw1" with_quorum="true"/>
<cluster_options maintenance-mode="false"/></summary>
<nodes><node name="fw1" id="1" online="true" standby="false" maintenance="false" pending="false" unclean="false"
 is_dc="true"/>
<node name="fw2" id="2" online="true" standby="true" maintenance="true" pending="false" unclean="false"
 is_dc="false"/></nodes>
<resources><group id="vips"><resource id="vip" resource_agent="ocf:heartbeat:Dummy" role="Started" managed="true">
<node name="fw1" id="1"/></resource></group>
<clone id="states-clone"><resource id="states" resource_agent="x" role="Promoted" managed="true">
<node name="fw1"/></resource>
<resource id="states" resource_agent="x" role="Unpromoted" managed="true">
<node name="fw2"/></resource></clone></resources>
<node_attributes><node name="fw1"><attribute name="pingd" value="1"/></node></node_attributes>
<failures><failure op_key="vip_monitor_10000" node="fw2"/><failure op_key="vipx_start_0" node="fw2"/></failures>
<bans><ban id="cli-ban-x" resource="x" node="fw1" weight="-1000000"/></bans>
<status code="0" message="OK"/></pacemaker-result>"""
status = cib.ready.read(STATUS)


def run(document: cib.Document, order: operator.Order) -> tuple[list[str], cib.Document]:
    plan = cib.plan(document, order.wish(cib.state.read(document)))
    assert plan.problems == ()
    return [change.line for change in plan.changes], plan.document


@pytest.mark.parametrize(
    ("there", "back", "line"),
    [
        (
            operator.node("fw1", "standby"),
            operator.node("fw1", "online"),
            "change node fw1: with attributes.standby on",
        ),
        (
            operator.node("fw1", "maintenance"),
            operator.node("fw1", "online"),
            "change node fw1: with attributes.maintenance true",
        ),
        (
            operator.resource("vips", "move", "fw2", "Started"),
            operator.resource("vips", "clear", None, "Started"),
            "create location constraint cli-prefer-vips",
        ),
        (
            operator.resource("vips", "ban", "fw1", "Started"),
            operator.resource("vips", "clear", "fw1", "Started"),
            "create location constraint cli-ban-vips-on-fw1",
        ),
        (
            operator.resource("vip", "disable", None, "Started"),
            operator.resource("vip", "enable", None, "Started"),
            "change primitive vip: with meta.target-role Stopped",
        ),
        (
            operator.resource("vips", "unmanage", None, "Started"),
            operator.resource("vips", "manage", None, "Started"),
            "change group vips: with meta.is-managed false",
        ),
    ],
)
def test_there_and_back(there: operator.Order, back: operator.Order, line: str) -> None:
    start = cib.Document(CIB)
    changes, changed = run(start, there)
    assert changes == [line]
    assert run(changed, there)[0] == []
    changes, document = run(changed, back)
    assert len(changes) == 1
    assert cib.text.lines(cib.state.read(document)) == cib.text.lines(cib.state.read(start))
    assert run(document, back)[0] == []
    # An operator owns nothing: a purge must not undo an order.
    assert cib.state.owners(changed) == []


def test_a_move_takes_back_a_ban_there_and_a_ban_a_move() -> None:
    _lines, banned = run(cib.Document(CIB), operator.resource("vips", "ban", "fw2", "Started"))
    lines, moved = run(banned, operator.resource("vips", "move", "fw2", "Started"))
    assert lines == [
        "create location constraint cli-prefer-vips",
        "delete location constraint cli-ban-vips-on-fw2",
    ]
    lines, _document = run(moved, operator.resource("vips", "ban", "fw2", "Started"))
    assert lines == [
        "create location constraint cli-ban-vips-on-fw2",
        "delete location constraint cli-prefer-vips",
    ]


@pytest.mark.parametrize(
    ("order", "mistake"),
    [
        (operator.node("fw3", "online"), "the cluster has no such node"),
        (operator.resource("vipz", "disable", None, "Started"), "the cluster has no such resource"),
        (operator.resource("vips", "move", "fw3", "Started"), "the cluster has no such node"),
        (operator.resource("box", "disable", None, "Started"), "has no words here"),
    ],
)
def test_orders_that_make_no_sense(order: operator.Order, mistake: str) -> None:
    with pytest.raises(operator.Mistake, match=mistake):
        order.wish(cib.state.read(cib.Document(CIB)))


@pytest.mark.parametrize(
    ("order", "missing"),
    [
        (operator.node("fw1", "online"), ""),
        (operator.node("fw2", "online"), "node fw2 is not online"),
        (operator.node("fw1", "standby"), "node fw1 is not in standby"),
        (operator.node("fw2", "standby"), "still on fw2: states"),
        (operator.node("fw2", "maintenance"), ""),
        (operator.node("fw1", "maintenance"), "node fw1 is not in maintenance"),
        (operator.node("fw3", "online"), "node fw3 is not in the cluster"),
        (operator.resource("vips", "move", "fw1", "Started"), ""),
        (operator.resource("vips", "move", "fw2", "Started"), "vips is not on fw2 but on fw1"),
        (operator.resource("states-clone", "move", "fw1", "Promoted"), ""),
        (operator.resource("states-clone", "move", "fw2", "Promoted"), "states-clone is not on fw2 but on fw1"),
        (operator.resource("vips", "ban", "fw1", "Started"), "vips is still on fw1"),
        (operator.resource("vips", "disable", None, "Started"), "vips still runs on fw1"),
        (operator.resource("vips", "enable", None, "Started"), ""),
        (operator.resource("ghost", "enable", None, "Started"), "ghost does not run"),
        (operator.resource("vip", "cleanup", None, "Started"), "vip has failed again"),
        (operator.resource("vip", "cleanup", "fw1", "Started"), ""),
    ],
)
def test_when_an_order_is_done(order: operator.Order, missing: str) -> None:
    assert order.missing(status) == missing


def test_failures_of_what_is_inside_count() -> None:
    assert operator.failures(status, "vips", None) == ["vip_monitor_10000 on fw2"]
    assert operator.failures(status, "vips", "fw1") == []


def test_status_as_data() -> None:
    plain = status.plain()
    assert plain["dc"] == "fw1"
    assert plain["quorum"]
    assert plain["nodes"][0]["attributes"] == {"pingd": "1"}
    assert plain["resources"][0]["parents"] == ["vips"]
    assert plain["bans"][0]["id"] == "cli-ban-x"
    assert cib.ready.problems(status) == []


@pytest.mark.parametrize(
    ("old", "new", "nodes"),
    [
        ("", "", ["fw1"]),
        ('role="Promoted"', 'role="Unpromoted"', ["fw1"]),
        ('resource_agent="ocf:heartbeat:Dummy" role="Started"', 'resource_agent="stonith:x" role="Stopped"', ["fw1"]),
        ('<node name="fw1" id="1"/></resource></group>', '<node name="fw2"/></resource></group>', ["fw1", "fw2"]),
        # A clone that is equal on both nodes: nothing has to move.
        ('id="vip" resource_agent="ocf:heartbeat:Dummy"', 'id="states" resource_agent="x"', ["fw1"]),
    ],
)
def test_who_serves(old: str, new: str, nodes: list[str]) -> None:
    assert old in STATUS
    assert cib.ready.read(STATUS.replace(old, new, 1)).serving() == nodes


def test_clones_and_fencing_devices_serve_nothing() -> None:
    alike = STATUS.replace('"Promoted"', '"Started"').replace('"Unpromoted"', '"Started"')
    assert cib.ready.read(alike.replace("ocf:heartbeat:Dummy", "stonith:fence_dummy")).serving() == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('with_quorum="true"', 'with_quorum="false"', "the partition has no quorum"),
        ('name="fw1" with_quorum', 'name="" with_quorum', "no designated controller has been elected"),
        ('unclean="false"\n is_dc="false"', 'unclean="true" is_dc="false"', "node fw2 is unclean: it has to be fenced"),
        ('pending="false" unclean="false"\n is_dc="true"', 'pending="true" is_dc="true"', "node fw1 is joining"),
        ('role="Started"', 'role="Stopping"', "resource vip is stopping"),
        ('role="Started"', 'role="Started" pending="Monitoring"', "resource vip is monitoring"),
    ],
)  # fmt: skip
def test_what_keeps_a_cluster_from_being_settled(old: str, new: str, problem: str) -> None:
    assert old in STATUS
    assert cib.ready.problems(cib.ready.read(STATUS.replace(old, new, 1))) == [problem]


@pytest.mark.parametrize("text", ["", "<r><status code='102' message='Not connected'/></r>"])
def test_no_status_is_an_error(text: str) -> None:
    with pytest.raises(cib.ready.StatusError):
        cib.ready.read(text)
