# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Services: the library, names, negation, kinds of ICMP messages; and that the lines of iptables say the same."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Service
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.library import HELPERS, ICMP, SERVICES
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.lines import Alternative, alternatives
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.services import Products, ServiceBook, subtract

OWN: dict[str, Any] = {
    "intranet": ["https", {"protocol": "tcp", "ports": [8080]}],
    "a": "b",
    "b": ["a"],
    "shop": {"protocol": "tcp", "ports": "8000:8009", "source_ports": "1024:65535"},
}


def resolve(*items: object) -> tuple[Products, list[Problem]]:
    problems: list[Problem] = []
    return ServiceBook(OWN, "services", problems).resolve(list(items), "r"), problems


def tcp(low: int, high: int | None = None) -> Service:
    return Service(6, ports=((low, high or low),))


def icmp(number: int, kind: int, code: int | None = None) -> Service:
    return Service(number, types=((kind, kind),), codes=((0, 255),) if code is None else ((code, code),))


@pytest.mark.parametrize(
    ("items", "four", "six"),
    [
        (["ssh"], (tcp(22),), (tcp(22),)),
        (["intranet"], (tcp(443), tcp(8080)), (tcp(443), tcp(8080))),
        (["intranet", "!https"], (tcp(8080),), (tcp(8080),)),
        ([{"protocol": "tcp", "ports": [7]}, "ssh"], (tcp(7), tcp(22)), (tcp(7), tcp(22))),
        (["ping"], (icmp(1, 8),), (icmp(58, 128),)),
        ([{"protocol": "icmp", "types": ["fragmentation-needed"]}], (icmp(1, 3, 4),), ()),
        ([{"protocol": "icmp", "types": ["packet-too-big"]}], (icmp(1, 3, 4),), (icmp(58, 2),)),
        ([{"protocol": "icmp", "types": ["ttl-exceeded"]}], (icmp(1, 11, 0),), (icmp(58, 3, 0),)),
        ([{"protocol": "icmp", "types": [8, "3/4"]}], (icmp(1, 8), icmp(1, 3, 4)), ()),
        ([{"protocol": "icmpv6", "types": [128, "echo-reply"]}], (), (icmp(58, 128), icmp(58, 129))),
        ([{"protocol": "icmpv6"}], (), (Service(58),)),
        ([{"protocol": "icmp"}], (Service(1),), (Service(58),)),
        (["shop"], (Service(6, ((1024, 65535),), ((8000, 8009),)),) , (Service(6, ((1024, 65535),), ((8000, 8009),)),)),
        ([], (Service(),), (Service(),)),
    ],
)  # fmt: skip
def test_what_services_stand_for(items: list[Any], four: tuple[Service, ...], six: tuple[Service, ...]) -> None:
    found, problems = resolve(*items)
    assert problems == []
    assert (found.four, found.six) == (four, six)


@pytest.mark.parametrize("name", SERVICES)
def test_the_library_has_no_mistake(name: str) -> None:
    found, problems = resolve(name)
    assert problems == []
    assert found.four
    assert all(helper in HELPERS for helper, _service in found.helpers)


def test_the_library_is_in_order() -> None:
    for names in (list(SERVICES), list(ICMP), list(HELPERS)):
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("item", "path", "reason", "remedy"),
    [
        ("htps", "r", "unknown service", "Did you mean"),
        ("xyzzy", "r", "unknown service", "Define it in services"),
        (22, "r", "unknown service", "Define it"),
        (None, "r", "unknown service", "Define it"),
        ("a", "services.a", "contains itself", "Take one of these services out"),
        ({"protocol": "tcp", "ports": ["90:80"]}, "r.ports", "is not a port", "8000:8080"),
        ({"ports": [80]}, "r.ports", "need a protocol", "protocol: tcp"),
        ({"protocol": "tcp", "types": [8]}, "r.types", "types need ICMP", "icmp"),
        ({"protocol": "icmp", "types": ["echo-requst"]}, "r.types", "unknown type", "echo-request"),
        ({"protocol": "icmp", "types": [300]}, "r.types", "unknown type", "3/4"),
        ({"protocol": "icmp", "types": [True]}, "r.types", "unknown type", "3/4"),
        ({"protocol": "icmp", "types": ["3/x"]}, "r.types", "unknown type", "3/4"),
        ({"protocol": "icmpv6", "types": ["timestamp-request"]}, "r.types", "does not exist in ICMPv6", "icmp"),
        ({"protocol": "tcp", "ports": 21, "helper": "fpt"}, "r.helper", "unknown helper", "'ftp'"),
        ({"protocol": "udp", "ports": 21, "helper": "ftp"}, "r.helper", "does not look at udp", "tcp"),
        ({"protocol": "tcp", "helper": "ftp"}, "r.helper", "needs ports", "port"),
        ({"protcol": "tcp"}, "r.protcol", "unknown key", "protocol"),
    ],
)
def test_a_wrong_service_is_explained(item: object, path: str, reason: str, remedy: str) -> None:
    _found, problems = resolve(item)
    assert [problem.path for problem in problems] == [path]
    assert reason in problems[0].reason
    assert remedy in problems[0].remedy


# --- laws: a packet is (protocol, source port or type, destination port or code)

Packet = tuple[int, int, int]


def holds(services: tuple[Service, ...], packet: Packet, family: int) -> bool:
    protocol, left, right = packet
    for service in services:
        if service.protocol not in (None, protocol):
            continue
        if protocol in (6, 17):
            sides = (service.source_ports, service.ports)
        elif protocol == (1 if family == 4 else 58):
            sides = (service.types, service.codes)
        else:
            return True
        if all(
            any(low <= value <= high for low, high in side) for side, value in zip(sides, (left, right), strict=True)
        ):
            return True
    return False


def says(text: str, packet: Packet) -> bool:
    """A reader of the few words of iptables that services become; anything else is an error."""
    protocol, left, right = packet
    numbers = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "esp": 50, "ah": 51, "sctp": 132}
    words = re.sub(r"-m (multiport|icmp6?) ?", "", text.replace("-m ah", "-p 51")).split()
    negated = False
    result = True
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        value = words.pop(0)
        if word == "-p":
            truth = protocol == int(numbers.get(value, value))
        elif word in ("--dport", "--dports", "--sport", "--sports"):
            port = right if word.startswith("--d") else left
            ends = [[int(end) for end in part.split(":")] for part in value.split(",")]
            assert sum(len(part) for part in ends) <= 15
            truth = any(part[0] <= port <= part[-1] for part in ends)
        elif word in ("--icmp-type", "--icmpv6-type"):
            kind, _slash, code = value.partition("/")
            truth = left == int(kind) and (not code or right == int(code))
        else:
            raise AssertionError(word)
        result &= truth != negated
        negated = False
    return result


def lines_say(found: tuple[Alternative, ...], packet: Packet) -> bool:
    return any(says(item.match, packet) and not any(says(text, packet) for text in item.excluded) for item in found)


ends = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: ((min(pair), max(pair)),))
full = st.just(((0, 65535),))
codes = st.just(((0, 255),))
products = st.one_of(
    st.builds(Service, st.sampled_from([6, 17]), st.one_of(ends, full), st.one_of(ends, full)),
    st.builds(lambda kinds, code: Service(1, types=kinds, codes=code), st.one_of(ends, codes), st.one_of(ends, codes)),
    st.builds(Service, st.sampled_from([None, 50, 47, 132])),
)
packets = st.tuples(st.sampled_from([6, 17, 1, 47, 50, 99]), st.integers(0, 13), st.integers(0, 13))


@given(st.lists(products, min_size=1, max_size=4), st.lists(products, max_size=3), packets)
def test_subtracting_is_exact(services: list[Service], minus: list[Service], packet: Packet) -> None:
    left = subtract(services, minus)
    assert holds(left, packet, 4) == (holds(tuple(services), packet, 4) and not holds(tuple(minus), packet, 4))


@given(st.lists(products, min_size=1, max_size=4), st.lists(products, max_size=3), packets)
def test_the_lines_of_iptables_mean_the_same(services: list[Service], minus: list[Service], packet: Packet) -> None:
    left = subtract(services, minus)
    assert lines_say(alternatives(left, 4), packet) == holds(left, packet, 4)


@pytest.mark.parametrize(
    ("items", "most"), [(["!ssh"], 2), (["!ssh", "!dns"], 3), (["!ping"], 2), (["!ping", "!dns"], 4), (["!ipsec"], 3)]
)
@pytest.mark.parametrize("family", [4, 6])
def test_all_but_a_few_is_a_few_lines_that_say_it(items: list[str], most: int, family: int) -> None:
    found, _problems = resolve(*items)
    lines = alternatives(found.of(family), family)
    assert len(lines) <= most
    for packet in itertools.product((1, 6, 17, 47, 50, 51, 58, 99), (0, 8, 128, 500), (0, 22, 53, 500, 4500)):
        # Types and codes of ICMP end at 255.
        if packet[0] not in (1, 58) or max(packet) < 256:
            assert lines_say(lines, packet) == holds(found.of(family), packet, family), packet
