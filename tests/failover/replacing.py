# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the tests of replaced nodes share: a node dies for good, and a bare machine becomes what it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lab import playbook
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.run import LabError
from lab.session import Measured
from tests.failover.live import fault, measure, observe, sound

FLOWS = 200
# What the guide promises.
REPLACED_S = 300

Record = Callable[[str, object], None]


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


def during(pair: Pair, act: Callable[[], playbook.Played], record: Record, name: str) -> playbook.Played:
    """A run under traffic through the pair: nothing is lost, moved or let through, and every connection lives.

    What was seen stands in the report of the test.
    """
    runs: list[playbook.Played] = []
    (measured,) = observe(pair, [fault(name, lambda active: runs.append(act()))], FLOWS)
    record(f"{name}_seconds", round(runs[0].seconds))
    record(f"{name}_seen", seen(measured))
    assert measured.window.problems == []
    assert measured.blackout.lost_packets == 0, measured.blackout
    assert measured.owners.changes == 0, measured.owners
    assert measured.owners.dual_owner_ms == 0, measured.owners
    assert measured.leaks.leaked == 0
    flows = measured.window.flows
    assert flows is not None
    assert (flows.survived, flows.resets) == (FLOWS, 0), flows.failures[:3]
    return runs[0]


def seen(measured: Measured) -> str:
    """What counts, in one line."""
    flows = measured.window.flows
    return (
        f"lost {measured.blackout.lost_packets} packets, longest gap {measured.blackout.blackout_ms:.0f} ms, moves "
        f"{measured.owners.changes}, leaked {measured.leaks.leaked}, resets {flows.resets if flows else 0}, "
        f"survived {flows.survived if flows else 0} of {FLOWS}"
    )


def nobody_notices(pair: Pair, units: Sequence[str], record: Record) -> None:
    """Under traffic the standby is lost with its disk and a bare machine becomes what it was; then it takes over."""
    active, lost = pair.active(), pair.standby()
    before = pids(active, *units)

    def replacement() -> playbook.Played:
        pair.lab.replace(lost.name)
        return replace(pair, lost)

    run = during(pair, replacement, record, "replacement")

    assert pids(active, *units) == before
    assert pair.active().name == active.name
    assert playbook.play(pair.lab, "site", show=None).changed == 0
    # It has the states, or no connection would survive this.
    sound(measure(pair, "planned", flows=FLOWS))
    assert run.seconds <= REPLACED_S


def the_living_are_refused(pair: Pair) -> None:
    """A node that runs is no bare machine, whether it serves or stands by."""
    refused(pair, pair.standby(), "it runs conntrackd.service")
    refused(pair, pair.active(), "the node lives and serves")
