# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the tests of replaced nodes share: a node dies for good, and a bare machine becomes what it was."""

from __future__ import annotations

import pytest

from lab import playbook
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.run import LabError
from lab.session import Measured
from tests.failover.live import fault, observe

FLOWS = 200
# What the guide promises.
REPLACED_S = 300


def replace(pair: Pair, node: NodeHost) -> playbook.Played:
    """The playbook, for this node."""
    return playbook.play(pair.lab, "replace_node", ["-e", f"firewall_replace={node.name}"], show=None)


def refused(pair: Pair, node: NodeHost, words: str) -> None:
    """The playbook refuses, says why, and changes nothing."""
    with pytest.raises(LabError) as error:
        replace(pair, node)
    text = " ".join(str(error.value).split())
    assert words in text
    assert "nothing was changed" in text


def pids(node: NodeHost, *units: str) -> str:
    """Which processes run these units, since when."""
    return node.exec("systemctl", "show", "--property=Id,MainPID,ActiveEnterTimestampMonotonic", *units)


def dies_and_is_replaced(pair: Pair) -> tuple[Measured, playbook.Played]:
    """Under traffic: the standby is lost with its disk, and a bare machine becomes what it was."""
    lost = pair.standby()
    runs: list[playbook.Played] = []

    def replacement(active: NodeHost) -> None:
        pair.lab.replace(lost.name)
        runs.append(replace(pair, lost))

    (measured,) = observe(pair, [fault("replacement", replacement)], FLOWS)
    return measured, runs[0]


def nobody_noticed(measured: Measured) -> None:
    """No packet lost, no address moved, nothing let through, every connection alive."""
    assert measured.blackout.lost_packets == 0, measured.blackout
    assert measured.owners.changes == 0
    assert measured.owners.dual_owner_ms == 0
    assert measured.leaks.leaked == 0
    assert measured.window.flows is not None
    assert measured.window.flows.survived == FLOWS, measured.window.flows.failures[:3]
    assert measured.window.flows.resets == 0
