# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The whole language to text: one table of lines, and what holds for all of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.render import render
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.ruleset import parse

ZONES: dict[str, Any] = {
    "wan": {"interfaces": ["eth1"]},
    "lan": {"interfaces": ["eth2"], "networks": ["198.51.100.0/24"]},
}
WEB = ["198.51.100.80", "198.51.100.82"]
OUT = {"name": "r", "from": "lan", "to": "wan"}


def compiled(**raw: Any) -> dict[str, str]:
    ruleset, problems = parse({"zones": ZONES, **raw})
    assert problems == ()
    return render(ruleset)


def chain(text: str, name: str) -> list[str]:
    """The lines of a chain without their comments and without its name."""
    start = f"-A {name} "
    found = [line[len(start) :] for line in text.splitlines() if line.startswith(start)]
    return [re.sub(r'-m comment --comment "[^"]*" ', "", line) for line in found]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ({"source": "!198.51.100.9"}, ["! -s 198.51.100.9 -j ACCEPT"]),
        ({"service": "ssh", "action": "reject"}, ["-p tcp --dport 22 -j reject"]),
        ({"service": ["ssh", "dns"]}, ["-p tcp -m multiport --dports 22,53 -j ACCEPT", "-p udp --dport 53 -j ACCEPT"]),
        ({"protocol": "udp", "source_ports": 53, "ports": 53}, ["-p udp --dport 53 --sport 53 -j ACCEPT"]),
        # Behind a multiport, iptables reads --sport as a short form of its own --sports.
        (
            {"protocol": "udp", "source_ports": 123, "ports": [123, 323]},
            ["-p udp --sport 123 -m multiport --dports 123,323 -j ACCEPT"],
        ),
        ({"service": "!ssh"}, ["! -p tcp -j ACCEPT", "-p tcp -m multiport --dports 0:21,23:65535 -j ACCEPT"]),
        ({"service": "ping"}, ["-p icmp -m icmp --icmp-type 8 -j ACCEPT"]),
        ({"log": {"prefix": "x", "rate": "1/hour"}}, ['-m limit --limit 1/hour -j LOG --log-prefix "x "', "-j ACCEPT"]),
        (
            {"schedule": {"from": "08:00", "until": "18:00"}},
            ["-m time --timestart 08:00 --timestop 17:59:59 -j ACCEPT"],
        ),
        (
            {"schedule": {"days": ["Fri"], "from": "22:00", "until": "06:00"}},
            ["-m time --timestart 22:00 --timestop 05:59:59 --weekdays Fri --contiguous -j ACCEPT"],
        ),
        ({"schedule": {"days": ["Sat", "Sun"]}}, ["-m time --weekdays Sat,Sun -j ACCEPT"]),
        (
            {"schedule": {"from": "18:00", "until": "24:00"}},
            ["-m time --timestart 18:00 --timestop 23:59:59 -j ACCEPT"],
        ),
    ],
)
def test_a_rule_becomes(rule: dict[str, Any], lines: list[str]) -> None:
    assert chain(compiled(rules=[{**OUT, **rule}])["rules.v4"], "f-lan.wan") == lines


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6"])
def test_every_match_of_messages_has_a_type(name: str) -> None:
    """Also where many are told by the few that are missing: iptables refuses the match without one."""
    some = {"some": {"protocol": "icmp", "types": ["echo-request", "redirect"]}}
    text = compiled(services=some, rules=[{**OUT, "service": "!some"}])[name]
    assert set(re.findall(r"-m icmp6? (\S+)", text)) == {"--icmp-type" if name == "rules.v4" else "--icmpv6-type"}
    assert len(re.findall(r"^-A x-r-\S+ .* -j RETURN$", text, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (
            {"limit": {"rate": "5/minute"}},
            r"-m hashlimit --hashlimit-upto 5/minute --hashlimit-burst 5 --hashlimit-name lh-\w{11} -j ACCEPT",
        ),
        (
            {"limit": {"rate": "5/minute", "per": "source"}, "action": "drop"},
            r"-m hashlimit --hashlimit-above 5/minute --hashlimit-burst 5 --hashlimit-mode srcip "
            r"--hashlimit-name lh-\w{11} -j DROP",
        ),
        (
            {"connections": {"max": 9}},
            "-m connlimit --connlimit-upto 9 --connlimit-mask 32 --connlimit-saddr -j ACCEPT",
        ),
        (
            {"connections": {"max": 9, "per": "destination"}, "action": "drop"},
            "-m connlimit --connlimit-above 9 --connlimit-mask 32 --connlimit-daddr -j DROP",
        ),
        (
            {"connections": {"max": 9, "per": "none"}},
            "-m connlimit --connlimit-upto 9 --connlimit-mask 0 --connlimit-saddr -j ACCEPT",
        ),
    ],
)  # fmt: skip
def test_limits_count_in_one_place(rule: dict[str, Any], lines: str) -> None:
    """However many lines and pairs of zones a rule has."""
    text = compiled(rules=[{**OUT, "from": "any", "service": ["ssh", "dns"], **rule}])["rules.v4"]
    own = re.findall(r"^:(c-\S+) ", text, re.MULTILINE)
    assert len(own) == 1
    (line,) = chain(text, own[0])
    assert re.fullmatch(lines, line)
    for name in ("f-lan.wan", "f-wan.wan"):
        assert [item.rpartition(" ")[2] for item in chain(text, name)] == own * 2


def test_a_changed_limit_has_a_table_of_its_own() -> None:
    """The kernel keeps the old bounds for a name that is in use."""
    found = [
        re.findall(r"--hashlimit-name (lh-\S+)", compiled(rules=[{**OUT, "limit": {"rate": rate}}])["rules.v4"])
        for rate in ("5/minute", "6/minute")
    ]
    assert found[0] != found[1]


def test_log_lines_come_after_the_limits_that_count() -> None:
    rule = {**OUT, "log": True, "limit": {"rate": "5/minute"}}
    text = compiled(rules=[rule])["rules.v4"]
    assert len(chain(text, "f-lan.wan")) == 1
    (log,) = re.findall(r"^:(l-\S+) ", text, re.MULTILINE)
    assert [line.split()[-1] for line in chain(text, log)] == ['"', "ACCEPT"]


def test_a_rejected_connection_is_answered_in_its_own_way() -> None:
    files = compiled(rules=[{**OUT, "action": "reject"}])
    assert chain(files["rules.v4"], "reject") == [
        "-p tcp -j REJECT --reject-with tcp-reset",
        "-p udp -j REJECT --reject-with icmp-port-unreachable",
        "-j REJECT --reject-with icmp-admin-prohibited",
    ]
    assert chain(files["rules.v6"], "reject")[2] == "-j REJECT --reject-with icmp6-adm-prohibited"


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6"])
def test_nothing_is_rejected_before_the_gate_and_the_look_at_states(rich: dict[str, str], name: str) -> None:
    """What rejects is behind a chain of a pair of zones, and those are behind this order: contract 6."""
    text = rich[name]
    for hook in ("INPUT", "FORWARD", "OUTPUT"):
        comments = re.findall(rf'^-A {hook} .*--comment "([^"]*)"', text, re.MULTILINE)
        states = [comments.index(word) for word in ("invalid", "established", "untracked", "new without syn")]
        assert states == sorted(states)
        leading = [number for number, word in enumerate(comments) if " to " in word]
        assert min(leading) > max(states)
    assert re.search(r"^-A FORWARD .*gate", text, re.MULTILINE)
    assert not re.search(r"^-A (INPUT|FORWARD|OUTPUT) .*(-j reject|REJECT)", text, re.MULTILINE)


def sets(files: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in files["ipsets"].splitlines():
        word, name, *rest = line.split()
        if word == "create" and name.startswith("lh"):
            found[name] = []
        elif word == "add":
            found[name].append(rest[0])
    return found


def test_equal_content_shares_one_set_with_the_name_of_the_group() -> None:
    rules = [{**OUT, "source": WEB}, {**OUT, "name": "s", "destination": "web"}, {**OUT, "name": "t", "source": "!web"}]
    files = compiled(addresses={"web": WEB, "zoo": ["web"]}, rules=rules)
    names = list(sets(files))
    assert len(names) == 1
    name = names[0]
    assert re.fullmatch(r"lh4-web-[0-9a-f]{12}", name)
    assert chain(files["rules.v4"], "f-lan.wan") == [
        f"-m set --match-set {name} src -j ACCEPT",
        f"-m set --match-set {name} dst -j ACCEPT",
        f"-m set ! --match-set {name} src -j ACCEPT",
    ]


def test_other_content_is_another_set() -> None:
    before = sets(compiled(addresses={"web": WEB}, rules=[{**OUT, "source": "web"}]))
    after = sets(compiled(addresses={"web": [*WEB, "198.51.100.84"]}, rules=[{**OUT, "source": "web"}]))
    assert not set(before) & set(after)


def test_one_prefix_needs_no_set() -> None:
    files = compiled(rules=[{**OUT, "source": "198.51.100.64-198.51.100.127", "destination": "!192.0.2.0/25"}])
    assert sets(files) == {}
    assert chain(files["rules.v4"], "f-lan.wan") == ["-s 198.51.100.64/26 ! -d 192.0.2.0/25 -j ACCEPT"]


def test_sets_fit_the_kernel(rich: dict[str, str]) -> None:
    found = sets(rich)
    assert found
    assert all(len(name) <= 31 for name in found)
    # A set of networks takes no /0.
    assert not any(entry.endswith("/0") for entries in found.values() for entry in entries)
    long = compiled(addresses={"a" * 60: WEB}, rules=[{**OUT, "source": "a" * 60}])
    assert [len(name) for name in sets(long)] == [31]


def test_a_large_set_names_its_size() -> None:
    many = [f"2001:db8::{number >> 16:x}:{number & 65535:x}" for number in range(1, 140000, 2)]
    files = compiled(rules=[{**OUT, "source": many}])
    assert re.search(r"^create \S+ hash:ip family inet6 hashsize 131072 maxelem 131072$", files["ipsets"], re.MULTILINE)


@pytest.mark.parametrize("name", ["rules.v4", "rules.v6"])
def test_every_set_that_rules_name_is_made(rich: dict[str, str], name: str) -> None:
    assert set(re.findall(r"--match-set (lh\S+)", rich[name])) <= set(sets(rich))


def test_helpers_look_at_accepted_services_only() -> None:
    text = compiled(rules=[{**OUT, "service": ["ftp", "ssh"]}])["rules.v4"]
    assert "-i eth2 -p tcp --dport 21 -j CT --helper ftp" in chain(text, "PREROUTING")
    text = compiled(rules=[{**OUT, "service": "ftp", "action": "drop"}])["rules.v4"]
    assert "--helper" not in text
    # The kernel has no helper for IRC in IPv6.
    irc = {"protocol": "tcp", "ports": 6667, "helper": "irc"}
    files = compiled(rules=[{**OUT, "service": irc}])
    assert ("--helper irc" in files["rules.v4"], "--helper irc" in files["rules.v6"]) == (True, False)


@pytest.mark.parametrize(
    ("rule", "helped"),
    [
        ({"source": "198.51.100.200"}, True),
        ({"source": "198.51.100.7"}, False),  # no guest has it
        ({"from": "any", "source": "198.51.100.7"}, True),
        ({"from": "wan", "to": "guests", "destination": "198.51.100.7"}, False),
        ({"from": "wan", "to": ["guests", "lan"], "destination": "198.51.100.7"}, True),
    ],
)
def test_a_rule_that_no_packet_matches_needs_no_helper(rule: dict[str, Any], helped: bool) -> None:
    zones = {**ZONES, "guests": {"within": "lan", "networks": ["198.51.100.128/25"]}}
    found = {"name": "r", "from": "guests", "to": "wan", "service": "ftp", **rule}
    assert ("--helper ftp" in compiled(zones=zones, rules=[found])["rules.v4"]) == helped


@pytest.mark.parametrize(
    ("entry", "hook", "line"),
    [
        (
            {"type": "snat", "to": "wan", "source": WEB[0], "to_address": "192.0.2.3-192.0.2.4"},
            "POSTROUTING",
            "-s 198.51.100.80 -o eth1 -m addrtype ! --src-type LOCAL -j SNAT --to-source 192.0.2.3-192.0.2.4",
        ),
        (
            {"type": "dnat", "from": "wan", "destination": "192.0.2.1", "to_address": "198.51.100.8-198.51.100.9"},
            "PREROUTING",
            "-d 192.0.2.1 -i eth1 -j DNAT --to-destination 198.51.100.8-198.51.100.9",
        ),
        (
            {
                "type": "dnat",
                "from": "wan",
                "destination": "192.0.2.1",
                "protocol": "tcp",
                "ports": "8000:8009",
                "to_address": "198.51.100.8",
                "to_port": "9000:9009",
            },
            "PREROUTING",
            "-d 192.0.2.1 -i eth1 -p tcp --dport 8000:8009 -j DNAT --to-destination 198.51.100.8:9000-9009/8000",
        ),
        (
            {"type": "one_to_one", "from": "wan", "destination": "203.0.113.0/28", "to_address": "198.51.100.0/28"},
            "PREROUTING",
            "-d 203.0.113.0/28 -i eth1 -j NETMAP --to 198.51.100.0/28",
        ),
        (
            {"type": "one_to_one", "from": "wan", "destination": "203.0.113.0/28", "to_address": "198.51.100.0/28"},
            "POSTROUTING",
            "-s 198.51.100.0/28 -o eth1 -m addrtype ! --src-type LOCAL -j NETMAP --to 203.0.113.0/28",
        ),
        (
            {"type": "none", "to": "wan", "destination": "203.0.113.0/24"},
            "POSTROUTING",
            "-d 203.0.113.0/24 -o eth1 -j ACCEPT",
        ),
        ({"type": "none", "from": "wan", "service": "ssh"}, "PREROUTING", "-i eth1 -p tcp --dport 22 -j ACCEPT"),
    ],
)  # fmt: skip
def test_a_translation_becomes(entry: dict[str, Any], hook: str, line: str) -> None:
    text = compiled(nat=[{"name": "n", **entry}])["rules.v4"]
    assert chain(text.split("*nat")[1], hook) == [line]


def test_the_order_of_translations_is_that_of_the_list() -> None:
    first = {"name": "a", "type": "none", "to": "wan", "source": WEB[0]}
    second = {"name": "b", "type": "snat", "to": "wan", "source": "198.51.100.0/24", "to_address": "192.0.2.1"}
    one, two = (
        chain(compiled(nat=found)["rules.v4"].split("*nat")[1], "POSTROUTING")
        for found in ([first, second], [second, first])
    )
    assert one == two[::-1]


def test_sources_are_checked_per_zone() -> None:
    zones = {
        "wan": {"interfaces": ["eth1"], "networks": ["192.0.2.0/24"], "bogons": True},
        "lan": {"interfaces": ["eth2"], "antispoof": "loose"},
        "vpn": {"interfaces": ["tun0"], "antispoof": "off"},
    }
    files = compiled(zones=zones)
    raw = chain(files["rules.v4"].split("*nat")[0], "PREROUTING")
    (bogons,) = [name for name in sets(files) if name.startswith("lh4-bogons")]
    assert raw == [
        f"-m set --match-set {bogons} src -i eth1 -j DROP",
        "-i eth1 -m rpfilter --invert -j DROP",
        "-i eth2 -m rpfilter --loose --invert -j DROP",
    ]
    entries = sets(files)[bogons]
    assert "203.0.113.0/24" in entries
    assert "192.0.2.0/24" not in entries


def test_neighbours_find_each_other_also_by_addresses_that_the_public_network_has_not() -> None:
    files = compiled(zones={"wan": {"interfaces": ["eth1"], "antispoof": "off", "bogons": True}})
    raw = chain(files["rules.v6"].split("*nat")[0], "PREROUTING")
    on_link = [number for number, line in enumerate(raw) if "--hl-eq 255 -j ACCEPT" in line]
    (dropped,) = [number for number, line in enumerate(raw) if line.endswith("-j DROP")]
    assert on_link and max(on_link) < dropped


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("firewall", "-m addrtype --dst-type LOCAL "),
        ("lan", "-m addrtype ! --dst-type LOCAL "),
        (["lan", "firewall"], ""),
    ],
)
def test_an_exemption_is_for_packets_that_end_where_it_says(target: object, end: str) -> None:
    """Before the route is known: what is forwarded stays tracked when only the firewall's own service is exempted."""
    entry = {"name": "u", "from": "wan", "to": target, "destination": "192.0.2.9", "protocol": "udp", "ports": [53]}
    text = compiled(untracked=[entry])["rules.v4"]
    raw = [line for line in chain(text.split("*nat")[0], "PREROUTING") if "-i eth1" in line and "notrack" in line]
    assert raw == [f"-d 192.0.2.9 -i eth1 -p udp --dport 53 {end}-j CT --notrack"]


@pytest.mark.parametrize(
    ("entry", "hook", "lines"),
    [
        # The way of the firewall's own answers is known.
        ({"to": "firewall"}, "OUTPUT", ["-s 192.0.2.9 -o eth1 -p udp --sport 53"]),
        (
            {"to": "firewall", "source": "203.0.113.0/24"},
            "OUTPUT",
            ["-s 192.0.2.9 -d 203.0.113.0/24 -o eth1 -p udp --sport 53"],
        ),
        # That of others is not, and lan has its own connections to this service.
        (
            {"to": "dmz"},
            "PREROUTING",
            ["-s 192.0.2.9 ! -d 198.51.100.0/24 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL"],
        ),
        (
            {"to": "dmz", "source": "198.51.100.7"},
            "PREROUTING",
            ["-s 192.0.2.9 -d 198.51.100.7 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL"],
        ),
        # The firewall has addresses in networks of every zone.
        (
            {"to": "dmz", "from": ["wan", "firewall"]},
            "PREROUTING",
            [
                "-s 192.0.2.9 ! -d 198.51.100.0/24 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL",
                "-s 192.0.2.9 -i eth3 -p udp --sport 53 -m addrtype --dst-type LOCAL",
            ],
        ),
        # The hosts of wan may be anywhere, and have their own connections too. The longest prefix tells.
        (
            {"to": "dmz", "from": "lan"},
            "PREROUTING",
            ["-s 192.0.2.9 -d 198.51.100.0/25 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL"],
        ),
        (
            {"to": "dmz", "from": "branch"},
            "PREROUTING",
            ["-s 192.0.2.9 -d 198.51.100.128/25 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL"],
        ),
        (
            {"to": "dmz", "from": "any"},
            "PREROUTING",
            ["-s 192.0.2.9 -i eth3 -p udp --sport 53 -m addrtype ! --dst-type LOCAL"],
        ),
    ],
)
def test_answers_of_an_exemption_are_for_those_who_may_ask(entry: Any, hook: str, lines: list[str]) -> None:
    """An answer to another zone belongs to a connection that is tracked, and would be dropped without its state."""
    zones = {**ZONES, "dmz": {"interfaces": ["eth3"]}, "branch": {"interfaces": ["eth4"]}}
    zones["branch"]["networks"] = ["198.51.100.128/25"]
    whole = {"name": "u", "from": "wan", "destination": "192.0.2.9", "protocol": "udp", "ports": [53], **entry}
    text = compiled(zones=zones, untracked=[whole])["rules.v4"]
    raw = [line for line in chain(text.split("*nat")[0], hook) if "notrack" in line and "--sport" in line]
    assert raw == [f"{line} -j CT --notrack" for line in lines]


def test_answers_to_a_zone_without_networks_pass_where_they_leave() -> None:
    """Its hosts may be in networks of another zone, whose own answers stay tracked."""
    entry = {"name": "u", "from": "vpn", "to": "wan", "destination": "192.0.2.9", "protocol": "udp", "ports": [5004]}
    stateless = "-m conntrack --ctstate UNTRACKED"
    text = compiled(zones={**ZONES, "vpn": {"interfaces": ["tun0"]}}, untracked=[entry])["rules.v4"]
    forward = [line for line in chain(text, "FORWARD") if "5004" in line]
    assert forward == [
        f"-d 192.0.2.9 -i tun0 -o eth1 -p udp --dport 5004 {stateless} -j ACCEPT",
        f"-s 192.0.2.9 ! -d 198.51.100.0/24 -i eth1 -o tun0 -p udp --sport 5004 {stateless} -j ACCEPT",
        "-s 192.0.2.9 -d 198.51.100.0/24 -i eth1 -o tun0 -p udp --sport 5004 -j ACCEPT",
    ]
    known = {**ZONES, "vpn": {"interfaces": ["tun0"], "networks": ["198.51.100.64/26"]}}
    text = compiled(zones=known, untracked=[entry])["rules.v4"]
    # Its hosts may be beyond them, and those of wan are.
    assert [line for line in chain(text, "FORWARD") if "5004" in line][1:] == [
        f"-s 192.0.2.9 -d 198.51.100.64/26 -i eth1 -o tun0 -p udp --sport 5004 {stateless} -j ACCEPT",
        "-s 192.0.2.9 ! -d 198.51.100.64/26 -i eth1 -o tun0 -p udp --sport 5004 -j ACCEPT",
    ]


@pytest.mark.parametrize(
    ("bogons", "asker", "answers"),
    [
        # In no network: nobody knows whose it is.
        (False, "wan", "-d 192.0.2.0/24"),
        (False, "lan", "-d 198.51.100.0/25"),
        (True, "wan", "! -d 198.51.100.0/24"),
        (True, "lan", "-d 198.51.100.0/25"),
        (True, ["wan", "lan"], "! -d 198.51.100.128/25"),
    ],
)
def test_the_public_network_is_behind_a_zone_that_looks_for_bogons(bogons: bool, asker: object, answers: str) -> None:
    zones = {
        "wan": {"interfaces": ["eth1"], "networks": ["192.0.2.0/24"], "bogons": bogons},
        "lan": {"interfaces": ["eth2"], "networks": ["198.51.100.0/25"]},
        "dmz": {"interfaces": ["eth3"], "networks": ["198.51.100.128/25"]},
    }
    entry = {"name": "u", "from": asker, "to": "dmz", "destination": "198.51.100.129", "protocol": "udp", "ports": [53]}
    text = compiled(zones=zones, untracked=[entry])["rules.v4"].split("*nat")[0]
    raw = [line for line in chain(text, "PREROUTING") if "notrack" in line and "--sport" in line]
    matches = "-p udp --sport 53 -m addrtype ! --dst-type LOCAL -j CT --notrack"
    assert raw == [f"-s 198.51.100.129 {answers} -i eth3 {matches}"]


def test_everybody_who_may_ask_is_answered_untracked() -> None:
    """Then there is nobody else whose connections could be meant, wherever hosts are."""
    zones = {**ZONES, "wan": {"interfaces": ["eth1"], "networks": ["192.0.2.0/24"]}}
    entry = {"name": "u", "from": "any", "to": "wan", "destination": "192.0.2.9", "protocol": "udp", "ports": [53]}
    text = compiled(zones=zones, untracked=[entry])["rules.v4"]
    assert "-s 192.0.2.9 -i eth1 -p udp --sport 53 -m addrtype ! --dst-type LOCAL -j CT --notrack" in chain(
        text.split("*nat")[0], "PREROUTING"
    )
    assert all("UNTRACKED" in line for line in chain(text, "FORWARD") if "port 53" in line)


def test_exempted_packets_pass_in_both_directions() -> None:
    entry = {"name": "u", "from": "lan", "to": "wan", "destination": "192.0.2.9", "protocol": "udp", "ports": [5004]}
    text = compiled(untracked=[entry])["rules.v4"]
    raw = [line for line in chain(text.split("*nat")[0], "PREROUTING") if "notrack" in line]
    assert raw == [
        "-d 192.0.2.9 -i eth2 -p udp --dport 5004 -m addrtype ! --dst-type LOCAL -j CT --notrack",
        "-s 192.0.2.9 -d 198.51.100.0/24 -i eth1 -p udp --sport 5004 -m addrtype ! --dst-type LOCAL -j CT --notrack",
    ]
    assert [line for line in chain(text, "FORWARD") if "UNTRACKED" in line] == [
        "-d 192.0.2.9 -i eth2 -o eth1 -p udp --dport 5004 -m conntrack --ctstate UNTRACKED -j ACCEPT",
        "-s 192.0.2.9 -d 198.51.100.0/24 -i eth1 -o eth2 -p udp --sport 5004 -m conntrack --ctstate UNTRACKED "
        "-j ACCEPT",
    ]


def test_segments_are_clamped_in_both_directions_before_established_packets_pass() -> None:
    text = compiled(mss=[{"from": "lan", "to": "wan", "mss": 1400}])["rules.v4"]
    forward = chain(text, "FORWARD")
    found = [line for line in forward if "TCPMSS" in line]
    assert found == forward[:2]
    assert {line[:15] for line in found} == {"-i eth1 -o eth2", "-i eth2 -o eth1"}
    assert all(line.endswith("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400") for line in found)


def test_raw_rules_stand_between_the_states_and_the_rules(rich: dict[str, str]) -> None:
    comments = re.findall(r'^-A FORWARD .*?--comment "([^"]*)"', rich["rules.v4"], re.MULTILINE)
    assert comments[comments.index("mark") - 1] == "new without syn"
    assert " to " in comments[comments.index("mark") + 1]
    assert "-o tun0 -j RETURN" in chain(rich["rules.v6"], "POSTROUTING")
    assert "-o tun0 -j RETURN" not in chain(rich["rules.v4"], "POSTROUTING")


def test_a_zone_of_prefixes_is_told_by_its_addresses() -> None:
    zones = {**ZONES, "guests": {"within": "lan", "networks": ["198.51.100.128/25"]}}
    rules = [{**OUT, "from": "any"}]
    forward = [line for line in chain(compiled(zones=zones, rules=rules)["rules.v4"], "FORWARD") if "-j f-" in line]
    assert "-i eth2 -o eth1 ! -s 198.51.100.128/25 -j f-lan.wan" in forward
    assert "-i eth2 -o eth1 -s 198.51.100.128/25 -j f-guests.wan" in forward
    six = chain(compiled(zones=zones, rules=rules)["rules.v6"], "FORWARD")
    assert not any("guests" in line for line in six)


def test_defaults_come_after_the_rules() -> None:
    files = compiled(
        rules=[{**OUT, "service": "ssh"}, {**OUT, "name": "t", "service": "dns"}],
        defaults=[{"from": "lan", "to": "wan", "action": "reject"}],
    )
    assert [line.split()[-1] for line in chain(files["rules.v4"], "f-lan.wan")] == ["ACCEPT"] * 3 + ["reject"]


def test_comments_carry_the_name_of_the_rule(rich: dict[str, str]) -> None:
    lines = [line for line in rich["rules.v4"].splitlines() if line.startswith("-A ")]
    assert all("--comment" in line for line in lines)
    assert sum('--comment "limited"' in line for line in lines) == 4
