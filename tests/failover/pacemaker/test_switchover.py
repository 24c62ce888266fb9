# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The words of playbooks/switchover.yml and maintenance.yml on a live pair under Pacemaker."""

from __future__ import annotations

import json
import time

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.pair import Pair, wait
from lab.run import LabError
from tests.failover.live import MAINTENANCE, fault, observe
from tests.failover.pacemaker.status import status

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("no_flag_stays")]

FLOWS = 200


def switchover(pair: Pair, *words: str) -> playbook.Played:
    return playbook.play(pair.lab, "switchover", [part for word in words for part in ("-e", word)], show=None)


def constraints(pair: Pair) -> str:
    return next(iter(pair.nodes.values())).exec("cibadmin", "--query", "--scope", "constraints")


def seen_by(pair: Pair, other: NodeHost, node: NodeHost) -> tuple[str | None, str | None]:
    """Whether a node is online and in standby. One that has just booted cannot tell of itself."""
    (found,) = (item for item in status(pair, other).iterfind("nodes/node") if item.get("name") == node.name)
    return found.get("online"), found.get("standby")


def test_take_and_drop_lose_nothing_and_leave_no_order_behind(pair: Pair) -> None:
    names = {node.name for node in pair.nodes.values()}

    def take(node: NodeHost) -> None:
        (other,) = names - {node.name}
        switchover(pair, f"firewall_target={other}")

    def drop(node: NodeHost) -> None:
        switchover(pair, f"firewall_source={node.name}", f"firewall_group={pair.cluster.name}")

    for measured in observe(pair, [fault("take", take, moves=True), fault("drop", drop, moves=True)], FLOWS):
        assert measured.window.problems == []
        assert measured.window.before != measured.window.after
        assert measured.window.flows is not None
        assert (measured.window.flows.survived, measured.window.flows.resets) == (FLOWS, 0)
        assert measured.owners.dual_owner_ms == 0
        assert measured.leaks.leaked == 0
    assert "cli-" not in constraints(pair)


def test_a_target_without_states_or_in_standby_is_refused(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    standby.exec("systemctl", "stop", "conntrackd")
    pair.drain(standby, True)
    try:
        with pytest.raises(LabError) as error:
            switchover(pair, f"firewall_target={standby.name}", "firewall_force=true")
        for part in ("nothing was changed", "the node is standby", "no statistics"):
            assert part in str(error.value)
    finally:
        pair.drain(standby, False)
        standby.exec("systemctl", "start", "conntrackd")
    pair.wait_steady()
    assert pair.active().name == active.name
    assert "cli-" not in constraints(pair)


def test_what_does_not_come_to_pass_is_taken_back(pair: Pair) -> None:
    active, standby = pair.active(), pair.standby()
    # The start on the other node fails, which nothing tells beforehand.
    group = f"/etc/linuxha/vips/{pair.cluster.name}"
    before = standby.exec("cat", group)
    standby.exec("sh", "-c", f"echo '192.0.2.1/24 none0' > {group}")
    try:
        with pytest.raises(LabError) as error:
            switchover(pair, f"firewall_target={standby.name}", "firewall_switchover_attempts=3")
        assert "It did not come to pass" in str(error.value)
        assert "cli-" not in constraints(pair)
        wait(lambda: pair.held(active) == pair.vips, 30)
    finally:
        standby.exec("sh", "-c", f"printf '%s' '{before}' > {group}")
        standby.exec("crm_resource", "--cleanup", "--resource", f"vips-{pair.cluster.name}")
    pair.wait_steady()


def test_maintenance_is_standby_with_an_end_also_over_a_reboot(pair: Pair) -> None:
    node, other = pair.active(), pair.standby()
    words = {"firewall_source": node.name, "firewall_maintenance": "on", "firewall_maintenance_for": "1h"}
    playbook.play(pair.lab, "maintenance", ["-e", json.dumps({**words, "firewall_reason": "new disk"})], show=None)
    assert pair.active().name == other.name
    assert seen_by(pair, other, node) == ("true", "true")
    assert "new disk" in playbook.play(pair.lab, "verify", show=None).output
    assert "cli-" not in constraints(pair)

    # Its end passes while the node is down: Pacemaker is told when it runs again.
    node.exec(MAINTENANCE, "on", "--for", "30", "--reason", "new disk")
    end = time.monotonic() + 31
    node.shut_down()
    time.sleep(max(0.0, end - time.monotonic()))
    Faults(pair.lab).power_return(node)
    wait(lambda: seen_by(pair, other, node) == ("true", "false"), 60, interval=1)
    # The flag goes when Pacemaker has been told.
    wait(lambda: json.loads(node.exec(MAINTENANCE, "status"))["maintenance"] is None, 10)
    pair.wait_steady()
