# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the sysctl module."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result
from ansible_collections.linuxha.firewall.plugins.module_utils._host.files import read_text, write_text

#: List heads in the largest page that Linux knows (64 KiB).
ROUNDING = 8192
PROC = Path("/proc/sys")
#: Where systemd-sysctl reads, for the warning about other files.
DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")


def text_of(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return " ".join(str(value).split())


def rounded(key: str, live: str, wanted: str) -> bool:
    """The kernel gives the connection table whole pages: somewhat more than asked for is what was asked for."""
    if not key.endswith("conntrack_buckets") or not (live.isdigit() and wanted.isdigit()):
        return False
    return int(wanted) <= int(live) < int(wanted) + ROUNDING


def matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)


def render(values: Mapping[str, object], optional: Iterable[str]) -> str:
    """A leading - tells systemd-sysctl that a failure is no failure."""
    patterns = list(optional)
    lines = [f"{'-' if matches(key, patterns) else ''}{key} = {text_of(values[key])}\n" for key in sorted(values)]
    return "# Written by Ansible (linuxha.firewall).\n" + "".join(lines)


def files_of(key: str, proc: Path = PROC) -> list[Path]:
    """The files of a key, several for a wildcard. A dot inside the name of an interface is written as a slash."""
    parts = [part.replace("/", ".") for part in key.split(".")]
    if "*" in key:
        return sorted(proc.glob("/".join(parts)))
    path = proc.joinpath(*parts)
    return [path] if path.exists() else []


def presets(keys: Iterable[str], own: Path, root: Path = Path("/")) -> Iterator[str]:
    """Other files that switch on one of the keys at boot."""
    wanted = {key.replace(".", "/") for key in keys}
    found = [path for name in DIRECTORIES for path in sorted((root / name).glob("*.conf"))]
    for path in (root / "etc/sysctl.conf", *found):
        if path == own:
            continue
        for line in read_text(path).splitlines():
            entry = re.fullmatch(r"\s*-?\s*([^#;=\s]+)\s*=\s*(\S+)\s*", line)
            if entry and entry.group(1).replace(".", "/") in wanted and entry.group(2) != "0":
                yield f"{path} sets {entry.group(1)} at boot, before the firewall rules are loaded: remove that line"


def apply(params: Mapping[str, Any], check_mode: bool, root: Path = Path("/")) -> Result:
    values, optional = params["values"], params["optional"]
    path, proc = Path(params["path"]), root / "proc/sys"
    changes: list[str] = []
    skipped: list[str] = []
    failed: list[str] = []
    notes = list(presets(params["warn_when_set"], path, root))
    before, after = read_text(path), render(values, optional)
    # As in systemd-sysctl, a key of its own is stronger than a wildcard.
    exact = {file for key in values if "*" not in key for file in files_of(key, proc)}
    for key in sorted(values):
        wanted = text_of(values[key])
        found = [file for file in files_of(key, proc) if "*" not in key or file not in exact]
        if not found and "*" not in key:
            if matches(key, optional):
                skipped.append(f"{key} (missing)")
            elif check_mode:
                changes.append(f"{key}: missing -> {wanted}")
            else:
                failed.append(f"{key}: no such parameter; is its kernel module loaded?")
        for file in found:
            name = str(file.relative_to(proc)).replace("/", ".")
            try:
                live = text_of(file.read_text(encoding="ascii"))
                if live == wanted or rounded(name, live, wanted):
                    continue
                # Asked without writing, so that check mode and the run agree on what is possible.
                if not file.stat().st_mode & 0o222:
                    raise PermissionError("read-only here")
                if not check_mode:
                    file.write_text(wanted + "\n", encoding="ascii")
                changes.append(f"{name}: {live} -> {wanted}")
            except OSError as error:
                if matches(key, optional):
                    skipped.append(f"{name} ({error.strerror or error})")
                else:
                    failed.append(f"{name}: cannot be set to {wanted}: {error.strerror or error}")
    if skipped and (changes or before != after):
        notes.append(f"these kernel parameters cannot be set here and keep their value: {', '.join(skipped)}")
    live_diff = {
        "before": "".join(f"{line.partition(' -> ')[0]}\n" for line in changes),
        "after": "".join(f"{line.partition(': ')[0]}: {line.rpartition(' -> ')[2]}\n" for line in changes),
    }
    result: Result = {
        "changed": bool(changes) or before != after,
        "changes": changes,
        "unavailable": skipped,
        "notes": notes,
        "diff": [
            {"before": before, "after": after, "before_header": str(path), "after_header": str(path)},
            {**live_diff, "before_header": "live values", "after_header": "live values"},
        ],
    }
    if failed:
        return {**result, "msg": "; ".join(failed)}
    if before != after and not check_mode:
        write_text(path, after, 0o644)
    return result
