# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib

from .conftest import WANTED


def mistakes(raw: dict[str, Any]) -> list[str]:
    checker = cib.Checker()
    checker.state(raw)
    return [str(problem) for problem in checker.problems]


PRIMITIVE = {"id": "x", "agent": "ocf:heartbeat:Dummy"}


def resource(**changes: Any) -> dict[str, Any]:
    return {"resources": [{**PRIMITIVE, **changes}]}


def constraint(**words: Any) -> dict[str, Any]:
    return {"constraints": [{"id": "c", **words}]}


def test_a_sound_configuration() -> None:
    assert mistakes(WANTED) == []


@pytest.mark.parametrize(
    "agent", ["systemd:getty@tty1", "systemd:cron.timer", "stonith:fence_ipmilan", "stonith:external/ipmi", "lsb:cron"]
)
def test_agents_of_every_class(agent: str) -> None:
    assert mistakes(resource(agent=agent)) == []


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        ({"resource": []}, "resource: []: unknown key. Did you mean 'resources'?"),
        ({"resources": {}}, "resources: {}: is not a list."),
        ({"resources": ["x"]}, "resources[0]: 'x': is not a mapping."),
        ({"resources": [{"agent": "ocf:heartbeat:Dummy"}]}, "resources[0]: None: id is missing."),
        ({"resources": [PRIMITIVE, PRIMITIVE]}, "resources[1]: 'x': stands here twice."),
        (resource(id="a b"), "resources[0](a b).id: 'a b': is no id."),
        (resource(id=7), "resources[0](7).id: 7: is no id."),
        (resource(type="primitiv"), "resources[0](x).type: 'primitiv': unknown type. Did you mean 'primitive'?"),
        (resource(type="bundle"), "resources[0](x): 'bundle': a bundle has no words here. Write its element as `xml`."),
        (resource(agent="IPaddr2"), "resources[0](x).agent: 'IPaddr2': is no agent."),
        (resource(template="t"), "resources[0](x): 'ocf:heartbeat:Dummy': a primitive has either an agent or"),
        (resource(parms={}), "resources[0](x).parms: {}: unknown key. Did you mean 'params'?"),
        (resource(params={"a": [1]}), "resources[0](x).params.a: [1]: is not one value."),
        (resource(params=["a"]), "resources[0](x).params[0]: 'a': has no values."),
        (resource(params={"a": "(hidden)"}), "resources[0](x).params.a: '(hidden)': stands for a secret."),
        (
            resource(params=[{"values": {"a": 1}, "rule": "a lik b"}]),
            "resources[0](x).params[0].rule: 'a lik b': is no rule: 'lik' after 'a' is none of",
        ),
        (resource(params=[{"values": {}, "score": "high"}]), "resources[0](x).params[0].score: 'high': is no score."),
        (resource(params=[{"values": {}, "scor": 1}]), "resources[0](x).params[0].scor: 1: unknown key. Did you mean"),
        (resource(operations=[{"interval": 1}]), "resources[0](x).operations[0]: None: name is missing."),
        (
            resource(operations=[{"name": "monitor", "interval": "soon"}]),
            "resources[0](x).operations[0].interval: 'soon': is no time.",
        ),
        (
            resource(operations=[{"name": "monitor", "on_fail": "fences"}]),
            "resources[0](x).operations[0].on_fail: 'fences': unknown value. Did you mean 'fence'?",
        ),
        ({"resources": [{"id": "g", "type": "group"}]}, "resources[0](g): None: members is missing."),
        (
            {"resources": [{"id": "c", "type": "clone", "members": ["a", "b"]}]},
            "resources[0](c).members: ['a', 'b']: a clone has one member.",
        ),
        (resource(xml="<open>", type="bundle"), "resources[0](x).xml: '<open>': is no XML"),
        (constraint(), "constraints[0](c): None: type is missing."),
        (constraint(type="location", resource="x"), "constraints[0](c): None: a location constraint needs node and"),
        (constraint(type="location", node="n", score=1), "constraints[0](c): None: a location constraint needs res"),
        (
            constraint(type="colocation", resource="x"),
            "constraints[0](c): None: a colocation constraint needs resource",
        ),
        (constraint(type="order", first="x"), "constraints[0](c): None: an order constraint needs first and then"),
        (constraint(type="ticket", ticket="t"), "constraints[0](c): None: a ticket constraint needs resource"),
        (
            constraint(type="location", resource="x", rules=[{"rule": "defined a"}]),
            "constraints[0](c).rules[0]: None: score is missing.",
        ),
        (
            constraint(type="colocation", resource="x", **{"with": "y"}, role="Promotd"),
            "constraints[0](c).role: 'Promotd': unknown value. Did you mean 'Promoted'?",
        ),
        ({"properties": "x"}, "properties: 'x': is not a list."),
        ({"fencing": [{"target": "a", "index": 1}]}, "fencing[0]: None: devices is missing."),
        ({"tags": [{"id": "t", "resources": []}]}, "tags[0](t).resources: []: is empty."),
    ],
)
def test_every_mistake_names_its_place(raw: dict[str, Any], start: str) -> None:
    found = mistakes(raw)
    assert any(item.startswith(start) for item in found), found


def test_all_mistakes_are_found_at_once() -> None:
    raw = {**resource(id="a b", parms={}), **constraint(type="order"), "propertys": {}}
    assert len(mistakes(raw)) == 4


@pytest.mark.parametrize(
    ("words", "identity"),
    [
        ({"type": "location", "resource": "a", "node": "n"}, "location-a-n"),
        ({"type": "location", "pattern": "vip.*", "node": "n"}, "location-vip.--n"),
        ({"type": "colocation", "resource": "a", "with": "b", "with_role": "Promoted"}, "colocation-a-b-Promoted"),
        ({"type": "order", "first_action": "promote", "first": "a", "then": "b"}, "order-promote-a-b"),
        ({"type": "order", "sets": [{"resources": ["a", "b"]}, {"resources": ["c"]}]}, "order-a-b-c"),
        ({"type": "ticket", "ticket": "t", "resource": "a"}, "ticket-t-a"),
    ],
)
def test_a_constraint_without_an_id_gets_one_from_what_it_says(words: dict[str, Any], identity: str) -> None:
    assert cib.spec.constraint_id(words["type"], words) == identity


def test_absent() -> None:
    checker = cib.Checker()
    assert checker.absent({"resources": ["a"], "properties": ["b"]}) == (("resources", "a"), ("properties", "b"))
    assert checker.problems == []
    checker.absent({"nodes": ["fw1"], "resource": ["a"], "tags": "t", "alerts": [3]})
    assert [str(problem).partition(". ")[0] for problem in checker.problems] == [
        "absent.nodes: ['fw1']: cannot be deleted",
        "absent.resource: ['a']: unknown key",
        "absent.tags: 't': is not a list",
        "absent.alerts[0]: 3: is no id or name",
    ]
