# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The power service of the lab and its fence agent, on bare nodes."""

from __future__ import annotations

import os
import signal
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lab as labs
from lab import options
from lab.faults import Faults
from lab.pair import wait

pytestmark = pytest.mark.full

NAME = f"{os.environ.get('HAFW_LAB', 'cluster')}-mains"


@pytest.fixture(scope="module")
def lab() -> Iterator[labs.Lab]:
    yield labs.up(NAME, options.INVENTORIES / "keepalived", "debian13", fresh=True)
    labs.down(NAME)


@pytest.fixture(autouse=True)
def whole(lab: labs.Lab) -> Iterator[None]:
    yield
    lab.power.mode("normal")
    for node in lab.nodes.values():
        lab.power.on(node.name)
        node.wait_booted()


def agent(lab: labs.Lab, action: str, plug: str = "fw2", node: str = "fw1", patience: int = 30) -> tuple[int, str]:
    """The fence agent on a node, fed as Pacemaker feeds it: exit code and output; 124 when it does not come back."""
    given = f"action={action}\nip={lab.power.address}\nplug={plug}\nnodename={plug}\nunknown=ignored\n"
    script = 'printf %s "$1" | timeout "$2" /usr/sbin/fence_lab 2>&1; echo "exit $?"'
    output, _unused, code = (
        lab.nodes[node].exec("sh", "-c", script, "sh", given, str(patience)).strip().rpartition("exit ")
    )
    return int(code), output.strip()


def boot_id(lab: labs.Lab, node: str) -> str:
    """Changes with every start of the node's init."""
    return lab.nodes[node].exec("stat", "--format=%z", "/proc/1")


def reaches(lab: labs.Lab, node: str) -> bool:
    """Whether fw2 answers on the management network; asked of its kernel, not of its processes."""
    other = lab.nodes[node].plan.management
    return "1 received" in lab.nodes["fw1"].exec("ping", "-c1", "-W1", other, check=False)


def test_the_agent_keeps_to_its_interface(lab: labs.Lab) -> None:
    code, text = agent(lab, "metadata")
    metadata = ET.fromstring(text)
    assert code == 0
    assert {item.get("name") for item in metadata.iterfind("actions/action")} >= {"on", "off", "reboot", "monitor"}
    assert {item.get("name") for item in metadata.iterfind("parameters/parameter")} >= {"ip", "ipport", "plug"}
    assert agent(lab, "monitor") == (0, "")
    assert agent(lab, "list") == (0, "fw1,\nfw2,")
    assert agent(lab, "status") == (0, "")
    assert agent(lab, "explode")[0] == 1
    assert agent(lab, "off", plug="fw9") == (1, "off fw9: no node fw9; there is fw1, fw2")


def test_off_is_off_and_on_is_a_new_boot(lab: labs.Lab) -> None:
    before = boot_id(lab, "fw2")
    assert reaches(lab, "fw2")
    assert agent(lab, "off") == (0, "")
    assert (agent(lab, "status")[0], reaches(lab, "fw2")) == (2, False)
    assert agent(lab, "off") == (0, ""), "off again is fine"
    Faults(lab).mend()
    assert not reaches(lab, "fw2"), "mending cables is not power"
    assert agent(lab, "on") == (0, "")
    lab.nodes["fw2"].wait_booted()
    assert boot_id(lab, "fw2") != before
    assert reaches(lab, "fw2")


def test_a_node_that_reboots_comes_back_and_one_that_shuts_down_does_not(lab: labs.Lab) -> None:
    node, before = lab.nodes["fw2"], boot_id(lab, "fw2")
    start = time.time_ns()
    node.exec("systemctl", "reboot")
    wait(lambda: any((item.node, item.state) == ("fw2", "on") for item in lab.power.switched(start)), 60)
    node.wait_booted()
    assert boot_id(lab, "fw2") != before
    assert reaches(lab, "fw2")

    start = time.time_ns()
    node.exec("systemctl", "poweroff")
    wait(lambda: not node.container.running(), 60)
    time.sleep(2)
    assert lab.power.switched(start) == []
    assert agent(lab, "on") == (0, "")
    node.wait_booted()


def test_a_cut_cable_stays_cut_through_a_reboot(lab: labs.Lab) -> None:
    faults = Faults(lab)
    faults.cut(lab.nodes["fw2"], ["mgmt"])
    try:
        assert agent(lab, "reboot") == (0, "")
        wait(lambda: lab.power.status("fw2") == "on", 30)
        lab.nodes["fw2"].wait_booted()
        assert not reaches(lab, "fw2")
    finally:
        faults.mend()


def test_a_node_that_a_test_has_cut_can_be_started_by_the_service(lab: labs.Lab) -> None:
    Faults(lab).power_cut(lab.nodes["fw2"])
    assert agent(lab, "status")[0] == 2
    lab.power.on("fw2")
    lab.nodes["fw2"].wait_booted()
    assert agent(lab, "status")[0] == 0


def test_many_at_once(lab: labs.Lab) -> None:
    """Off, on and reboot of both nodes from everywhere: every request is answered, and both run in the end."""
    problems: list[BaseException] = []

    def order(request: str) -> None:
        try:
            lab.power.ask(request)
        except BaseException as problem:
            problems.append(problem)

    requests = [f"{verb} {node}" for verb in ("off", "on", "reboot", "status", "reboot") for node in lab.nodes]
    threads = [threading.Thread(target=order, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for node in lab.nodes.values():
        lab.power.on(node.name)
        node.wait_booted()
    assert reaches(lab, "fw2")


def test_it_can_be_told_to_fail_and_to_hang(lab: labs.Lab) -> None:
    since = time.time_ns()
    with lab.power.broken("fail"):
        assert agent(lab, "off") == (1, "off fw2: the power service was told to fail")
    with lab.power.broken("hang"):
        assert agent(lab, "off", patience=3)[0] == 124
        assert lab.power.status("fw2") == "on", "the lab itself is always served"
    assert agent(lab, "status")[0] == 0
    asked = lab.power.requests(since)
    assert [request.text for request in asked] == ["off fw2", "off fw2", "status fw2"]
    assert [request.answer is None for request in asked] == [False, True, False]
    assert {request.source for request in asked} == {lab.nodes["fw1"].plan.management}
    assert lab.power.switched(since) == []


def test_a_node_cannot_change_how_it_is_served(lab: labs.Lab) -> None:
    script = f"exec 3<>/dev/tcp/{lab.power.address}/{lab.power.port}; echo mode hang >&3; read -r a <&3; echo $a"
    assert lab.nodes["fw1"].exec("bash", "-c", script).startswith("error")
    assert agent(lab, "monitor")[0] == 0


def processes(name: str) -> set[int]:
    """The power services of a lab."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if argv[1:4] == ["-m", "lab.power.service", name]:
            found.add(int(entry.name))
    return found


def test_a_dead_service_is_started_again_and_ends_with_the_lab() -> None:
    name, inventory = f"{NAME}-2", options.INVENTORIES / "keepalived"
    try:
        lab = labs.up(name, inventory, "debian13", fresh=True)
        (service,) = processes(name)
        os.kill(service, signal.SIGKILL)
        wait(lambda: not lab.power.runs(), 10)
        again = labs.up(name, inventory, "debian13")
        assert again.holder == lab.holder, "the lab itself went on"
        assert agent(again, "monitor")[0] == 0
        # What a crash of the lab leaves: nothing that runs.
        os.kill(lab.holder.pid, signal.SIGKILL)
        wait(lambda: not processes(name), 10)
        assert agent(labs.up(name, inventory, "debian13"), "monitor")[0] == 0
    finally:
        labs.down(name)
    assert processes(name) == set()
