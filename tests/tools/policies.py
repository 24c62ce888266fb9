# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Large policies that look like real ones, and how long their analysis takes.

`python -m tests.tools.policies 1000 10000 [realistic] [one-pair] [crowded] [grid]`

The same seed gives the same policy. About one rule in fifty is a mistake of the kinds that findings are about.
"""

from __future__ import annotations

import ipaddress
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import spans
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.analyse import analyse
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.context import Context
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import (
    ADDRESSES,
    FlatNat,
    FlatRule,
    Match,
    Ranges,
    Service,
)

ZONES = ("wan", "lan", "dmz", "vpn", "guest")
NETS = {
    zone: (ipaddress.ip_network(f"10.{number}.0.0/16"), ipaddress.ip_network(f"2001:db8:{number}::/48"))
    for number, zone in enumerate(ZONES)
    if number
}
PORTS = (22, 25, 53, 80, 123, 143, 389, 443, 445, 465, 587, 636, 993, 1433, 3306, 3389, 5432, 8080, 8443, 9100)


def hosts(random: Random, zone: str, family: int, most: float = 1.0) -> Ranges:
    """One host, a small group, a subnet or all of the zone; with a smaller `most` only the first of these."""
    net = NETS.get(zone, (ipaddress.ip_network("0.0.0.0/1"), ipaddress.ip_network("2000::/3")))[family == 6]
    base, width = int(net.network_address), net.max_prefixlen - net.prefixlen
    kind = random.random() * most
    if kind < 0.7:
        count = 1 if kind < 0.5 else random.randint(2, 8)
        return spans.normal(
            (host, host) for host in (base + random.getrandbits(min(width, 20)) for _number in range(count))
        )
    if kind < 0.9:
        size = 1 << random.choice([8, 9, 10])
        first = base + (random.getrandbits(min(width, 20)) & -size)
        return ((first, first + size - 1),)
    return ((base, base + net.num_addresses - 1),)


def services(random: Random, family: int) -> tuple[Service, ...]:
    kind = random.random()
    if kind < 0.04:
        return (Service(1 if family == 4 else 58, types=((8, 8),) if family == 4 else ((128, 128),)),)
    ports = spans.normal((port, port) for port in random.sample(PORTS, random.choice([1, 1, 1, 2, 3])))
    if kind < 0.12:
        low = random.randrange(1024, 60000)
        ports = ((low, low + random.choice([10, 100, 1000])),)
    return (Service(6 if random.random() < 0.8 else 17, ports=ports),)


def realistic(count: int, seed: int = 1) -> list[FlatRule]:
    """Block lists first, then accepts between zones, sorted by nothing, as policies grow."""
    random = Random(seed)
    found: list[FlatRule] = []
    for number in range(count):
        from_zone, to_zone = random.sample(ZONES, 2)
        families = random.choice([(4,), (4,), (4,), (6,), (4, 6)])
        early = number < count // 20
        matches = {}
        for family in families:
            listed = random.random() < 0.7
            source = hosts(random, from_zone, family, 0.7 if early else 1) if early or listed else ADDRESSES[family]
            destination = ADDRESSES[family] if early else hosts(random, to_zone, family)
            matches[family] = Match(source, destination, (Service(),) if early else services(random, family))
        if found and random.random() < 0.02:
            matches = dict(random.choice(found).matches)
        found.append(
            FlatRule(
                name=f"rule-{number}",
                path=f"firewall_policy.rules[{number}]",
                from_zones=(from_zone,) if random.random() < 0.95 else tuple(zone for zone in ZONES if zone != to_zone),
                to_zones=(to_zone,),
                matches=matches,
                action="drop" if early or random.random() < 0.03 else "accept",
                conditions=("limit 10/second",) if random.random() < 0.01 else (),
            )
        )
    return found


def one_pair(count: int, seed: int = 2) -> list[FlatRule]:
    """The hard case: all in one pair of zones; half from anywhere to a host, half from a net to anywhere."""
    random = Random(seed)
    found = []
    for number in range(count):
        host = int(ipaddress.ip_address("10.2.0.0")) + random.getrandbits(16)
        net = random.getrandbits(24) << 8
        port = random.choice(PORTS)
        web = (Service(6, ports=((port, port),)),)
        if random.random() < 0.5:
            match = Match(ADDRESSES[4], ((host, host),), web)
        else:
            match = Match(((net, net + 255),), ADDRESSES[4], web)
        action = "accept" if random.random() < 0.7 else "drop"
        found.append(FlatRule(f"rule-{number}", f"rules[{number}]", ("wan",), ("dmz",), {4: match}, action))
    return found


def grid(count: int) -> list[FlatRule]:
    """Half of the rules hide the other half, each of them only all together."""
    half = count // 2
    step = 2**32 // half
    web = (Service(6, ports=((443, 443),)),)
    rows = [
        Match(((n * step, (n + 1) * step - 1 if n < half - 1 else 2**32 - 1),), ADDRESSES[4], web) for n in range(half)
    ]
    columns = [Match(ADDRESSES[4], ((n * 7, n * 7),), web) for n in range(count - half)]
    return [
        FlatRule(f"rule-{n}", f"rules[{n}]", ("wan",), ("dmz",), {4: match}, "accept" if n < half else "drop")
        for n, match in enumerate(rows + columns)
    ]


def crowded(count: int, seed: int = 5) -> list[FlatRule]:
    """From anywhere to groups of 256 hosts and 200 ports: with 10 000 rules most are hidden, by many together."""
    random = Random(seed)
    first = int(ipaddress.ip_address("10.2.0.0"))
    found = []
    for number in range(count):
        group = spans.normal((first + random.getrandbits(8),) * 2 for _host in range(random.randint(1, 32)))
        ports = spans.normal((port, port) for port in random.sample(range(1, 200), random.randint(1, 20)))
        match = Match(ADDRESSES[4], group, (Service(6, ports=ports),))
        action = "accept" if random.random() < 0.7 else "drop"
        found.append(FlatRule(f"rule-{number}", f"rules[{number}]", ("wan",), ("dmz",), {4: match}, action))
    return found


CASES: dict[str, Callable[[int], Sequence[FlatRule]]] = {
    "realistic": realistic,
    "one-pair": one_pair,
    "crowded": crowded,
    "grid": grid,
}


def context() -> Context:
    return Context(networks=NETS, default_zone="wan", untrusted=("wan", "guest"))


def main(arguments: Sequence[str]) -> None:
    names = [name for name in arguments if name in CASES] or ["realistic", "one-pair"]
    nat: tuple[FlatNat, ...] = ()
    for name in names:
        for count in [int(text) for text in arguments if text.isdigit()]:
            rules = CASES[name](count)
            begin = time.process_time()
            kinds = Counter(finding.kind for finding in analyse(rules, nat, context()))
            took = time.process_time() - begin
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{name} {count}: {took:.2f} s, at most {memory} MB so far, {dict(kinds)}")


if __name__ == "__main__":
    main(sys.argv[1:])
