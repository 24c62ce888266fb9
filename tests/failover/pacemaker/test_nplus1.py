# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two active nodes and one spare: each group of addresses moves on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab import playbook
from lab.cases import find
from lab.pair import Pair
from lab.run import LabError
from lab.session import Measured
from tests.failover import rolling
from tests.failover.live import INVENTORIES, NAME, deployed, measure, observe, sound

pytestmark = pytest.mark.full

FLOWS = 200


@pytest.fixture(scope="module")
def cluster() -> Iterator[Pair]:
    with deployed(f"{NAME}-nplus1", INVENTORIES / "pacemaker_nplus1") as lab:
        yield Pair(lab, lab.clusters[0])


def names(pair: Pair) -> Mapping[str, str]:
    return {group: node.name for group, node in pair.owners().items()}


def answered(pair: Pair, measured: Measured) -> Mapping[str, set[str]]:
    """Who answered for the addresses of each group in the end, as their neighbours saw it."""
    return {
        group: {
            owner
            for item in measured.owners.vips
            if item.vip in vips
            for owner in [span.owners for span in item.timeline if span.owners][-1]
        }
        for group, vips in pair.groups.items()
    }


def moved(pair: Pair, measured: Measured, group: str) -> bool:
    return any(item.changes for item in measured.owners.vips if item.vip in pair.groups[group])


def test_each_group_has_its_primary_node_and_one_node_is_spare(pair: Pair) -> None:
    assert names(pair) == {"office": "fw1", "shop": "fw2"}
    assert pair.standby().name == "fw3"
    told = playbook.play(pair.lab, "verify", show=None).output
    assert "owners fw1 of office, fw2 of shop" in told
    assert playbook.play(pair.lab, "site", show=None).changed == 0


def test_status_tells_of_each_group_who_serves_it_and_who_could(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    playbook.play(pair.lab, "status", ["-e", f"firewall_status_json={file}"], show=None)
    (found,) = json.loads(file.read_text())["clusters"]
    assert found["state"] == "ok", found["findings"]
    told = {group["name"]: group for group in found["groups"]}
    assert {name: group["owner"] for name, group in told.items()} == names(pair)
    for group in told.values():
        others = set(pair.nodes) - {group["owner"]}
        assert group["takeover"]["nodes"] == {name: [] for name in others}
        assert group["since"] is not None


def test_a_power_cut_moves_one_group_to_the_spare_and_nobody_else_notices(pair: Pair) -> None:
    before, spare = names(pair), pair.standby().name

    cut, returned = observe(pair, [find(pair.cluster, "power_cut")], FLOWS)

    assert cut.window.problems == []
    assert names(pair) == {**before, "office": spare}
    assert answered(pair, cut) == answered(pair, returned) == {"office": {spare}, "shop": {before["shop"]}}
    # Of the group that moved a change may be seen: a node without power does not answer any more.
    assert not moved(pair, cut, "shop")
    assert not moved(pair, returned, "shop")
    assert not moved(pair, returned, "office")
    for measured in (cut, returned):
        assert measured.owners.dual_owner_ms == 0
        assert measured.leaks.leaked == 0
        assert measured.window.flows is not None
        assert measured.window.flows.survived == FLOWS, measured.window.flows.failures[:3]
        assert measured.window.flows.resets == 0
    gaps = {item.direction: item.gap_ms for item in cut.blackout.streams}
    assert max(gap for way, gap in gaps.items() if "office" in way) > max(
        gap for way, gap in gaps.items() if "shop" in way
    )
    playbook.play(pair.lab, "verify", show=None)


def test_a_planned_move_of_one_node_loses_nothing(pair: Pair) -> None:
    sound(measure(pair, "planned", flows=FLOWS))


@pytest.mark.xfail(
    strict=True,
    raises=LabError,
    reason="who takes a group over offers the states of other groups as well, and the sum is more than anybody has: "
    "docs/guides/rolling-update.md",
)
@pytest.mark.usefixtures("calmed")
def test_a_rolling_update_of_three_nodes_moves_each_group_once(pair: Pair, record_property: rolling.Record) -> None:
    before, spare = names(pair), pair.standby().name

    measured, run = rolling.under_traffic(pair, moves=True, packages="none", reboot="always")

    record_property("seconds", round(run.seconds))
    rolling.unharmed(measured, record_property)
    # Each goes to the node that is free then.
    assert names(pair) == {"office": spare, "shop": before["office"]}
    assert {item.vip: item.changes for item in measured.owners.vips} == dict.fromkeys(
        (vip for vips in pair.groups.values() for vip in vips), 1
    )
    playbook.play(pair.lab, "verify", show=None)
