# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Scalars of the CIB: everything there is text, and some texts mean the same.

Pacemaker Explained, "Score" and "Time specification"; roles: the names Master and Slave are those before 2.1.
"""

from __future__ import annotations

import re
from typing import Optional

INFINITY = 1_000_000
ROLES = {"Master": "Promoted", "Slave": "Unpromoted"}
_UNITS_MS = {
    "": 1000.0,
    "s": 1000.0,
    "sec": 1000.0,
    "ms": 1.0,
    "msec": 1.0,
    "us": 0.001,
    "usec": 0.001,
    "m": 60_000.0,
    "min": 60_000.0,
    "h": 3_600_000.0,
    "hr": 3_600_000.0,
}
_TIME = re.compile(r"\s*([0-9]+)\s*([a-z]*)\s*")


def scalar(value: object) -> str:
    """How a plain value is written in the CIB."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def milliseconds(text: str) -> Optional[int]:
    """A time with an optional unit, in milliseconds; None where it is none."""
    found = _TIME.fullmatch(text)
    if not found or found[2] not in _UNITS_MS:
        return None
    return int(int(found[1]) * _UNITS_MS[found[2]])


def score(text: str) -> Optional[int]:
    """A score as a number within plus and minus INFINITY; None where it is none."""
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if digits.upper() == "INFINITY":
        number = INFINITY
    elif digits.isdigit():
        number = min(int(digits), INFINITY)
    else:
        return None
    return -number if sign == "-" else number


def role(text: str) -> str:
    """The present name of a role."""
    return ROLES.get(text, text)


def same(name: str, one: str, other: str) -> bool:
    """Whether two texts of the attribute `name` mean the same."""
    if one == other:
        return True
    if name.endswith("role"):
        return role(one) == role(other)
    if name in ("interval", "timeout", "start-delay"):
        return milliseconds(one) is not None and milliseconds(one) == milliseconds(other)
    if name == "score":
        return score(one) is not None and score(one) == score(other)
    return False
