# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The resource agents: what they say of themselves, and what they make of files and addresses."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._model import view_cib
from tests.unit.node_programs import load

ocf = load("ocf_agents", "ocf_common")
orders = load("ocf_agents", "ocf_worker")
states = load("ocf_agents", "ocf_states")
vips = load("ocf_agents", "ocf_vips")
LIST = "# a comment\n192.0.2.1/24 eth1\n2001:db8:1:0::1/64 eth1\n\n198.51.100.1/24 eth2\n"


@pytest.mark.parametrize("agent", [states.AGENT, vips.AGENT], ids=["states", "vips"])
def test_metadata(agent: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocf.main(agent, ["agent", "meta-data"], {}) == 0
    root = ET.fromstring(capsys.readouterr().out)
    assert root.get("name") == agent.name
    actions = {item.get("name") for item in root.iter("action")}
    assert actions == {*agent.do, "meta-data"}
    assert all(item.get("timeout") for item in root.iter("action"))
    assert {item.get("name") for item in root.iter("parameter")} == {item.name for item in agent.parameters}


def test_text_in_metadata_is_escaped() -> None:
    parameter = ocf.Parameter("a", '<"&">', "b < c & d")
    agent = ocf.Agent("x", "x", "<&>", (parameter,), (), {})
    root = ET.fromstring(ocf.metadata(agent))
    content = root.find("parameters/parameter/content")
    assert content is not None
    assert content.get("default") == '<"&">'


def test_wrong_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert ocf.main(vips.AGENT, ["vips"], {}) == ocf.OCF_ERR_UNIMPLEMENTED
    assert ocf.main(vips.AGENT, ["vips", "explode"], {}) == ocf.OCF_ERR_UNIMPLEMENTED
    assert ocf.main(vips.AGENT, ["vips", "monitor"], {}) == ocf.OCF_ERR_CONFIGURED
    assert "parameter group is missing" in capsys.readouterr().err


# --- addresses


def test_a_list_of_addresses() -> None:
    found = vips.read(LIST)
    assert [(v.address, v.prefixlen, v.interface) for v in found] == [
        ("192.0.2.1", 24, "eth1"),
        ("2001:db8:1::1", 64, "eth1"),
        ("198.51.100.1", 24, "eth2"),
    ]
    assert vips.read(vips.write(found)) == found


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (None, "OCF_ERR_INSTALLED"),
        ("192.0.2.1/24\n", "OCF_ERR_CONFIGURED"),
        ("nonsense/24 eth1\n", "OCF_ERR_CONFIGURED"),
    ],
)
def test_a_list_that_is_none(text: str | None, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vips, "CONFIGURATION", tmp_path)
    if text is not None:
        (tmp_path / "edge").write_text(text)
    environment = {"OCF_RESKEY_group": "edge"}
    assert ocf.main(vips.AGENT, ["vips", "validate-all"], environment) == getattr(ocf, status)


def test_an_ipv6_address_gets_its_route_first_and_skips_duplicate_detection() -> None:
    lines = vips.additions(vips.read(LIST))
    assert lines == [
        "address replace 192.0.2.1/24 dev eth1",
        "route replace local 2001:db8:1::1/128 dev lo table local metric 1",
        "address replace 2001:db8:1::1/64 dev eth1 nodad",
        "address replace 198.51.100.1/24 dev eth2",
    ]
    # All that was added is removed.
    assert len(vips.removals(vips.read(LIST))) == len(lines)


def test_gratuitous_arp() -> None:
    frame = vips.arp(b"\x02\x00\x00\x00\x00\x01", "192.0.2.1")
    assert frame[:6] == b"\xff" * 6
    kind, _hardware, _protocol, _l1, _l2, operation = struct.unpack("!HHHBBH", frame[12:22])
    assert (kind, operation) == (0x0806, 1)
    # Sender and target are the address itself (RFC 5227).
    assert frame[28:32] == frame[38:42] == socket.inet_aton("192.0.2.1")


def test_neighbour_advertisement() -> None:
    frame = vips.advertisement(b"\x02\x00\x00\x00\x00\x01", "2001:db8:1::1")
    assert frame[:6] == b"\x33\x33\x00\x00\x00\x01"
    header, body = frame[14:54], frame[54:]
    assert header[7] == 255  # hop limit: anything less is ignored (RFC 4861, 7.1.2)
    assert header[24:40] == socket.inet_pton(socket.AF_INET6, "ff02::1")
    assert body[0] == 136
    assert body[4] & 0xE0 == 0xA0  # router, unsolicited, override
    assert body[8:24] == socket.inet_pton(socket.AF_INET6, "2001:db8:1::1")
    assert body[24:] == b"\x02\x01\x02\x00\x00\x00\x00\x01"
    total = sum(w for (w,) in struct.iter_unpack("!H", header[8:40] + struct.pack("!II", len(body), 58) + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def test_what_was_started_counts_not_what_is_configured_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of the list and before its reload the resource is still whole."""
    monkeypatch.setattr(vips, "CONFIGURATION", tmp_path)
    monkeypatch.setattr(ocf, "RUNTIME", tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "edge").write_text(LIST + "198.51.100.9/24 eth2\n")
    given = {"group": "edge", "steer": "false"}
    here = vips.read(LIST)
    monkeypatch.setattr(vips, "held", lambda asked: [vip for vip in asked if vip in here])
    with pytest.raises(ocf.Failed, match=r"1 of 4 addresses are missing: 198\.51\.100\.9"):
        vips.monitor(given)
    ocf.remember(vips.mark("edge"), "# 1\n" + vips.write(here))
    assert vips.monitor(given) == ocf.OCF_SUCCESS
    here.clear()
    assert vips.monitor(given) == ocf.OCF_NOT_RUNNING


# --- states


class Worker:
    """Reads the FIFO and publishes what it was told, as the takeover worker does."""

    def __init__(self, directory: Path) -> None:
        self.fifo = directory / "fifo"
        self.state = directory / "state.json"
        os.mkfifo(self.fifo)
        self.fd = os.open(self.fifo, os.O_RDWR)
        self.told: list[str] = []
        self.instances: dict[str, dict[str, str]] = {}
        self.in_step = True
        self.gate = "open"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            for line in os.read(self.fd, 4096).decode().splitlines():
                if line == "end":
                    return
                _kind, name, state, _priority = line.split()
                self.told.append(state)
                self.instances[name.strip('"')] = {"state": state}
                draft = self.state.with_name("draft")
                known = "in-step" if self.in_step else "unknown"
                active = any(one["state"] == "MASTER" for one in self.instances.values())
                text = {"instances": self.instances, "states": known, "gate": self.gate, "active": active}
                draft.write_text(json.dumps(text))
                draft.replace(self.state)

    def close(self) -> None:
        os.write(self.fd, b"end\n")
        self.thread.join()
        os.close(self.fd)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(states, "MARK", tmp_path / "mark")
    # Nobody is told twice because this machine stands still.
    monkeypatch.setattr(orders, "AGAIN_S", 60.0)
    return Worker(tmp_path)


@pytest.fixture
def given(worker: Worker) -> dict[str, str]:
    return {"fifo": str(worker.fifo), "state_file": str(worker.state), "replicated": "true", "steer": "true"}


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    scores: list[str] = []

    def run(argv: list[str]) -> tuple[int, str]:
        assert argv[0] == "crm_attribute"
        scores.append(argv[-1])
        return 0, ""

    monkeypatch.setattr(ocf, "run", run)
    return scores


def test_the_way_of_a_node(worker: Worker, given: dict[str, str], offered: list[str]) -> None:
    assert states.monitor(given) == ocf.OCF_NOT_RUNNING
    assert states.start(given) == ocf.OCF_SUCCESS
    assert states.monitor(given) == ocf.OCF_SUCCESS
    assert states.promote(given) == ocf.OCF_SUCCESS
    assert states.monitor(given) == ocf.OCF_RUNNING_PROMOTED
    assert states.demote(given) == ocf.OCF_SUCCESS
    assert states.monitor(given) == ocf.OCF_SUCCESS
    assert states.stop(given) == ocf.OCF_SUCCESS
    assert states.monitor(given) == ocf.OCF_NOT_RUNNING
    assert states.stop(given) == ocf.OCF_SUCCESS
    worker.close()
    assert worker.told == ["BACKUP", "MASTER", "BACKUP", "STOP"]
    # Told once: nothing changed.
    assert offered == ["100"]


def test_a_node_that_lacks_states_offers_less_until_it_has_them(
    worker: Worker, given: dict[str, str], offered: list[str]
) -> None:
    worker.in_step = False
    states.start(given)
    states.monitor(given)
    worker.in_step = True
    orders.order(given, states.NAME, "MASTER")
    orders.order(given, states.NAME, "BACKUP")
    states.monitor(given)
    worker.close()
    assert offered == ["5", "100"]


def test_a_worker_that_lost_its_memory_is_told_again(worker: Worker, given: dict[str, str], offered: list[str]) -> None:
    states.start(given)
    worker.state.write_text(json.dumps({"instances": {}}))
    assert states.monitor(given) == ocf.OCF_SUCCESS
    worker.close()
    assert worker.told == ["BACKUP", "BACKUP"]


def test_a_node_whose_gate_is_closed_is_not_promoted(worker: Worker, given: dict[str, str], offered: list[str]) -> None:
    worker.gate = "unknown"
    states.start(given)
    with pytest.raises(ocf.Failed, match="would forward nothing"):
        states.promote(given)
    worker.close()


def test_a_worker_that_starts_again_is_waited_for(given: dict[str, str], tmp_path: Path) -> None:
    fifo = tmp_path / "late"
    opened: list[int] = []

    def restart() -> None:
        time.sleep(0.2)
        os.mkfifo(fifo)
        time.sleep(0.2)
        opened.append(os.open(fifo, os.O_RDWR))

    again = threading.Thread(target=restart)
    again.start()
    os.close(orders.reader(str(fifo)))
    again.join()
    os.close(opened[0])


def test_without_a_worker_a_promotion_fails_and_a_stop_does_not(
    worker: Worker, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    states.MARK.write_text("promoted 100")
    monkeypatch.setattr(orders, "RESTART_S", 0.0)
    worker.close()
    with pytest.raises(ocf.Failed, match="the takeover worker does not run"):
        states.promote(given)
    assert states.stop(given) == ocf.OCF_SUCCESS
    assert not states.MARK.exists()


# --- groups that have nodes of their own


@pytest.fixture
def group(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Parameters of a group that steers the worker; the kernel's addresses are a list."""
    here: list[object] = []
    monkeypatch.setattr(vips, "CONFIGURATION", tmp_path)
    monkeypatch.setattr(ocf, "RUNTIME", tmp_path / "run")
    monkeypatch.setattr(vips, "held", lambda asked: [vip for vip in asked if vip in here])
    monkeypatch.setattr(vips, "batch", lambda lines: here.clear() if "del" in str(lines) else None)

    def bring_up(group: str, found: list[object]) -> None:
        worker.told.append("addresses")
        here.extend(found)
        ocf.remember(vips.mark(group), vips.write(found))

    monkeypatch.setattr(vips, "_bring_up", bring_up)
    (tmp_path / "office").write_text(LIST)
    return {"group": "office", "steer": "true", "fifo": str(worker.fifo), "state_file": str(worker.state)}


def test_a_group_that_steers_opens_the_gate_before_its_addresses(worker: Worker, group: dict[str, str]) -> None:
    assert vips.monitor(group) == ocf.OCF_NOT_RUNNING
    assert vips.start(group) == ocf.OCF_SUCCESS
    assert vips.monitor(group) == ocf.OCF_SUCCESS
    assert vips.stop(group) == ocf.OCF_SUCCESS
    assert vips.monitor(group) == ocf.OCF_NOT_RUNNING
    worker.close()
    assert worker.told == ["MASTER", "addresses", "BACKUP"]
    assert list(worker.instances) == ["vips-office"]


def test_a_group_does_not_come_up_behind_a_closed_gate(worker: Worker, group: dict[str, str]) -> None:
    worker.gate = "closed"
    with pytest.raises(ocf.Failed, match="would forward nothing"):
        vips.start(group)
    worker.close()
    assert "addresses" not in worker.told


def test_a_worker_that_lost_its_memory_is_told_which_groups_are_here(worker: Worker, group: dict[str, str]) -> None:
    vips.start(group)
    worker.instances.clear()
    worker.state.write_text(json.dumps({"instances": {}}))
    assert vips.monitor(group) == ocf.OCF_SUCCESS
    worker.close()
    assert worker.told == ["MASTER", "addresses", "MASTER"]


def test_a_group_stops_without_a_worker(worker: Worker, group: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    vips.start(group)
    worker.close()
    monkeypatch.setattr(orders, "RESTART_S", 0.0)
    assert vips.stop(group) == ocf.OCF_SUCCESS


def test_beside_groups_that_steer_only_readiness_is_told(
    worker: Worker, given: dict[str, str], group: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(ocf, "run", lambda argv: (told.append(argv), (0, ""))[1])
    given["steer"] = "false"
    worker.in_step = False
    states.start(given)
    # A node that serves is the one from which the others have their states.
    vips.start(group)
    assert states.monitor(given) == ocf.OCF_SUCCESS
    vips.stop(group)
    states.monitor(given)
    worker.close()
    attribute = ["crm_attribute", "--name", "linuxha-states", "--lifetime", "reboot", "--update"]
    assert told == [[*attribute, "0"], [*attribute, "4990"], [*attribute, "0"]]
    assert worker.instances["states"] == {"state": "BACKUP"}


def test_a_node_is_worth_less_for_each_group_it_serves_and_never_a_preference(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    given = {"state_file": str(state)}
    for count, served in ((0, 0), (1, 1), (2, 2), (30, 9)):
        groups = {f"vips-{number}": {"state": "MASTER"} for number in range(count)}
        state.write_text(json.dumps({"instances": {"states": {"state": "BACKUP"}, **groups}}))
        assert states._served(given) == served
    assert states.SERVES * states.MOST < 100


def test_the_primary_returns_with_its_states_and_not_before() -> None:
    """What `preempt` adds to the stickiness is less than what states are worth (one group of addresses)."""
    assert 0 < 2 * view_cib.RETURNS < states.IN_STEP - states.BEHIND
