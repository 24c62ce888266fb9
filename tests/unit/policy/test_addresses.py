# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Groups of addresses: names, negation, families, cycles."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.addresses import EVERYTHING, AddressBook, Sets
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

GROUPS = {
    "web": ["198.51.100.80", "2001:db8:2::80"],
    "mail": "198.51.100.25",
    "servers": ["web", "mail", "198.51.100.90-198.51.100.93"],
    "others": "!servers",
    "loop-a": ["loop-b", "192.0.2.1"],
    "loop-b": ["loop-c"],
    "loop-c": ["loop-a"],
    "self": "self",
    "empty": [],
}


def resolve(*items: object) -> tuple[Sets, list[Problem]]:
    problems: list[Problem] = []
    return AddressBook(GROUPS, "addresses", problems).resolve(list(items), "r"), problems


def texts(sets: Sets) -> tuple[list[str], list[str]]:
    return spans.texts(sets.four, 4), spans.texts(sets.six, 6)


@pytest.mark.parametrize(
    ("items", "four", "six"),
    [
        (["198.51.100.80"], ["198.51.100.80"], []),
        (["web"], ["198.51.100.80"], ["2001:db8:2::80"]),
        (
            ["servers"],
            ["198.51.100.25", "198.51.100.80", "198.51.100.90/31", "198.51.100.92/31"],
            ["2001:db8:2::80"],
        ),
        (["servers", "!web"], ["198.51.100.25", "198.51.100.90/31", "198.51.100.92/31"], []),
        (["web", "mail", "!others"], ["198.51.100.25", "198.51.100.80"], ["2001:db8:2::80"]),
        (["192.0.2.0/24", "! 192.0.2.128/25"], ["192.0.2.0/25"], []),
        (["192.0.2.10-192.0.2.13"], ["192.0.2.10/31", "192.0.2.12/31"], []),
        (["2001:db8::a-2001:db8::b"], [], ["2001:db8::a/127"]),
        # One family named: the other stays whole.
        (["!128.0.0.0/1"], ["0.0.0.0/1"], ["::/0"]),
        (["!web", "!0.0.0.0/1"], ["128.0.0.0/2", "192.0.0.0/6"], None),
    ],
)  # fmt: skip
def test_what_items_stand_for(items: list[str], four: list[str], six: list[str] | None) -> None:
    found, problems = resolve(*items)
    assert problems == []
    if six is None:
        assert found.four == spans.subtract(EVERYTHING.four, ((0, 2**31 - 1), (3325256784, 3325256784)))
        assert len(found.six) == 2
    else:
        assert texts(found) == (four, six)


def test_no_item_is_every_address() -> None:
    assert resolve()[0] == EVERYTHING


@pytest.mark.parametrize(
    ("item", "reason", "remedy"),
    [
        ("wbe", "no group has this name", "Did you mean 'web'?"),
        ("www.example.org", "is not an address", "names are not resolved"),
        ("!wbe", "no group has this name", "Did you mean 'web'?"),
        ("198.51.100.20-198.51.100.10", "ends before it begins", "198.51.100.10-198.51.100.20"),
        ("198.51.100.20-2001:db8::1", "mixes IPv4 and IPv6", "one family"),
        ("198.51.100.1/24", "has host bits set", "198.51.100.0/24"),
        ("198.51.100.300", "is not an address, prefix or range", "198.51.100.80"),
        (7, "is not an address, prefix or range", "198.51.100.80"),
        (None, "is not an address, prefix or range", "198.51.100.80"),
        ({"a": 1}, "is not an address, prefix or range", "198.51.100.80"),
        (["web"], "is not an address, prefix or range", "198.51.100.80"),
        ("empty", "is empty", "at least one"),
    ],
)
def test_a_wrong_item_is_explained(item: object, reason: str, remedy: str) -> None:
    _found, problems = resolve(item)
    assert len(problems) == 1
    assert reason in problems[0].reason
    assert remedy in problems[0].remedy


def test_a_cycle_is_told_once_with_its_way() -> None:
    problems: list[Problem] = []
    book = AddressBook(GROUPS, "addresses", problems)
    book.resolve(["loop-b"], "r")
    book.resolve(["loop-a"], "r")
    book.resolve(["self"], "r")
    assert [(problem.path, problem.value) for problem in problems] == [
        ("addresses.loop-b", "loop-b -> loop-c -> loop-a -> loop-b"),
        ("addresses.self", "self -> self"),
    ]


def test_groups_without_end_are_no_crash() -> None:
    problems: list[Problem] = []
    deep = {f"g{n}": f"g{n + 1}" for n in range(2000)} | {"g2000": "192.0.2.1"}
    AddressBook(deep, "addresses", problems).resolve(["g0"], "r")
    assert "nested deeper" in problems[0].reason


def test_mistakes_in_groups_that_nobody_uses_are_seen() -> None:
    problems: list[Problem] = []
    AddressBook({"a": "nothing", "b": "192.0.2.1/8"}, "addresses", problems).check()
    assert [problem.path for problem in problems] == ["addresses.a", "addresses.b"]


nets = st.builds(
    lambda value, length: str(ipaddress.ip_network((value, length), strict=False)),
    st.integers(0xC0000200, 0xC000020F),
    st.integers(29, 32),
)
items = st.lists(st.tuples(st.booleans(), nets), min_size=1, max_size=5)


@given(items, st.integers(0xC0000200, 0xC000020F))
def test_membership_is_what_the_words_say(found: list[tuple[bool, str]], value: int) -> None:
    address = ipaddress.ip_address(value)
    sets, problems = resolve(*[("!" if negative else "") + net for negative, net in found])
    positive = [net for negative, net in found if not negative]
    wanted = not positive or any(address in ipaddress.ip_network(net) for net in positive)
    wanted &= not any(address in ipaddress.ip_network(net) for negative, net in found if negative)
    assert problems == []
    assert any(low <= value <= high for low, high in sets.four) == wanted


@given(st.ip_addresses())
def test_a_single_address_is_what_ipaddress_says(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    found, problems = resolve(str(address))
    assert (found.of(address.version), problems) == (((int(address), int(address)),), [])
    assert spans.address_text(int(address), address.version) == str(address)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.01",
        "192.0.2",
        "0x7f.0.0.1",
        "3221225985",
        "fe80::1%lo",
        "fe80::1%lo-fe80::2%lo",
        "2001:db8::g",
        "192.0.2.1\0",
    ],
)
def test_what_a_library_of_c_might_read_as_an_address_is_none(text: str) -> None:
    found, problems = resolve(text)
    assert found == Sets()
    assert problems
