# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors

"""Mistakes are values. A collector gathers all of them, so that one run shows everything."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.linuxha.firewall.plugins.module_utils._cib.text import HIDDEN, shown
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem as PolicyProblem

ERROR = "error"
WARNING = "warning"
# Of a fence device this never is a password. Anything else may be one that stands in the wrong place.
_NO_PASSWORD = re.compile(r"\.(name|agent|nodes|nodes\[\d+\]|delay_s|level|priority_delay_s|reason)")


@dataclass(frozen=True)
class Problem:
    """One mistake or risk: where, what stands there, why it is wrong, what to do.

    `code` names the kind and stays the same for ever: clusters accept warnings by it.
    """

    path: str
    value: object
    reason: str
    remedy: str
    severity: str = ERROR
    code: str = ""

    def __str__(self) -> str:
        # A password in the wrong place is a mistake like others, and as little for logs as one in the right place.
        value = "" if self.value is None else f" {self._shown()!r}:"
        code = f" [{self.code}]" if self.severity == WARNING and self.code else ""
        return f"{self.path}:{value} {self.reason}. {self.remedy}{code}"

    def _shown(self) -> object:
        _before, fencing, key = self.path.rpartition(".fencing")
        fields = key[key.rfind(".") :] if "." in key else key
        if fencing and not _NO_PASSWORD.fullmatch(fields):
            return HIDDEN
        return shown(self.path, self.value)


class Problems:
    """Collects problems while the model is read."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def error(self, code: str, path: str, value: object, reason: str, remedy: str) -> None:
        self.found.append(Problem(path, value, reason, remedy, ERROR, code))

    def warn(self, code: str, path: str, value: object, reason: str, remedy: str) -> None:
        self.found.append(Problem(path, value, reason, remedy, WARNING, code))

    def policy(self, found: Iterable[PolicyProblem]) -> None:
        """Take over what the policy's own parser found."""
        for p in found:
            self.found.append(Problem(p.path, p.value, p.reason, p.remedy.rstrip(), p.severity, "policy"))

    @property
    def errors(self) -> int:
        return sum(1 for p in self.found if p.severity == ERROR)


def nearest(value: object, known: Iterable[object]) -> str:
    """A remedy for an unknown word."""
    words = sorted(str(k) for k in known)
    near = difflib.get_close_matches(str(value), words, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(words)}." if words else "Remove it."
