# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Core of the ruleset_info module: the loader's status and the counters of the kernel, by the names of the rules."""

from __future__ import annotations

import json
from typing import Any, Optional

from ansible_collections.linuxha.firewall.plugins.module_utils._host import Result, Runner
from ansible_collections.linuxha.firewall.plugins.module_utils._policy import counters

PROGRAMS = {"ipv4": "iptables-save", "ipv6": "ip6tables-save"}
TRIAL = ("state", "token", "seconds", "left", "reason", "policy", "previous")


def _status(run: Runner, loader: str) -> tuple[dict[str, Any], Optional[str]]:
    rc, out, err = run([loader, "status"])
    # The exit status tells whether all is well; the answer is there in both cases.
    try:
        found = json.loads(out)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found, None
    return {}, f"{loader} status: {' '.join((err or out).split()) or f'exit status {rc}'}"


def collect(run: Runner, loader: str, families: tuple[str, ...] = ("ipv4", "ipv6")) -> Result:
    """Everything at once; `msg` when the node could not be asked."""
    status, problem = _status(run, loader)
    if problem:
        return {"msg": f"{problem}. The role linuxha.firewall.iptables installs the loader."}
    texts = {}
    for family in families:
        rc, out, err = run([PROGRAMS[family], "--counters"])
        if rc != 0:
            return {"msg": f"{PROGRAMS[family]} --counters: {' '.join(err.split()) or f'exit status {rc}'}"}
        texts[family] = out
    rules = counters.by_name(texts)
    trial = status.get("trial") or {}
    return {
        "changed": False,
        "rules": rules,
        "unused": counters.unused(rules, families),
        "state": status.get("state"),
        "since": status.get("since"),
        "policy": status.get("policy"),
        "backend": status.get("backend"),
        "mode": status.get("mode"),
        "forwarding": status.get("forwarding") or {},
        "drift": status.get("drift") or {},
        "generation": (status.get("generation") or {}).get("number"),
        "trial": {key: trial.get(key) for key in TRIAL},
    }
