# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What a deployed pair must be like, whatever moves its addresses. Asked from outside: nothing knows the templates."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["ansible://firewalls"]

SERVICES = ("linuxha-rules", "conntrackd", "linuxha-takeover")
MANAGERS = {"keepalived": ("keepalived",), "pacemaker": ("corosync", "pacemaker")}
SECRETS = {"keepalived": {"/etc/keepalived/keepalived.conf": 0o640}, "pacemaker": {"/etc/corosync/authkey": 0o400}}
CONFIGURATION = {
    "/etc/conntrackd/conntrackd.conf": 0o640,
    "/etc/linuxha/rules/rules.v4": 0o600,
    "/etc/linuxha/rules/rules.v6": 0o600,
    "/etc/systemd/system/linuxha-rules.service": 0o644,
    "/etc/systemd/system/linuxha-takeover.service": 0o644,
}
FLOW = ("--protonum", "tcp", "--src", "198.51.100.77", "--dst", "192.0.2.77", "--sport", "40000", "--dport", "443")
SETTLE_S = 45.0


@pytest.fixture(scope="module")
def pair() -> dict[str, Host]:
    inventory = os.environ["HAFW_TEST_INVENTORY"]
    ssh_config = f"{inventory}.ssh_config"
    hosts = testinfra.get_hosts(["ansible://firewalls"], ansible_inventory=inventory, ssh_config=ssh_config)
    return {str(host.check_output("hostname")): host for host in hosts}


def wait_until(condition: Callable[[], bool]) -> bool:
    """Poll, since daemons may still settle after the deployment."""
    deadline = time.monotonic() + SETTLE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def topology(host: Host) -> str:
    return str(host.ansible.get_variables()["firewall_cluster"]["topology"])


def state(host: Host) -> Any:
    return json.loads(host.file("/run/linuxha/state.json").content_string)


def vips(host: Host) -> set[str]:
    networks = host.ansible.get_variables()["firewall_cluster"]["networks"].values()
    return {str(vip) for network in networks for vip in network["vips"]}


def addresses(host: Host) -> set[str]:
    links = json.loads(host.check_output("ip -json address show"))
    return {entry["local"] for link in links for entry in link["addr_info"]}


def owners(pair: dict[str, Host]) -> dict[str, set[str]]:
    return {name: vips(host) & addresses(host) for name, host in pair.items()}


def one_owner(pair: dict[str, Host]) -> bool:
    every = vips(next(iter(pair.values())))
    return sorted(map(len, owners(pair).values())) == [0, len(every)]


# --- every node


def test_services_run_and_start_at_boot(host: Host) -> None:
    for name in (*SERVICES, *MANAGERS[topology(host)]):
        service = host.service(name)
        assert service.is_running, name
        assert service.is_enabled, name


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --state=failed --no-legend --plain") == ""


def test_configuration_is_not_for_everybody(host: Host) -> None:
    for path, mode in {**CONFIGURATION, **SECRETS[topology(host)]}.items():
        file = host.file(path)
        assert file.is_file, path
        assert (file.user, file.group) == ("root", "root"), path
        # Stricter than the least that is asked for is fine.
        assert file.mode & ~mode == 0, f"{path}: {file.mode:o}"


def test_nobody_else_can_write_what_root_runs(host: Host) -> None:
    places = "/etc/conntrackd /etc/linuxha /etc/systemd/system /usr/local/libexec /usr/local/sbin"
    own = {"keepalived": "/etc/keepalived", "pacemaker": "/etc/corosync /usr/lib/ocf/resource.d/linuxha"}[
        topology(host)
    ]
    # The group root is root: corosync-qdevice-net-certutil lets it write its database.
    writable = "-perm /002 -o -perm /020 ! -gid 0 -o ! -uid 0"
    assert host.check_output(f"find {places} {own} /run/linuxha ! -type l '(' {writable} ')' -print") == ""


def test_no_secret_is_world_readable(host: Host) -> None:
    assert host.check_output("find /etc/ssh -name 'ssh_host_*_key' -perm /077 -print") == ""
    words = "auth_pass|password|passphrase|secret|PRIVATE KEY"
    holding = host.run(
        f"grep -rlE --exclude='*.sample' '{words}' /etc/conntrackd /etc/keepalived /etc/corosync /etc/linuxha"
    ).stdout.split()
    assert [path for path in holding if host.file(path).mode & 0o004] == []


@pytest.mark.parametrize("command", ["iptables", "ip6tables"])
def test_rules_are_loaded(host: Host, command: str) -> None:
    assert host.check_output(f"{command} -S FORWARD").splitlines()[0] == "-P FORWARD DROP"
    assert host.check_output(f"{command} -S INPUT").splitlines()[0] == "-P INPUT DROP"
    every = host.check_output(f"{command} -S")
    assert "INVALID" in every
    assert "-j REJECT" not in every


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.ip_forward", 1),
        ("net.ipv6.conf.all.forwarding", 1),
        ("net.netfilter.nf_conntrack_tcp_loose", 0),
        ("net.netfilter.nf_conntrack_tcp_be_liberal", 0),
    ],
)
def test_kernel_parameter(host: Host, name: str, value: int) -> None:
    assert host.sysctl(name) == value


def test_stopping_the_rules_stops_forwarding_and_starting_opens_it(host: Host) -> None:
    """Fail closed, and come back."""
    managers = MANAGERS[topology(host)]
    host.check_output("systemctl stop linuxha-rules")
    try:
        assert host.sysctl("net.ipv4.ip_forward") == 0
        assert host.sysctl("net.ipv6.conf.all.forwarding") == 0
        assert "-P FORWARD DROP" in host.check_output("iptables -S FORWARD")
    finally:
        host.check_output(f"systemctl start {' '.join((*SERVICES, *managers))}")
    assert host.sysctl("net.ipv4.ip_forward") == 1
    assert wait_until(lambda: all(host.service(name).is_running for name in (*managers, "conntrackd")))


# --- the pair


def test_one_node_owns_all_virtual_addresses(pair: dict[str, Host]) -> None:
    assert len(pair) == 2
    assert wait_until(lambda: one_owner(pair)), owners(pair)


def test_the_workers_say_the_same(pair: dict[str, Host]) -> None:
    def agree() -> bool:
        found = {name: {i["state"] for i in state(host)["instances"].values()} for name, host in pair.items()}
        wanted = {name: {"MASTER"} if owned else {"BACKUP"} for name, owned in owners(pair).items()}
        return one_owner(pair) and found == wanted

    assert wait_until(agree), {name: state(host) for name, host in pair.items()}


def test_states_are_in_step(pair: dict[str, Host]) -> None:
    assert wait_until(lambda: all(state(host)["states"] == "in-step" for host in pair.values()))


def test_both_nodes_filter_alike(pair: dict[str, Host]) -> None:
    for command in ("iptables -S FORWARD", "ip6tables -S FORWARD", "iptables -t nat -S", "ip6tables -t nat -S"):
        first, second = (host.check_output(command) for host in pair.values())
        assert first == second, command


@pytest.fixture
def flow(pair: dict[str, Host]) -> Iterator[Host]:
    """A connection that only the active node knows; returns the standby node."""
    assert wait_until(lambda: one_owner(pair))
    active, standby = sorted(pair.values(), key=lambda host: len(vips(host) & addresses(host)), reverse=True)
    arguments = " ".join(FLOW)
    active.check_output(f"conntrack --create {arguments} --state ESTABLISHED --timeout 120 --status ASSURED,SEEN_REPLY")
    yield standby
    for host in pair.values():
        host.run(f"conntrack --delete {arguments}")


def test_a_new_connection_reaches_the_standby_node(flow: Host) -> None:
    known = f"conntrack --dump {' '.join(FLOW)}; conntrackd -e"
    assert wait_until(lambda: "dport=443" in flow.run(known).stdout), flow.run("conntrackd -s").stdout
