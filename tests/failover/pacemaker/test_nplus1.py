# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Two active nodes and one spare: each group of addresses moves on its own."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from netaddr import IPAddress

from lab import playbook
from lab.cases import find
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from lab.session import Measured
from tests.failover import rolling
from tests.failover.live import INVENTORIES, NAME, deployed, fault, measure, observe, sound

pytestmark = pytest.mark.full

FLOWS = 200
# So long a node that gave a group away may still see its traffic (role takeover).
GRACE_S = 5


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


def offered(pair: Pair, node: NodeHost) -> Counter[str]:
    """How many connections of each group this node tells its peers of."""
    inner = {
        network.vips[0].group: network.prefixes
        for network in pair.cluster.networks
        if len({vip.group for vip in network.vips}) == 1
    }

    def groups(line: str) -> Iterator[str]:
        ends = set(re.findall(r"(?:src|dst)=(\S+)", line))
        for group, vips in pair.groups.items():
            if vips & ends or any(IPAddress(end) in prefix for end in ends for prefix in inner[group]):
                yield group

    # It may be about to start.
    lines = node.exec("conntrackd", "-i", check=False).splitlines()
    return Counter(group for line in lines if "src=" in line for group in groups(line))


def take(pair: Pair, group: str, target: str) -> None:
    """Have a node serve a group, by the playbook."""
    pair.wait_steady()
    chosen = ["-e", f"firewall_group={group}", "-e", f"firewall_target={target}"]
    playbook.play(pair.lab, "switchover", chosen, show=None)
    assert names(pair)[group] == target


def spread(pair: Pair) -> None:
    """Each group on a node of its own."""
    if len(set(names(pair).values())) == 1:
        take(pair, "office", pair.standby().name)


def test_each_node_tells_its_peers_of_the_groups_that_it_serves(pair: Pair, record_property: rolling.Record) -> None:
    spare = pair.standby().name

    def as_they_serve() -> bool:
        found = {name: offered(pair, node) for name, node in pair.nodes.items()}
        wanted = {name: {group for group, owner in names(pair).items() if owner == name} for name in pair.nodes}
        return all(
            set(found[name]) == groups and all(found[name][group] >= FLOWS / 4 for group in groups)
            for name, groups in wanted.items()
        )

    def move(group: str, target: str) -> None:
        take(pair, group, target)
        proven(f"{group} to {target}")

    def proven(step: str) -> None:
        try:
            wait(as_they_serve, 15)
        except TimeoutError:
            pytest.fail(f"{step}: { ({name: dict(offered(pair, node)) for name, node in pair.nodes.items()}) }")
        # Counted twice, or not at all, they would be what a takeover loses.
        playbook.play(pair.lab, "verify", show=None)

    def everywhere(_node: NodeHost) -> None:
        proven("before")
        move("office", spare)
        move("shop", spare)
        for order in (
            ("systemctl", "kill", "--signal=KILL", "conntrackd"),
            ("systemctl", "restart", "linuxha-takeover"),
        ):
            pair.nodes[spare].exec(*order)
            proven(" ".join(order))
        move("office", "fw2")
        # The one that still serves reads its kernel anew, where what it gave away is, too.
        pair.nodes[spare].exec("systemctl", "kill", "--signal=KILL", "conntrackd")
        proven("one of two")
        move("shop", "fw2")
        move("office", spare)
        # Later, when it has forgotten what passed it until everybody knew the other one.
        time.sleep(2 * GRACE_S)
        proven("the other of two")

    (measured,) = observe(pair, [fault("groups", everywhere, moves=True)], FLOWS)
    rolling.unharmed(measured, record_property)


STREAM = ("-p", "udp", "--orig-port-dst", "5000")


def entries(node: NodeHost) -> set[str]:
    """The streams of office in the kernel of a node, each by its number there: one that is made anew has another."""
    return set(re.findall(r" id=\d+", node.exec("conntrack", "-L", "-o", "id", *STREAM)))


def test_the_end_of_a_copy_is_told_to_nobody(pair: Pair) -> None:
    """A copy of a flow of UDP ends at its own time, while the flow goes on."""

    spread(pair)
    owners = pair.owners()
    serves, other = owners["office"], owners["shop"]

    def ends(_node: NodeHost) -> None:
        before = entries(serves)
        assert before

        other.exec("conntrack", "-D", *STREAM)
        time.sleep(2)
        assert entries(serves) == before

        # The control: what is offered, and ends.
        other.exec("conntrackd", "-n")
        wait(lambda: bool(entries(other)), 10)
        other.exec("conntrackd", "-R")
        other.exec("conntrack", "-D", *STREAM)
        wait(lambda: not entries(serves) & before, 10)

    observe(pair, [fault("copies", ends)], FLOWS)
    other.exec("systemctl", "restart", "linuxha-takeover")
    playbook.play(pair.lab, "verify", show=None)


@pytest.mark.usefixtures("calmed")
def test_a_rolling_update_of_three_nodes_moves_each_group_once(pair: Pair, record_property: rolling.Record) -> None:
    spread(pair)
    before, spare = names(pair), pair.standby().name

    measured, run = rolling.under_traffic(pair, moves=True, packages="none", reboot="always")

    record_property("seconds", round(run.seconds))
    rolling.unharmed(measured, record_property)
    # Each goes to the node that is free then, whichever comes first.
    first, then = sorted(before, key=lambda group: names(pair)[group] != spare)
    assert names(pair) == {first: spare, then: before[first]}
    assert {item.vip: item.changes for item in measured.owners.vips} == dict.fromkeys(
        (vip for vips in pair.groups.values() for vip in vips), 1
    )
    playbook.play(pair.lab, "verify", show=None)
