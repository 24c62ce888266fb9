# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What the tests of rolling updates share: newer packages, a run of the playbook under traffic, and who was touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import playbook
from lab.hosts import NodeHost
from lab.pair import Pair
from lab.run import LabError
from lab.session import Measured
from tests.failover.live import MAINTENANCE, described, fault, observe, with_inventory

FLOWS = 200
# What the guide promises of every move.
BLACKOUT_MS = 100.0
# Another one than the default.
TABLE_MAX = 150_000
_RUNS_WITH = """
file=/etc/conntrackd/conntrackd.conf
started=$(date --date="$(systemctl show --property=ExecMainStartTimestamp --value conntrackd)" +%s)
grep -q "HashLimit $1$" $file && [ "$started" -ge "$(stat --format=%Y $file)" ] && echo yes
"""
# The packages of the image with a higher version, in a repository of their own on the node's disk.
_OFFER = r"""
suffix="$1"; shift
rm -rf /srv/news /srv/work && mkdir /srv/news && cd /srv/news
for name in "$@"; do
  dpkg-deb --raw-extract /srv/packages/"$name"_*.deb /srv/work
  sed -i "s/^Version: .*/&+$suffix/" /srv/work/DEBIAN/control
  dpkg-deb --build /srv/work "$name.deb" > /dev/null && rm -r /srv/work
done
apt-ftparchive packages . > Packages
echo 'deb [trusted=yes] file:/srv/news ./' > /etc/apt/sources.list.d/news.list
"""

Record = Callable[[str, object], None]


def offer(pair: Pair, suffix: str, *packages: str) -> None:
    """Newer versions of these packages, on every node."""
    for node in pair.nodes.values():
        node.exec("sh", "-e", "-c", _OFFER, "sh", suffix, *packages)


def play(pair: Pair, *arguments: str, **words: Any) -> playbook.Played:
    """The playbook, with these variables (without their prefix)."""
    given = {f"firewall_update_{name}": value for name, value in words.items()}
    return playbook.play(pair.lab, "rolling_update", ["-e", json.dumps(given), *arguments], show=None)


def stopped(pair: Pair, **words: Any) -> str:
    """The playbook fails; what it says."""
    with pytest.raises(LabError) as error:
        play(pair, **words)
    return " ".join(str(error.value).split())


def traces(node: NodeHost, *packages: str) -> tuple[str, str, str]:
    """What tells whether a node was touched: its boot, the versions of packages, its processes."""
    boot = node.exec("stat", "--format=%z", "/proc/1")
    versions = node.exec("dpkg-query", "--show", *packages) if packages else ""
    return boot, versions, node.exec("systemctl", "show", "--property=MainPID", "conntrackd", "linuxha-takeover")


def maintenance(node: NodeHost) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = json.loads(node.exec(MAINTENANCE, "status"))["maintenance"]
    return found


def under_traffic(pair: Pair, moves: bool, **words: Any) -> tuple[Measured, playbook.Played]:
    runs: list[playbook.Played] = []
    run = fault("rolling", lambda node: runs.append(play(pair, **words)), moves=moves)
    (measured,) = observe(pair, [run], FLOWS)
    return measured, runs[0]


def configuration_too(pair: Pair, directory: Path, source: str, record: Record) -> None:
    """What restarts a daemon is deployed in each node's turn, the rest in the end; the same on the way back."""
    active, standby = pair.active(), pair.standby()
    limit = 2 * TABLE_MAX
    changed = Pair(
        with_inventory(pair.lab, described(directory, source, conntrackd={"table_max": TABLE_MAX})), pair.cluster
    )
    words = {"packages": "none", "reboot": "never", "configuration": True}

    def has() -> list[bool]:
        """Of each node, whether its file says so, and conntrackd is younger than it."""
        return [
            "yes" in node.exec("sh", "-c", _RUNS_WITH, "sh", str(limit), check=False) for node in pair.nodes.values()
        ]

    measured, run = under_traffic(changed, moves=True, **words)

    record("seconds", round(run.seconds))
    nobody_noticed(measured, 1, record)
    assert has() == [True] * len(pair.nodes)
    assert pair.active().name == standby.name
    assert playbook.play(changed.lab, "site", show=None).changed == 0
    play(pair, **words)
    assert has() == [False] * len(pair.nodes)
    assert pair.active().name == active.name
    assert playbook.play(pair.lab, "site", show=None).changed == 0


def nobody_noticed(measured: Measured, moves: int, record: Record) -> None:
    """So many moves, each within its bound, every connection alive, nothing let through."""
    unharmed(measured, record)
    assert measured.owners.changes == moves


def unharmed(measured: Measured, record: Record) -> None:
    """However many moves: each within its bound, every connection alive, nothing let through."""
    flows = measured.window.flows
    assert flows is not None
    record("moves", measured.owners.changes)
    record("resets", flows.resets)
    record("blackout_ms", round(measured.blackout.blackout_ms, 1))
    record("lost_packets", measured.blackout.lost_packets)
    record("void", measured.blackout.void or "")
    assert measured.window.problems == []
    assert (flows.survived, flows.resets) == (FLOWS, 0), flows.failures[:3]
    assert measured.owners.dual_owner_ms == 0
    assert measured.leaks.leaked == 0
    assert measured.blackout.blackout_ms <= BLACKOUT_MS, measured.blackout


def breaking(directory: Path, unit: str) -> list[str]:
    """Tasks of somebody's own, after which the gate has to hold the node back."""
    file = directory / "break.yml"
    tasks = [{"name": "Break it", "ansible.builtin.command": f"systemctl mask --now --runtime {unit}"}]
    file.write_text(json.dumps(tasks))
    return [str(file)]


def mend(node: NodeHost, unit: str) -> None:
    node.exec("systemctl", "unmask", "--runtime", unit)
    node.exec("systemctl", "start", unit)
