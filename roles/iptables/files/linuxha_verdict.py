# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Could rules, as iptables-save prints them, accept the first packet of a connection?

What cannot be known afterwards (limits, hours, marks, words that are not read here) may have held or not: the answer is
no only when no such choice lets the packet through. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple, Optional

Ranges = tuple[tuple[int, int], ...]  # sorted, disjoint, both ends included

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "vrrp": 112,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "sctp": 132,
    "udplite": 136,
}
AH = PROTOCOLS["ah"]
WITH_PORTS = (6, 17, 33, 132, 136)
ADDRESS_BITS = {"ipv4": 32, "ipv6": 128}
# Matches that say something only by options which are read below; any other name is a condition by itself.
_READ = ("tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "multiport", "set", "conntrack", "state", "comment")
# Targets after which the next rule is asked.
_GO_ON = ("LOG", "NFLOG", "TCPMSS", "CT", "MARK", "CONNMARK", "SET", "TRACE", "CLASSIFY", "DSCP", "TOS", "AUDIT")
_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_OWN_SET = re.compile(r"lh[46]-")
# Open or closed, it says nothing about the policy.
_GATE = re.compile(r"linuxha_gate[46]")

PASSES, GOES_ON, UNTRACKED = 1, 2, 4
# Masks of a thousand bits stay small, however many rules a chain has.
BLOCK = 1024


class Packet(NamedTuple):
    """`service` is the protocol times 2**16 and the port of the destination, or type times 2**8 and code of ICMP.

    `home` are the devices through which its source is routed; None when that is not known.
    """

    source: int
    destination: int
    service: int
    source_port: int
    incoming: str
    outgoing: str
    home: Optional[frozenset[str]]


@dataclass
class Rule:
    """What it matches; an axis without condition is None. `maybe`: there are more conditions."""

    target: str = ""
    goto: bool = False
    axes: list[Optional[Ranges]] = field(default_factory=lambda: [None] * 4)
    incoming: tuple[tuple[str, bool], ...] = ()
    outgoing: tuple[tuple[str, bool], ...] = ()
    maybe: bool = False
    never: bool = False
    #: Of the match rpfilter: "strict" or "loose", and what it is compared with.
    way_back: tuple[str, bool] = ("", True)

    def narrow(self, axis: int, found: Ranges) -> None:
        before = self.axes[axis]
        self.axes[axis] = found if before is None else intersect(before, found)

    def back(self, packet: Packet) -> Optional[bool]:
        kind, wanted = self.way_back
        if not kind:
            return True
        if packet.home is None:
            return None
        found = packet.incoming in packet.home if kind == "strict" else bool(packet.home)
        return found == wanted


def normal(found: Iterable[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(found: Ranges, last: int) -> Ranges:
    gaps, start = [], 0
    for low, high in found:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    return tuple([*gaps, (start, last)] if start <= last else gaps)


def intersect(one: Ranges, other: Ranges) -> Ranges:
    found = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return normal((low, high) for low, high in found if low <= high)


def network(text: str) -> tuple[int, int]:
    net = ip_network(text, strict=False)
    return int(net.network_address), int(net.broadcast_address)


def read_sets(text: str) -> dict[str, Ranges]:
    """The sets of the policy in the output of `ipset save`. In those of others there may have been something else."""
    members: dict[str, list[tuple[int, int]]] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["create"] and _OWN_SET.match(words[1]):
            members[words[1]] = []
        elif words[:1] == ["add"] and words[1] in members:
            members[words[1]].append(network(words[2]))
    return {name: normal(found) for name, found in members.items()}


class Reader:
    """The options of one line."""

    def __init__(self, family: str, sets: Mapping[str, Ranges]) -> None:
        self.last = (1 << ADDRESS_BITS[family]) - 1
        self.sets = sets

    def rule(self, words: list[str]) -> Rule:
        rule, protocol, negated, position = Rule(), 0, False, 0
        while position < len(words):
            word, value = words[position], words[position + 1] if position + 1 < len(words) else ""
            position += 1
            if word == "!":
                negated = True
                continue
            if word in ("-j", "-g"):
                rule.target, rule.goto = value, word == "-g"
                if value == "CT" and "--notrack" in words[position:]:
                    rule.target = "NOTRACK"
                break
            if word == "-p":
                protocol = self.protocol(rule, value, negated)
            elif word == "-m" and value == "rpfilter":
                options = [item for item in words[position + 1 :] if item.startswith("--")]
                rule.way_back = ("loose" if "--loose" in options else "strict", "--invert" not in options)
                rule.maybe |= bool({"--validmark", "--accept-local"} & set(options))
            elif word == "-m" and value == "ah":  # how ip6tables asks for the protocol
                self.services(rule, ((AH << 16, AH << 16 | 0xFFFF),), negated)
            elif word == "-m":
                rule.maybe |= value not in _READ
            elif word in ("--loose", "--invert") and rule.way_back[0]:
                continue
            elif word != "--comment" and not self.option(rule, word, words[position:], protocol, negated):
                rule.maybe = True
            negated = False
            while position < len(words) and not words[position].startswith("-") and words[position] != "!":
                position += 1
        return rule

    def protocol(self, rule: Rule, value: str, negated: bool) -> int:
        number = PROTOCOLS.get(value) or (int(value) if value.isdigit() else None)
        if value == "all":
            return 0
        if number is None:
            rule.maybe = True
            return 0
        self.services(rule, ((number << 16, number << 16 | 0xFFFF),), negated)
        return 0 if negated else number

    @staticmethod
    def services(rule: Rule, found: Ranges, negated: bool) -> None:
        rule.narrow(2, complement(found, 0xFFFFFF) if negated else found)

    def option(self, rule: Rule, word: str, values: list[str], protocol: int, negated: bool) -> bool:
        """Narrow the rule by this option; False when it is not known what it matches."""
        value = values[0] if values else ""
        try:
            if word in ("-s", "-d"):
                self.addresses(rule, word == "-d", (network(value),), negated)
            elif word == "-i":
                rule.incoming += ((value, negated),)
            elif word == "-o":
                rule.outgoing += ((value, negated),)
            elif word == "--match-set":
                return self.members(rule, value, values[1], negated)
            elif word in ("--dport", "--dports", "--sport", "--sports") and protocol:
                self.ports(rule, word, value, protocol, negated)
            elif word in ("--icmp-type", "--icmpv6-type") and protocol:
                kind, slash, code = value.partition("/")
                low = protocol << 16 | int(kind) << 8
                found = (low | int(code), low | int(code)) if slash else (low, low | 0xFF)
                self.services(rule, (found,), negated)
            elif word in ("--ctstate", "--state"):
                states = set(value.split(","))
                if states & {"SNAT", "DNAT"}:
                    return False
                rule.never |= ("NEW" in states) == negated
            elif word == "--ctdir":
                rule.never |= (value == "ORIGINAL") == negated
            elif word == "--tcp-flags":
                mask, wanted = set(value.split(",")), set(values[1].split(","))
                rule.never |= ((wanted == {"SYN"}) if mask & {"SYN", "ALL"} else wanted == {"NONE"}) == negated
            else:
                return False
        except (ValueError, IndexError):  # printed in a way that is not known here
            return False
        return True

    def addresses(self, rule: Rule, destination: bool, found: Ranges, negated: bool) -> None:
        rule.narrow(int(destination), complement(found, self.last) if negated else found)

    def members(self, rule: Rule, name: str, side: str, negated: bool) -> bool:
        if _GATE.fullmatch(name):
            rule.never |= negated
            return True
        if name not in self.sets or side not in ("src", "dst"):
            return False
        self.addresses(rule, side == "dst", self.sets[name], negated)
        return True

    def ports(self, rule: Rule, word: str, value: str, protocol: int, negated: bool) -> None:
        found = []
        for item in value.split(","):
            low, _colon, high = item.partition(":")
            found.append((int(low), int(high or low)))
        ports = complement(normal(found), 0xFFFF) if negated else normal(found)
        if word.startswith("--s"):
            rule.narrow(3, ports)
        else:
            rule.narrow(2, tuple((protocol << 16 | low, protocol << 16 | high) for low, high in ports))


class Block:
    """Some rules in their order, and for every packet the bits of those that may match it.

    Each axis is cut where any rule begins or ends to match; every piece knows its rules as the bits of one integer (the
    bit vectors of Lakshman and Stiliadis, 1998).
    """

    def __init__(self, rules: list[Rule], family: str) -> None:
        self.rules = rules
        last = (1 << ADDRESS_BITS[family]) - 1
        self.axes = [self._axis(number, end) for number, end in enumerate((last, last, 0xFFFFFF, 0xFFFF))]
        self._devices: dict[tuple[bool, str], int] = {}

    def _axis(self, number: int, last: int) -> tuple[list[int], list[int]]:
        events: dict[int, int] = {0: 0}
        for position, rule in enumerate(self.rules):
            found = rule.axes[number]
            for low, high in ((0, last),) if found is None else found:
                events[low] = events.get(low, 0) ^ 1 << position
                events[high + 1] = events.get(high + 1, 0) ^ 1 << position
        cuts, pieces, mask = sorted(events), [], 0
        for cut in cuts:
            mask ^= events[cut]
            pieces.append(mask)
        return cuts, pieces

    def _device(self, outgoing: bool, name: str) -> int:
        mask = self._devices.get((outgoing, name))
        if mask is None:
            mask = 0
            for position, rule in enumerate(self.rules):
                conditions = rule.outgoing if outgoing else rule.incoming
                if all(_named(pattern, name) != negated for pattern, negated in conditions):
                    mask |= 1 << position
            self._devices[outgoing, name] = mask
        return mask

    def meeting(self, packet: Packet) -> Iterator[Rule]:
        mask = self._device(False, packet.incoming) & self._device(True, packet.outgoing)
        for (cuts, pieces), value in zip(self.axes, packet[:4]):
            mask &= pieces[bisect_right(cuts, value) - 1]
            if not mask:
                return
        while mask:
            low = mask & -mask
            yield self.rules[low.bit_length() - 1]
            mask ^= low


def _named(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


class Rules:
    """The chains of one table of one family."""

    def __init__(self, text: str, table: str, family: str, sets: Mapping[str, Ranges]) -> None:
        reader = Reader(family, sets)
        found: dict[str, list[Rule]] = {}
        self.policies: dict[str, str] = {}
        for line in _table(text, table):
            if line.startswith(":"):
                name, policy = line[1:].split()[:2]
                found[name], self.policies[name] = [], policy
            elif line.startswith("-A "):
                words = _WORDS.findall(line)
                rule = reader.rule(words[2:])
                if not rule.never and rule.target and rule.target not in _GO_ON:
                    found[words[1]].append(rule)
        self.chains = {
            name: [Block(rules[start : start + BLOCK], family) for start in range(0, len(rules), BLOCK)]
            for name, rules in found.items()
        }

    def hook(self, chain: str, packet: Packet) -> int:
        """PASSES when it may pass, UNTRACKED when it may go untracked."""
        if chain not in self.chains:  # the table is not there
            return PASSES
        result = self._walk(chain, packet)
        return result & ~GOES_ON | (PASSES if result & GOES_ON and self.policies[chain] == "ACCEPT" else 0)

    def forwards(self, device: str, outgoing: bool) -> bool:
        """Whether a rule about forwarded packets names this device as the one by which they leave, or come."""
        rules = (rule for blocks in self.chains.values() for block in blocks for rule in block.rules)
        pairs = (rule for rule in rules if rule.incoming and rule.outgoing)
        found = (pattern for rule in pairs for pattern in (rule.outgoing if outgoing else rule.incoming))
        return any(_named(pattern, device) and not negated for pattern, negated in found)

    def _walk(self, chain: str, packet: Packet) -> int:
        result = 0
        for block in self.chains[chain]:
            for rule in block.meeting(packet):
                back = rule.back(packet)
                if back is False:
                    continue
                after = self._target(rule, packet)
                result |= after & ~GOES_ON
                if rule.goto or rule.target == "RETURN":
                    result |= after & GOES_ON
                    after = 0
                if back and not rule.maybe and not after & GOES_ON:
                    return result
        return result | GOES_ON

    def _target(self, rule: Rule, packet: Packet) -> int:
        if rule.target in self.chains:
            return self._walk(rule.target, packet)
        if rule.target == "ACCEPT":
            return PASSES
        if rule.target in ("DROP", "REJECT"):
            return 0
        if rule.target == "RETURN":
            return GOES_ON
        # The kernel's own queue or an extension may accept.
        return GOES_ON | (UNTRACKED if rule.target == "NOTRACK" else PASSES)


def _table(text: str, table: str) -> list[str]:
    block = re.search(rf"^\*{table}\n(.*?)^COMMIT$", text, re.MULTILINE | re.DOTALL)
    return block.group(1).splitlines() if block else []


class Firewall:
    """Raw and filter rules of one family on a node with these devices."""

    def __init__(self, text: str, sets: str, family: str, devices: Iterable[str]) -> None:
        members = read_sets(sets)
        self.raw = Rules(text, "raw", family, members)
        self.filter = Rules(text, "filter", family, members)
        self.devices = tuple(name for name in devices if name != "lo")
        # Between these packets are forwarded; others, as that of the administrators, are not asked for what they
        # never send.
        self.sources = tuple(name for name in self.devices if self.filter.forwards(name, False))
        self.zones = {*self.sources, *(name for name in self.devices if self.filter.forwards(name, True))}

    def knows(self, found: Optional[frozenset[str]]) -> bool:
        """The rules say what is forwarded by one of these devices."""
        return found is not None and not self.zones.isdisjoint(found)

    def may_enter(self, packet: Packet, sent_to: tuple[int, int], outgoing: Optional[frozenset[str]]) -> bool:
        """A packet from outside. `sent_to` is its destination and service before any translation.

        Args:
            packet: as the rules see it; its devices are filled in here.
            outgoing: the devices by which it may leave; None when it ends at the node.
        """
        # By another device than that of the way back only where the rules do not compare the two.
        anywhere = packet.home is None or outgoing is None
        candidates = self.devices if anywhere else dict.fromkeys((*sorted(packet.home or ()), *self.sources))
        for incoming in candidates:
            arrived = packet._replace(incoming=incoming)
            before = self.raw.hook("PREROUTING", arrived._replace(destination=sent_to[0], service=sent_to[1]))
            if before & UNTRACKED:
                return True
            if not before & PASSES:
                continue
            if outgoing is None:
                if self.filter.hook("INPUT", arrived) & PASSES:
                    return True
            elif any(self.filter.hook("FORWARD", arrived._replace(outgoing=name)) & PASSES for name in outgoing):
                return True
        return False

    def may_leave(self, packet: Packet, sent_to: tuple[int, int], outgoing: frozenset[str]) -> bool:
        """A packet of the node's own. `sent_to` as above."""
        for name in outgoing:
            sent = packet._replace(outgoing=name)
            before = self.raw.hook("OUTPUT", sent._replace(destination=sent_to[0], service=sent_to[1]))
            if before & UNTRACKED or (before & PASSES and self.filter.hook("OUTPUT", sent) & PASSES):
                return True
        return False
