# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One packet step by step, and that the questions about sets of packets agree with it about every single one."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import space, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fate import CONDITIONS, Fates, Question
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FlatNat,
    FlatRule,
    FlatZone,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import Policy, Trace, trace
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.zones import flatten, parse_zones

from . import tiny


def number(text: str) -> int:
    return int(ipaddress.ip_address(text))


def span(text: str) -> Ranges:
    net = ipaddress.ip_network(text)
    return ((int(net.network_address), int(net.broadcast_address)),)


def tcp(*ports: tuple[int, int]) -> tuple[Service, ...]:
    return (Service(6, ports=ports),)


def rule(name: str, way: str, action: str = "accept", **more: Any) -> FlatRule:
    from_zone, to_zone = way.split()
    family = more.pop("family", 4)
    match = Match(
        more.pop("source", ADDRESSES[family]),
        more.pop("destination", ADDRESSES[family]),
        more.pop("services", (Service(),)),
    )
    return FlatRule(name, f"rules[{name}]", (from_zone,), (to_zone,), {family: match}, action, **more)


def nat(name: str, kind: str, zones: tuple[tuple[str, ...], tuple[str, ...]], match: Match, **more: Any) -> FlatNat:
    return FlatNat(name, f"nat[{name}]", kind, more.pop("family", 4), *zones, match, **more)


VIP, SERVER = number("192.0.2.1"), number("198.51.100.80")
CONTEXT = Context(
    networks={
        "lan": (ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8:2::/64")),
        "lab": (ipaddress.ip_network("198.51.100.128/25"),),
        "wan": (ipaddress.ip_network("192.0.2.0/24"),),
    },
    default_zone="wan",
    defaults={("lan", "lab"): "reject"},
    own=(ipaddress.ip_address("192.0.2.2"),),
    vips=(ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8:2::1")),
)
POLICY = Policy(
    rules=(
        rule("blocked", "wan lan", "drop", source=span("203.0.113.128/25")),
        rule("ssh-slow", "wan lan", services=tcp((22, 22)), conditions=("at most 3/minute",)),
        rule("shop", "wan lan", destination=((SERVER, SERVER),), services=tcp((8443, 8443))),
        rule("range", "wan lan", destination=((SERVER, SERVER),), services=tcp((7000, 7009))),
        rule("block-out", "lan wan"),
        rule("dns", "lan firewall", services=(Service(17, ports=((53, 53),)),)),
        rule("ping6", "lan wan", family=6, services=(Service(58, types=((128, 128),)),)),
        rule("one-to-one", "wan lab", destination=span("198.51.100.128/25"), services=tcp((80, 80))),
    ),
    nat=(
        nat("keep", "none", (("wan",), ()), Match(span("203.0.113.5"), ((VIP, VIP),))),
        nat(
            "shop-in",
            "dnat",
            (("wan",), ()),
            Match(ADDRESSES[4], ((VIP, VIP),), tcp((443, 443))),
            to_addresses=(SERVER, SERVER),
            to_ports=(8443, 8443),
        ),
        nat(
            "range-in",
            "dnat",
            (("wan",), ()),
            Match(ADDRESSES[4], ((VIP, VIP),), tcp((9000, 9009))),
            to_addresses=(SERVER, SERVER),
            to_ports=(7000, 7009),
        ),
        nat(
            "block",
            "dnat",
            (("wan",), ()),
            Match(ADDRESSES[4], span("203.0.113.0/25")),
            to_addresses=span("198.51.100.128/25")[0],
            one_to_one=True,
        ),
        nat("no-nat", "none", ((), ("wan",)), Match(span("198.51.100.0/24"), span("203.0.113.77"))),
        nat("out", "snat", (("lan",), ("wan",)), Match(span("198.51.100.0/24"), ADDRESSES[4]), to_addresses=(VIP, VIP)),
    ),
    context=CONTEXT,
)


def packet(from_zone: str, source: str, destination: str, protocol: int = 6, port: int = 0, **more: Any) -> Packet:
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    return Packet(from_zone, one, other, protocol, 40000 if protocol in (6, 17) else 0, port, **more)


CASES = {
    "published": (
        packet("wan", "203.0.113.9", "192.0.2.1", port=443),
        ("lan", "accept", "shop", "shop-in", None, "tcp 203.0.113.9:40000 -> 198.51.100.80:8443 from wan to lan"),
    ),
    "the n-th port becomes the n-th": (
        packet("wan", "203.0.113.9", "192.0.2.1", port=9004),
        ("lan", "accept", "range", "range-in", None, "tcp 203.0.113.9:40000 -> 198.51.100.80:7004 from wan to lan"),
    ),
    "dropped after translation": (
        packet("wan", "203.0.113.200", "192.0.2.1", port=443),
        ("lan", "drop", "blocked", "shop-in", None, "tcp 203.0.113.200:40000 -> 198.51.100.80:8443 from wan to lan"),
    ),
    "an exception from translation": (
        packet("wan", "203.0.113.5", "192.0.2.1", port=443),
        ("firewall", "drop", None, "keep", None, "tcp 203.0.113.5:40000 -> 192.0.2.1:443 from wan to firewall"),
    ),
    "one to one keeps the host": (
        packet("wan", "192.0.2.77", "203.0.113.10", port=80),
        ("lab", "accept", "one-to-one", "block", None, "tcp 192.0.2.77:40000 -> 198.51.100.138:80 from wan to lab"),
    ),
    "source translated": (
        packet("lan", "198.51.100.7", "203.0.113.9", port=80),
        ("wan", "accept", "block-out", None, "out", "tcp 192.0.2.1:40000 -> 203.0.113.9:80 from lan to wan"),
    ),
    "source kept": (
        packet("lan", "198.51.100.7", "203.0.113.77", port=80),
        ("wan", "accept", "block-out", None, "no-nat", "tcp 198.51.100.7:40000 -> 203.0.113.77:80 from lan to wan"),
    ),
    "the longest prefix decides, and a default of its own": (
        packet("lan", "198.51.100.7", "198.51.100.200", port=80),
        ("lab", "reject", None, None, None, "tcp 198.51.100.7:40000 -> 198.51.100.200:80 from lan to lab"),
    ),
    "to the firewall": (
        packet("lan", "198.51.100.7", "192.0.2.2", 17, 53),
        ("firewall", "accept", "dns", None, None, "udp 198.51.100.7:40000 -> 192.0.2.2:53 from lan to firewall"),
    ),
    "from the firewall, not translated": (
        packet("firewall", "192.0.2.2", "203.0.113.9", port=80),
        ("wan", "accept", None, None, None, "tcp 192.0.2.2:40000 -> 203.0.113.9:80 from firewall to wan"),
    ),
    "from the firewall, with an address that is translated for others": (
        packet("firewall", "198.51.100.1", "203.0.113.9", port=80),
        ("wan", "accept", None, None, None, "tcp 198.51.100.1:40000 -> 203.0.113.9:80 from firewall to wan"),
    ),
    "ICMP of IPv6": (
        packet("lan", "2001:db8:2::7", "2001:db8:9::1", 58, icmp_type=128),
        ("wan", "accept", "ping6", None, None, "icmpv6 type 128 code 0 2001:db8:2::7 -> 2001:db8:9::1 from lan to wan"),
    ),
    "another type": (
        packet("lan", "2001:db8:2::7", "2001:db8:9::1", 58, icmp_type=129),
        ("wan", "drop", None, None, None, "icmpv6 type 129 code 0 2001:db8:2::7 -> 2001:db8:9::1 from lan to wan"),
    ),
    "the zone is given": (
        packet("lan", "198.51.100.7", "198.51.100.200", port=80, to_zone="wan"),
        ("wan", "accept", "block-out", None, "out", "tcp 192.0.2.1:40000 -> 198.51.100.200:80 from lan to wan"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_packet_meets(name: str) -> None:
    sent, wanted = CASES[name]
    found = trace(POLICY, sent)
    names = [each.name if each is not None else None for each in (found.rule, found.dnat, found.snat)]
    assert (found.to_zone, found.action, *names, str(found.result)) == wanted


def test_the_story_is_told_step_by_step() -> None:
    assert trace(POLICY, packet("wan", "203.0.113.9", "192.0.2.1", port=443)).lines == (
        "The packet: tcp 203.0.113.9:40000 -> 192.0.2.1:443 from wan.",
        "'shop-in' (nat[shop-in]) translates the destination to 198.51.100.80 port 8443.",
        "The way to 198.51.100.80 is the zone lan.",
        "'shop' (rules[shop]) accepts it.",
        "In the end: accept, as tcp 203.0.113.9:40000 -> 198.51.100.80:8443 from wan to lan.",
    )


def test_a_rule_with_conditions_is_told_and_passed() -> None:
    found = trace(POLICY, packet("wan", "203.0.113.9", "198.51.100.9", port=22))
    assert (found.action, found.rule, [each.name for each in found.conditional]) == ("drop", None, ["ssh-slow"])
    assert found.actions == {"accept", "drop"}
    assert "'ssh-slow' (rules[ssh-slow]) accepts it if this holds: at most 3/minute. Otherwise:" in found.lines


PREFIXES = replace(
    CONTEXT,
    places=(
        FlatZone("wan", ("eth1",)),
        FlatZone("lan", ("eth2",), {4: spans.subtract(ADDRESSES[4], span("198.51.100.128/25")), 6: ADDRESSES[6]}),
        FlatZone("lab", ("eth2",), {4: span("198.51.100.128/25"), 6: ()}),
    ),
)


@pytest.mark.parametrize(
    ("sent", "ways", "line"),
    [
        (
            packet("lab", "198.51.100.7", "203.0.113.9", port=80),
            ("lan", "wan"),
            "198.51.100.7 is not in lab: behind the same interfaces it is in the zone lan.",
        ),
        (
            packet("lab", "2001:db8:2::7", "2001:db8:9::1", 58, icmp_type=128, to_zone="wan"),
            ("lan", "wan"),
            "'ping6' (rules[ping6]) accepts it.",
        ),
        (
            packet("wan", "203.0.113.9", "198.51.100.200", port=80, to_zone="lan"),
            ("wan", "lab"),
            "198.51.100.200 is not in lan: behind the same interfaces it is in the zone lab.",
        ),
    ],
)
def test_prefixes_tell_the_zone_of_a_packet(sent: Packet, ways: tuple[str, str], line: str) -> None:
    found = trace(replace(POLICY, context=PREFIXES), sent)
    assert (found.result.from_zone, found.to_zone) == ways
    assert line in found.lines
    # That it is not of the zone that was asked about is no reason to warn of antispoofing: the interface is the same.
    assert not any("antispoofing" in each for each in found.lines)


def test_a_source_of_another_zone_is_warned_about() -> None:
    found = trace(POLICY, packet("lan", "203.0.113.9", "192.0.2.99", port=80))
    assert any("203.0.113.9 belongs to the zone wan; antispoofing" in line for line in found.lines)


def test_without_a_network_the_zone_has_to_be_given() -> None:
    context = replace(CONTEXT, default_zone="")
    found = trace(replace(POLICY, context=context), packet("lan", "198.51.100.7", "203.0.113.9", port=80))
    assert (found.to_zone, found.action) == ("", "")
    assert "No zone has a network with 203.0.113.9" in found.lines[-1]


def test_the_choice_of_the_kernel_is_told() -> None:
    entry = nat("pool", "snat", ((), ("wan",)), Match(ADDRESSES[4], ADDRESSES[4]), to_addresses=(VIP, VIP + 3))
    found = trace(replace(POLICY, nat=(entry,)), packet("lan", "198.51.100.7", "203.0.113.9", port=80))
    line = "'pool' (nat[pool]) translates the source to 192.0.2.1, or another up to 192.0.2.4: the kernel chooses."
    assert line in found.lines


TINY = Context(
    networks={"lan": (ipaddress.ip_network("0.0.0.2/31"), ipaddress.ip_network("::2/127"))},
    default_zone="wan",
    zones=("wan",),
    vips=(ipaddress.ip_address("0.0.0.1"), ipaddress.ip_address("::1")),
    defaults={("lan", "wan"): "accept", ("wan", "firewall"): "reject"},
)


def nested(around: str, guests: str, lan: str, outside: str = "wan") -> tuple[Context, dict[str, str]]:
    """The same with a zone of prefixes, and which interface is whose."""
    raw: dict[str, Any] = {"wan": {"interfaces": ["eth1"]}, "lan": {"interfaces": ["eth2"], "networks": [lan]}}
    zones, problems = parse_zones({**raw, "guests": {"within": around, "networks": [guests]}})
    assert problems == ()
    networks = {zone.name: zone.networks for zone in zones}
    interfaces = {zone.name: zone.interfaces[0] for zone in zones}
    return replace(TINY, networks=networks, default_zone=outside, places=flatten(zones)), interfaces


SITES = (
    (TINY, {"wan": "eth1", "lan": "eth2"}),
    nested("lan", "0.0.0.3/32", "0.0.0.2/31"),
    # A longer network of the zone around is no claim.
    nested("lan", "0.0.0.2/31", "0.0.0.3/32"),
    nested("wan", "0.0.0.0/32", "0.0.0.2/31"),
    nested("wan", "0.0.0.0/32", "0.0.0.2/31", outside="guests"),
)


@pytest.mark.parametrize("site", range(1, len(SITES)))
@pytest.mark.parametrize("value", range(5))
def test_the_route_tells_the_interface_and_the_prefix_the_zone(site: int, value: int) -> None:
    context, interfaces = SITES[site]
    address = ipaddress.ip_address(value)
    routes = [(net.prefixlen, name) for name, nets in context.networks.items() for net in nets if address in net]
    interface = interfaces[max(routes)[1] if routes else context.default_zone]
    (wanted,) = [
        place.name for place in context.places if interface in place.interfaces and tiny.within(place.spans[4], value)
    ]
    assert context.zone_of(address) == wanted


@st.composite
def translations(draw: st.DrawFn) -> tuple[FlatNat, ...]:
    found = []
    for position in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["dnat", "dnat", "snat", "none"]))
        match = draw(tiny.matches(4))
        more: dict[str, Any] = {}
        if kind != "none":
            target = draw(st.integers(0, 3))
            more["to_addresses"] = (target, target)
        if kind == "dnat" and draw(st.booleans()):
            low = draw(st.integers(0, 1))
            match = Match(match.source, match.destination, tcp((low, low + 1)))
            port = draw(st.integers(0, 1))
            more["to_ports"] = draw(st.sampled_from([(port, port), (port, port + 1)]))
        elif kind != "none" and draw(st.booleans()):
            # A block of two, which keeps the last bit.
            match = Match(((2, 3),), ((2, 3),), match.services)
            more |= {"to_addresses": draw(st.sampled_from([(0, 1), (2, 3)])), "one_to_one": True}
        named = draw(st.sampled_from([("wan", "lan"), ("wan", "lan", "guests"), ("guests",)]))
        zones = ((), named) if kind == "snat" else (named, ())
        found.append(nat(f"n{position}", kind, zones, match, **more))
    return tuple(found)


def outcomes(found: Trace, conditions: str) -> set[str]:
    """What may happen when conditions may do both, always hold or never do."""
    if conditions == "hold" and found.conditional:
        return {found.conditional[0].action}
    return set(found.actions) if conditions == "any" else {found.action}


def leaves(found: Trace, zone: str, context: Context, interfaces: dict[str, str]) -> bool:
    """Whether a packet is one of those that a question about this zone means ("": about all that have a way)."""
    if found.to_zone == found.packet.from_zone == "firewall":
        return False
    # A packet with the address of another zone behind the same interface is not from the zone that was asked about.
    if found.result.from_zone != found.packet.from_zone:
        return False
    # A host of a network is never reached through another interface, nor is it the firewall.
    target = found.result.destination
    home = {interfaces[name] for name, nets in context.networks.items() if any(target in net for net in nets)}
    return not zone or (found.to_zone == zone and home <= {interfaces.get(zone, "")})


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SITES),
    tiny.policies(most=4, pairs=tiny.NESTED_SIDES),
    translations(),
    st.data(),
    st.sampled_from([(), ("lan",), ("wan",), ("guests",), ("firewall",)]),
    st.sampled_from(CONDITIONS),
    st.sampled_from(["accept", "drop", "reject"]),
)
def test_sets_of_packets_fare_as_each_of_them_does(
    site: tuple[Context, dict[str, str]],
    rules: tuple[FlatRule, ...],
    entries: tuple[FlatNat, ...],
    data: st.DataObject,
    to_zones: tuple[str, ...],
    conditions: str,
    action: str,
) -> None:
    context, interfaces = site
    policy = Policy(rules, entries, context)
    from_zone = data.draw(st.sampled_from(["wan", "lan", "guests", "firewall"]))
    match = data.draw(tiny.matches(4))
    fates = Fates(policy)
    # The last host of the tiny universe stands for more than its own network says.
    boxes = tuple(
        box._replace(
            source=spans.intersect(box.source, ((0, 3),)), destination=spans.intersect(box.destination, ((0, 3),))
        )
        for box in space.boxes(match, 4)
    )
    question = Question(4, from_zone, tuple(box for box in boxes if all(box)), to_zones)
    found = [fate for flow in fates.flows(question) if (fate := fates.search(flow, [action], conditions))]

    wanted = []
    for header in tiny.headers(4):
        if not tiny.hits(match, header):
            continue
        for zone in to_zones or ("",):
            one = trace(policy, replace(header, from_zone=from_zone, to_zone=zone))
            if leaves(one, zone, context, interfaces) and action in outcomes(one, conditions):
                wanted.append(header)
    assert bool(found) == bool(wanted)
    for fate in found:
        one = trace(policy, fate.packet)
        assert tiny.hits(match, fate.packet)
        assert one.result.from_zone == from_zone
        assert (one.to_zone, action in outcomes(one, conditions)) == (fate.flow.to_zone, True)
