# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The words that the screen and the page have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Optional


def clean(text: Any) -> str:
    """Text of a node without what would steer a terminal or turn a line around."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def moment(text: Any) -> Optional[datetime]:
    """A time of a record; None for what is none."""
    words = str(text).replace("Z", "+00:00")
    try:
        found = datetime.fromisoformat(words)
        return found if found.tzinfo else datetime.fromisoformat(f"{words}+00:00")
    except ValueError:
        return None


def number(value: Any) -> str:
    return "-" if value is None else clean(value)


def span(since: Optional[str], now: Optional[str]) -> str:
    """How long, in one unit or two: `3 d 4 h`."""
    begin, end = moment(since), moment(now)
    if since is None or begin is None or end is None:
        return ""
    seconds = max(0, int((end - begin).total_seconds()))
    for unit, size, small, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // part} {small}"
    return f"{seconds} s"


def owner(group: Mapping[str, Any], now: Optional[str]) -> str:
    if group["owner"] is None:
        return "nobody serves it as it should be"
    since = group["since"]
    return clean(group["owner"]) + (f" since {since} ({span(since, now)})" if since else "")


def takeover(group: Mapping[str, Any]) -> str:
    return "YES" if group["takeover"]["able"] else "NO"


def place(group: Mapping[str, Any]) -> str:
    """Whether the group is where it should be."""
    wanted = group["primary"]
    if not wanted or group["owner"] == wanted:
        return ""
    return f"its primary node is {clean(wanted)}"


def roles(node: Mapping[str, Any], what: str) -> str:
    """What a node wants to be or is: in one word, or by group where that differs."""
    words = {group: clean(one[what]) for group, one in node["roles"].items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    led = {group: word for group, word in words.items() if word not in ("secondary", "standby", "unknown")}
    return ", ".join(f"{word} of {clean(group)}" for group, word in led.items())


def pings(node: Mapping[str, Any]) -> list[tuple[str, str, Optional[bool]]]:
    """Ping group, host, and whether it answers."""
    return [
        (clean(group), clean(host), answer)
        for group, hosts in node.get("pings", {}).items()
        for host, answer in hosts.items()
    ]


ANSWERS = {True: "answers", False: "NO ANSWER", None: "not known"}


def versions(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Nodes and what they run, those with the same together."""
    alike: dict[str, list[str]] = {}
    for node in nodes:
        if node["answers"]:
            found = node["versions"]
            rest = [f"{name} {version}" for name, version in sorted(found.items()) if name != "release"]
            text = ", ".join([str(found.get("release", "release unknown")), *rest])
            alike.setdefault(clean(text), []).append(clean(node["name"]))
    return [(", ".join(names), text) for text, names in alike.items()]


def sync(node: Mapping[str, Any]) -> str:
    found = node.get("sync")
    if not found:
        return "not used"
    if found["problem"]:
        return clean(found["problem"])
    behind = found["behind"]
    ran = f", last run {clean(found['last_run'])}" if found.get("last_run") else ""
    if found["in_step"] and not behind:
        return f"in step{ran}"
    return f"NOT in step: {clean(', '.join(behind[:3] or found['problems'][:1])) or 'unknown'}{ran}"


def damping(node: Mapping[str, Any]) -> str:
    found = node.get("damping")
    if not found:
        return "no record"
    if found["problem"]:
        return clean(found["problem"])
    moves = f"{number(found['moves'])} moves in {number(found['window_s'])} s"
    if found["held"]:
        return f"HELD BACK: {moves}"
    return f"{clean(found.get('level') or 'free')}, {moves}"


def maintenance(node: Mapping[str, Any]) -> str:
    flag = node.get("maintenance")
    words = ["drained by hand"] if node.get("drained") and not flag else []
    if flag:
        words.append("IN MAINTENANCE")
        words += [clean(f"{key} {flag[key]}") for key in ("since", "until", "by") if flag.get(key)]
        words.append(clean(flag.get("reason") or "no reason given"))
    return ", ".join(words) or "no"


def move(line: Mapping[str, Any]) -> str:
    """A line of the failover journal."""
    group = f" {clean(line['cluster_group'])}:" if line.get("cluster_group") else ""
    words = f"{clean(line['at'])} {clean(line['node'])}:{group} {clean(line['from'])} to {clean(line['to'])}"
    words += f", {clean(line['cause'])}"
    words += f" ({clean(line['detail'])})" if line.get("detail") else ""
    if line.get("blackout_ms") is not None:
        words += f", blackout about {clean(line['blackout_ms'])} ms"
    if line.get("states") is not None:
        words += f", {clean(line['states'])} states"
    return words + (", HELD" if line.get("held") else "")


def rules(cluster: Mapping[str, Any]) -> str:
    found = cluster["rules"]
    word = {True: "equal", False: "DIFFERENT", None: "not comparable"}[found["equal"]]
    return word + (f": {clean('; '.join(found['why']))}" if found["why"] else "")
