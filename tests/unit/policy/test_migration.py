# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The example of docs/guides/migration.md in a kernel: the old rules, both together, and the new ones answer alike."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from ansible_collections.linuxha.firewall.plugins.module_utils import _model as model
from ansible_collections.linuxha.firewall.plugins.module_utils._host.ruleset import manifest
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import KEYS, parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.shared import shared

from .test_guide import INVENTORIES, blocks, load
from .test_packets import POLICY, SERVER, World, pytestmark

__all__ = ["pytestmark"]

OLD = next(text for text in blocks("migration", "text") if text.startswith("*nat"))
# As test_packets has it, from one of several addresses.
CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), 4, (sys.argv[1], 0)) as connection:
        print(connection.recv(100).decode())
except TimeoutError:
    print("silence")
except OSError as error:
    print(type(error).__name__)
"""
#: What the hosts are called in the guide.
ADDRESSES = {
    "wan": ("203.0.113.130", "203.0.113.200", "203.0.113.250"),
    "lan": ("198.51.100.7", "198.51.100.53", "198.51.100.80"),
}
PORTS = ("22", "25", "53", "80", "443", "8443")
#: Who asks whom, and the answer: as whom the server sees it, or none.
PACKETS = [
    ("wan", "203.0.113.200", "192.0.2.1", "443", "203.0.113.200"),
    ("wan", "203.0.113.130", "192.0.2.1", "443", "silence"),
    ("wan", "203.0.113.250", "192.0.2.1", "443", "silence"),
    ("wan", "203.0.113.200", "198.51.100.80", "22", "silence"),
    ("wan", "203.0.113.200", "192.0.2.1", "22", "silence"),
    ("lan", "198.51.100.7", "203.0.113.200", "80", "192.0.2.1"),
    ("lan", "198.51.100.53", "203.0.113.200", "53", "192.0.2.1"),
    ("lan", "198.51.100.7", "203.0.113.200", "53", "silence"),
    ("lan", "198.51.100.7", "203.0.113.200", "25", "ConnectionRefusedError"),
]


class Gateway(World):
    """The world of test_packets with the addresses and services of the guide."""

    def prepare(self) -> None:
        for name, found in ADDRESSES.items():
            for address in found:
                self.run(name, "ip", "address", "add", f"{address}/32", "dev", "eth0")
        self.run("fw", "ip", "route", "add", "203.0.113.128/25", "via", "192.0.2.9")

    def old(self) -> None:
        """The rules of the guide for themselves, on a node that has never had others."""
        shutil.rmtree(self.directory / "run")
        self.run("fw", "iptables", "--table", "raw", "--flush")
        (self.directory / "old").write_text(OLD.replace("eth1", "wan").replace("eth2", "lan"), encoding="ascii")
        self.run("fw", "iptables-restore", str(self.directory / "old"))

    def new(self, beside: bool, without: str = "") -> None:
        files = render(parse(variables(without))[0])
        files = shared(files) if beside else files
        for file, text in {**files, "SHA256SUMS": manifest(files)}.items():
            (self.directory / file).write_text(text, encoding="utf-8")
        self.loader("load")
        self.gate(True)

    def answers(self) -> list[tuple[str, ...]]:
        def ask(packet: tuple[str, ...]) -> tuple[str, ...]:
            return (*packet[:-1], self.run(packet[0], sys.executable, "-c", CLIENT, *packet[1:4]))

        with ThreadPoolExecutor(len(PACKETS)) as pool:
            return list(pool.map(ask, PACKETS))


def variables(without: str) -> dict[str, Any]:
    """What the role gets for the first node, with the interfaces of this world."""
    text = INVENTORIES["migrated.yml"].replace("eth1", "wan").replace("eth2", "lan")
    inventory = yaml.safe_load(text)
    policy = inventory["firewalls"]["vars"]["firewall_policy"]
    policy["rules"] = [rule for rule in policy["rules"] if rule["name"] != without]
    cluster = load(inventory).clusters[0]
    found = model.views.role_variables(cluster, cluster.nodes[0])
    return {key: found[f"iptables_{key}"] for key in KEYS if f"iptables_{key}" in found}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"), POLICY, SERVER, PORTS)
    made.prepare()
    yield made
    made.close()


def test_old_both_and_new_rules_answer_alike(gateway: Gateway) -> None:
    gateway.old()
    assert gateway.answers() == PACKETS
    gateway.new(beside=True)
    assert "MASQUERADE" in gateway.run("fw", "iptables-save")
    assert gateway.answers() == PACKETS
    gateway.new(beside=False)
    assert "MASQUERADE" not in gateway.run("fw", "iptables-save")
    assert gateway.answers() == PACKETS


def test_what_was_forgotten_is_not_let_through_by_the_old_rules(gateway: Gateway) -> None:
    gateway.old()
    gateway.new(beside=True, without="names")
    different = [packet for packet, wanted in zip(gateway.answers(), PACKETS, strict=True) if packet != wanted]
    assert different == [("lan", "198.51.100.53", "203.0.113.200", "53", "silence")]
    counted = [line for line in gateway.run("fw", "iptables-save", "--counters").splitlines() if "forgotten" in line]
    assert any(not line.startswith("[0:") for line in counted)
