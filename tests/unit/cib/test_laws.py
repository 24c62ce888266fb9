# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""What holds for every configuration, not only for those that somebody thought of."""

from __future__ import annotations

import copy
import random
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils import _cib as cib
from ansible_collections.linuxha.firewall.plugins.module_utils._cib import rules

from .conftest import EMPTY, lines, mistakes, wish

WORD = st.sampled_from(["alpha", "beta", "gamma", "x-1", "#uname"])
VALUE = st.text(alphabet="ab1 ()\"\\'<&=", min_size=1, max_size=6).filter(lambda text: text.strip() == text)
NAMES = [f"r{number}" for number in range(5)]
SCORE = st.sampled_from(["INFINITY", "-INFINITY", "100", "-5", "0"])
TESTS = st.one_of(
    st.builds(
        lambda name, operation: rules.Test("expression", (("attribute", name), ("operation", operation))),
        WORD,
        st.sampled_from(rules.UNARY),
    ),
    st.builds(
        lambda name, operation, value, kind: rules.Test(
            "expression",
            (("attribute", name), ("operation", operation), ("value", value), *((("type", kind),) if kind else ())),
        ),
        WORD,
        st.sampled_from(rules.COMPARISONS),
        VALUE,
        st.sampled_from(["", *rules.TYPES]),
    ),
)
EXPRESSIONS = st.recursive(
    TESTS,
    lambda inner: st.builds(
        rules._group,
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=6,
)
SETS = st.dictionaries(WORD.filter(lambda word: word != "#uname"), VALUE, max_size=3)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Resources, some of them in groups and clones, constraints between them, properties, tags."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=2, max_size=5))
    resources: list[dict[str, Any]] = []
    for name in names:
        resource: dict[str, Any] = {"id": name, "agent": draw(st.sampled_from(["ocf:heartbeat:Dummy", "systemd:cron"]))}
        for word in ("params", "meta", "utilization"):
            if draw(st.booleans()):
                resource[word] = draw(SETS)
        if draw(st.booleans()):
            times = draw(st.lists(st.sampled_from(["10s", "20000ms", "1min"]), unique=True, max_size=3))
            resource["operations"] = [{"name": "monitor", "interval": time, "timeout": 20} for time in times]
        if draw(st.booleans()):
            resource["params"] = [{"values": draw(SETS), "rule": rules.text(draw(EXPRESSIONS))}]
        resources.append(resource)
    cut = draw(st.integers(0, len(names)))
    if cut:
        resources.append({"id": "g", "type": "group", "members": names[:cut]})
    if cut < len(names):
        resources.append({"id": "c", "type": "clone", "members": [names[-1]]})
    constraints: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=3)):
        other = draw(st.sampled_from([item for item in names if item != name]))
        constraints += draw(
            st.sampled_from(
                [
                    [{"type": "location", "resource": name, "node": "fw1", "score": "5"}],
                    [{"type": "colocation", "resource": name, "with": other, "score": "INFINITY"}],
                    [{"type": "order", "first": name, "then": other}],
                    [{"type": "order", "sets": [{"resources": [name]}, {"resources": [other], "sequential": False}]}],
                ]
            )
        )
        if draw(st.booleans()):
            rule = {"rule": rules.text(draw(EXPRESSIONS)), "score": draw(SCORE)}
            constraints.append({"id": f"rule-{name}", "type": "location", "resource": name, "rules": [rule]})
    return {
        "resources": resources,
        "constraints": constraints,
        "properties": draw(SETS),
        "resource_defaults": draw(SETS),
        "tags": [{"id": "t", "resources": names[:1]}] if draw(st.booleans()) else [],
        "nodes": [{"name": "fw1", "attributes": draw(SETS)}],
    }


def made(raw: dict[str, Any]) -> cib.Document:
    plan = cib.plan(cib.Document(EMPTY), wish(raw))
    assert mistakes(plan) == []
    return cib.Document(plan.document.text())


laws = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_a_rule_is_what_its_text_says(expression: rules.Expression) -> None:
    assert rules.parse(rules.text(expression)) == expression
    element = ET.Element("rule", {"id": "r"})
    rules.write(element, expression, lambda wanted: wanted, False)
    assert rules.read(element) == expression


@given(configurations())
@laws
def test_a_second_plan_is_empty(raw: dict[str, Any]) -> None:
    document = made(raw)
    again = cib.plan(document, wish(raw))
    assert lines(again) == []
    assert again.document.text() == document.text()


@given(configurations(), st.randoms(use_true_random=False))
@laws
def test_the_order_of_objects_and_names_does_not_matter(raw: dict[str, Any], chance: random.Random) -> None:
    shuffled = copy.deepcopy(raw)
    for section in ("resources", "constraints"):
        chance.shuffle(shuffled[section])
    assert lines(cib.plan(made(raw), wish(shuffled))) == []


@given(configurations())
@laws
def test_an_export_fed_back_is_an_empty_plan(raw: dict[str, Any]) -> None:
    document = made(raw)
    exported = cib.export.export(cib.state.read(document))
    plan = cib.plan(document, wish(exported))
    assert (lines(plan), mistakes(plan)) == ([], [])


@given(configurations(), configurations())
@laws
def test_what_a_plan_says_is_what_changes(one: dict[str, Any], other: dict[str, Any]) -> None:
    document = made(one)
    plan = cib.plan(document, wish(other, purge=True))
    if plan.problems:
        return
    assert bool(plan.changes) == (plan.before != plan.after)
    then = cib.state.read(plan.document)
    wanted = wish(other).present
    for section in ("resources", "constraints", "tags"):
        assert then.objects[section].keys() == wanted.objects[section].keys()
    assert lines(cib.plan(plan.document, wish(other, purge=True))) == []


@given(configurations(), configurations())
@laws
def test_ids_stay_unique(one: dict[str, Any], other: dict[str, Any]) -> None:
    plan = cib.plan(made(one), wish(other))
    ids = [
        item.get("id") for item in plan.document.configuration.iter() if item.get("id") and item.tag not in REFERENCES
    ]
    assert len(ids) == len(set(ids))


REFERENCES = ("resource_ref", "obj_ref", "role")


@given(configurations(), configurations())
@laws
def test_what_nobody_names_stays_as_it_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    foreign = '<rsc_future id="foreign" rsc="r0"><inner id="inner">text</inner></rsc_future>'
    text = made(one).text()
    section = "<constraints />" if "<constraints />" in text else "</constraints>"
    wrapped = f"<constraints>{foreign}</constraints>" if section == "<constraints />" else f"{foreign}</constraints>"
    plan = cib.plan(cib.Document(text.replace(section, wrapped)), wish(other, purge=True))
    assert foreign in plan.document.text()
