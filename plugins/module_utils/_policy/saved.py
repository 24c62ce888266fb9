# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Read the text of iptables-save and iptables-restore, see iptables-save(8): rule by rule, named by the comments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

_COUNTERS = re.compile(r"\[(\d+):(\d+)\]\s*")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        table, chain: where it stands.
        words: the rule without its chain, its comment and its counters.
        name: its comment; empty where it has none.
        packets, bytes: its counters; 0 where the text has none.
    """

    table: str
    chain: str
    words: tuple[str, ...]
    name: str = ""
    packets: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Saved:
    """Rules in their order, and the policy of every chain, "-" for one that somebody made."""

    rules: tuple[Rule, ...]
    policies: dict[tuple[str, str], str]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote without its other half: iptables would refuse it, a reader need not
        return line.split()


def _rule(table: str, line: str) -> Optional[Rule]:
    counters = _COUNTERS.match(line)
    words = _split(line[counters.end() :] if counters else line)
    if len(words) < 2 or words[0] != "-A":
        return None
    rest, name = words[2:], ""
    if "--comment" in rest[:-1]:
        at = rest.index("--comment")
        name = rest[at + 1]
        start = at - 2 if rest[max(at - 2, 0) : at] == ["-m", "comment"] else at
        rest = rest[:start] + rest[at + 2 :]
    packets, size = (int(counters[1]), int(counters[2])) if counters else (0, 0)
    return Rule(table, words[1], tuple(rest), name, packets, size)


def parse(text: str) -> Saved:
    """Unknown lines are passed over: this reads, it does not check."""
    rules, policies, table = [], {}, ""
    for line in _lines(text):
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            words = line[1:].split()
            if len(words) >= 2:
                policies[(table, words[0])] = words[1]
        else:
            rule = _rule(table, line)
            if rule is not None:
                rules.append(rule)
    return Saved(tuple(rules), policies)


def _lines(text: str) -> Iterator[str]:
    for raw in text.splitlines():
        line = raw.strip()
        if line and not line.startswith("#"):
            yield line


def parse_sets(text: str) -> dict[str, frozenset[str]]:
    """Set to members, out of the text of `ipset save` (ipset(8)); options of members are part of them."""
    found: dict[str, set[str]] = {}
    for line in _lines(text):
        words = line.split(maxsplit=2)
        if words[0] == "create" and len(words) > 1:
            found.setdefault(words[1], set())
        elif words[0] == "add" and len(words) > 2:
            found.setdefault(words[1], set()).add(words[2])
    return {name: frozenset(members) for name, members in found.items()}
