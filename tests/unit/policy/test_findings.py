# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Each kind of finding by example, what must not be reported, and acceptances."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.analyse import analyse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.findings import (
    SEVERITIES,
    Finding,
    apply_accepted,
    parse_accepted,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FlatNat,
    FlatRule,
    FlatZone,
    Log,
    Match,
    Ranges,
    Service,
)

from . import tiny

EVERY = ADDRESSES[4]


def net(*texts: str) -> Ranges:
    found = [ipaddress.ip_network(text) for text in texts]
    return tuple((int(each.network_address), int(each.broadcast_address)) for each in found)


def tcp(*ports: int | tuple[int, int]) -> tuple[Service, ...]:
    return (Service(6, ports=tuple(port if isinstance(port, tuple) else (port, port) for port in ports)),)


def rules(*found: tuple[Any, ...]) -> list[FlatRule]:
    """(action, source, destination, services, more) from wan to dmz, named a, b, c ..."""
    made = []
    for number, (action, source, destination, services, *more) in enumerate(found):
        name = "abcdefgh"[number]
        base: dict[str, Any] = {"from_zones": ("wan",), "to_zones": ("dmz",)}
        base |= more[0] if more else {}
        matches = {4: Match(source, destination, services)}
        made.append(FlatRule(name, f"rules[{number}]", matches=matches, action=action, **base))
    return made


def short(found: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.severity, " ".join(place.name for place in each.rules)) for each in found]


WEB, ALL = tcp(80, 443), (Service(),)
SERVER, PAIR = net("198.51.100.80/32"), net("198.51.100.80/31")
BAD, LAN = net("203.0.113.0/28"), net("198.51.100.0/24")
ITSELF = {"from_zones": ("firewall",), "to_zones": ("firewall",)}
LIMIT, LOGGED = {"conditions": ("1/second",)}, {"log": Log("seen")}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        # One earlier rule, with another and with the same action. Without it the later one would decide.
        ([("drop", EVERY, LAN, ALL), ("accept", EVERY, SERVER, WEB)], [("shadowed", "error", "b a")]),
        ([("accept", EVERY, LAN, ALL), ("accept", EVERY, SERVER, WEB)], [("redundant", "warning", "b a")]),
        # A union: no single rule hides the last.
        (
            [("drop", EVERY, SERVER, tcp(80)), ("accept", EVERY, SERVER, tcp(443)), ("accept", EVERY, SERVER, WEB)],
            [("shadowed", "error", "c a b")],
        ),
        (
            [("accept", EVERY, SERVER, tcp(80)), ("accept", EVERY, SERVER, tcp(443)), ("accept", EVERY, SERVER, WEB)],
            [("redundant", "warning", "c a b")],
        ),
        # Who is blocked is blocked; that is no reason to call the second web rule shadowed.
        (
            [("drop", BAD, EVERY, ALL), ("accept", EVERY, SERVER, WEB), ("accept", EVERY, SERVER, tcp(80))],
            [("redundant", "warning", "c b")],
        ),
        # But who accepts only what is blocked is shadowed, even if a wider rule accepts it too.
        (
            [("drop", BAD, EVERY, ALL), ("accept", EVERY, SERVER, WEB), ("accept", BAD, SERVER, tcp(80))],
            [("shadowed", "error", "c a")],
        ),
        # Drop specific, accept general: no finding.
        ([("drop", BAD, EVERY, ALL), ("accept", EVERY, SERVER, WEB)], []),
        # What stands between a rule and the one that does the same is looked at: here it has other packets, there not.
        (
            [("accept", BAD, SERVER, WEB), ("drop", EVERY, SERVER, tcp(22)), ("accept", EVERY, LAN, ALL)],
            [("redundant", "warning", "a c")],
        ),
        ([("accept", BAD, SERVER, WEB), ("drop", EVERY, SERVER, tcp(80)), ("accept", EVERY, LAN, ALL)], []),
        # What conditions let pass is not hidden, but what has conditions can be.
        ([("drop", EVERY, SERVER, WEB, LIMIT), ("accept", EVERY, SERVER, WEB)], []),
        ([("accept", EVERY, SERVER, WEB), ("drop", EVERY, SERVER, WEB, LIMIT)], [("shadowed", "error", "b a")]),
        # The same follows, or the default; a rule that logs is there for that.
        ([("accept", EVERY, SERVER, tcp(80)), ("accept", EVERY, LAN, WEB)], [("redundant", "warning", "a b")]),
        ([("drop", EVERY, SERVER, WEB)], [("redundant", "info", "a")]),
        ([("drop", EVERY, SERVER, WEB, LOGGED)], []),
        ([("reject", EVERY, SERVER, WEB)], []),
        ([("accept", EVERY, SERVER, WEB, LIMIT), ("accept", EVERY, SERVER, WEB)], [("redundant", "warning", "a b")]),
        # Ranges that cross.
        (
            [("drop", EVERY, SERVER, tcp((1000, 2000))), ("accept", EVERY, SERVER, tcp((1500, 2500)))],
            [("contradicting", "info", "b a")],
        ),
        (
            [("drop", EVERY, PAIR, tcp(80)), ("accept", EVERY, (*SERVER, *net("198.51.100.90/32")), tcp(80))],
            [("contradicting", "info", "b a")],
        ),
        ([("accept", EVERY, SERVER, tcp((1000, 2000))), ("accept", EVERY, SERVER, tcp((1500, 2500)))], []),
        # Empty.
        ([("accept", (), SERVER, WEB)], [("never-matching", "error", "a")]),
        ([("accept", EVERY, SERVER, ())], [("never-matching", "error", "a")]),
        ([("accept", EVERY, SERVER, WEB, {"from_zones": ()})], [("never-matching", "error", "a")]),
        ([("accept", EVERY, SERVER, WEB, ITSELF)], [("never-matching", "error", "a")]),
        # Hidden in one of its pairs of zones only.
        ([("drop", EVERY, SERVER, WEB, LOGGED), ("accept", EVERY, SERVER, WEB, {"from_zones": ("wan", "lan")})], []),
    ],
)
def test_rules(found: list[tuple[Any, ...]], wanted: list[tuple[str, str, str]]) -> None:
    assert short(analyse(rules(*found), (), Context())) == wanted


GUESTS = Context(
    places=(
        FlatZone("wan", ("eth1",)),
        FlatZone("dmz", ("eth2",), {4: spans.subtract(EVERY, net("198.51.100.128/25")), 6: ADDRESSES[6]}),
        FlatZone("guests", ("eth2",), {4: net("198.51.100.128/25"), 6: ()}),
    )
)
TO_GUESTS, FROM_GUESTS = {"to_zones": ("guests",)}, {"from_zones": ("guests",), "to_zones": ("wan",)}
FROM_DMZ = {"from_zones": ("dmz",), "to_zones": ("wan",)}
HALF = net("198.51.100.128/25")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        # No address of the rule is one of the zone: neither as a source nor as a destination.
        ([("accept", SERVER, EVERY, WEB, FROM_GUESTS)], [("never-matching", "error", "a")]),
        ([("accept", EVERY, SERVER, WEB, TO_GUESTS)], [("never-matching", "error", "a")]),
        ([("accept", HALF, EVERY, WEB, FROM_DMZ)], [("never-matching", "error", "a")]),
        ([("accept", LAN, EVERY, WEB, FROM_GUESTS)], []),
        # What looks wider than another rule is not wider where the zone ends.
        (
            [("drop", HALF, EVERY, ALL, {**FROM_GUESTS, **LOGGED}), ("accept", LAN, EVERY, WEB, FROM_GUESTS)],
            [("shadowed", "error", "b a")],
        ),
        ([("drop", HALF, EVERY, ALL, {**FROM_GUESTS, **LOGGED}), ("accept", LAN, EVERY, WEB, FROM_DMZ)], []),
        (
            [("accept", EVERY, HALF, WEB, TO_GUESTS), ("accept", EVERY, LAN, tcp(80), TO_GUESTS)],
            [("redundant", "warning", "b a")],
        ),
        # Ranges cross on paper only.
        (
            [
                ("drop", EVERY, net("198.51.100.64/26", "198.51.100.128/26"), WEB, {**TO_GUESTS, **LOGGED}),
                ("accept", EVERY, HALF, tcp(80), TO_GUESTS),
            ],
            [],
        ),
        # Hidden in one of two zones of the same interface.
        (
            [
                ("drop", EVERY, HALF, ALL, {**TO_GUESTS, **LOGGED}),
                ("accept", EVERY, LAN, WEB, {"to_zones": ("dmz", "guests")}),
            ],
            [],
        ),
    ],
)
def test_rules_of_zones_of_prefixes(found: list[tuple[Any, ...]], wanted: list[tuple[str, str, str]]) -> None:
    seen = analyse(rules(*found), (), GUESTS)
    assert short(seen) == wanted
    for each in seen:
        if each.kind == "never-matching":
            assert each.text.endswith("matches no packet at all: its zones have none of its addresses")


def test_translations_of_zones_of_prefixes() -> None:
    first = FlatNat("s", "nat[s]", "snat", 4, (), ("guests",), Match(EVERY, EVERY), to_addresses=net("192.0.2.1")[0])
    assert short(analyse((), [replace(first, match=Match(EVERY, SERVER))], GUESTS)) == [
        ("never-matching", "error", "s")
    ]
    # In dmz nothing hides it, in guests the first entry does.
    rest = replace(first, name="t", path="nat[t]", to_zones=("guests", "dmz"), to_addresses=net("192.0.2.3")[0])
    assert analyse((), [first, rest], GUESTS) == ()
    assert short(analyse((), [first, replace(rest, to_zones=("guests",))], GUESTS)) == [("nat-hidden", "error", "t s")]


def test_a_finding_says_what_why_and_shows_it() -> None:
    found = rules(("drop", EVERY, SERVER, tcp(80), LOGGED), ("accept", BAD, LAN, WEB), ("accept", BAD, SERVER, WEB))
    (only,) = analyse(found, (), Context())
    assert str(only) == (
        "warning: redundant: 'c' never decides, since 'b' matches all of its packets and accepts them too "
        "(rules[2], rules[1]). Packet: tcp 203.0.113.10:40000 -> 198.51.100.80:443 from wan to dmz. Remove it."
    )
    (only,) = analyse(
        rules(
            ("drop", EVERY, SERVER, tcp(80), LOGGED),
            ("accept", BAD, SERVER, tcp((81, 65535))),
            ("accept", BAD, SERVER, WEB),
        ),
        (),
        Context(),
    )
    assert only.text == (
        "'c' never decides, since 'a' and 'b' together match all of its packets before it: "
        "'a' drops what it would accept"
    )


@pytest.mark.parametrize(
    ("rule", "side"),
    [
        (("accept", EVERY, SERVER, ALL), "source"),
        (("accept", BAD, EVERY, ALL), "destination"),
        (("accept", EVERY, EVERY, ALL), "source"),
        (("accept", EVERY, EVERY, ALL, LIMIT), "source"),
        (("accept", BAD, SERVER, ALL), None),
        (("accept", EVERY, SERVER, (Service(6), Service(17))), None),
        (("accept", EVERY, SERVER, (Service(6), Service())), "source"),
        (("reject", EVERY, EVERY, ALL), None),
        (("accept", EVERY, EVERY, ALL, {"from_zones": ("lan",)}), None),
        (("accept", EVERY, EVERY, ALL, {"from_zones": ("lan", "wan")}), "source"),
    ],
)
def test_wide(rule: tuple[Any, ...], side: str | None) -> None:
    found = analyse(rules(rule), (), Context(untrusted=("wan",)))
    assert short(found) == ([("wide", "warning", "a")] if side else [])
    assert all(f"any {side} from wan" in each.text for each in found)
    assert all(each.packet is not None and each.packet.from_zone == "wan" for each in found)


VIP = ipaddress.ip_address("192.0.2.1")
CONTEXT = Context(
    networks={"dmz": (ipaddress.ip_network("198.51.100.0/24"),)},
    default_zone="wan",
    own=(ipaddress.ip_address("192.0.2.2"),),
    vips=(VIP,),
    routed=(ipaddress.ip_network("203.0.113.64/29"),),
)


def dnat(name: str, destination: str, services: tuple[Service, ...], to: str, port: int = 0) -> FlatNat:
    match, target = Match(EVERY, net(destination), services), net(to)[0]
    ports = (port, port) if port else None
    return FlatNat(name, f"nat[{name}]", "dnat", 4, ("wan",), (), match, to_addresses=target, to_ports=ports)


def snat(name: str, source: Ranges, to: str, kind: str = "snat") -> FlatNat:
    target = None if kind == "none" else net(to)[0]
    return FlatNat(name, f"nat[{name}]", kind, 4, (), ("wan",), Match(source, EVERY), to_addresses=target)


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([snat("s", LAN, "192.0.2.1/32")], []),
        ([snat("s", LAN, "192.0.2.2/32")], [("nat-failover", "error", "s")]),
        ([snat("s", LAN, "192.0.2.0/30")], [("nat-failover", "error", "s")]),
        ([snat("s", LAN, "192.0.2.77/32")], [("nat-failover", "error", "s")]),
        ([snat("s", LAN, "203.0.113.64/29")], []),
        ([snat("s", LAN, "", "none")], []),
        ([snat("s", LAN, "192.0.2.1/32"), snat("t", SERVER, "203.0.113.64/32")], [("nat-hidden", "error", "t s")]),
        ([snat("s", LAN, "192.0.2.1/32"), snat("t", SERVER, "192.0.2.1/32")], [("nat-hidden", "warning", "t s")]),
        ([snat("s", LAN, "", "none"), snat("t", SERVER, "192.0.2.1/32")], [("nat-hidden", "error", "t s")]),
        ([snat("s", SERVER, "192.0.2.1/32"), snat("t", LAN, "203.0.113.64/32")], []),
        ([snat("s", (), "192.0.2.1/32")], [("never-matching", "error", "s")]),
        ([dnat("d", "192.0.2.1", tcp(443), "198.51.100.80", 8443)], []),
        ([dnat("d", "192.0.2.1", tcp(443), "198.51.100.80")], [("nat-unpublished", "warning", "d no")]),
        ([dnat("d", "192.0.2.1", tcp(443), "198.51.100.81", 8443)], [("nat-unpublished", "warning", "d")]),
        ([dnat("d", "192.0.2.1", tcp((8000, 9000)), "198.51.100.80")], []),
        # What an earlier entry takes away is accepted, what is left for this one is not.
        (
            [
                dnat("d", "192.0.2.1", tcp(443), "198.51.100.80", 8443),
                dnat("e", "192.0.2.1", tcp((443, 444)), "198.51.100.81"),
            ],
            [("nat-unpublished", "warning", "e")],
        ),
        (
            [dnat("d", "192.0.2.1", tcp(443), "198.51.100.80", 8443), dnat("e", "192.0.2.1", tcp(443), "198.51.100.9")],
            [("nat-hidden", "error", "e d")],
        ),
    ],
)
def test_translations(entries: list[FlatNat], wanted: list[tuple[str, str, str]]) -> None:
    open_port = rules(
        ("drop", EVERY, SERVER, tcp(443), LOGGED),
        ("accept", EVERY, SERVER, tcp(443, 8443)),
    )
    open_port[0] = FlatRule("no", "rules[no]", ("wan",), ("dmz",), open_port[0].matches, "drop", log=Log("no"))
    found = analyse(open_port, entries, CONTEXT)
    assert short(found) == wanted
    for each in found:
        assert each.packet is not None or each.kind in ("nat-failover", "never-matching")


def test_the_published_address_is_shown_as_it_is_asked_for() -> None:
    (found,) = analyse((), [dnat("d", "192.0.2.1", tcp(443), "198.51.100.80", 8443)], CONTEXT)
    assert found.text == (
        "'d' publishes 198.51.100.80 port 8443, but no rule accepts that: the default policy drops the packet"
    )
    assert str(found.packet) == "tcp 203.0.113.10:40000 -> 192.0.2.1:443 from wan to dmz"
    limited = rules(("accept", EVERY, SERVER, tcp(8443), LIMIT))
    assert analyse(limited, [dnat("d", "192.0.2.1", tcp(443), "198.51.100.80", 8443)], CONTEXT) == ()


def test_an_exception_of_both_hooks_is_used_when_it_is_in_one() -> None:
    block = net("198.51.100.0/24")
    both = FlatNat("x", "nat[x]", "none", 4, ("wan",), ("wan",), Match(block, EVERY))
    assert analyse((), [snat("s", block, "192.0.2.1/32"), both], CONTEXT) == ()
    first = FlatNat("f", "nat[f]", "none", 4, ("wan",), (), Match(EVERY, EVERY))
    found = analyse((), [snat("s", block, "192.0.2.1/32"), first, both], CONTEXT)
    assert short(found) == [("nat-hidden", "warning", "x f")]
    nowhere = FlatNat("n", "nat[n]", "none", 4, (), (), Match(EVERY, EVERY))
    assert short(analyse((), [nowhere], CONTEXT)) == [("never-matching", "error", "n")]


def test_of_many_that_hide_together_only_the_needed_are_named() -> None:
    """Ports 100 to 112 in steps that overlap: whatever is tried first, no rule that is named can be left out."""
    links = [
        FlatRule(f"l{n}", f"rules[{n}]", ("wan",), ("dmz",), {4: Match(EVERY, SERVER, tcp((100 + n, 101 + n)))})
        for n in range(12)
    ]
    last = FlatRule("last", "rules[12]", ("wan",), ("dmz",), {4: Match(EVERY, SERVER, tcp((100, 112)))}, "drop")
    (found,) = [each for each in analyse([*links, last], (), Context()) if each.kind == "shadowed"]
    named = {int(place.name[1:]) for place in found.rules[1:]}
    covered = [{100 + n, 101 + n} for n in named]
    assert set().union(*covered) == set(range(100, 113))
    for n in named:
        assert set().union(*({100 + m, 101 + m} for m in named - {n})) != set(range(100, 113))


def test_a_rule_with_a_helper_is_not_called_redundant() -> None:
    twice = rules(("accept", EVERY, LAN, ALL, LOGGED), ("accept", EVERY, SERVER, tcp(21)))
    assert short(analyse(twice, (), Context())) == [("redundant", "warning", "b a")]
    helped = replace(twice[1], helpers=(("ftp", tcp(21)[0]),))
    assert analyse([twice[0], helped], (), Context()) == ()


@st.composite
def translations(draw: st.DrawFn) -> tuple[FlatNat, ...]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["snat", "none"]))
        family = draw(st.sampled_from([4, 4, 6]))
        zones = draw(st.sampled_from([("wan",), ("wan", "lan")]))
        target = (draw(st.integers(0, 1)),) * 2 if kind == "snat" else None
        match = draw(tiny.matches(family, empty=True))
        found.append(FlatNat(f"n{number}", f"nat[{number}]", kind, family, (), zones, match, to_addresses=target))
    return tuple(found)


@settings(max_examples=80, deadline=None)
@given(translations())
def test_a_translation_is_hidden_exactly_when_no_packet_reaches_it(entries: tuple[FlatNat, ...]) -> None:
    reached, matched = set(), set()
    for zone in ("wan", "lan"):
        for family in (4, 6):
            for packet in tiny.headers(family):
                mine = [
                    entry.name
                    for entry in entries
                    if entry.family == family and zone in entry.to_zones and tiny.hits(entry.match, packet)
                ]
                reached.update(mine[:1])
                matched.update(mine)
    found = analyse((), entries, Context())
    assert {each.rules[0].name for each in found if each.kind == "nat-hidden"} == matched - reached
    names = {entry.name for entry in entries}
    assert {each.rules[0].name for each in found if each.kind == "never-matching"} == names - matched


def test_unused_objects() -> None:
    context = Context(
        objects={"servers": "objects.servers", "web": "objects.web", "old": "objects.old", "mail": "objects.mail"},
        references={"servers": ("web",), "old": ("mail",)},
        used=("servers",),
    )
    found = analyse((), (), context)
    assert short(found) == [("unused-object", "warning", "old"), ("unused-object", "warning", "mail")]
    assert found[1].text == "'mail' is used by no rule, only by 'old', also unused"


HIDDEN = rules(("accept", EVERY, LAN, ALL), ("drop", EVERY, SERVER, WEB))


@pytest.mark.parametrize(
    ("accepted", "left"),
    [
        ([], ["shadowed"]),
        ([{"finding": "shadowed", "rule": "b", "reason": "until May"}], []),
        ([{"finding": "shadowed", "rules": ["b", "a"], "reason": "until May"}], []),
        ([{"finding": "shadowed", "rule": "a", "reason": "the wrong one"}], ["shadowed", "stale-acceptance"]),
        ([{"finding": "redundant", "rule": "b", "reason": "another kind"}], ["shadowed", "stale-acceptance"]),
        ([{"finding": "shadowed", "rules": ["b", "c"], "reason": "too many"}], ["shadowed", "stale-acceptance"]),
        (
            [
                {"finding": "shadowed", "rule": "b", "reason": "until May"},
                {"finding": "shadowed", "rules": ["b", "a"], "reason": "the same"},
            ],
            [],
        ),
    ],
)
def test_acceptances(accepted: list[dict[str, Any]], left: list[str]) -> None:
    parsed, problems = parse_accepted(accepted, "accepted")
    assert problems == ()
    found = analyse(HIDDEN, (), Context(), parsed)
    assert [each.kind for each in found if not each.accepted] == left
    assert {each.accepted for each in found} <= {"", "until May"}


@pytest.mark.parametrize(
    ("raw", "path", "reason"),
    [
        ({}, "accepted[0].finding", "unknown value"),
        ({"finding": "shadow"}, "accepted[0].finding", "unknown value"),
        ({"finding": "assertion", "rule": "a", "reason": "r"}, "accepted[0].finding", "unknown value"),
        ({"finding": "shadowed", "reason": "r"}, "accepted[0].rule", "is missing"),
        ({"finding": "shadowed", "rule": "a"}, "accepted[0].reason", "is missing"),
        (
            {"finding": "shadowed", "rule": "a", "rules": ["b"], "reason": "r"},
            "accepted[0].rules",
            "is given with rule",
        ),
        ({"finding": "shadowed", "rule": "a", "reason": "r", "why": 1}, "accepted[0].why", "unknown key"),
        (7, "accepted[0]", "is not a mapping"),
    ],
)
def test_a_wrong_acceptance_is_explained(raw: object, path: str, reason: str) -> None:
    _parsed, problems = parse_accepted([raw], "accepted")
    assert any(problem.path == path and reason in problem.reason for problem in problems)


def test_every_kind_is_explained_in_the_guide() -> None:
    text = (Path(__file__).parents[3] / "docs" / "guides" / "findings.md").read_text()
    for kind, severity in SEVERITIES.items():
        heading = "Accepting a finding" if kind == "stale-acceptance" else kind
        assert f"| [{kind}](#{heading.lower().replace(' ', '-')}) | {severity}" in text
        assert f"\n## {heading}\n" in text


def test_a_broken_assertion_cannot_be_accepted() -> None:
    broken = Finding("assertion", "error", analyse(HIDDEN, (), Context())[0].rules, "", "")
    assert not apply_accepted([broken], parse_accepted([{"finding": "shadowed", "rule": "b", "reason": "r"}])[0])[
        0
    ].accepted
    assert set(SEVERITIES.values()) == {"error", "warning", "info"}
