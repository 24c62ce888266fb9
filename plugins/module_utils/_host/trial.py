# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Rules on trial, seen from the controller: what a node answers, and what the answers of all nodes mean together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

REMEDY_REACH = (
    "Look at the management (interfaces, sources, port) and at what the rules do to the way there, correct the "
    "inventory and run again."
)
REMEDY_LOAD = "Look at the journal of linuxha-rules-trial on the node, correct the inventory and run again."
REMEDY_LATE = "Run again, with a longer iptables_trial when the nodes are many or slow."


@dataclass(frozen=True)
class Answer:
    """What a node said of its trial over a new connection.

    Attributes:
        ok: the trial runs (or is confirmed), and the connection is newer than the rules.
        wait: the answer may be another one in a moment, over yet another connection.
        reached: the node has said something.
        reason: why it is not ok.
        remedy: what to do about it.
    """

    ok: bool
    wait: bool = False
    reached: bool = True
    reason: str = ""
    remedy: str = ""

    def plain(self) -> dict[str, Any]:
        return {"ok": self.ok, "reason": self.reason, "remedy": self.remedy}


def unreachable(reason: str) -> Answer:
    """The node did not answer over a new connection; `reason` is what the connection said."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()] or ["no reason given"]
    # The last line is what ssh itself says; before it stand banners and what a proxy command has to say.
    return Answer(False, True, False, f"cannot be reached over a new connection: {lines[-1].rstrip('.')}", REMEDY_REACH)


def read(rc: int, stdout: str, stderr: str) -> Answer:
    """The answer of `linuxha-rules trial TOKEN`; 255 is what ssh(1) exits with when it has an error of its own."""
    if rc == 255:
        return unreachable(stderr or stdout)
    try:
        found = json.loads(stdout.strip().splitlines()[-1]) if rc == 0 else None
    except (ValueError, IndexError):
        found = None
    if not isinstance(found, dict):
        words = " ".join((stderr or stdout).split()) or f"exit status {rc}"
        return Answer(False, True, True, f"linuxha-rules gave no answer: {words}", REMEDY_LOAD)
    state, reason = str(found.get("state")), str(found.get("reason") or "no reason known")
    if state == "confirmed" or (state == "trial" and found.get("fresh")):
        return Answer(True)
    if state == "trial":
        return Answer(False, True, True, "answers only over a connection that is older than the rules", REMEDY_REACH)
    if state in ("loading", "unknown"):
        return Answer(False, True, True, "has not loaded the rules yet", REMEDY_LOAD)
    if state == "rolled-back":
        return Answer(False, False, True, f"went back to the previous rules: {reason}", REMEDY_LATE)
    return Answer(False, False, True, f"did not load the rules: {reason}", REMEDY_LOAD)


def problems(nodes: Sequence[str], answers: Mapping[str, Optional[Mapping[str, Any]]]) -> list[str]:
    """One line for each node of these whose answer is missing or not ok; the same reason only once."""
    lines: list[str] = []
    for node in nodes:
        answer = answers.get(node)
        if not answer or "ok" not in answer:
            lines.append(f"{node}: has left the play, its own error is further up")
        elif not answer["ok"]:
            # Who goes back because of others carries their reasons.
            lines += answer.get("lines") or [f"{node}: {answer.get('reason')}. {answer.get('remedy')}"]
    return list(dict.fromkeys(lines))


def unsure(nodes: Sequence[str], answers: Mapping[str, Optional[Mapping[str, Any]]]) -> list[str]:
    """Who was told to confirm and could not be heard any more."""
    return [node for node in nodes if (answers.get(node) or {}).get("unsure")]


def stays(node: str, reason: str) -> str:
    """The line about a node that did not do what it was told, to go back."""
    return f"{node}: was told to go back, but: {reason}"


def message(lines: Sequence[str], nodes: Sequence[str], seconds: float, open_ends: Sequence[str] = ()) -> str:
    """What the failed play says: who, why, what to do, and what happens to the rules meanwhile.

    `open_ends` are those of the nodes of which nobody knows which rules they keep.
    """
    back = [node for node in nodes if node not in open_ends]
    first = []
    if back:
        whose = f"On {', '.join(back)} the" if len(nodes) > 1 else "The"
        first.append(
            f"The new rules are not kept. {whose} previous ones are back {seconds:.0f} s after loading at the latest."
        )
    if open_ends:
        first.append(f"{', '.join(open_ends)} may have kept the new rules: linuxha-rules trial tells there.")
    return "\n".join([*first, *lines])
