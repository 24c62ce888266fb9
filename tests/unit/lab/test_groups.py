# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Clusters whose addresses move in groups: who owns each, and traffic that goes through each."""

from __future__ import annotations

import pytest

from lab import inventory, options
from lab.pair import owners_of
from lab.traffic import plans

GROUPS = {"office": frozenset("ab"), "shop": frozenset("c")}


@pytest.mark.parametrize(
    ("held", "owners"),
    [
        ({"fw1": "ab", "fw2": "c", "fw3": ""}, {"office": "fw1", "shop": "fw2"}),
        ({"fw1": "", "fw2": "abc", "fw3": ""}, {"office": "fw2", "shop": "fw2"}),
        ({"fw1": "a", "fw2": "bc", "fw3": ""}, None),
        ({"fw1": "ab", "fw2": "c", "fw3": "c"}, None),
        ({"fw1": "ab", "fw2": "", "fw3": ""}, None),
        ({"fw1": "ab", "fw2": "a", "fw3": "c"}, None),
    ],
)
def test_every_group_has_one_owner_or_there_is_no_answer(held: dict[str, str], owners: dict[str, str] | None) -> None:
    assert owners_of(GROUPS, {name: frozenset(vips) for name, vips in held.items()}) == owners


def test_streams_of_both_families_go_through_each_group() -> None:
    found = inventory.read(options.INVENTORIES / "pacemaker_nplus1")
    plan = plans(found.clusters)["edge"].require()
    assert {(path.family, path.client_network) for path in plan.streams} == {
        (family, network) for family in (4, 6) for network in ("office", "shop")
    }
    assert len({(path.server_address, path.server_port) for path in plan.streams}) == len(plan.streams)
