# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Walks a packet through the text of iptables: what the lines say, told by plain comparison."""

from __future__ import annotations

import ipaddress
import shlex
from typing import NamedTuple

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.packet import to_address

NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "ipv6-icmp": 58, "sctp": 132}
ICMP = {4: 1, 6: 58}
#: Options whose values do not decide about the first packet of a connection.
SILENT = ("--comment", "--limit", "--hashlimit-burst", "--hashlimit-mode", "--hashlimit-name")


class Packet(NamedTuple):
    """The first packet of a connection, with no interface where the node is. ICMP has type and code for ports."""

    incoming: str
    outgoing: str
    source: int
    destination: int
    protocol: int
    left: int
    right: int
    state: str = "NEW"
    hops: int = 64
    #: Of a rate.
    within: bool = True

    @property
    def hook(self) -> str:
        if not self.incoming:
            return "OUTPUT"
        return "FORWARD" if self.outgoing else "INPUT"


class Walk:
    """One table of one family. Any word that it does not know is an error."""

    def __init__(self, files: dict[str, str], family: int, table: str = "filter", local: tuple[int, ...] = ()) -> None:
        self.family, self.local = family, local
        self.chains: dict[str, list[list[str]]] = {}
        for line in files[f"rules.v{family}"].split(f"*{table}\n")[1].split("COMMIT")[0].splitlines():
            if line.startswith("-A "):
                words = shlex.split(line)
                self.chains.setdefault(words[1], []).append(words[2:])
        self.sets: dict[str, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {}
        for line in files["ipsets"].splitlines():
            if line.startswith(f"add lh{family}-"):
                _add, name, entry = line.split()
                self.sets.setdefault(name, []).append(ipaddress.ip_network(entry))

    def decide(self, chain: str, packet: Packet) -> str | None:
        for words in self.chains.get(chain, []):
            holds, target = self.line(list(words), packet)
            if not holds or target == "LOG":
                continue
            if target in ("ACCEPT", "DROP", "reject", "CT"):
                return target.lower()
            if target == "RETURN":
                return None
            found = self.decide(target, packet)
            if found:
                return found
        return None

    def line(self, words: list[str], packet: Packet) -> tuple[bool, str]:
        holds, negated = True, False
        while words:
            word = words.pop(0)
            if word == "!":
                negated = True
                continue
            if word == "-j":
                return holds, words[0]
            truth = self.match(word, words, packet)
            if truth is not None:
                holds &= truth != negated
                negated = False
        raise AssertionError("a line without a target")

    def match(self, word: str, words: list[str], packet: Packet) -> bool | None:
        value = words.pop(0) if word not in ("--invert", "--loose") else ""
        if word == "-m":
            # In IPv6 the header that it looks at is the match.
            return packet.protocol == 51 if value == "ah" and self.family == 6 else None
        if word == "--tcp-flags":
            words.pop(0)
            return True
        if word in (*SILENT, "--loose"):
            return None
        if word in ("--match-set", "-s", "-d"):
            source = word == "-s" or (word == "--match-set" and words.pop(0) == "src")
            address = to_address(packet.source if source else packet.destination, self.family)
            nets = self.sets[value] if word == "--match-set" else [ipaddress.ip_network(value)]
            return any(address in net for net in nets)
        if word in ("-i", "-o"):
            return value == (packet.incoming if word == "-i" else packet.outgoing)
        if word == "-p":
            return packet.protocol == int(NUMBERS.get(value, value))
        if word in ("--icmp-type", "--icmpv6-type"):
            kind, slash, code = value.partition("/")
            return packet.left == int(kind) and (not slash or packet.right == int(code))
        if word in ("--dport", "--dports", "--sport", "--sports"):
            port = packet.right if word.startswith("--d") else packet.left
            ends = [[int(end) for end in part.split(":")] for part in value.split(",")]
            return any(part[0] <= port <= part[-1] for part in ends)
        if word == "--ctstate":
            return packet.state in value.split(",")
        if word in ("--ttl-eq", "--hl-eq"):
            return packet.hops == int(value)
        if word == "--dst-type":
            return packet.destination in self.local
        if word == "--hashlimit-upto":
            return packet.within
        if word == "--invert":
            # Whether the way back is another one; no packet here is forged in that way.
            return False
        raise AssertionError(word)
