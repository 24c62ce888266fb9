# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

from __future__ import annotations

from itertools import count
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._cib import rules

TEXTS = [
    "defined pingd",
    "not_defined pingd or pingd lte number 0",
    "#uname eq fw1 and (site eq a or site eq b)",
    "(a eq 1 and b eq 2) or c eq 3",
    "date gt 2026-01-01",
    'date lt "2026-01-01 12:00"',
    "date in_range 2026-01-01 to 2026-02-01",
    "date in_range to 2026-02-01",
    "date in_range 2026-01-01 for hours=4",
    "date_spec hours=8-17 weekdays=1-5",
    "resource ocf:heartbeat:IPaddr2",
    "resource systemd:cron",
    "operation monitor interval=10s",
    'note eq "with blanks"',
    'note eq "a \\"quoted\\" word"',
    'note eq "and"',
    'note eq "number"',
    "note eq version 1.2",
]


def element(text: str) -> ET.Element:
    numbers = count()
    found = ET.Element("rule", {"id": "r"})
    rules.write(found, rules.parse(text), lambda wanted: f"{wanted}-{next(numbers)}", False)
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_text_to_xml_and_back(text: str) -> None:
    assert rules.text(rules.read(element(text))) == text


@pytest.mark.parametrize("text", TEXTS)
def test_canonical_text_is_its_own(text: str) -> None:
    assert rules.canonical(text) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a eq 1 and (b eq 2 and c eq 3)", "a eq 1 and b eq 2 and c eq 3"),
        ("(a eq 1)", "a eq 1"),
        ("a  eq  1", "a eq 1"),
        ('a eq "1"', "a eq 1"),
        ("a eq 1 or b eq 2 and c eq 3", "a eq 1 or (b eq 2 and c eq 3)"),
    ],
)
def test_what_means_the_same_is_equal(one: str, other: str) -> None:
    assert rules.canonical(one) == rules.canonical(other)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no text"),
        ("pingd", "a comparison after 'pingd' is missing"),
        ("pingd like 3", "'like' after 'pingd' is none of"),
        ("pingd lt", "a value after 'lt' is missing"),
        ("(a eq 1", "')' is missing"),
        ("a eq 1)", "')' is one word too many"),
        ("a eq 1 b", "'b' is one word too many"),
        ("date_spec", "date_spec needs"),
        ("date on 2026-01-01", "'on' after 'date' is none of"),
        ("date in_range 2026-01-01", "'to' and a date"),
        ("operation monitor timeout=3", "'timeout' is none of interval"),
        ("resource a:b:c:d", "is not class:provider:type"),
        ('a eq "open', "cannot read from"),
    ],
)
def test_mistakes_name_the_place(text: str, reason: str) -> None:
    assert reason in str(rules.problem(text))


@pytest.mark.parametrize(
    "xml",
    [
        "<rule id='r'/>",
        "<rule id='r'><expression id='e' attribute='a' operation='eq' value='b' value-source='param'/></rule>",
        "<rule id='r'><other id='e'/></rule>",
        "<rule id='r'><date_expression id='e' operation='date_spec'><other/></date_expression></rule>",
    ],
)
def test_xml_without_words_is_an_error(xml: str) -> None:
    with pytest.raises(rules.RuleError):
        rules.read(ET.fromstring(xml))


def test_nested_rules_have_a_score_where_the_schema_wants_one() -> None:
    found = ET.Element("rule", {"id": "r"})
    rules.write(found, rules.parse("a eq 1 or (b eq 2 and c eq 3)"), lambda wanted: wanted, True)
    assert [item.get("score") for item in found.findall("rule")] == ["0"]
