# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Laws of the arithmetic on ranges, against plain sets of numbers."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Ranges

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: (min(ends), max(ends))), max_size=6)


def members(ranges: Ranges) -> set[int]:
    return {value for low, high in ranges for value in range(low, high + 1)}


def tidy(ranges: Ranges) -> bool:
    return all(low <= high for low, high in ranges) and all(
        left[1] + 1 < right[0] for left, right in itertools.pairwise(ranges)
    )


@given(pairs)
def test_the_normal_form_is_tidy_and_has_the_same_members(found: list[tuple[int, int]]) -> None:
    assert tidy(spans.normal(found))
    assert members(spans.normal(found)) == members(tuple(found))


@given(pairs, pairs)
def test_operations_are_those_of_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    a, b = spans.normal(left), spans.normal(right)
    for result, wanted in (
        (spans.union(a, b), members(a) | members(b)),
        (spans.intersect(a, b), members(a) & members(b)),
        (spans.subtract(a, b), members(a) - members(b)),
    ):
        assert members(result) == wanted
        assert tidy(result)


@given(pairs, st.sampled_from([4, 6]))
def test_prefixes_cover_exactly_and_none_can_be_joined(found: list[tuple[int, int]], family: int) -> None:
    ranges = spans.normal(found)
    nets = [ipaddress.ip_network(text) for text in spans.texts(ranges, family)]
    ends = [(int(net.network_address), int(net.broadcast_address)) for net in nets]
    assert spans.normal(ends) == ranges
    assert sum(high - low + 1 for low, high in ends) == len(members(ranges))
    assert len(list(ipaddress.collapse_addresses(nets))) == len(nets)


@pytest.mark.parametrize(("family", "whole"), [(4, "0.0.0.0/0"), (6, "::/0")])
def test_everything_is_one_prefix(family: int, whole: str) -> None:
    assert spans.texts(((0, 2 ** spans.BITS[family] - 1),), family) == [whole]
