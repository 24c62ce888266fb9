# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Named groups that contain each other: one resolver for addresses and services."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Callable, Generic, Optional, TypeVar

from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import ANY, FIREWALL
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

T = TypeVar("T")
#: An address begins with a digit or contains a colon, so no name can be taken for one.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
RESERVED = (ANY, FIREWALL)
DEEPEST = 60


def nearest(value: object, known: Collection[str], otherwise: str = "") -> str:
    """A remedy for an unknown word."""
    near = difflib.get_close_matches(str(value), list(known), 1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return otherwise or (f"Known: {', '.join(sorted(known)[:20])}." if known else "Nothing is defined yet.")


class Groups(Generic[T]):
    """Values by name, each computed once and only when somebody asks for it.

    `compute` gets the raw value of a group and its path; it may ask for other groups with `value`.
    """

    def __init__(self, kind: str, raw: Mapping[str, object], path: str, nothing: T, problems: list[Problem]) -> None:
        self.kind = kind
        self.raw = raw
        self.path = path
        self.used: set[str] = set()
        self._nothing = nothing
        self._problems = problems
        self._values: dict[str, T] = {}
        self._open: list[str] = []
        self._cycles: set[frozenset[str]] = set()

    def __contains__(self, name: object) -> bool:
        return name in self.raw

    def value(self, name: str, compute: Callable[[object, str], T]) -> Optional[T]:
        """The value of a known group. A cycle is a problem, once, and counts as nothing."""
        if name in self._values:
            return self._values[name]
        if name in self._open:
            self._cycle(self._open[self._open.index(name) :])
            return self._nothing
        if len(self._open) == DEEPEST:
            self._add(name, name, f"is nested deeper than {DEEPEST} groups", "Flatten the groups.")
            return self._nothing
        self._open.append(name)
        self.used.add(name)
        value = compute(self.raw[name], f"{self.path}.{name}")
        self._open.pop()
        self._values[name] = value
        return value

    def _cycle(self, names: list[str]) -> None:
        if frozenset(names) in self._cycles:
            return
        self._cycles.add(frozenset(names))
        way = " -> ".join([*names, names[0]])
        self._add(names[0], way, "contains itself", f"Take one of these {self.kind} out of the other.")

    def _add(self, name: str, value: str, reason: str, remedy: str) -> None:
        self._problems.append(Problem(f"{self.path}.{name}", value, reason, remedy))


def parse_names(
    raw: object, path: str, what: str, problems: list[Problem], forbidden: Callable[[str], Optional[str]]
) -> dict[str, object]:
    """The mapping with usable names; `forbidden` gives the reason why a name may not be defined here."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        problems.append(Problem(path, raw, "is not a mapping", f"Write name: {what}."))
        return {}
    found: dict[str, object] = {}
    for name, body in raw.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
            problems.append(
                Problem(
                    f"{path}.{name}",
                    name,
                    "is not a usable name",
                    "A letter first, then letters, digits and _ . -, at most 63; not any or firewall.",
                )
            )
            continue
        reason = forbidden(name)
        if reason is not None:
            problems.append(Problem(f"{path}.{name}", name, reason, "Use another name."))
            continue
        found[name] = body
    return found
