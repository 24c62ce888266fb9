# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Changes of a live pair under keepalived: addresses and networks come and go, and nobody notices."""

from __future__ import annotations

import json
import re

import pytest

from lab import playbook
from lab.faults import Faults
from lab.hosts import NodeHost
from lab.run import LabError
from tests.failover.changing import DMZ_VIPS, VIPS, Changing, kinds, last_owners, restarting_is_noticed
from tests.failover.live import fault

pytestmark = pytest.mark.full

CONF = "/etc/keepalived/keepalived.conf"


def test_virtual_addresses_come_and_go(live: Changing) -> None:
    said = live.said("vips")
    assert {(name, "keepalived", "reload") for name in live.pair.nodes} <= kinds(said), said
    there, back = live.unnoticed(live.site("vips"), live.site())
    assert last_owners(there, VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, VIPS) == {()}


def test_a_network_comes_and_goes(live: Changing) -> None:
    there, back = live.unnoticed(live.site("network"), live.site())
    assert last_owners(there, DMZ_VIPS) == {(live.pair.active().name,)}
    assert last_owners(back, DMZ_VIPS) == {()}


def test_a_new_check_that_fails_stops_the_run_on_the_standby(live: Changing) -> None:
    """Whoever runs it again meets the same, and the node that serves never gets it."""
    pair, standby = live.pair, live.pair.standby()
    (row,) = (row for row in kinds(live.said("misspelt")) if row[:2] == (standby.name, "keepalived"))
    assert row[2] == "reload, new check"
    wrong = live.site("misspelt")

    def refused() -> str:
        with pytest.raises(LabError) as failed:
            wrong.inject(pair, Faults(pair.lab), standby)
        assert not any("misspelt" in node.exec("cat", CONF) for node in pair.nodes.values())
        return " ".join(str(failed.value).split())

    said: list[str] = []
    (measured,) = live.observe(fault("misspelt", lambda _node: said.extend([refused(), refused()])))

    assert all("went to FAULT on this node" in text for text in said), said
    assert measured.window.flows is not None
    assert (measured.window.flows.survived, measured.window.flows.resets) == (200, 0)
    assert (measured.owners.changes, measured.blackout.lost_packets) == (0, 0), measured.blackout
    pair.drain(standby, True)
    try:
        assert "is in FAULT already" in refused()
    finally:
        pair.drain(standby, False)
    mended = playbook.play(live.example, "site", show=None).output
    assert re.search(rf"^{pair.active().name} .* changed=0 ", mended, re.MULTILINE), mended


def test_a_restart_instead_of_a_reload_is_noticed(live: Changing) -> None:
    restarting_is_noticed(live, "keepalived")


DROP_IN = "/etc/systemd/system/keepalived.service.d/linuxha.conf"


def start_with_less(node: NodeHost) -> None:
    """A keepalived that was started with other limits than those that are planned."""
    node.exec("sed", "-i", "s/LimitRTPRIO=infinity/LimitRTPRIO=99/", DROP_IN)
    node.exec("systemctl", "daemon-reload")
    node.exec("systemctl", "restart", "keepalived")


def test_what_only_a_start_takes_over_costs_one_move(live: Changing) -> None:
    """Standby first, then the addresses move, then the other; and without leave nothing of that."""
    pair, example = live.pair, live.example
    start_with_less(pair.standby())
    pair.wait_steady()
    first = pair.active()
    start_with_less(first)
    active = pair.wait_steady()
    assert active.name != first.name

    said = playbook.play(example, "site", ["-e", "firewall_restart=never"], show=None).output
    assert kinds(said[said.index("what site did") :]) >= {
        (active.name, "keepalived", "switchover, then restart"),
        (first.name, "keepalived", "restart"),
    }
    assert "older than its files" in playbook.play(example, "verify", show=None).output
    before = live.moves()
    (measured,) = live.observe(fault("restart", lambda node: playbook.play(example, "site", show=None), moves=True))

    assert measured.window.flows is not None
    assert (measured.window.flows.survived, measured.window.flows.resets) == (200, 0)
    assert (measured.owners.changes, measured.blackout.lost_packets) == (1, 0), measured.blackout
    assert pair.wait_steady().name == first.name
    new = {name: lines[len(before[name]) :] for name, lines in live.moves().items()}
    taken = {name: [json.loads(line)["to"] for line in lines].count("MASTER") for name, lines in new.items()}
    assert taken == {first.name: 1, active.name: 0}
    assert "older than its files" not in playbook.play(example, "verify", show=None).output
