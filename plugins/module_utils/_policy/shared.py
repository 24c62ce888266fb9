# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The same rules beside those of others: every chain becomes one of our own, and the built-in ones only jump there.

A text of rules that own their tables goes in, one that a loader can put into tables of others comes out. Built-in
policies belong to nobody in particular there, so what they decided is decided at the end of our chains, for packets
that come and go by interfaces that our rules know. All others meet the rules of the others.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.extras import RawRule
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.match import CHAIN_BYTES, PART, PART_DIGITS
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

PREFIX = "LINUXHA-"
#: The loader looks for this line.
MARK = "# mode shared"
BUILTIN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_END = "LINUXHA-END"
_TARGET = re.compile(r"(?<= )(-[jg]) (\S+)$")
_INTERFACE = re.compile(r" -[io] (\S+)")
#: Before a rule's name stand its matches. Raw rules begin with their name: what they say is theirs.
_NAME = " -m comment --comment "


def shared(files: Mapping[str, str]) -> dict[str, str]:
    """File name -> content, for the mode in which foreign chains survive."""
    found = {name: text for name, text in files.items() if not name.startswith(("rules.", "closed."))}
    for family in ("v4", "v6"):
        ours = _interfaces(files[f"rules.{family}"])
        found[f"rules.{family}"] = _text(files[f"rules.{family}"], ours)
        # Closed is closed: whatever interface it is.
        found[f"closed.{family}"] = _text(files[f"closed.{family}"], None)
    return found


def refused(raw: Iterable[RawRule]) -> list[Problem]:
    """Raw rules that would leave our chains before their end, which does what the policy of a built-in chain does."""
    return [
        Problem(
            "iptables_raw",
            entry.name,
            "leaves the chain before its end, where iptables_mode: shared drops what no rule accepts",
            "Write -j DROP, or -j ACCEPT.",
        )
        for entry in raw
        if entry.table == "filter" and _leaves(shlex.split(entry.rule))
    ]


def _leaves(words: list[str]) -> bool:
    # getopt takes a value in the same word, and a long option cut short.
    goes = any(word.startswith(("-g", "--g")) for word in words)
    pairs = zip(["", *words], words)
    return goes or any(
        word in ("-jRETURN", "--jump=RETURN") or (word == "RETURN" and before.startswith(("-j", "--j")))
        for before, word in pairs
    )


def chain(name: str) -> str:
    """The name of our own chain in the place of this one; shortened with a hash where the kernel would cut it off."""
    long = PREFIX + name
    if len(long) <= CHAIN_BYTES:
        return long
    head, part, digest = long.partition(PART)
    if part:
        return f"{head[: CHAIN_BYTES - 1 - PART_DIGITS]}{part}{digest}"
    return f"{long[: CHAIN_BYTES - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _interfaces(text: str) -> list[str]:
    """All that our rules know, but the loopback, in a stable order."""
    matches = [f" {line}".partition(_NAME)[0] for line in text.splitlines() if line.startswith("-A ")]
    found = {name for words in matches for name in _INTERFACE.findall(words)}
    return sorted(found - {"lo"})


def _text(text: str, interfaces: list[str] | None) -> str:
    head = [line for line in text.splitlines() if line.startswith("#")]
    lines = [*head, MARK]
    for block in re.findall(r"^\*.*?^COMMIT$", text, re.MULTILINE | re.DOTALL):
        lines += _table(block.splitlines(), interfaces)
    return "\n".join([*lines, ""])


def _table(block: list[str], interfaces: list[str] | None) -> list[str]:
    policies = dict(line[1:].split()[:2] for line in block if line.startswith(":"))
    names = {name: chain(name) for name in policies}
    rules = [line for line in block if line.startswith("-A ")]
    ends = [name for name, policy in policies.items() if policy == "DROP"]
    jumps = [
        f"-A {name} -m comment --comment linuxha -j {names[name]}"
        for name in policies
        if name in BUILTIN and (name in ends or any(rule.startswith(f"-A {name} ") for rule in rules))
    ]
    used = {name for name in names if name not in BUILTIN} | {jump.split()[1] for jump in jumps}
    inner = bool(interfaces) and "FORWARD" in ends
    return [
        block[0],
        *(f":{names[name]} - [0:0]" for name in policies if name in used),
        *([f":{_END} - [0:0]"] if inner else []),
        *jumps,
        *(_renamed(rule, names) for rule in rules),
        *(line for name in ends for line in _end(name, names[name], interfaces)),
        *(f'-A {_END} -o {name} -m comment --comment "no rule" -j DROP' for name in (interfaces or []) if inner),
        "COMMIT",
    ]


def _renamed(rule: str, names: Mapping[str, str]) -> str:
    _append, name, rest = rule.split(" ", 2)
    return f"-A {names[name]} " + _TARGET.sub(lambda match: f"{match[1]} {names.get(match[2], match[2])}", rest)


def _end(builtin: str, name: str, interfaces: list[str] | None) -> Iterator[str]:
    """What the policy of a built-in chain does in tables of our own."""
    if interfaces is None:
        yield f'-A {name} -m comment --comment "no rule" -j DROP'
        return
    for interface in interfaces:
        if builtin == "FORWARD":
            # Between two of ours; from or to others is for the rules of the others.
            yield f'-A {name} -i {interface} -m comment --comment "no rule" -j {_END}'
        else:
            way = "-i" if builtin == "INPUT" else "-o"
            yield f'-A {name} {way} {interface} -m comment --comment "no rule" -j DROP'
