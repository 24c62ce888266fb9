# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The lab leaves nothing behind on the machine, also when it is killed in the middle of its start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import lab as labs
from lab import paths
from lab.pair import Pair
from lab.playbook import environment
from lab.run import run
from tests.failover.live import INVENTORIES, NAME

OTHER = f"{NAME}-killed"
# Prints the MAC address of everybody who answers for an address.
ASK = """
import socket, sys, time
from lab.monitors import frames
interface, mac, target = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frames.ETH_ARP)) as wire:
    wire.bind((interface, 0))
    wire.settimeout(0.1)
    wire.send(frames.arp_request(mac, target))
    limit = time.monotonic() + 0.5
    while time.monotonic() < limit:
        try:
            said = frames.answer(wire.recv(2048), mac)
        except TimeoutError:
            continue
        if said and said[0] == target and said[2]:
            print(frames.mac_text(said[1]))
"""


def traces(name: str) -> list[str]:
    """What the machine has of a lab: processes, control groups, mounts, files."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                groups = (entry / "cgroup").read_text()
            except OSError:
                continue
            if name in argv or f"linuxha-lab-{name}/" in groups:
                found.append(f"process {entry.name}: {' '.join(argv)}")
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/{name}/" in line]
    places = [paths.STATE / name, paths.RUNTIME / name]
    places += [base / f"linuxha-lab-{name}" for base in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))]
    return found + [f"path {place}" for place in places if place.exists()]


def links() -> set[str]:
    """The interfaces of the machine itself."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.mark.parametrize("after_s", [0.2, 0.5, 1.0, 2.0])
def test_a_start_that_is_killed_is_cleaned_by_the_next(cluster: Pair, after_s: float) -> None:
    before = links()
    argv = [sys.executable, "-m", "lab", "up", "--name", OTHER, "-i", str(INVENTORIES / "keepalived")]
    with subprocess.Popen(
        argv, cwd=paths.REPO, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as starting:
        _wait_for(paths.RUNTIME / OTHER, starting)
        time.sleep(after_s)
        os.kill(starting.pid, signal.SIGKILL)

    lab = labs.up(OTHER, INVENTORIES / "keepalived", fresh=True)
    try:
        for node in lab.nodes.values():
            assert node.exec("systemctl", "is-system-running", check=False).strip() == "running"
        # Two labs with the same addresses do not know of each other.
        assert {*labs.names()} >= {NAME, OTHER}
        cluster.wait_steady()
    finally:
        labs.down(OTHER)

    assert traces(OTHER) == []
    assert links() == before
    assert "linuxha" not in run(["ip", "netns", "list"]).stdout


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_going_down_twice_is_fine() -> None:
    labs.down(OTHER)
    labs.down(OTHER)
    assert traces(OTHER) == []


def test_no_switch_answers_for_the_controller(cluster: Pair) -> None:
    """Whoever believes it loses the controller when the ports of the switch change."""
    (controller,) = cluster.lab.plan.controller
    target = controller.addresses[0].partition("/")[0]
    for node in cluster.nodes.values():
        (port,) = (port for port in node.plan.ports if port.switch == controller.switch)
        asked = node.run([sys.executable, "-c", ASK, port.interface, port.mac, target], cwd=paths.REPO)
        assert asked.stdout.split() == [controller.mac], asked.stderr
