# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Connections that new rules forbid are cut when asked, and no takeover brings them back."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import playbook
from lab.cases import find
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.session import Measured, Session
from tests.failover.live import INVENTORIES, fault, with_inventory

FLOWS = 200
GONE = "routed-in"


def without_a_rule(directory: Path, flush: str) -> Path:
    """The example, in which one rule is gone that connections have passed."""
    inventory = directory / flush
    shutil.copytree(INVENTORIES / "keepalived", inventory)
    file = inventory / "group_vars" / "firewalls" / "policy.yml"
    content = yaml.safe_load(file.read_text())
    policy: dict[str, Any] = content["firewall_policy"]
    policy["rules"] = [rule for rule in policy["rules"] if rule["name"] != GONE]
    for statement in policy["assertions"]:
        statement["except"] = [name for name in statement.get("except", ()) if name != GONE]
    policy["flush"] = flush
    file.write_text(yaml.safe_dump(content))
    return inventory


def forbidden(node: NodeHost, vips: frozenset[str]) -> int:
    return int(json.loads(node.exec("linuxha-rules", "forbidden", *sorted(vips)))["forbidden"])


@pytest.mark.full
def test_what_the_new_rules_forbid_dies_and_stays_dead(pair: Pair, tmp_path: Path) -> None:
    session = Session(pair, FLOWS, random.SystemRandom().randrange(2**32))
    # Flows are spread over the paths in turn.
    paths = [session.plan.flows[number % len(session.plan.flows)] for number in range(FLOWS)]
    cut = {number for number, path in enumerate(paths) if (path.client_network, path.kind) == ("wan", "routed")}
    assert 0 < len(cut) < FLOWS
    said: list[str] = []

    def site(flush: str, *more: str) -> None:
        lab = with_inventory(pair.lab, without_a_rule(tmp_path, flush))
        said.append(playbook.play(lab, "site", more, show=None).output)

    def restart_the_daemon(_node: NodeHost) -> None:
        """It asks its peer for all states, and gives it its own."""
        pair.standby().exec("systemctl", "restart", "conntrackd")
        pair.wait_steady()

    cases = [
        # The control: the same rules, without a flush.
        fault("never", lambda _node: site("never")),
        # Something has to change for the rules to be loaded.
        fault("forbidden", lambda _node: site("forbidden", "-e", "iptables_echo_rate=40/second")),
        fault("resync", restart_the_daemon),
        find(pair.cluster, "planned"),
    ]
    try:
        session.start()
        for case in cases:
            session.run(case)
            # The standby node does not know by which ways packets came (decision 0019), and says less.
            left = forbidden(pair.active(), pair.vips)
            assert left == (len(cut) if case.name == "never" else 0), case.name
        measured = session.finish()
    except BaseException:
        session.close()
        raise
    finally:
        playbook.play(pair.lab, "site", show=None)

    judge(measured, cut)
    assert f'"forbidden": {len(cut)}' in said[1]


def judge(measured: list[Measured], cut: set[int]) -> None:
    never, flushed, *later = measured
    for item in measured:
        assert item.window.flows is not None
        assert item.leaks.leaked == 0
    assert never.window.flows is not None and flushed.window.flows is not None
    assert (never.window.flows.survived, never.window.flows.resets) == (FLOWS, 0)
    assert {item.number for item in flushed.window.flows.failures} == cut
    assert {item.outcome for item in flushed.window.flows.failures} == {"stalled"}
    for item in (never, flushed):
        assert item.blackout.lost_packets == 0, item.blackout
        assert item.owners.changes == 0
    for item in later:
        assert item.window.flows is not None
        assert (item.window.flows.survived, item.window.flows.total) == (FLOWS - len(cut), FLOWS - len(cut))
