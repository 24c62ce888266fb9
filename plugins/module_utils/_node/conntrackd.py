# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""conntrackd's statistics. They are text for people, since the daemon offers nothing else: read by label, never by
position, and a missing number stays missing instead of becoming 0."""

from __future__ import annotations

import re
from typing import Optional

_CACHE = re.compile(r"^cache:(\S+)\s+active objects:\s+(\d+)\s*$")
_FIELD = re.compile(r"^\s*([^:]+):\s+(\d+)\s*$")
_CREATED = re.compile(r"^connections created:\s+(\d+)\s+failed:\s+(\d+)\s*$")
_UPTIME = re.compile(r"^daemon uptime: (.+?)\s*$")
_UNIT = re.compile(r"(\d+) (days?|hours?|h|min|minutes?|secs?|s)\b")
_TRACKING = re.compile(r"^\s*(\d+) Malformed msgs\s+(\d+) Lost msgs\s*$")
_DEVICE = re.compile(r"^(\S+) traffic \(active device=([^)]+)\)")
_MINUTES = {"d": 1440, "h": 60, "m": 1}

Statistics = dict[str, Optional[int]]


def caches(text: str) -> Statistics:
    """`conntrackd -s cache`: entries and losses of the caches.

    With immediate injection there is no external cache but a section `external inject`; then `external` is None and
    `injected` counts what was put into the kernel.
    """
    found: Statistics = {"internal": None, "external": None, "injected": None, "no_space": None, "no_memory": None}
    section = ""
    for line in text.splitlines():
        cache = _CACHE.match(line)
        if cache:
            section = cache[1]
            if section in ("internal", "external") and found[section] is None:
                found[section] = int(cache[2])
            continue
        if line.strip() == "external inject:":
            section = "inject"
            continue
        created = _CREATED.match(line)
        if created and section == "inject" and found["injected"] is None:
            found["injected"] = int(created[1])
            continue
        field = _FIELD.match(line)
        if field:
            key = {"no space left in cache": "no_space", "no memory available": "no_memory"}.get(field[1].strip())
            if key is not None:
                found[key] = (found[key] or 0) + int(field[2])
    return found


def runtime(text: str) -> Statistics:
    """`conntrackd -s runtime`: bursts that the kernel could not hand over, and the resyncs from the kernel since."""
    labels = {
        "netlink overrun": "overruns",
        "resync with kernel table": "kernel_resyncs",
        "catch event failed": "event_errors",
    }
    found: Statistics = {"uptime_minutes": None, "overruns": None, "kernel_resyncs": None, "event_errors": None}
    for line in text.splitlines():
        uptime = _UPTIME.match(line)
        if uptime:
            units = _UNIT.findall(uptime[1])
            found["uptime_minutes"] = sum(int(n) * _MINUTES.get(unit[0], 0) for n, unit in units) if units else None
            continue
        field = _FIELD.match(line)
        key = labels.get(field[1].strip()) if field else None
        if field and key is not None:
            found[key] = int(field[2])
    return found


def messages(text: str) -> tuple[Statistics, Optional[str]]:
    """`conntrackd -s`: malformed and lost messages of the sync link, and the link in use."""
    found: Statistics = {"malformed": None, "lost": None}
    device = None
    for line in text.splitlines():
        tracking = _TRACKING.match(line)
        if tracking:
            found = {"malformed": int(tracking[1]), "lost": int(tracking[2])}
        active = _DEVICE.match(line)
        if active:
            device = active[2]
    return found, device
