# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""`./hafw trace`: what an inventory's policy does with one packet, without any node."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._model import question
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.question import read_packet
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.trace import trace

from . import inventory, options
from .run import LabError

EXAMPLE = "example: hafw trace -i inventories/keepalived wan 203.0.113.10 192.0.2.1 tcp/443"


def add_parser(commands: Any) -> None:
    text = "which rule of an inventory decides about a packet, and which translations apply"
    parser = commands.add_parser("trace", help=text, description=text, epilog=EXAMPLE)
    parser.add_argument("-i", "--inventory", type=Path, default=options.INVENTORIES / "keepalived")
    parser.add_argument("--cluster", help="its name, where the inventory has several")
    parser.add_argument("--to", help="the zone in which it leaves; else the networks tell")
    parser.add_argument("zone", help="the zone or link where it arrives, or firewall")
    parser.add_argument("source", help="address of the sender")
    parser.add_argument("destination", help="address to which it was sent")
    parser.add_argument("service", help="tcp/443, udp/53, icmp, icmp/3/4, or a protocol")
    parser.set_defaults(run=run)


def packet(given: argparse.Namespace) -> dict[str, str]:
    """The question in the words of the module policy_trace."""
    protocol, *numbers = str(given.service).split("/")
    names = ("type", "code") if protocol == "icmp" else ("port", "")
    if len(numbers) > len([name for name in names if name]):
        raise LabError(f"{given.service!r} is no service: write tcp/443, udp/53, icmp, icmp/3/4, or a protocol")
    found = {"from": given.zone, "source": given.source, "destination": given.destination, "protocol": protocol}
    return {**found, **({"to": given.to} if given.to else {}), **dict(zip(names, numbers, strict=False))}


def run(given: argparse.Namespace) -> int:
    clusters = {cluster.name: cluster for cluster in inventory.read(given.inventory, findings=False).clusters}
    name = given.cluster or (next(iter(clusters)) if len(clusters) == 1 else "")
    if name not in clusters:
        raise LabError(f"--cluster {name!r}: name one of {', '.join(clusters)}")
    policy, mistakes = question.policy(clusters[name])
    if mistakes:
        raise LabError("\n".join(str(mistake) for mistake in mistakes))
    found, problems = read_packet(packet(given), policy.context.zone_names)
    if found is None:
        raise LabError("\n".join(str(problem) for problem in problems))
    answer = trace(policy, found)
    print("\n".join(answer.lines))
    return 0
