# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules beside those of others: one transaction per family that touches chains named LINUXHA-* and the jumps to them.

A text in this mode has only own chains, and a line for each jump from a built-in chain. A jump that is missing is put
first in its chain; one that is there stays where it is, so whoever wants to be before it (fail2ban) stays there.
"""

from __future__ import annotations

import re
from typing import Iterable

MARK = "# mode shared"
PREFIX = "LINUXHA-"
_JUMP = re.compile(rf"^-A \S+ (?:.* )?-[jg] {PREFIX}\S+$")


def is_shared(text: str) -> bool:
    return MARK in text.splitlines()


def blocks(text: str) -> dict[str, list[str]]:
    """Table to its lines, without the frame."""
    found = re.findall(r"^\*(\S+)\n(.*?)^COMMIT$", text, re.MULTILINE | re.DOTALL)
    return {table: body.splitlines() for table, body in found}


def own_chains(lines: Iterable[str]) -> list[str]:
    return [line[1:].split()[0] for line in lines if line.startswith(f":{PREFIX}")]


def jumps(lines: Iterable[str]) -> list[str]:
    """Rules of chains that are not ours which lead to ours."""
    return [line for line in lines if _JUMP.match(line) and not line.startswith(f"-A {PREFIX}")]


def own(text: str, tables: Iterable[str]) -> str:
    """Of the output of iptables-save what belongs to us."""
    found, kept = blocks(text), [MARK]
    for table in tables:
        lines = found.get(table, [])
        kept += [f"*{table}", *(line for line in lines if line.startswith((f":{PREFIX}", f"-A {PREFIX}")))]
        kept += [*sorted(set(jumps(lines))), "COMMIT"]
    return "\n".join([*kept, ""])


def transaction(text: str, saved: str, tables: Iterable[str]) -> str:
    """What iptables-restore --noflush has to read, so that the kernel, which holds `saved`, holds `text` of ours."""
    wanted, present, lines = blocks(text), blocks(saved), []
    for table in tables:
        new, old = wanted.get(table, []), present.get(table, [])
        chains = own_chains(new)
        stale = [name for name in own_chains(old) if name not in chains]
        if not chains and not stale:
            continue
        # A chain that is declared is emptied, and made when it is not there (iptables-restore(8), --noflush).
        lines += [f"*{table}", *(f":{name} - [0:0]" for name in [*chains, *stale])]
        lines += [line for line in new if line.startswith(f"-A {PREFIX}")]
        lines += _jumps(jumps(new), jumps(old))
        lines += [f"-X {name}" for name in stale] + ["COMMIT"]
    return "\n".join([*lines, ""])


def _jumps(wanted: list[str], present: list[str]) -> list[str]:
    """Only the very line is ours: one with a condition leaves packets out."""

    def plain(line: str) -> str:
        return line.replace('"', "")  # a comment without blanks is printed with or without quotes

    ours, there = [plain(line) for line in wanted], [plain(line) for line in present]
    extra = [
        line for number, line in enumerate(present) if there[number] not in ours or there[number] in there[:number]
    ]
    missing = [line for number, line in enumerate(wanted) if ours[number] not in there]
    return [f"-D {line[3:]}" for line in extra] + [f"-I {line[3:].replace(' ', ' 1 ', 1)}" for line in missing]


def whole(text: str, tables: dict[str, tuple[str, ...]]) -> str:
    """The same text for tables in which nobody else is, or is to be any more."""
    found, lines = blocks(text), []
    for table, builtin in tables.items():
        lines += [f"*{table}", *(f":{name} ACCEPT [0:0]" for name in builtin), *found.get(table, []), "COMMIT"]
    return "\n".join([*lines, ""])
