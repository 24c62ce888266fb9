# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""The variables of the iptables role as a whole: mapping -> Ruleset and every problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.linuxha.firewall.plugins.module_utils._policy import cluster, objects
from ansible_collections.linuxha.firewall.plugins.module_utils._policy.problems import Problem

KEYS = (
    "zones",
    "rules",
    "nat",
    "vips",
    "cluster_rules",
    "management",
    "gate",
    "antispoof",
    "output",
    "log_drops",
    "echo_rate",
)
_CHOICES = {"antispoof": ("strict", "loose", "off"), "output": ("accept", "drop")}


def parse(raw: Mapping[str, Any], prefix: str = "iptables_") -> tuple[objects.Ruleset, tuple[Problem, ...]]:
    """`raw` has the role's variables without their prefix; a missing one means its default."""
    problems = [
        Problem(prefix + key, raw[key], "unknown variable", f"Known: {', '.join(KEYS)}.")
        for key in raw
        if key not in KEYS
    ]
    zones, found = objects.parse_zones(raw.get("zones"), f"{prefix}zones")
    problems += found
    names = [zone.name for zone in zones]
    rules, found = objects.parse_rules(raw.get("rules"), names, f"{prefix}rules")
    problems += found
    networks = {zone.name: zone.networks for zone in zones}
    nat, found = objects.parse_nat(raw.get("nat"), names, raw.get("vips") or None, f"{prefix}nat", networks)
    problems += found
    cluster_rules, found = cluster.parse_cluster_rules(raw.get("cluster_rules"), f"{prefix}cluster_rules")
    problems += found
    management, found = cluster.parse_management(raw.get("management"), f"{prefix}management")
    problems += found
    options = _options(raw, prefix, problems)
    return objects.Ruleset(zones, rules, nat, cluster_rules, management, options), tuple(problems)


def _options(raw: Mapping[str, Any], prefix: str, problems: list[Problem]) -> objects.Options:
    default = objects.Options()
    values: dict[str, Any] = {}
    for key in ("gate", "log_drops"):
        value = raw.get(key, getattr(default, key))
        if isinstance(value, bool):
            values[key] = value
        else:
            problems.append(Problem(prefix + key, value, "is not a boolean", "Write true or false."))
    for key, choices in _CHOICES.items():
        # YAML 1.1 reads a bare off as false.
        value = "off" if raw.get(key) is False else str(raw.get(key, getattr(default, key)))
        if value in choices:
            values[key] = value
        else:
            problems.append(Problem(prefix + key, value, "unknown value", f"One of: {', '.join(choices)}."))
    rate = "off" if raw.get("echo_rate") is False else str(raw.get("echo_rate", default.echo_rate))
    if rate == "off" or re.fullmatch(r"[1-9][0-9]{0,4}/(second|minute)", rate):
        values["echo_rate"] = rate
    else:
        problems.append(
            Problem(prefix + "echo_rate", rate, "is not a rate", "Write 50/second, or off to answer no echo request.")
        )
    return objects.Options(**values)
