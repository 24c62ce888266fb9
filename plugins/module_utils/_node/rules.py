# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""A fingerprint of the rules in the kernel that is equal on nodes which enforce the same policy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

_COUNTERS = re.compile(r"\s*\[\d+:\d+\]\s*")
_PROTOCOL = re.compile(r"(?<= -p )\S+")
# iptables 1.8.11 prints numbers where 1.8.9 takes the names of /etc/protocols.
_NUMBERS = {
    "icmp": "1",
    "igmp": "2",
    "tcp": "6",
    "udp": "17",
    "gre": "47",
    "esp": "50",
    "ah": "51",
    "ipv6-icmp": "58",
    "icmpv6": "58",
    "vrrp": "112",
    "sctp": "132",
    "udplite": "136",
}
_TOKEN = re.compile(r"[^\s,/\[\]\"]+")


def _masked(line: str, mask: Mapping[str, str]) -> str:
    """Whole words only: 192.0.2.2 is not a part of 192.0.2.21, and eth1 not one of eth10."""

    def replace(match: re.Match[str]) -> str:
        word = match[0]
        # NAT targets print an address with its port or a range of them.
        head, colon, port = word.rpartition(":")
        if colon and port.replace("-", "").isdigit() and head.strip("[]") in mask:
            return f"<{mask[head.strip('[]')]}>:{port}"
        return f"<{mask[word]}>" if word in mask else word

    numbered = _PROTOCOL.sub(lambda match: _NUMBERS.get(match[0], match[0]), line)
    return _TOKEN.sub(replace, numbered)


def normalise(text: str, mask: Mapping[str, str]) -> str:
    """The output of iptables-save without counters, comments and what differs from node to node.

    Tables and chains are put in order, since the kernel lists them in the order of their creation; the order of the
    rules in a chain stays. A table in which nobody decides anything is left out: some programs create it by looking.
    """
    tables: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {}
    current: tuple[dict[str, str], dict[str, list[str]]] = ({}, {})
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("*"):
            current = tables.setdefault(line[1:], ({}, {}))
        elif line.startswith(":"):
            chain, _space, policy = _COUNTERS.sub("", line[1:]).partition(" ")
            current[0][chain] = policy
        elif line.startswith(("-A ", "[")):
            rule = _COUNTERS.sub(" ", line).strip() if line.startswith("[") else line
            chain = rule.partition(" ")[2].partition(" ")[0]
            current[1].setdefault(chain, []).append(_masked(rule, mask))
    lines: list[str] = []
    for table, (policies, rules) in sorted(tables.items()):
        if not rules and all(policy == "ACCEPT" for policy in policies.values()):
            continue
        lines.append(f"*{table}")
        lines += [f":{chain} {policy}" for chain, policy in sorted(policies.items())]
        for chain in sorted(rules):
            lines += rules[chain]
    return "".join(f"{line}\n" for line in lines)


def own(text: str) -> str:
    """Of tables that are shared with others, what the loader put there: its chains, and the jumps to them."""
    frame = ("*", "COMMIT")
    return "".join(f"{line}\n" for line in text.splitlines() if line.startswith(frame) or " LINUXHA-" in f" {line[1:]}")


def fingerprint(text: str, mask: Mapping[str, str]) -> str:
    return hashlib.sha256(normalise(text, mask).encode()).hexdigest()


def count(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.startswith("-A "))
