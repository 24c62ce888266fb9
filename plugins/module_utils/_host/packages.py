# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the packages module."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result, Runner

LISTS = Path("/var/lib/apt/lists")
# systemctl then works on files alone: units are enabled, nothing is started, stopped or reloaded.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "SYSTEMD_OFFLINE": "1", "NEEDRESTART_SUSPEND": "1"}
# What an administrator or a role wrote stays.
KEEP = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")


def missing(wanted: Sequence[str], listing: str) -> list[str]:
    """`listing`: lines of name and status abbreviation as dpkg-query prints them."""
    installed = {
        line.split()[0] for line in listing.splitlines() if line.split()[1:] and line.split()[1].startswith("ii")
    }
    return [name for name in dict.fromkeys(wanted) if name not in installed]


def lists_stale(valid: int, lists: Path = LISTS, now: float | None = None) -> bool:
    try:
        age = (time.time() if now is None else now) - lists.stat().st_mtime
        return age > valid or not any(lists.glob("*Packages*"))
    except OSError:
        return True


def apt_get(lock_timeout: int) -> list[str]:
    return ["apt-get", "-o", f"DPkg::Lock::Timeout={lock_timeout}", "--quiet=2"]


def install(params: Mapping[str, Any], run: Runner, check_mode: bool) -> Result:
    wanted = list(params["name"])
    # dpkg-query fails when it does not know one of the names; what it printed of the others counts.
    _rc, listing, _err = run(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n", *wanted])
    todo = missing(wanted, listing)
    result: Result = {"changed": bool(todo), "installed": todo}
    result["diff"] = {
        "before": "",
        "after": "".join(f"{name}\n" for name in todo),
        "after_header": "installed packages",
    }
    if not todo or check_mode:
        return result
    apt = apt_get(int(params["lock_timeout"]))
    if lists_stale(int(params["cache_valid_time"])):
        rc, out, err = run([*apt, "update"], environ_update=ENVIRONMENT)
        if rc != 0:
            return failed("the package lists cannot be fetched", out, err)
    rc, out, err = run([*apt, *KEEP, "--yes", "--no-install-recommends", "install", *todo], environ_update=ENVIRONMENT)
    if rc != 0:
        return failed(f"{', '.join(todo)} cannot be installed", out, err)
    # The new units were written while systemctl was not talking to the manager.
    if Path("/run/systemd/system").is_dir():
        rc, out, err = run(["systemctl", "daemon-reload"])
        if rc != 0:
            return failed("systemd does not reload its units", out, err)
    return result


def failed(what: str, out: str, err: str) -> Result:
    tail = " / ".join([line for line in (out + "\n" + err).splitlines() if line.strip()][-5:])
    return {"msg": f"{what}: {tail}", "changed": False}
