# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Status of a live pair: right while all is well, with a daemon stopped, and within seconds with a node dead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import playbook
from lab.faults import Faults
from lab.pair import Pair, wait
from tests.failover.live import calm
from tests.failover.test_site import history, nowhere, stamp, touched

# With a dead node, from the start of ansible-playbook to its end.
LIMIT_S = 5.0

Show = Callable[..., dict[str, Any]]


@pytest.fixture
def show(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    """Runs the playbook; returns what it wrote, with how long it took, what it printed and the page."""
    # What ConnectTimeout of the playbook is on a network without the lab's way in.
    monkeypatch.setenv("HAFW_CONNECT_TIMEOUT", "2")

    def run(*more: str) -> dict[str, Any]:
        json_file, html_file = tmp_path / "status.json", tmp_path / "status.html"
        for file in (json_file, html_file):
            file.unlink(missing_ok=True)
        files = ["-e", f"firewall_status_json={json_file}", "-e", f"firewall_status_html={html_file}"]
        played = playbook.play(pair.lab, "status", [*files, *more], show=None)
        assert played.changed == 0
        (cluster,) = json.loads(json_file.read_text())["clusters"]
        page = html_file.read_text()
        return {**cluster, "seconds": played.seconds, "printed": played.output, "page": page}

    yield run


def test_a_pair_that_works_and_nothing_is_changed(pair: Pair, show: Show) -> None:
    # The tests before this one have moved the role often enough to have a node held.
    wait(lambda: calm(pair), 30, interval=1)
    active, standby = pair.active().name, pair.standby().name
    before = history(pair)
    stamp(pair)

    found = show()

    (group,) = found["groups"]
    assert found["state"] == "ok", found["findings"]
    assert (group["owner"], group["primary"]) == (active, "fw1")
    assert {vip["address"]: vip["owners"] for vip in group["vips"]} == {vip: [active] for vip in pair.vips}
    assert group["since"] is not None
    assert group["takeover"] == {
        "able": True,
        "why": [f"{standby} is healthy and has the states"],
        "nodes": {standby: []},
    }
    assert {node["name"]: node["roles"]["edge"]["is"] for node in found["nodes"]} == {
        active: "active",
        standby: "standby",
    }
    assert found["rules"]["equal"] is True
    assert f"take over?    YES, {standby} is healthy" in found["printed"]
    assert "<svg" in found["page"]
    assert history(pair) == before
    assert touched(pair) == nowhere(pair)


@pytest.mark.full
def test_check_mode_writes_no_file(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "status.html"
    playbook.play(pair.lab, "status", ["--check", "-e", f"firewall_status_html={file}"], show=None)
    assert not file.exists()


@pytest.mark.full
def test_a_stopped_conntrackd_keeps_the_standby_from_taking_over(pair: Pair, show: Show) -> None:
    standby = pair.standby()
    standby.exec("systemctl", "stop", "conntrackd")
    try:
        found = show()
    finally:
        standby.exec("systemctl", "start", "conntrackd")
    (group,) = found["groups"]
    assert found["state"] == "degraded"
    assert not group["takeover"]["able"]
    assert any("conntrackd.service: the unit is inactive" in reason for reason in group["takeover"]["why"])


@pytest.mark.full
def test_a_drained_standby_does_not_take_over(pair: Pair, show: Show) -> None:
    standby = pair.standby()
    pair.drain(standby, True)
    try:
        found = show()
    finally:
        pair.drain(standby, False)
    (group,) = found["groups"]
    assert not group["takeover"]["able"]
    assert any("is drained" in reason for reason in group["takeover"]["why"])


@contextmanager
def without_power(pair: Pair) -> Iterator[tuple[str, str]]:
    """The active node is off; the other, which has taken over."""
    faults = Faults(pair.lab)
    active, standby = pair.active(), pair.standby()
    # An earlier run, whose connection to the node is still open on the controller when the node dies.
    playbook.play(pair.lab, "verify", show=None)
    faults.power_cut(active)
    try:
        wait(lambda: pair.held(standby) == pair.vips, 20)
        yield active.name, standby.name
    finally:
        faults.power_return(active)


def test_one_node_dead(pair: Pair, show: Show) -> None:
    with without_power(pair) as (active, standby):
        found = show()
    (group,) = found["groups"]
    assert found["state"] == "degraded"
    assert group["owner"] == standby
    assert all(vip["owners"] == [standby] for vip in group["vips"])
    assert not group["takeover"]["able"]
    assert group["takeover"]["why"][0].startswith(f"{active}: no answer from the node")
    nodes = {node["name"]: node for node in found["nodes"]}
    assert nodes[active]["health"] == "no answer"
    assert nodes[standby]["roles"]["edge"]["is"] == "active"
    assert found["rules"]["equal"] is None


@pytest.mark.full
def test_a_dead_node_costs_seconds_only(pair: Pair, show: Show) -> None:
    """Apart from the test above, since it needs a quiet machine."""
    with without_power(pair):
        seconds = [show()["seconds"] for _run in range(3)]
    assert max(seconds) <= LIMIT_S, seconds
