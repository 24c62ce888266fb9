# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the module node_update: which packages are older than they could be, and does the node need a reboot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from . import Result, Runner
from .packages import KEEP, apt_get, failed, lists_stale, missing

ALL, FIREWALL, NONE = "all", "firewall", "none"
WORDS = (ALL, FIREWALL, NONE)
#: What makes a node a firewall of a cluster.
PROGRAMS = (
    "keepalived",
    "conntrackd",
    "conntrack",
    "iptables",
    "ipset",
    "corosync",
    "corosync-qdevice",
    "pacemaker",
    "pacemaker-cli-utils",
    "resource-agents",
)
# Without these a node is none any more, or cannot be reached.
KEPT = {*PROGRAMS, "openssh-server", "python3", "systemd", "ifupdown"}
REBOOT_REQUIRED = "/run/reboot-required"
# The node serves nothing meanwhile, so daemons may restart as they like.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "NEEDRESTART_MODE": "a"}
_STEP = re.compile(r"^(Inst|Remv) (\S+)(?: \[([^\]]*)\])?(?: \((\S+))?")
_RUNNING = re.compile(r"\bDebian (\S+)")


def steps(simulated: str) -> tuple[list[dict[str, str]], list[str]]:
    """What `apt-get --simulate` would install, with the old and the new version, and what it would remove."""
    installed, removed = [], []
    for match in filter(None, map(_STEP.match, simulated.splitlines())):
        kind, name, old, new = match.groups()
        if kind == "Remv":
            removed.append(name)
        else:
            installed.append({"name": name, "from": old or "", "to": new or ""})
    return sorted(installed, key=lambda item: item["name"]), sorted(removed)


def mistakes(names: Sequence[str]) -> Optional[str]:
    """What is wrong with the wish, if anything."""
    words = [name for name in names if name in WORDS]
    if words and len(names) > 1:
        return f"name: {words[0]!r} stands alone, and means more than a package; found {', '.join(names)}"
    wrong = [name for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)]
    return f"name: {wrong[0]!r} is no name of a Debian package" if wrong else None


def reboot_reasons(run: Runner, read: Callable[[str], Optional[str]], version: str) -> list[str]:
    """Why the node needs a reboot, by what the system itself says and by its kernel (`version` as in uname -v)."""
    reasons = []
    if read(REBOOT_REQUIRED) is not None:
        packages = sorted(set((read(f"{REBOOT_REQUIRED}.pkgs") or "").split()))
        reasons.append("the system asks for it" + (f" because of {', '.join(packages)}" if packages else ""))
    running = _RUNNING.search(version)
    if running is None:
        return reasons  # not a kernel of the distribution: nobody can say what is newer
    show = "--showformat=${Version} ${db:Status-Status}\n"
    # Exits 1 when there is no such package.
    _rc, listing, _err = run(["dpkg-query", "--show", show, "linux-image-[0-9]*"])
    for line in listing.splitlines():
        installed, _space, status = line.partition(" ")
        if status != "installed":
            continue
        rc, _out, _err = run(["dpkg", "--compare-versions", installed, "gt", running.group(1)])
        if rc == 0:
            reasons.append(f"kernel {running.group(1)} runs, {installed} is installed")
    return list(dict.fromkeys(reasons))


def update(
    params: Mapping[str, Any], run: Runner, read: Callable[[str], Optional[str]], version: str, check_mode: bool
) -> Result:
    wanted = list(dict.fromkeys(params["name"]))
    wrong = mistakes(wanted)
    if wrong:
        return {"msg": wrong, "changed": False}
    if wanted in ([], [NONE]):
        return {"changed": False, "packages": [], "removed": [], "reboot": reboot_reasons(run, read, version)}
    apt = apt_get(int(params["lock_timeout"]))
    if not check_mode and lists_stale(int(params["cache_valid_time"])):
        rc, out, err = run([*apt, "update"], environ_update=ENVIRONMENT)
        if rc != 0:
            return failed("the package lists cannot be fetched", out, err)
    words = _words(wanted, bool(params["full"]), run)
    if isinstance(words, str):
        return {"msg": words, "changed": False}
    rc, out, err = run([*apt[:-1], *words, "--simulate"], environ_update=ENVIRONMENT)
    if rc != 0:
        return failed("apt-get does not know how to upgrade", out, err)
    packages, removed = steps(out)
    lost = sorted(KEPT.intersection(removed))
    if lost:
        return {"msg": f"refused: the upgrade would remove {', '.join(lost)}", "changed": False}
    result: Result = {"changed": False, "packages": packages, "removed": removed}
    if (packages or removed) and params["state"] == "latest":
        result["changed"] = True
        result["diff"] = {
            "before": "".join(f"{item['name']} {item['from'] or 'not installed'}\n" for item in packages),
            "after": "".join(f"{item['name']} {item['to']}\n" for item in packages),
        }
        if not check_mode:
            rc, out, err = run([*apt, *KEEP, "--yes", *words], environ_update=ENVIRONMENT)
            if rc != 0:
                return failed(f"{len(packages)} packages cannot be upgraded", out, err)
    return {**result, "reboot": reboot_reasons(run, read, version)}


def _words(wanted: Sequence[str], full: bool, run: Runner) -> list[str] | str:
    """The order for apt-get, or what is wrong with the wish."""
    if wanted == [ALL]:
        # The new package of a kernel has a new name.
        return ["dist-upgrade"] if full else ["upgrade", "--with-new-pkgs", "--no-remove"]
    names = PROGRAMS if wanted == [FIREWALL] else wanted
    show = "--showformat=${Package} ${db:Status-Abbrev}\n"
    _rc, listing, _err = run(["dpkg-query", "--show", show, *names])
    absent = missing(names, listing)
    if absent and wanted != [FIREWALL]:
        return f"name: {', '.join(absent)} not installed on this node; packages are upgraded, not installed"
    found = [name for name in names if name not in absent]
    if not found:
        return "name: none of the programs of a firewall is installed; run the site playbook first"
    return ["install", "--only-upgrade", *([] if full else ["--no-remove"]), *found]
