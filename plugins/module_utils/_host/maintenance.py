# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Orders to the program that keeps a node from serving (role takeover)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Optional

from . import Result, Runner

PROGRAM = "/usr/local/sbin/linuxha-maintenance"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+)([smhdw]?)")


class OrderFailed(Exception):
    """The node did not do it, with the reason."""


def seconds(text: str) -> Optional[int]:
    """A duration such as `2h`, `1h30m` or `90`, which are seconds; None when the text is empty.

    Raises:
        ValueError: it is no duration.
    """
    stripped = text.strip()
    if not stripped:
        return None
    parts = _DURATION.findall(stripped)
    total = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != stripped or total == 0:
        raise ValueError(f"{text!r} is no duration: write 90m, 2h or 1d")
    return total


def order(run: Runner, words: Sequence[str], check: bool) -> Result:
    """What the program answers.

    Raises:
        OrderFailed: it is not there, or could not do it.
    """
    argv = [PROGRAM, *words, *(["--check"] if check else [])]
    rc, stdout, stderr = run(argv)
    try:
        answer = json.loads(stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = " ".join((stderr or stdout).split()) or f"exit status {rc}"
        raise OrderFailed(f"{' '.join(argv[:2])}: {said}. Is the role takeover deployed? Run the site playbook.")
    if rc != 0 or answer.get("failed"):
        raise OrderFailed(f"{' '.join(argv[:2])}: {answer.get('msg') or f'exit status {rc}'}")
    return answer


def maintenance(state: str, lasts: Optional[int], reason: str, by: str) -> list[str]:
    """The words of an order that begins or ends a maintenance."""
    if state == "off":
        return ["off"]
    return ["on", *(["--for", str(lasts)] if lasts is not None else []), f"--reason={reason}", f"--by={by}"]


def drain(state: str, limit: int) -> list[str]:
    """The words of an order that has a node give way for a moment."""
    return ["drain", str(limit)] if state == "drained" else ["ready"]
