# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A node boots under fire, alone, with the addresses of the pair's gateways pointing at it from its first moment."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.faults import Faults
from lab.monitors.leaks import Leaks
from lab.monitors.owners import Owners
from lab.pair import Pair, wait
from lab.traffic import plans
from tests.failover.live import heal

UNIT = "/etc/systemd/system/linuxha-rules.service"
RULES = "/etc/linuxha/rules"
WATCH_S = 3.0

MASK = f"mv {UNIT} /root/unit && ln -s /dev/null {UNIT}"
UNMASK = f"mv /root/unit {UNIT}"
SAVE = f"cp -a {RULES} /root/rules"
TRUNCATE = f"{SAVE} && truncate --size=-200 {RULES}/rules.v4"
# Files that are what was installed, but that the kernel refuses: the sums are right, a set does not exist.
UNLOADABLE = (
    f"{SAVE} && cd {RULES} && sed -i '/^:FORWARD/a -A FORWARD -m set --match-set missing src -j ACCEPT' rules.v6"
    " && names=$(cut -c67- SHA256SUMS) && sha256sum $names > SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS"
)
EMPTY = f"{SAVE} && rm -r {RULES}"
RESTORE = f"rm -rf {RULES} && mv /root/rules {RULES}"


class Alone:
    """One node of a pair whose other nodes have no power."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.node = pair.standby()
        self.others = [node for node in pair.nodes.values() if node is not self.node]
        plan = plans(pair.lab.clusters)[pair.cluster.name]
        vips = {network.name: [str(vip.address) for vip in network.vips] for network in pair.cluster.networks}
        self.leaks = Leaks(pair.probes, plan.canaries)
        self.owners = Owners(pair.probes, vips)

    def aim(self, state: str) -> None:
        """Send all that goes through a gateway to this node, whoever has the address, or no longer."""
        for key, probe in self.pair.probes.items():
            mac = next(port.mac for port in self.node.plan.ports if port.key == key)
            for gateway in probe.plan.gateways:
                entry = ["ip", "neigh", state, gateway, "dev", probe.interface]
                done = probe.run([*entry, "lladdr", mac, "nud", "permanent"] if state == "replace" else entry)
                assert done.returncode == 0, done.stderr

    def reboot(self, prepare: str | None = None) -> None:
        """Boot after a change on its disk, with canaries and questions on the wire before the node exists."""
        if prepare:
            self.node.exec("sh", "-e", "-c", prepare)
        self.node.power_off()
        self.leaks.start()
        self.owners.start()
        self.node.boot()
        self.node.wait_booted()

    def forwarding(self) -> set[str]:
        files = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
        return {self.node.exec("cat", path).strip() for path in files}

    def close(self) -> None:
        self.leaks.close()
        self.owners.close()


@pytest.fixture(scope="module")
def alone(cluster: Pair) -> Iterator[Alone]:
    cluster.wait_steady()
    made = Alone(cluster)
    for node in made.others:
        node.power_off()
    made.aim("replace")
    yield made
    made.aim("del")
    # The last test has put its rules back on its disk, and it has to boot with them.
    for node in (made.node, *made.others):
        Faults(cluster.lab).power_return(node)
    heal(cluster)


@pytest.fixture
def node(alone: Alone, request: pytest.FixtureRequest) -> Iterator[Alone]:
    yield alone
    alone.close()


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        pytest.param(MASK, UNMASK, id="unit masked"),
        pytest.param(TRUNCATE, RESTORE, id="file truncated"),
        pytest.param(UNLOADABLE, RESTORE, id="refused by the kernel"),
        pytest.param(EMPTY, RESTORE, id="no files"),
    ],
)
def test_without_rules_no_packet_and_no_address(node: Alone, break_it: str, mend_it: str) -> None:
    try:
        node.reboot(break_it)
        time.sleep(WATCH_S)

        assert node.leaks.arrived() == 0
        assert node.forwarding() == {"0"}
        assert node.pair.held(node.node) == frozenset()
        assert node.node.exec("systemctl", "is-active", "keepalived", check=False).strip() != "active"
        _nobody_ever_answered(node)
        _canaries_were_sent(node)
    finally:
        node.node.exec("sh", "-e", "-c", mend_it)


def test_with_rules_the_addresses_come_and_nothing_leaks(node: Alone) -> None:
    node.reboot()
    wait(lambda: node.pair.held(node.node) == node.pair.vips, 30)
    time.sleep(WATCH_S)

    assert node.forwarding() == {"1"}
    assert node.leaks.arrived() == 0
    _canaries_were_sent(node)


def test_the_canaries_would_have_arrived(node: Alone) -> None:
    """The control of this file: the same boot without rules, but forwarding, as any router does."""
    try:
        node.reboot(MASK)
        for family in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            node.node.exec("sysctl", "--write", family)
        wait(lambda: node.leaks.arrived() > 0, 5)
    finally:
        node.node.exec("sh", "-e", "-c", UNMASK)


def _nobody_ever_answered(node: Alone) -> None:
    result = node.owners.stop()
    assert {item.vip: item.answered for item in result.vips} == dict.fromkeys(node.pair.vips, 0)


def _canaries_were_sent(node: Alone) -> None:
    result = node.leaks.stop()
    assert result.void is None
    assert result.leaked == 0
    assert result.sent > 0
