# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Segment sizes per pair of zones, and rules of iptables as they are, for what the language cannot say."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match, names, zones
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Reader, entries
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Clamp
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.objects import Books, unique
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.table import Table

MSS_KEYS = ("name", "from", "to", "mss")
RAW_KEYS = ("name", "table", "chain", "family", "rule", "comment", "enabled")
#: Where a raw rule may stand: the hooks of the tables that belong to the role.
TABLES: Mapping[str, tuple[str, ...]] = {
    "raw": ("PREROUTING", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}
#: Options that name a table, a chain or a policy instead of matching a packet.
_COMMANDS = (
    "-t", "--table", "-A", "--append", "-I", "--insert", "-D", "--delete", "-R", "--replace", "-P", "--policy", "-N",
    "--new-chain", "-X", "--delete-chain", "-F", "--flush", "-Z", "--zero", "-E", "--rename-chain", "-C", "--check",
)  # fmt: skip


@dataclass(frozen=True)
class RawRule:
    name: str
    table: str
    chain: str
    families: tuple[int, ...]
    #: Matches and target as iptables takes them.
    rule: str


def read_clamps(raw: object, known: Collection[str], path: str, books: Books) -> tuple[Clamp, ...]:
    found: list[Clamp] = []
    for reader in entries(raw, path, MSS_KEYS, books.problems):
        pair = [zones.expand(zones.parse_pair(reader, key, known), tuple(known)) for key in ("from", "to")]
        written = ["+".join(str(item) for item in reader.items(key)) for key in ("from", "to")]
        size: Optional[int] = None
        if reader.get("mss") is None:
            reader.problem("mss", None, "is missing", "Write pmtu, or a number of bytes.")
        elif reader.get("mss") != "pmtu":
            # 536 is what every IPv4 host takes (RFC 1122); 65495 leaves room for both headers.
            size = reader.number("mss", 536, 65495)
        found.append(Clamp(reader.text("name", f"mss {written[0]} {written[1]}"), pair[0], pair[1], size))
    unique(path, [clamp.name for clamp in found], books.problems)
    return tuple(found)


def read_raw(raw: object, path: str, books: Books) -> tuple[RawRule, ...]:
    found: list[RawRule] = []
    switched_on: list[RawRule] = []
    for reader in entries(raw, path, RAW_KEYS, books.problems):
        entry = _raw(reader)
        found.append(entry)
        if reader.flag("enabled", True):
            switched_on.append(entry)
    unique(path, [entry.name for entry in found], books.problems)
    return tuple(switched_on)


def _raw(reader: Reader) -> RawRule:
    name = reader.text("name", required=True)
    reader.text("comment")
    table, chain = reader.text("table", "filter"), reader.text("chain", required=True)
    if table not in TABLES:
        reader.problem("table", table, "is not a table of this role", f"One of: {', '.join(TABLES)}.")
    elif chain not in TABLES[table] and reader.get("chain") is not None:
        reader.problem("chain", chain, f"is no hook of the table {table}", names.nearest(chain, TABLES[table]))
    family = reader.choice("family", ("both", "4", "6"), "both")
    families = (4, 6) if family == "both" else (int(family),)
    return RawRule(name, table, chain, families, _text(reader))


def _text(reader: Reader) -> str:
    text = reader.text("rule", required=True).strip()
    try:
        words = shlex.split(text)
    except ValueError as error:
        reader.problem("rule", text, f"cannot be read ({error})", "Close the quotes.")
        return ""
    if not text:
        return ""
    if "\n" in text or text[0] in ":*#":
        reason = "is not one rule" if "\n" in text or text[0] == "#" else "names a built-in policy or a table"
        reader.problem(
            "rule", text, reason, "Write matches and -j TARGET; policies and tables are not yours to set here."
        )
    command = next((word for word in words if word in _COMMANDS), None)
    if command is not None:
        remedy = "Name the place in table and chain; policies cannot be set."
        reader.problem("rule", text, f"has {command}, which is no part of a rule", remedy)
    elif not {"-j", "--jump", "-g", "--goto"} & set(words):
        reader.problem("rule", text, "has no target", "End it with -j ACCEPT, -j DROP or another target.")
    if any(not " " <= char <= "~" for char in text) or len(text) > 900:
        reader.problem("rule", text, "is not plain text of one line", "Printable ASCII, at most 900 characters.")
    return text


def add_raw(table: Table, found: Sequence[RawRule], family: int) -> None:
    """With the name as a comment, in front of the target that may take options of its own."""
    for entry in found:
        if entry.table == table.name and family in entry.families:
            table.extend(entry.chain, [f"{match.comment(entry.name)} {entry.rule}"])
