# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What decides before the rules: the trace says what the whole text of iptables does with a packet."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import early
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import packet as packets
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Address
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import Ruleset, parse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, Trace, trace

from .walk import ICMP, Packet, Walk

OWN = {4: ["192.0.2.1", "198.51.100.1", "203.0.113.2", "203.0.113.65"], 6: ["2001:db8:1::1", "2001:db8:2::1"]}
INPUT: dict[str, Any] = {
    "zones": {
        "wan": {"interfaces": ["eth1"], "networks": ["192.0.2.0/24", "2001:db8:1::/64"], "bogons": True},
        "lan": {"interfaces": ["eth2"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
        "guests": {"within": "lan", "networks": ["198.51.100.128/25"]},
        "vpn": {"interfaces": ["tun0", "tun1"]},
    },
    "management": {"interfaces": ["eth0"], "sources": ["203.0.113.0/26"], "port": 22},
    "cluster_rules": [
        {"name": "vrrp", "chain": "input", "interfaces": ["eth1"], "source": "192.0.2.3", "protocol": "vrrp"},
        {"name": "states", "chain": "input", "interfaces": ["eth3"], "protocol": "udp", "ports": [3780]},
        {
            "name": "states raw",
            "chain": "raw_prerouting",
            "interfaces": ["eth3"],
            "protocol": "udp",
            "ports": [3780],
            "action": "notrack",
        },
        {"name": "states out", "chain": "output", "interfaces": ["eth3"], "protocol": "udp", "source_ports": [3780]},
        {"name": "link", "chain": "input", "interfaces": ["eth3"], "source": "203.0.113.66", "protocol": "icmp"},
        {"name": "bgp", "chain": "input", "interfaces": ["tun1"], "protocol": "tcp", "ports": [179]},
    ],
    "untracked": [
        {"name": "dns", "from": "wan", "to": "firewall", "destination": "192.0.2.1", "protocol": "udp", "ports": [53]},
        {"name": "video", "from": "guests", "to": "any", "protocol": "udp", "ports": [5004]},
        # Hosts of vpn may be in the networks of lan.
        {"name": "radio", "from": "vpn", "to": "wan", "destination": "192.0.2.77", "protocol": "udp", "ports": [5005]},
        {"name": "time", "from": ["vpn", "firewall"], "to": "any", "protocol": "udp", "ports": [123]},
    ],
    "rules": [
        {"name": "web", "from": ["wan", "guests"], "to": ["lan", "firewall"], "protocol": "tcp", "ports": [22, 179]},
        {"name": "udp", "from": ["lan", "vpn"], "to": "any", "protocol": "udp", "action": "reject"},
    ],
}
#: Interface by which a zone or link is asked for.
NAMES = {"eth0": "mgmt", "eth1": "wan", "eth2": "lan", "eth3": "sync0", "tun0": "vpn", "": "firewall"}
ADDRESSES = {
    4: [*OWN[4], "203.0.113.9", "203.0.113.66", "192.0.2.3", "192.0.2.77", "198.51.100.7", "198.51.100.200"],
    6: [*OWN[6], "2001:db8:1::9", "2001:db8:2::9", "2001:db8:9::9", "fe80::9"],
}
TARGETS = {4: [*ADDRESSES[4], "224.0.0.18"], 6: [*ADDRESSES[6], "ff02::1"]}
CONTEXT = Context(
    networks={
        "wan": (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8:1::/64")),
        "lan": (ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8:2::/64")),
        "guests": (ipaddress.ip_network("198.51.100.128/25"),),
    },
    default_zone="wan",
    own=tuple(ipaddress.ip_address(text) for family in (4, 6) for text in OWN[family]),
)
LOCAL = tuple(int(address) for address in CONTEXT.own)


def read(**change: Any) -> tuple[Ruleset, Policy]:
    ruleset, problems = parse({**INPUT, **change})
    assert problems == ()
    context = Context(**{**CONTEXT.__dict__, "places": ruleset.flat_zones, "output": ruleset.options.output})
    before = early.of(ruleset, {"eth0": "mgmt", "eth3": "sync0"}, "fw1")
    return ruleset, Policy(ruleset.flat.rules, ruleset.flat.nat, context, before)


def stays(address: Address) -> bool:
    """No router passes it on."""
    return address.is_multicast or address.is_link_local


@st.composite
def journeys(draw: st.DrawFn) -> tuple[int, Packet]:
    family = draw(st.sampled_from([4, 6]))
    source, target = (int(ipaddress.ip_address(draw(st.sampled_from(found[family])))) for found in (ADDRESSES, TARGETS))
    protocol = draw(st.sampled_from([6, 17, 112, ICMP[family], 2]))
    incoming = draw(st.sampled_from(list(NAMES)))
    ends = target in LOCAL or (incoming and stays(packets.to_address(target, family)))
    outgoing = "" if ends else draw(st.sampled_from([name for name in NAMES if name]))
    kinds = [0, 2, 3, 8, 128, 131, 135] if protocol == ICMP[family] else [22, 123, 179, 3780, 5004, 5005, 40000]
    right = draw(st.sampled_from([0, 4] if protocol == ICMP[family] else [22, 53, 123, 179, 3780, 5004, 5005]))
    return family, Packet(incoming, outgoing, source, target, protocol, draw(st.sampled_from(kinds)), right)


def through(walks: Sequence[Walk], packet: Packet) -> str:
    """What the tables raw and filter do with it."""
    raw, filters = walks
    for words in raw.chains["PREROUTING" if packet.incoming else "OUTPUT"]:
        holds, target = raw.line(list(words), packet)
        if holds and target == "CT" and "--notrack" in words:
            packet = packet._replace(state="UNTRACKED")
        elif holds and target == "DROP":
            return "drop"
        elif holds and target == "ACCEPT":
            break
    return filters.decide(packet.hook, packet) or "drop"


def outcomes(walks: Sequence[Walk], packet: Packet) -> Iterator[str]:
    """With every hop limit and rate that a line asks for, on every interface of the zone."""
    more = {"tun0": ["tun0", "tun1"]}
    both = (more.get(packet.incoming, [packet.incoming]), more.get(packet.outgoing, [packet.outgoing]))
    for incoming, outgoing, hops, within in product(*both, (255, 64, 1), (True, False)):
        yield through(walks, packet._replace(incoming=incoming, outgoing=outgoing, hops=hops, within=within))


def asked(policy: Policy, family: int, packet: Packet) -> Trace:
    ports, icmp = packet.protocol in (6, 17), packet.protocol == ICMP[family]
    return trace(
        policy,
        packets.Packet(
            NAMES[packet.incoming],
            packets.to_address(packet.source, family),
            packets.to_address(packet.destination, family),
            packet.protocol,
            source_port=packet.left if ports else 0,
            port=packet.right if ports else 0,
            icmp_type=packet.left if icmp else 0,
            icmp_code=packet.right if icmp else 0,
            to_zone=NAMES[packet.outgoing],
        ),
    )


RULESET, POLICY = read()
FILES = render(RULESET)
WALKS = {family: [Walk(FILES, family, table, LOCAL) for table in ("raw", "filter")] for family in (4, 6)}


@settings(max_examples=800, deadline=None)
@given(journeys())
def test_the_trace_says_what_the_text_does(journey: tuple[int, Packet]) -> None:
    family, packet = journey
    if not packet.incoming and not packet.outgoing and packet.destination in LOCAL:
        # Over lo, which is always accepted.
        return
    found = asked(POLICY, family, packet)
    assert found.actions == set(outcomes(WALKS[family], packet)), found.lines


def sent(
    incoming: str, source: str, target: str, protocol: int, left: int = 0, right: int = 0, way: str = "eth2"
) -> tuple[int, Packet]:
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(target)
    outgoing = "" if int(other) in LOCAL or stays(other) else way
    return one.version, Packet(incoming, outgoing, int(one), int(other), protocol, left, right)


@pytest.mark.parametrize(
    ("journey", "actions", "line"),
    [
        (
            sent("eth0", "203.0.113.9", "203.0.113.2", 6, 40000, 22),
            {"accept"},
            "'administrators' (management) accepts it before the rules.",
        ),
        (
            sent("eth0", "203.0.113.9", "198.51.100.7", 6, 40000, 22),
            {"drop"},
            "Nothing else accepts what is not tracked: drop.",
        ),
        (
            sent("eth3", "203.0.113.66", "203.0.113.65", 17, 40000, 3780),
            {"accept"},
            "'states' (cluster rule of fw1) accepts it before the rules.",
        ),
        (
            sent("eth1", "192.0.2.3", "224.0.0.18", 112),
            {"accept", "drop"},
            "'vrrp' (cluster rule of fw1) accepts it before the rules if this holds: its hop limit is 255, so it comes "
            "from the link itself. Otherwise:",
        ),
        (
            sent("eth2", "198.51.100.7", "192.0.2.1", 1, 8),
            {"accept", "drop"},
            "'echo' (echo_rate) accepts it before the rules if this holds: at most 50/second per source. Otherwise:",
        ),
        (
            sent("eth1", "192.0.2.77", "192.0.2.1", 17, 40000, 53),
            {"accept"},
            "'dns' (iptables_untracked[0]) accepts it before the rules.",
        ),
        (
            sent("eth1", "192.0.2.77", "198.51.100.200", 17, 5004, 40000),
            {"accept"},
            "'video' (iptables_untracked[1]) accepts it before the rules.",
        ),
        (
            sent("eth2", "198.51.100.7", "198.51.100.200", 17, 5004, 40000, "eth1"),
            {"drop"},
            "Nothing else accepts what is not tracked: drop.",
        ),
        (
            # No guest has this address.
            sent("eth2", "198.51.100.7", "203.0.113.9", 17, 5004, 40000),
            {"reject"},
            "'udp' (iptables_rules[1]) rejects it.",
        ),
        (
            sent("tun0", "198.51.100.7", "192.0.2.77", 17, 40000, 5005, "eth1"),
            {"accept"},
            "'radio' (iptables_untracked[2]) accepts it before the rules.",
        ),
        (
            sent("eth1", "192.0.2.77", "198.51.100.7", 17, 5005, 40000, "tun0"),
            {"accept"},
            "'radio' (iptables_untracked[2]) accepts it before the rules.",
        ),
        (
            sent("eth1", "192.0.2.77", "198.51.100.7", 17, 5005, 40000),
            {"drop"},
            "No rule decides: what goes from wan to lan meets the default, drop.",
        ),
        (
            sent("eth1", "198.51.100.7", "192.0.2.1", 6, 40000, 22),
            {"drop"},
            "'bogons wan' (bogons of the zone wan) drops it: nothing from there has such a source.",
        ),
        (
            sent("tun0", "192.0.2.77", "192.0.2.1", 6, 40000, 179),
            {"accept", "drop"},
            "'bgp' (cluster rule of fw1) accepts it before the rules if this holds: it passes tun1. Otherwise:",
        ),
    ],
)
def test_what_decides_before_the_rules_is_named(journey: tuple[int, Packet], actions: set[str], line: str) -> None:
    found = asked(POLICY, *journey)
    assert line in found.lines
    assert found.actions == actions == set(outcomes(WALKS[journey[0]], journey[1]))


def test_what_is_not_tracked_is_not_translated() -> None:
    nat = {"type": "dnat", "destination": "192.0.2.1", "protocol": "udp", "ports": [53], "to_address": "198.51.100.7"}
    _ruleset, policy = read(nat=[{"name": "n", "from": "wan", **nat}])
    exempt, other = (asked(policy, *sent("eth1", "192.0.2.77", "192.0.2.1", 17, 40000, port)) for port in (53, 54))
    assert (exempt.dnat, exempt.to_zone, exempt.action) == (None, "firewall", "accept")
    assert other.to_zone == "firewall"
    _ruleset, policy = read(nat=[{"name": "n", "from": "wan", **nat}], untracked=[])
    found = asked(policy, *sent("eth1", "192.0.2.77", "192.0.2.1", 17, 40000, 53))
    assert found.dnat is not None


def test_raw_rules_are_named_where_the_packet_meets_them() -> None:
    raw = [
        {"name": "mark", "chain": "FORWARD", "rule": "-m mark --mark 0x7 -j DROP"},
        {"name": "six", "chain": "INPUT", "family": 6, "rule": "-j DROP"},
        {"name": "early", "table": "raw", "chain": "PREROUTING", "rule": "-j DROP"},
        {"name": "own", "chain": "OUTPUT", "rule": "-j DROP"},
    ]
    _ruleset, policy = read(raw=raw)
    for target, names in (("198.51.100.7", "'mark', 'early'"), ("192.0.2.1", "'early'")):
        found = asked(policy, *sent("eth1", "192.0.2.77", target, 6, 40000, 80))
        assert f"Note: nobody looks at raw rules here, which come first: {names}." in found.lines
    assert not any("raw rules" in line for line in asked(POLICY, *sent("eth1", "192.0.2.77", "192.0.2.1", 6)).lines)


def test_nodes_share_what_is_the_same() -> None:
    one = early.of(RULESET, {"eth0": "mgmt"}, "fw1")
    other = early.of(RULESET, {"eth0": "mgmt"}, "fw2")
    both = early.together([one, other])
    assert both.echo == one.echo
    paths = [rule.path for rule in both.accepted if rule.name == "vrrp"]
    assert paths == ["cluster rule of fw1", "cluster rule of fw2"]
