# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One table in the format of iptables-restore, collected rule by rule."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match


class Table:
    def __init__(self, name: str, **policies: str) -> None:
        self.name = name
        self._policies = policies
        self._rules: dict[str, list[str]] = {chain: [] for chain in policies}

    def chain(self, name: str) -> bool:
        """Make a chain; False when it was there."""
        if name in self._rules:
            return False
        self._rules[name] = []
        return True

    def add(self, chain: str, matches: str, comment: str, target: str) -> None:
        self._rules[chain].append(body(matches, comment, target))

    def extend(self, chain: str, bodies: Iterable[str]) -> None:
        self._rules[chain].extend(bodies)

    def text(self) -> str:
        lines = [f"*{self.name}"]
        lines += [f":{chain} {policy} [0:0]" for chain, policy in self._policies.items()]
        lines += [f":{chain} - [0:0]" for chain in self._rules if chain not in self._policies]
        # The chains of a hook first and the others after them, each in the order of its rules: readable, same result.
        for chain, rules in self._rules.items():
            lines += [f"-A {chain} {rule}" for rule in rules]
        return "\n".join([*lines, "COMMIT", ""])


def body(matches: str, comment: str, target: str) -> str:
    """A rule without its chain."""
    matches = matches.strip()
    return f"{matches} {match.comment(comment)} {target}" if matches else f"{match.comment(comment)} {target}"
