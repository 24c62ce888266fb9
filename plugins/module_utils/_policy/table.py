# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One table in the format of iptables-restore, collected rule by rule."""

from __future__ import annotations

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match


class Table:
    def __init__(self, name: str, **policies: str) -> None:
        self.name = name
        self._policies = policies
        self._chains: list[str] = []
        self._rules: list[str] = []

    def chain(self, name: str) -> None:
        if name not in self._chains:
            self._chains.append(name)

    def add(self, chain: str, matches: str, comment: str, target: str) -> None:
        parts = (f"-A {chain}", matches.strip(), match.comment(comment), target)
        self._rules.append(" ".join(part for part in parts if part))

    def text(self) -> str:
        lines = [f"*{self.name}"]
        lines += [f":{chain} {policy} [0:0]" for chain, policy in self._policies.items()]
        lines += [f":{chain} - [0:0]" for chain in self._chains]
        # The chains of a hook first and the others after them, each in the order of its rules: readable, same result.
        for name in (*self._policies, *self._chains):
            lines += [rule for rule in self._rules if rule.startswith(f"-A {name} ")]
        return "\n".join([*lines, "COMMIT", ""])
