# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One resolved rule to lines of iptables, in any chain of a table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import conditions, icmp, match, spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ICMP,
    TYPES,
    FlatRule,
    Match,
    Ranges,
    Service,
)
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.sets import SetBook
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table, body

#: More protocols or message types than that are told by what is missing.
_MANY_PROTOCOLS, _MANY_TYPES = 128, 16
REJECT = {4: ("icmp-port-unreachable", "icmp-admin-prohibited"), 6: ("icmp6-port-unreachable", "icmp6-adm-prohibited")}


@dataclass(frozen=True)
class Alternative:
    """Packets that `match` holds for and none of `excluded`."""

    match: str
    excluded: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def alternatives(services: tuple[Service, ...], family: int) -> tuple[Alternative, ...]:
    """The union of these products, as few lines as iptables allows."""
    if any(service.protocol is None for service in services):
        return (Alternative(""),)
    by_protocol: dict[int, list[Service]] = {}
    for service in services:
        by_protocol.setdefault(service.protocol or 0, []).append(service)
    whole = [number for number, found in by_protocol.items() if any(service == Service(number) for service in found)]
    found: list[Alternative] = []
    if len(whole) > _MANY_PROTOCOLS:
        found += _all_but([number for number in range(256) if number not in whole], family)
    else:
        found += [Alternative(match.protocol_number(number, family)) for number in whole]
    for number, products in by_protocol.items():
        if number not in whole:
            found += _messages(products, family) if number == ICMP[family] else _ports(number, products, family)
    return tuple(found)


def _all_but(missing: Sequence[int], family: int) -> list[Alternative]:
    if len(missing) == 1 and not (missing[0] == 51 and family == 6):
        return [Alternative(match.protocol_number(missing[0], family, negated=True))]
    return [Alternative("", tuple(match.protocol_number(number, family) for number in missing))]


def _ports(number: int, products: Sequence[Service], family: int) -> list[Alternative]:
    by_source: dict[Ranges, Ranges] = {}
    for service in products:
        by_source[service.source_ports] = spans.union(by_source.get(service.source_ports, ()), service.ports)
    return [
        Alternative(" ".join([match.protocol_number(number, family), *ports]))
        for source, target in by_source.items()
        for ports in match.port_pairs(target, source)
    ]


def _messages(products: Sequence[Service], family: int) -> list[Alternative]:
    """iptables takes one type, or one type with one code, at a time."""
    way, option = icmp.WORDS[family]
    codes: dict[int, Ranges] = {}
    for service in products:
        for low, high in service.types:
            for kind in range(low, high + 1):
                codes[kind] = spans.union(codes.get(kind, ()), service.codes)
    whole = [kind for kind, found in codes.items() if found == TYPES]
    found: list[Alternative] = []
    if len(whole) > _MANY_TYPES:
        # 255 is no type that a packet can be matched by: xt_icmp takes it for "any".
        missing = [kind for kind in range(255) if kind not in whole]
        if len(missing) == 1:
            found.append(Alternative(f"{way} ! {option} {missing[0]}"))
        else:
            # The match wants a type, the protocol does not.
            protocol = way.partition(" -m ")[0]
            found.append(Alternative(protocol, tuple(f"{way} {option} {kind}" for kind in missing)))
    else:
        found += [Alternative(f"{way} {option} {kind}") for kind in whole]
    for kind, ranges in codes.items():
        if ranges != TYPES:
            found += _codes(f"{way} {option} {kind}", ranges)
    return found


def _codes(way: str, ranges: Ranges) -> list[Alternative]:
    wanted = [code for low, high in ranges for code in range(low, high + 1)]
    if len(wanted) <= _MANY_TYPES:
        return [Alternative(f"{way}/{code}") for code in wanted]
    return [Alternative(way, tuple(f"{way}/{code}" for code in range(256) if code not in wanted))]


class Lines:
    """Renders into one table of one family; chains that a rule needs for itself are made there."""

    def __init__(self, table: Table, sets: SetBook, family: int) -> None:
        self.table = table
        self.sets = sets
        self.family = family

    def addresses(self, found: Match) -> str:
        words = self.sets.match("src", found.source, self.family) + self.sets.match(
            "dst", found.destination, self.family
        )
        return " ".join(words)

    def simple(self, found: Match, name: str, target: str, way: str = "", more: str = "") -> list[str]:
        """Lines that lead to one target, without their chain."""
        start = f"{self.addresses(found)} {way}".strip()
        lines: list[str] = []
        for number, item in enumerate(alternatives(found.services, self.family)):
            matches = f"{start} {item.match} {more}".strip().replace("  ", " ")
            if item.excluded:
                chain = self._own_chain("x", f"{name} {number} {target} {item}", name)
                if self.table.chain(chain):
                    for excluded in item.excluded:
                        self.table.add(chain, excluded, name, "-j RETURN")
                    self.table.add(chain, "", name, target)
                lines.append(body(matches, name, f"-j {chain}"))
            else:
                lines.append(body(matches, name, target))
        return lines

    def rule(self, rule: FlatRule) -> list[str]:
        """What a rule of the filter table becomes, without its chain."""
        found = rule.matches[self.family]
        target = self._target(rule.action)
        hours = _hours(rule)
        limits = _limits(rule, self.family)
        if not limits:
            lines = self.simple(found, rule.name, target, more=hours)
            if not rule.log:
                return lines
            log_more = f"{hours} {match.log_limit(rule.log)}".strip()
            logs = self.simple(found, rule.name, match.log_target(rule.log), more=log_more)
            return [line for both in zip(logs, lines) for line in both]
        if rule.log:
            # Behind the limits, which count each packet that they see.
            chain = self._own_chain("l", f"{rule.name} {rule.log} {target}", rule.name)
            if self.table.chain(chain):
                self.table.add(chain, match.log_limit(rule.log), rule.name, match.log_target(rule.log))
                self.table.add(chain, "", rule.name, target)
            target = f"-j {chain}"
        # One line, so that all alternatives and all pairs of zones count together.
        chain = self._own_chain("c", f"{rule.name} {limits} {target}", rule.name)
        if self.table.chain(chain):
            self.table.add(chain, limits, rule.name, target)
        return self.simple(found, rule.name, f"-j {chain}", more=hours)

    def _target(self, action: str) -> str:
        if action != "reject":
            return f"-j {action.upper()}"
        if self.table.chain("reject"):
            ports, other = REJECT[self.family]
            self.table.add("reject", "-p tcp", "reject", "-j REJECT --reject-with tcp-reset")
            self.table.add("reject", "-p udp", "reject", f"-j REJECT --reject-with {ports}")
            self.table.add("reject", "", "reject", f"-j REJECT --reject-with {other}")
        return "-j reject"

    def _own_chain(self, kind: str, content: str, name: str) -> str:
        # 28 bytes in all; the digest is long enough for names of many rules that begin alike.
        label = re.sub(r"[^A-Za-z0-9_]", "_", name)[:9]
        return f"{kind}-{label}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _hours(rule: FlatRule) -> str:
    hours = rule.schedule
    if hours is None:
        return ""
    words = ["-m time"]
    beyond = hours.start > hours.end
    if (hours.start, hours.end) != (0, 1440):
        # xt_time counts the last second in.
        last = hours.end * 60 - 1 if hours.end else 86399
        words.append(
            f"--timestart {conditions.clock(hours.start)} --timestop {last // 3600:02}:{last // 60 % 60:02}:59"
        )
    if hours.days and len(hours.days) < 7:
        words.append(f"--weekdays {','.join(hours.days)}")
    if beyond and hours.end:
        words.append("--contiguous")
    return " ".join(words)


def _limits(rule: FlatRule, family: int) -> str:
    within = rule.action == "accept"
    words: list[str] = []
    if rule.limit:
        limit = rule.limit
        # The kernel keeps a table of this name, with its old bounds, as long as one rule uses it.
        digest = hashlib.sha256(f"{rule.name} {limit} {rule.action} {family}".encode()).hexdigest()[:11]
        mode = {"source": " --hashlimit-mode srcip", "destination": " --hashlimit-mode dstip", "none": ""}[limit.per]
        words.append(
            f"-m hashlimit --hashlimit-{'upto' if within else 'above'} {limit.rate} --hashlimit-burst {limit.burst}"
            f"{mode} --hashlimit-name lh-{digest}"
        )
    if rule.connections:
        most = rule.connections
        mask = 0 if most.per == "none" else spans.BITS[family]
        side = "--connlimit-daddr" if most.per == "destination" else "--connlimit-saddr"
        words.append(
            f"-m connlimit --connlimit-{'upto' if within else 'above'} {most.most} --connlimit-mask {mask} {side}"
        )
    return " ".join(words)


def mirrored(found: Match) -> Match:
    """The same packets on their way back."""
    services = tuple(
        Service(service.protocol, service.ports, service.source_ports, service.types, service.codes)
        for service in found.services
    )
    return Match(found.destination, found.source, services)


def narrowed(found: Match, source: Optional[Ranges] = None, destination: Optional[Ranges] = None) -> Optional[Match]:
    """The packets whose addresses are inside of these as well, or None when there are none."""
    left = found.source if source is None else spans.intersect(found.source, source)
    right = found.destination if destination is None else spans.intersect(found.destination, destination)
    return Match(left, right, found.services) if left and right else None
