# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Packets through what takes more than one of them, or is no decision: limits, hours, blocks, sizes, forged sources."""

from __future__ import annotations

import ipaddress
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import FIREWALL
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import Packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse
from tests.policy_kernel import packets
from tests.policy_kernel.packets import ACK, PSH, SYN, Tcp
from tests.policy_kernel.rig import Rig

ZONES: dict[str, Any] = {
    "wan": {"interfaces": ["wan"], "networks": ["192.0.2.0/24", "2001:db8:1::/64"]},
    "lan": {"interfaces": ["lan"], "networks": ["198.51.100.0/24", "2001:db8:2::/64"]},
}
ROUTES = {
    "192.0.2.0/24": "wan",
    "2001:db8:1::/64": "wan",
    "198.51.100.0/24": "lan",
    "2001:db8:2::/64": "lan",
    "0.0.0.0/0": "wan",
    "::/0": "wan",
}
OWN = ("192.0.2.1", "2001:db8:1::1", "198.51.100.1", "2001:db8:2::1")
OUTER = {4: "192.0.2.9", 6: "2001:db8:1::9"}
INNER = {4: "198.51.100.9", 6: "2001:db8:2::9"}
PASSED, SILENCE, REFUSED = "passed", "silence", "refused"


class World:
    """Rules in a rig, and one packet at a time."""

    def __init__(
        self,
        policy: Mapping[str, Any],
        alter: Callable[[str], str] = str,
        routes: Mapping[str, str] | None = None,
        **rig: Any,
    ) -> None:
        ruleset, problems = parse({"zones": ZONES, **policy})
        assert problems == ()
        self.rig = Rig(ROUTES if routes is None else routes, OWN, **rig)
        try:
            self.rig.load({name: alter(text) for name, text in render(ruleset).items()})
        except BaseException:
            self.rig.close()
            raise
        self.sent = 0

    def send(self, link: str, packet: Packet, size: int = 128, tcp: Tcp = packets.FIRST) -> list[bytes]:
        """What comes out on the other side."""
        raw = packets.build(packet, size, tcp)
        found = self.rig.exchange([(link, raw)])
        self.answered = any(packets.is_reset(each.raw) or packets.refused(each.raw) for each in found)
        return [each.raw for each in found if each.where not in (link, FIREWALL)]

    def connect(self, link: str, source: str, target: str, port: int = 80, protocol: int = 6) -> str:
        """The first packet of a connection from a port of its own."""
        self.sent += 1
        out = self.send(link, head(source, target, port, protocol, 20000 + self.sent))
        assert not (out and self.answered)
        return PASSED if out else REFUSED if self.answered else SILENCE


def head(source: str, target: str, port: int, protocol: int = 6, source_port: int = 20000) -> Packet:
    ends = ipaddress.ip_address(source), ipaddress.ip_address(target)
    return Packet("", *ends, protocol, source_port=source_port, port=port)


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(policy: Mapping[str, Any], **more: Any) -> World:
        made.append(World(policy, **more))
        return made[-1]

    yield make
    for each in made:
        each.rig.close()


Make = Callable[..., World]
IN = {"from": "wan", "to": "lan"}
REJECT = {"name": "rest", **IN, "action": "reject"}
both = pytest.mark.parametrize("family", [4, 6])


# --- limits


def unlimited(text: str) -> str:
    """Negative control: rules without their matches of rates and numbers."""
    lines = []
    for line in text.splitlines(keepends=True):
        for name in ("-m hashlimit --hashlimit", "-m connlimit --connlimit"):
            if name in line and line.startswith("-A c-"):
                line = f"{line[: line.index(name)]}{line[line.index('-m comment') :]}"
        lines.append(line)
    return "".join(lines)


@both
def test_a_rule_that_accepts_holds_up_to_its_rate(world: Make, family: int) -> None:
    rule = {"name": "web", **IN, "service": "http", "limit": {"rate": "1/hour", "burst": 3}}
    made, ends = world({"rules": [rule, REJECT]}), (OUTER[family], INNER[family])
    assert [made.connect("wan", *ends) for _number in range(5)] == [PASSED] * 3 + [REFUSED] * 2
    # One bucket for all.
    assert made.connect("wan", OUTER[family] + "1", INNER[family]) == REFUSED


@both
def test_each_source_has_a_rate_of_its_own(world: Make, family: int) -> None:
    rule = {"name": "web", **IN, "service": "http", "limit": {"rate": "1/hour", "burst": 2, "per": "source"}}
    made = world({"rules": [rule, REJECT]})
    for source in (OUTER[family], OUTER[family] + "1"):
        assert [made.connect("wan", source, INNER[family]) for _number in range(3)] == [PASSED] * 2 + [REFUSED]


@both
def test_a_rule_that_drops_holds_beyond_its_rate(world: Make, family: int) -> None:
    flood = {"name": "flood", **IN, "action": "drop", "limit": {"rate": "1/hour", "burst": 2, "per": "destination"}}
    made = world({"rules": [flood, {"name": "all", **IN}]})
    for target in (INNER[family], INNER[family] + "1"):
        assert [made.connect("wan", OUTER[family], target) for _number in range(3)] == [PASSED] * 2 + [SILENCE]


def test_all_services_of_a_rule_count_together(world: Make) -> None:
    rule = {"name": "r", **IN, "service": ["http", "dns", "!smtp"], "limit": {"rate": "1/hour", "burst": 3}}
    made = world({"rules": [rule, REJECT]})
    found = [made.connect("wan", OUTER[4], INNER[4], port, number) for port, number in ((80, 6), (53, 17), (53, 6))]
    assert found == [PASSED] * 3
    assert made.connect("wan", OUTER[4], INNER[4], 53, 17) == REFUSED


@both
def test_connections_at_a_time(world: Make, family: int) -> None:
    rule = {"name": "web", **IN, "service": "http", "connections": {"max": 2}}
    made = world({"rules": [rule, REJECT]})
    ends = (OUTER[family], INNER[family])
    assert [made.connect("wan", *ends) for _number in range(4)] == [PASSED] * 2 + [REFUSED] * 2
    assert made.connect("wan", OUTER[family] + "1", INNER[family]) == PASSED
    made.rig.firewall.run("conntrack", "-D", "-f", f"ipv{family}", "-s", OUTER[family], "-p", "tcp", "--sport", "20001")
    # The kernel looks for ended connections at most once in a tick of its clock, 10 ms at the slowest.
    time.sleep(0.05)
    assert [made.connect("wan", *ends) for _number in range(2)] == [PASSED, REFUSED]


def test_connections_of_all_together(world: Make) -> None:
    rule = {"name": "many", **IN, "action": "drop", "connections": {"max": 2, "per": "none"}}
    made = world({"rules": [rule, {"name": "all", **IN}]})
    sources = [f"{OUTER[4]}{number}" for number in range(4)]
    assert [made.connect("wan", source, INNER[4]) for source in sources] == [PASSED] * 2 + [SILENCE] * 2


@pytest.mark.parametrize("what", [{"limit": {"rate": "1/hour", "burst": 1}}, {"connections": {"max": 1}}])
def test_limits_do_what_they_are_there_for(world: Make, what: dict[str, Any]) -> None:
    policy = {"rules": [{"name": "web", **IN, "service": "http", **what}, REJECT]}
    for alter, second in ((str, REFUSED), (unlimited, PASSED)):
        made = world(policy, alter=alter)
        assert [made.connect("wan", OUTER[4], INNER[4]) for _number in range(2)] == [PASSED, second]


# --- hours


def clock(hours: int) -> str:
    return f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}"


def day(hours: int) -> str:
    return f"{datetime.now(UTC) + timedelta(hours=hours):%a}"


@pytest.mark.parametrize(
    ("schedule", "answer"),
    [
        (lambda: {"from": clock(-1), "until": clock(1)}, PASSED),
        (lambda: {"from": clock(1), "until": clock(2)}, REFUSED),
        (lambda: {"from": clock(-2), "until": clock(-1)}, REFUSED),
        # These last beyond midnight, and belong to the day on which they begin.
        (lambda: {"from": clock(-1), "until": clock(-2)}, PASSED),
        (lambda: {"days": [day(-1)], "from": clock(-1), "until": clock(-2)}, PASSED),
        (lambda: {"days": [day(23)], "from": clock(-1), "until": clock(-2)}, REFUSED),
        (lambda: {"days": [day(-12)], "from": clock(-12), "until": clock(11)}, PASSED),
        (lambda: {"days": [day(12)], "from": clock(-12), "until": clock(11)}, REFUSED),
        (lambda: {"days": [day(-1), day(1)]}, PASSED),
        (lambda: {"days": [day(48), day(72), day(96)]}, REFUSED),
    ],
)  # fmt: skip
def test_a_rule_decides_in_its_hours(world: Make, schedule: Callable[[], Any], answer: str) -> None:
    made = world({"rules": [{"name": "shift", **IN, "schedule": schedule()}, REJECT]})
    assert [made.connect("wan", OUTER[family], INNER[family]) for family in (4, 6)] == [answer] * 2


# --- translation


BLOCKS = {
    4: ("203.0.113.16/28", "198.51.100.32/28", "203.0.113.21", "198.51.100.37"),
    6: ("2001:db8:5::/120", "2001:db8:2::100/120", "2001:db8:5::25", "2001:db8:2::125"),
}


@both
def test_a_block_is_translated_both_ways(world: Make, family: int) -> None:
    outer, inner, outside, inside = BLOCKS[family]
    nat = {"name": "block", "type": "one_to_one", "from": "wan", "destination": outer, "to_address": inner}
    any_way = {"name": "all", "from": "any", "to": "any"}
    made = world({"nat": [nat], "rules": [any_way]})
    (there,) = made.send("wan", head(OUTER[family], outside, 80))
    assert packets.read(there) == head(OUTER[family], inside, 80)
    (answer,) = made.send("lan", packets.back(packets.read(there)), tcp=Tcp(SYN | ACK, 1, 1001))
    assert packets.read(answer) == head(outside, OUTER[family], 20000, 6, 80)
    (out,) = made.send("lan", head(inside, OUTER[family], 443, 6, 30000))
    assert packets.read(out) == head(outside, OUTER[family], 443, 6, 30000)
    (home,) = made.send("wan", packets.back(packets.read(out)), tcp=Tcp(SYN | ACK, 1, 1001))
    assert packets.read(home) == head(OUTER[family], inside, 30000, 6, 443)


@both
@pytest.mark.parametrize("protocol", [6, 17, 132])
def test_ports_of_a_range_are_shifted_one_by_one(world: Make, family: int, protocol: int) -> None:
    nat = {
        "name": "shift",
        "type": "dnat",
        "from": "wan",
        "destination": OWN[:2][family == 6],
        "protocol": protocol,
        "ports": "5000:5009",
        "to_address": INNER[family],
        "to_port": "6000:6009",
    }
    made = world({"nat": [nat], "rules": [{"name": "all", **IN}]})
    for port in range(5000, 5010):
        (there,) = made.send("wan", head(OUTER[family], OWN[family == 6], port, protocol))
        assert packets.read(there) == head(OUTER[family], INNER[family], port + 1000, protocol)
    assert not made.send("wan", head(OUTER[family], OWN[family == 6], 5010, protocol))


# --- segments


def announced(raw: bytes) -> int:
    """The segment size in the only option."""
    start = 20 if raw[0] >> 4 == 4 else 40
    kind, _length, size = struct.unpack_from("!BBH", raw, start + 20)
    assert kind == 2
    return int(size)


def segment(size: int, flags: int = SYN, acknowledgement: int = 0) -> Tcp:
    return Tcp(flags, 1000, acknowledgement, struct.pack("!BBH", 2, 4, size))


@both
def test_segments_are_clamped_in_both_directions(world: Make, family: int) -> None:
    made = world({"rules": [{"name": "all", **IN}], "mss": [{**IN, "mss": 1300}]})
    for port, size, wanted in ((80, 1460, 1300), (81, 1301, 1300), (82, 1300, 1300), (83, 900, 900)):
        (there,) = made.send("wan", head(OUTER[family], INNER[family], port), tcp=segment(size))
        assert announced(there) == wanted
        (answer,) = made.send("lan", packets.back(packets.read(there)), tcp=segment(size, SYN | ACK, 1001))
        assert announced(answer) == wanted


@both
def test_segments_are_clamped_to_the_path(world: Make, family: int) -> None:
    made = world({"rules": [{"name": "all", **IN}], "mss": [{**IN, "mss": "pmtu"}]}, sizes={"lan": 1400})
    (there,) = made.send("wan", head(OUTER[family], INNER[family], 80), tcp=segment(8000))
    assert announced(there) == 1400 - {4: 40, 6: 60}[family]


@both
def test_other_pairs_announce_what_they_like(world: Make, family: int) -> None:
    rules = [{"name": "all", "from": "any", "to": "any"}]
    made = world({"rules": rules, "mss": [{"from": "wan", "to": "wan", "mss": 1300}]})
    (there,) = made.send("wan", head(OUTER[family], INNER[family], 80), tcp=segment(1460))
    assert announced(there) == 1460


# --- forged sources


#: Another address of wan, one of lan, one that only the default route has, and one that nobody has.
SOURCES = {
    4: ("192.0.2.77", "198.51.100.77", "203.0.113.77"),
    6: ("2001:db8:1::77", "2001:db8:2::77", "3fff::77"),
}


@both
@pytest.mark.parametrize(
    ("wan", "answers"),
    [
        ({"antispoof": "strict"}, (PASSED, SILENCE, PASSED)),
        ({"antispoof": "loose"}, (PASSED, PASSED, PASSED)),
        ({"antispoof": "off"}, (PASSED, PASSED, PASSED)),
        ({"antispoof": "off", "bogons": True}, (PASSED, SILENCE, SILENCE)),
        ({"bogons": True}, (PASSED, SILENCE, SILENCE)),
    ],
)
def test_forged_sources(world: Make, family: int, wan: dict[str, Any], answers: tuple[str, ...]) -> None:
    zones = {**ZONES, "wan": {**ZONES["wan"], **wan}}
    made = world({"zones": zones, "rules": [{"name": "all", **IN}]})
    assert tuple(made.connect("wan", source, INNER[family]) for source in SOURCES[family]) == answers


@both
def test_a_source_without_a_way_back_is_forged_even_loosely(world: Make, family: int) -> None:
    made = world({"antispoof": "loose", "rules": [{"name": "all", **IN}]})
    made.rig.firewall.run("ip", f"-{family}", "route", "del", "default")
    assert [made.connect("wan", source, INNER[family]) for source in SOURCES[family]] == [PASSED, PASSED, SILENCE]


@both
def test_an_inner_zone_takes_no_source_of_outside(world: Make, family: int) -> None:
    made = world({"rules": [{"name": "all", "from": "lan", "to": "wan"}]})
    found = [made.connect("lan", source, OUTER[family]) for source in SOURCES[family]]
    assert found == [SILENCE, PASSED, SILENCE]


# --- untracked


@both
def test_what_is_exempted_passes_both_ways_without_a_state(world: Make, family: int) -> None:
    entry = {"name": "video", **IN, "destination": INNER[family], "protocol": "udp", "ports": [5004]}
    made = world({"untracked": [entry], "rules": [{"name": "dns", **IN, "service": "dns"}]})
    (there,) = made.send("wan", head(OUTER[family], INNER[family], 5004, 17))
    assert made.send("lan", packets.back(packets.read(there)))
    # An answer needs no question, which is the price.
    assert made.connect("lan", INNER[family], OUTER[family], 20000, 17) == SILENCE
    assert made.send("lan", head(INNER[family], OUTER[family], 20000, 17, 5004))
    assert made.rig.states(family) == []
    assert made.connect("wan", OUTER[family], INNER[family], 5005, 17) == SILENCE
    assert made.connect("wan", OUTER[family], INNER[family], 53, 17) == PASSED
    assert len(made.rig.states(family)) == 1


#: A server and its network; a host behind another router of lan, which is in no network.
SERVERS = {
    4: ("203.0.113.130", "203.0.113.128/25", "203.0.113.20"),
    6: ("2001:db8:3::9", "2001:db8:3::/64", "3fff::20"),
}


@both
@pytest.mark.parametrize("wan", [{"interfaces": ["wan"]}, ZONES["wan"]])
def test_an_exemption_leaves_the_connections_of_others_alone(world: Make, family: int, wan: dict[str, Any]) -> None:
    """Also of those whose addresses are in no network: their answers pass by the state of their connection."""
    server, net, behind = SERVERS[family]
    zones = {"wan": wan, "lan": ZONES["lan"], "dmz": {"interfaces": ["dmz"], "networks": [net]}}
    service = {"to": "dmz", "destination": server, "protocol": "udp", "ports": [53]}
    policy = {
        "rules": [{"name": "r", "from": "wan", **service}],
        "untracked": [{"name": "u", "from": "lan", **service}],
    }
    made = world({"zones": zones, **policy}, routes={**ROUTES, net: "dmz", behind: "lan"})
    askers = {"wan": (OUTER[family], SOURCES[family][2]), "lan": (INNER[family], behind)}
    for link, source in ((link, source) for link, sources in askers.items() for source in sources):
        (there,) = made.send(link, head(source, server, 53, 17))
        assert made.send("dmz", packets.back(packets.read(there))), (link, source)
    unasked = [made.send("dmz", head(server, source, 20001, 17, 53)) for source in askers["wan"]]
    assert unasked == [[], []]


# --- helpers


def ftp(made: World, family: int, port: int, command: bytes) -> list[bytes]:
    """A control connection from wan that announces port 51210 of its client; returns what becomes of the data."""
    control = head(OUTER[family], INNER[family], port)
    (there,) = made.send("wan", control)
    assert made.send("lan", packets.back(packets.read(there)), tcp=Tcp(SYN | ACK, 5000, 1001))
    assert made.send("wan", control, tcp=Tcp(ACK, 1001, 5001))
    sequence = 1001
    # The helper reads what follows the end of a line.
    for text in (b"USER x\r\n", command):
        tcp = Tcp(ACK | PSH, sequence, 5001, payload=text)
        assert made.send("wan", control, {4: 40, 6: 60}[family] + len(text), tcp)
        sequence += len(text)
    return made.send("lan", head(INNER[family], OUTER[family], 51210, 6, port - 1))


ANNOUNCED = {4: b"PORT 192,0,2,9,200,10\r\n", 6: b"EPRT |2|2001:db8:1::9|51210|\r\n"}
BACKUP = {"backup": {"protocol": "tcp", "ports": 2121, "helper": "ftp"}}


@both
@pytest.mark.parametrize(
    ("port", "expected"),
    [(21, True), (2121, True), (2122, False)],
)
def test_a_helper_looks_where_a_rule_names_it(world: Make, family: int, port: int, expected: bool) -> None:
    plain = {"name": "plain", **IN, "protocol": "tcp", "ports": 2122}
    rules = [{"name": "files", **IN, "service": ["ftp", "backup"]}, plain]
    made = world({"services": BACKUP, "rules": rules})
    data = ftp(made, family, port, ANNOUNCED[family])
    assert bool(data) is expected
    # Nothing else from there.
    assert made.connect("lan", INNER[family], OUTER[family], 51211) == SILENCE


@both
def test_the_port_of_a_helper_without_the_helper_is_a_port(world: Make, family: int) -> None:
    made = world({"rules": [{"name": "plain", **IN, "protocol": "tcp", "ports": 21}]})
    assert not ftp(made, family, 21, ANNOUNCED[family])
