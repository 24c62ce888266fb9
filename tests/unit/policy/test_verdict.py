# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Whether a packet could pass is decided as the rules decide, and what is not known is never a no."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from tests.unit.node_programs import load

from .test_meaning import NEGATED, ONE_OF_EACH, decided, journeys, policy_of, rules
from .tiny import split_small
from .walk import ICMP, Packet


def forwarded(packet: Packet) -> bool:
    return bool(packet.incoming and packet.outgoing)


verdict = load("iptables", "linuxha_verdict")
DEVICES = ["lo", "eth0", "eth1", "eth2"]
SETS = """create knocked hash:ip family inet timeout 30
create lh4-web-1 hash:net family inet
add lh4-web-1 198.51.100.80/31
create other bitmap:port range 1-9
"""
HEAD = """*raw
:PREROUTING ACCEPT [0:0]
{raw}
COMMIT
*filter
:FORWARD {policy} [0:0]
:own - [0:0]
{rules}
COMMIT
"""


def may_pass(wall: Any, packet: Packet, home: frozenset[str] | None, family: int = 4) -> bool:
    ports = packet.protocol in (6, 17)
    rest = packet.right if ports else packet.left << 8 | packet.right if packet.protocol == ICMP[family] else 0
    service = packet.protocol << 16 | rest
    seen = verdict.Packet(packet.source, packet.destination, service, packet.left if ports else 0, "", "", home)
    return bool(wall.may_enter(seen, (packet.destination, service), frozenset([packet.outgoing])))


@example(NEGATED, (4, [packet for packet in ONE_OF_EACH if packet.source < 2**32]))
@example(NEGATED, (6, [packet for packet in ONE_OF_EACH if packet.source >= 2**32]))
@settings(deadline=None, max_examples=60)
@given(st.lists(rules, min_size=1, max_size=5), journeys)
def test_it_decides_as_the_rules_do(found: list[dict[str, Any]], journey: tuple[int, list[Packet]]) -> None:
    agree(found, journey)


@settings(deadline=None, max_examples=40)
@given(st.lists(rules, min_size=3, max_size=12), journeys)
def test_so_it_does_with_chains_that_are_split(found: list[dict[str, Any]], journey: tuple[int, list[Packet]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        split_small(patch)
        agree(found, journey)


def agree(found: list[dict[str, Any]], journey: tuple[int, list[Packet]]) -> None:
    family, sent = journey
    ruleset, _problems = parse(policy_of(found))
    files = render(ruleset)
    wall = verdict.Firewall(files[f"rules.v{family}"], files["ipsets"], f"ipv{family}", DEVICES)
    # Between interfaces only: what is before the rules of the node itself lets more in.
    for packet in filter(forwarded, sent):
        expected = decided(ruleset.flat, packet, family) == "accept"
        home = frozenset([packet.incoming])
        assert may_pass(wall, packet, home, family) == expected, (packet, files[f"rules.v{family}"])


def wall(rules: str, policy: str = "DROP", raw: str = "") -> Any:
    return verdict.Firewall(HEAD.format(raw=raw, policy=policy, rules=rules), SETS, "ipv4", DEVICES)


CLIENT, SERVER = (int(ipaddress.ip_address(text)) for text in ("192.0.2.9", "198.51.100.80"))
WEB = Packet("eth1", "eth2", CLIENT, SERVER, 6, 4000, 443)
TO_WEB = "-A FORWARD -i eth1 -o eth2 -d 198.51.100.80/32 -p tcp -m tcp --dport 443"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", False),
        (f"{TO_WEB} -j ACCEPT", True),
        (f"{TO_WEB} -m hashlimit --hashlimit-upto 1/hour --hashlimit-name a -j ACCEPT", True),
        (f"{TO_WEB} -m connlimit --connlimit-upto 1 --connlimit-mask 32 --connlimit-saddr -j ACCEPT", True),
        (f"{TO_WEB} -m time --timestart 01:00:00 --timestop 01:00:59 -j ACCEPT", True),
        (f"{TO_WEB} -m mark ! --mark 0x7 -j ACCEPT", True),
        (f"{TO_WEB} -m set --match-set other dst -j ACCEPT", True),
        # Who knocked a minute ago is in it no more.
        (f"{TO_WEB} -m set --match-set knocked src -j ACCEPT", True),
        (f"{TO_WEB} -m set --match-set lh4-web-1 dst -j ACCEPT", True),
        (f"{TO_WEB} -m set ! --match-set lh4-web-1 dst -j ACCEPT", False),
        (f"{TO_WEB} -j NFQUEUE --queue-num 1", True),
        (f"{TO_WEB} -m comment --comment \"a -j ACCEPT b\" -j DROP\n-A FORWARD -j ACCEPT", False),
        ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", False),
        ("-A FORWARD -m conntrack ! --ctstate NEW -j DROP\n-A FORWARD -j ACCEPT", True),
        ("-A FORWARD -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n-A FORWARD -j ACCEPT", True),
        ("-A FORWARD -m set ! --match-set linuxha_gate4 dst -j DROP\n-A FORWARD -j ACCEPT", True),
        ("-A FORWARD -m limit --limit 1/second -j DROP\n-A FORWARD -j ACCEPT", True),
        ("-A FORWARD -j LOG --log-prefix \"fw \"\n-A FORWARD -j DROP\n-A FORWARD -j ACCEPT", False),
        ("-A FORWARD -j own\n-A FORWARD -j ACCEPT\n-A own -p tcp -j RETURN\n-A own -j DROP", True),
        ("-A FORWARD -j own\n-A FORWARD -j ACCEPT\n-A own -p udp -j RETURN\n-A own -j DROP", False),
        ("-A FORWARD -g own\n-A FORWARD -j ACCEPT", False),
        ("-A FORWARD -i eth+ -p tcp -m multiport --dports 80,400:450 -j ACCEPT", True),
        ("-A FORWARD ! -i eth1 -j ACCEPT", False),
        ("-A FORWARD ! -p udp -j ACCEPT", True),
        ("-A FORWARD -p tcp -m tcp --sport 1:3999 -j ACCEPT", False),
    ],
)  # fmt: skip
def test_one_rule(rules: str, expected: bool) -> None:
    assert may_pass(wall(rules), WEB, frozenset(["eth1"])) == expected


def test_the_policy_of_the_chain_is_the_end() -> None:
    assert may_pass(wall("", "ACCEPT"), WEB, frozenset(["eth1"]))
    assert not may_pass(wall("-A FORWARD -g own", "DROP"), WEB, frozenset(["eth1"]))


def test_a_forged_source_is_forbidden_where_rules_look_at_it() -> None:
    strict = "-A PREROUTING -i eth1 -m rpfilter --invert -j DROP"
    loose = "-A PREROUTING -i eth1 -m rpfilter --loose --invert -j DROP"
    rule = "-A FORWARD -i eth1 -o eth2 -j ACCEPT"
    assert not may_pass(wall(rule, raw=strict), WEB, frozenset(["eth2"]))
    assert may_pass(wall(rule, raw=loose), WEB, frozenset(["eth2"]))
    assert not may_pass(wall(rule, raw=loose), WEB, frozenset())
    # Nobody knows where it comes from.
    assert may_pass(wall(rule, raw=strict), WEB, None)


def test_a_device_may_lead_to_the_node_alone() -> None:
    """It comes by another device than that of the way back, which nothing compares."""
    text = HEAD.replace(":own", ":INPUT DROP [0:0]\n:own").format(
        raw="", policy="DROP", rules="-A INPUT -i eth0 -p udp -m udp --dport 500 -j ACCEPT"
    )
    found = verdict.Firewall(text, SETS, "ipv4", DEVICES)
    service = 17 << 16 | 500
    packet = verdict.Packet(CLIENT, SERVER, service, 500, "", "", frozenset(["eth1"]))
    assert found.may_enter(packet, (SERVER, service), None)
    assert not found.may_enter(packet._replace(service=service + 1), (SERVER, service), None)


def test_the_node_sends_to_what_it_asked_for_before_any_translation() -> None:
    text = HEAD.replace(":own", ":OUTPUT DROP [0:0]\n:own").replace(":PREROUTING", ":OUTPUT DROP [0:0]\n:PREROUTING")
    raw = "-A OUTPUT -d 192.0.2.9/32 -j ACCEPT"
    found = verdict.Firewall(text.format(raw=raw, policy="DROP", rules="-A OUTPUT -j ACCEPT"), SETS, "ipv4", DEVICES)
    packet = verdict.Packet(SERVER, SERVER, 6 << 16 | 80, 4000, "", "", frozenset())
    assert found.may_leave(packet, (CLIENT, 6 << 16 | 80), frozenset(["eth1"]))
    assert not found.may_leave(packet, (SERVER, 6 << 16 | 80), frozenset(["eth1"]))


def test_what_is_not_tracked_is_left_alone() -> None:
    assert may_pass(wall("", raw="-A PREROUTING -p tcp -j CT --notrack"), WEB, frozenset(["eth1"]))


def test_a_chain_of_many_blocks_is_one_chain() -> None:
    many = "\n".join(f"-A FORWARD -p tcp -m tcp --dport {port} -j DROP" for port in range(10_000, 20_000))
    large = wall(f"{many}\n{TO_WEB} -j ACCEPT")
    assert len(large.filter.chains["FORWARD"]) == 10
    assert may_pass(large, WEB, frozenset(["eth1"]))
