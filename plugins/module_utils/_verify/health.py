# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Each node for itself, and what must be equal on all: units, rules, forwarding, versions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .types import ERROR, INFO, WARNING, Answers, Expectation, Finding

# Of a table that is nearly full the next burst is dropped.
FULL = 0.9
# What a takeover goes well without.
SPARE_UNITS = ("linuxha-conntrackd-watch.service", "linuxha-journal.service", "corosync-qdevice.service")


def check_node(cluster: str, node: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    path, here = f"{cluster}/{node}", (node,)
    for name, unit in info["units"].items():
        if unit["active"] != "active":
            yield Finding(
                f"{path}/{name}",
                f"the unit is {unit['active'] or 'unknown'} ({_detail(unit)})",
                "active",
                f"Read why: journalctl -u {name}. Then run the site playbook again.",
                settles=unit["active"] in ("activating", "reloading"),
                keeps=() if name in SPARE_UNITS else here,
                loses=name == "conntrackd.service",
            )
        elif unit["enabled"] in ("disabled", "masked"):
            yield Finding(
                f"{path}/{name}",
                f"the unit runs and is {unit['enabled']}",
                "enabled, so that it runs after a boot",
                "Run the site playbook again.",
                WARNING,
            )
        if unit.get("older"):
            yield Finding(
                f"{path}/{name}",
                f"it runs on settings older than its files: {'; '.join(unit['older'])}",
                "started since they changed",
                "Run the site playbook: it restarts the node after the addresses have moved away (firewall_restart).",
                WARNING,
            )
    yield from _rules(f"{path}/rules", info["rules"], here)
    off = sorted(family for family, on in info["forwarding"].items() if not on)
    if off:
        yield Finding(
            f"{path}/forwarding",
            f"{' and '.join(off)} forwarding is off",
            "on for both families",
            "It comes on when the rules are loaded: /usr/local/sbin/linuxha-rules load says what keeps it off.",
            keeps=here,
        )
    table = info["conntrack"]
    if table["entries"] is not None and table["max"] and table["entries"] > FULL * table["max"]:
        yield Finding(
            f"{path}/conntrack",
            f"{table['entries']} of {table['max']} entries are in use",
            f"less than {FULL:.0%}",
            "Raise conntrackd.table_max in firewall_cluster, or find who opens so many connections.",
            WARNING,
        )


def _detail(unit: Mapping[str, Any]) -> str:
    if unit["load"] not in ("", "loaded"):
        return str(unit["load"])
    return str(unit["sub"] if unit["result"] in ("", "success") else unit["result"])


def _rules(path: str, rules: Mapping[str, Any], here: tuple[str]) -> Iterator[Finding]:
    again = "Run the site playbook again."
    if rules["problem"]:
        yield Finding(path, rules["problem"], "rules that can be read", again, keeps=here)
    status = rules["status"]
    if status is None:
        return
    if status.get("state") != "loaded":
        reason = f": {status['reason']}" if status.get("reason") else ""
        yield Finding(
            path,
            f"the rules are {status.get('state')}{reason}",
            "loaded",
            "Wait for the run that tries them, or take them back with linuxha-rules rollback and their token."
            if status.get("state") == "trial"
            else "Remove the reason, then systemctl restart linuxha-rules.",
            keeps=here,
        )
        return
    drifted = sorted(family for family, drift in (status.get("drift") or {}).items() if drift)
    if drifted:
        yield Finding(
            path,
            f"the kernel holds other {' and '.join(drifted)} rules than were loaded",
            "no drift",
            f"Somebody changed them by hand or with another tool; make that part of the policy. {again}",
            keeps=here,
        )
    if status.get("files_differ"):
        reason = status.get("files_problem") or "the files differ from what was loaded"
        yield Finding(path, str(reason), "files and kernel agree", again)


def check_rules_equal(expectation: Expectation, answers: Answers, owners: Collection[str]) -> Iterator[Finding]:
    policies = {
        node: str(info["rules"]["status"].get("policy"))
        for node, info in answers.items()
        if info["rules"]["status"] and info["rules"]["status"].get("state") == "loaded"
    }
    if len(set(policies.values())) > 1:
        yield Finding(
            f"{expectation.name}/rules",
            "the nodes enforce different policies: " + _each({node: policy[:12] for node, policy in policies.items()}),
            "one policy",
            "Run the site playbook for the whole cluster, without --limit.",
            keeps=_others(policies, owners),
            loses=True,
        )
        return
    # Two versions of iptables may print one rule in two ways.
    alike = len({info["versions"].get("iptables") for info in answers.values()}) == 1
    for family in ("ipv4", "ipv6"):
        prints = {node: info["rules"]["fingerprint"].get(family) for node, info in answers.items() if node in policies}
        if len(set(prints.values())) > 1:
            yield Finding(
                f"{expectation.name}/rules",
                f"the {family} rules in the kernel differ: " + _each({n: str(p)[:12] for n, p in prints.items()}),
                "equal rules but for the nodes' own addresses and interfaces",
                "Run the site playbook again; compare iptables-save of the nodes."
                if alike
                else "Different versions of iptables print rules differently; the policy of the nodes is the same.",
                ERROR if alike else INFO,
                keeps=_others(prints, owners) if alike else (),
                loses=True,
            )


def _others(values: Mapping[str, Any], owners: Collection[str]) -> list[str]:
    """The nodes that have something else than those that serve."""
    serving = {values[node] for node in values if node in owners}
    return [node for node, value in values.items() if value not in serving or len(serving) > 1]


def check_versions(expectation: Expectation, answers: Answers) -> Iterator[Finding]:
    if len({info["versions"].get("release") for info in answers.values()}) > 1:
        yield Finding(
            f"{expectation.name}/versions",
            "the nodes run different releases: " + _each({n: i["versions"].get("release") for n, i in answers.items()}),
            "one release",
            "That works, as during an upgrade; finish it when you can.",
            INFO,
        )
        return
    for what in sorted({key for info in answers.values() for key in info["versions"]}):
        found = {node: info["versions"].get(what, "missing") for node, info in answers.items()}
        if len(set(found.values())) > 1:
            yield Finding(
                f"{expectation.name}/versions",
                f"{what} differs: {_each(found)}",
                "the same version on every node",
                "Upgrade the nodes that are behind; a new kernel needs a reboot.",
                WARNING,
            )


def _each(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{node} {value}" for node, value in values.items())
