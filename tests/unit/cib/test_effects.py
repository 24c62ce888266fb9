# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib.effects import Effect, SimulationError

ANSWER = """<pacemaker-result api-version="2.25" request="crm_simulate"><actions>
<rsc_action action="restart" resource="vip1" source="fw1" reason="resource definition change"/>
<rsc_action action="move" resource="vip2" source="fw1" dest="fw2"/>
<rsc_action action="demote" resource="states:0" role="Promoted" next-role="Unpromoted" source="fw1"/>
<rsc_action action="promote" resource="states:1" role="Unpromoted" next-role="Promoted" source="fw2"/>
<rsc_action action="start" resource="new" node="fw1"/>
<rsc_action action="stop" resource="other" node="fw1" blocked="true"/>
<node_action task="reboot" node="fw3" reason="peer is no longer part of the cluster"/>
</actions><status code="0" message="OK"/></pacemaker-result>"""
RESTART = Effect("restart", "vip1", "fw1", "resource definition change")
MOVE = Effect("move", "vip2", "fw1 -> fw2")
DEMOTE = Effect("demote", "states", "fw1")
FENCE = Effect("fence", "fw3", "", "peer is no longer part of the cluster")


def test_only_what_takes_something_away_counts() -> None:
    assert cib.effects.read(ANSWER) == sorted([RESTART, MOVE, DEMOTE, FENCE])


def test_lines_are_for_people() -> None:
    assert RESTART.line == "restart vip1 (fw1): resource definition change"
    assert MOVE.line == "move vip2 (fw1 -> fw2)"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("nothing", "gave no XML"),
        ('<pacemaker-result><status code="78" message="Invalid configuration"/></pacemaker-result>', "Invalid"),
        (
            '<r><status code="1" message="x"><errors><error>no such file</error></errors></status></r>',
            "no such file",
        ),
    ],
)
def test_no_answer_is_an_error(answer: str, reason: str) -> None:
    with pytest.raises(SimulationError, match=reason):
        cib.effects.read(answer)


def test_what_would_happen_anyway_is_not_the_fault_of_the_change() -> None:
    assert cib.effects.caused([RESTART], [RESTART, MOVE]) == [MOVE]


@pytest.mark.parametrize(
    ("allow", "left"),
    [
        ([], [RESTART, MOVE, DEMOTE, FENCE]),
        (["vip1"], [MOVE, DEMOTE, FENCE]),
        (["vips"], [DEMOTE, FENCE]),
        (["move:vips"], [RESTART, DEMOTE, FENCE]),
        (["vip*"], [DEMOTE, FENCE]),
        (["states-clone"], [RESTART, MOVE, FENCE]),
        (["fence:fw3"], [RESTART, MOVE, DEMOTE]),
        (["restart:*", "demote:*"], [MOVE, FENCE]),
        (["restart", "move"], [DEMOTE, FENCE]),
        (["*"], []),
    ],
)
def test_what_is_allowed(live: cib.Document, allow: list[str], left: list[Effect]) -> None:
    assert cib.effects.refused([RESTART, MOVE, DEMOTE, FENCE], allow, [live]) == left


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [("restart:vip*", None), ("re*:vip", None), ("*", None), ("vips", None), ("restrat:vip", "restrat"), (":vip", "")],
)
def test_an_action_that_does_not_exist_is_found(pattern: str, wanted: str | None) -> None:
    assert cib.effects.unknown_action(pattern) == wanted


def test_what_is_deleted_by_name_may_stop(live: cib.Document) -> None:
    stops = [Effect("stop", "vip1"), Effect("stop", "vip2"), Effect("move", "vip1")]
    assert cib.effects.refused(stops, [], [live], ["vip1"]) == [Effect("stop", "vip2"), Effect("move", "vip1")]
    assert cib.effects.refused(stops, [], [live], ["vips"]) == [Effect("move", "vip1")]
