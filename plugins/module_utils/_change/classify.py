# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""One file of one daemon: what it is, what it shall be, and what the daemon was started with. Pure.

What keepalived keeps over a reload is what its own vrrp_exist() compares (keepalived/vrrp/vrrp.c, 2.2.7 and 2.3.3). A
script that a reload brings counts as fine until it has run, and a failure of that first run counts at once, whatever
its `fall` says (SCRIPT_INIT_STATE_INIT_RELOAD, vrrp_scheduler.c); one of the same name keeps its result.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

START, NOTHING, RELOAD, CHECK, REJOIN, RESTART = "start", "nothing", "reload", "check", "rejoin", "restart"
KINDS = (START, NOTHING, RELOAD, CHECK, REJOIN, RESTART)

# A process keeps the environment of its start: it says what no reload has changed since.
VARIABLE = "LINUXHA_STARTED_WITH"
# What makes two nodes hear each other.
IDENTITY = ("interface", "virtual_router_id", "version", "use_vmac", "unicast_src_ip")


@dataclass(frozen=True)
class Running:
    """A daemon as systemd knows it. `settings` is what it was started with, None where that is not known."""

    active: bool
    settings: Optional[Sequence[str]] = None


@dataclass(frozen=True)
class Change:
    """What a change needs.

    Attributes:
        kind: one of KINDS. With `rejoin` a reload makes every VRRP instance start anew, with `check` it brings a track
            script, whose first result counts.
        lines: what goes (-) and what comes (+).
        older: settings that only a start takes over, as they are and as they should be.
        checks: names of track scripts that a running keepalived gets, whatever the kind is.
    """

    kind: str
    lines: Sequence[str] = ()
    older: Sequence[str] = ()
    checks: Sequence[str] = ()


def started_with(environment: Optional[bytes]) -> Optional[list[str]]:
    """The settings in the environment of a process (proc_pid_environ(5)); None where it carries none."""
    for entry in (environment or b"").split(b"\0"):
        name, equals, value = entry.decode("utf-8", "replace").partition("=")
        if equals and name == VARIABLE:
            return [word for word in value.split(",") if word]
    return None


def older(running: Optional[Sequence[str]], planned: Sequence[str]) -> list[str]:
    """What a start would change.

    A word without a value is something that a reload brings and only a restart takes away: it counts when it goes.
    """
    if running is None:
        return []
    was, wanted = (dict(word.partition("=")[::2] for word in words) for words in (running, planned))
    found = [
        f"{name}: {was.get(name) or '(none)'} -> {wanted.get(name) or '(none)'}"
        for name in sorted({*was, *wanted})
        if (was.get(name) or wanted.get(name)) and was.get(name) != wanted.get(name)
    ]
    return found + [f"{name}: taken away" for name in sorted(was) if not was[name] and name not in wanted]


def lines(before: str, after: str) -> list[str]:
    """The lines that differ, without indentation; comments are none."""
    one, other = (
        [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        for text in (before, after)
    )
    found = difflib.unified_diff(one, other, n=0, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in found if line[0] in "+-" and line[:3] not in ("+++", "---")]


def blocks(text: str, word: str) -> dict[str, list[str]]:
    """The blocks of this kind in a keepalived.conf: by their name the lines that are directly inside."""
    found: dict[str, list[str]] = {}
    depth, name = 0, ""
    for raw in text.splitlines():
        line = raw.strip()
        if depth == 0:
            first, _unused, rest = line.partition(" ")
            name = rest.rstrip("{ ") if first == word else ""
            if name:
                found[name] = []
        elif depth == 1 and name and line != "}":
            found[name].append(line)
        depth += line.count("{") - line.count("}")
    return found


def instances(text: str) -> set[tuple[str, ...]]:
    """The VRRP instances of a keepalived.conf, each as what the others know it by."""
    return {
        tuple(sorted(line for line in own if line.partition(" ")[0] in IDENTITY))
        for own in blocks(text, "vrrp_instance").values()
    }


def classify(
    running: Running, before: str, after: str, settings: Sequence[str], live: str = RELOAD, vrrp: bool = False
) -> Change:
    """The class of a change.

    Args:
        running: the daemon.
        before: its file as it is, empty where there is none.
        after: its file as it shall be.
        settings: what it should be started with, `name=value` or `name`.
        live: what a change of the file needs, RELOAD or RESTART.
        vrrp: the file is a keepalived.conf.
    """
    differing = lines(before, after)
    if not running.active:
        return Change(START, differing)
    behind = older(running.settings, settings)
    kind = live if differing else NOTHING
    checks = sorted(set(blocks(after, "vrrp_script")) - set(blocks(before, "vrrp_script"))) if vrrp else []
    was = instances(before) if vrrp else set()
    # One that stays is enough: the others are in one sync group with it.
    if was and not was & instances(after):
        kind = REJOIN
    elif behind:
        kind = RESTART
    elif checks:
        kind = CHECK
    return Change(kind, differing, behind, checks)
