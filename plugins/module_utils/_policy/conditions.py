# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""What narrows a rule beyond addresses and services: logging, rates, numbers of connections, hours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import match
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.fields import Reader
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.flat import Connections, Limit, Log, Schedule

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PER = ("source", "destination", "none")
# xt_hashlimit counts in units of 1/32 jiffy at the slowest; these bounds hold for every version of it.
_RATE = re.compile(r"([1-9][0-9]{0,4})/(second|minute|hour|day)")
_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
LOG_RATE = "10/second"


def log(reader: Reader, name: str) -> Optional[Log]:
    """`true`, or a mapping with prefix and rate."""
    value = reader.get("log")
    if value is None or value is False:
        return None
    default = match.default_log(name)
    if value is True:
        return default
    if not isinstance(value, Mapping):
        reader.problem("log", value, "is not a boolean", "Write true or false, or {prefix: ..., rate: 10/second}.")
        return None
    inner = Reader(value, f"{reader.path}.log", ("prefix", "rate"), reader.problems)
    prefix = inner.text("prefix", default.prefix)
    if match.plain(prefix, match.LOG_PREFIX_BYTES - 1) != prefix:
        reason = "is no usable prefix of a log line"
        inner.problem(
            "prefix", prefix, reason, f"At most {match.LOG_PREFIX_BYTES - 1} printable ASCII characters, no quotes."
        )
    return Log(match.plain(prefix, match.LOG_PREFIX_BYTES - 1), _rate(inner, LOG_RATE))


def limit(reader: Reader) -> Optional[Limit]:
    inner = _mapping(reader, "limit", ("rate", "burst", "per"), "{rate: 10/second, burst: 20, per: source}")
    if inner is None:
        return None
    return Limit(_rate(inner, None), inner.number("burst", 1, 10000, 5) or 5, inner.choice("per", PER, "none"))


def connections(reader: Reader) -> Optional[Connections]:
    inner = _mapping(reader, "connections", ("max", "per"), "{max: 20, per: source}")
    if inner is None:
        return None
    if inner.get("max") is None:
        inner.problem("max", None, "is missing", "Write the number of connections.")
    return Connections(inner.number("max", 1, 1_000_000, 1) or 1, inner.choice("per", PER, "source"))


def schedule(reader: Reader) -> Optional[Schedule]:
    inner = _mapping(reader, "schedule", ("days", "from", "until"), '{days: [Mon, Tue], from: "08:00", until: "18:00"}')
    if inner is None:
        return None
    days: list[str] = []
    inner.filled("days")
    for item in inner.items("days"):
        day = str(item)[:3].title()
        if isinstance(item, str) and day in DAYS and len(item) >= 3:
            days.append(day)
        else:
            inner.problem("days", item, "is not a day of the week", f"One of: {', '.join(DAYS)}.")
    start, end = _hour(inner, "from", 0), _hour(inner, "until", 1440)
    if start == end:
        inner.problem("until", inner.get("until"), "is when it begins", "Write another hour, or remove both.")
    return Schedule(tuple(day for day in DAYS if day in days), start, end)


def words(limited: Optional[Limit], most: Optional[Connections], hours: Optional[Schedule]) -> tuple[str, ...]:
    found: list[str] = []
    if limited:
        found.append(f"limit {limited.rate} burst {limited.burst}{_per(limited.per)}")
    if most:
        found.append(f"{most.most} connections{_per(most.per)}")
    if hours:
        found.append(f"{','.join(hours.days) or 'daily'} {clock(hours.start)}-{clock(hours.end)} UTC")
    return tuple(found)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _per(kind: str) -> str:
    return "" if kind == "none" else f" per {kind}"


def _mapping(reader: Reader, key: str, known: Collection[str], example: str) -> Optional[Reader]:
    value = reader.get(key)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        reader.problem(key, value, "is not a mapping", f"Write {example}.")
        return None
    return Reader(value, f"{reader.path}.{key}", known, reader.problems)


def _rate(reader: Reader, default: Optional[str]) -> str:
    value = reader.get("rate")
    found = _RATE.fullmatch(str(value)) if isinstance(value, str) else None
    if found and int(found[1]) <= 10000:
        return str(value)
    if value is not None or default is None:
        reason = "is missing" if value is None else "is not a rate"
        reader.problem("rate", value, reason, "Write 1 to 10000 per second, minute, hour or day, such as 10/second.")
    return default or LOG_RATE


def _hour(reader: Reader, key: str, default: int) -> int:
    value = reader.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or not _HOUR.fullmatch(value):
        # YAML 1.1 reads a bare 18:00 as the number 1080.
        reader.problem(key, value, "is not a time of day", 'Write "08:30" in quotes, from "00:00" to "24:00", in UTC.')
        return default
    return int(value[:2]) * 60 + int(value[3:])
