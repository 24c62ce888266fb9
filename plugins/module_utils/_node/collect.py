# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Ask one node everything that `verify` wants to know. Reads only; a part without an answer carries its `problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from .._change.classify import older, started_with
from .._cib import ready
from .._gateway import Run
from .._pacemaker.programs import PacemakerError, Programs
from . import conntrackd, parse, pings, records, rules

Read = Callable[[str], Optional[str]]
PACKAGES = ("keepalived", "corosync", "pacemaker", "conntrackd", "iptables", "ipset")
FORWARDING = {"ipv4": "/proc/sys/net/ipv4/ip_forward", "ipv6": "/proc/sys/net/ipv6/conf/all/forwarding"}


@dataclass(frozen=True)
class Question:
    vips: Sequence[str] = ()
    units: Sequence[str] = ()
    mask: Mapping[str, str] = field(default_factory=dict)
    cluster: bool = False
    device: bool = False
    state_file: str = "/run/linuxha/state.json"
    drain_file: str = "/run/linuxha/drain"
    maintenance_file: str = "/var/lib/linuxha/maintenance.json"
    watch_file: str = "/run/linuxha/conntrackd.json"
    loader: str = "/usr/local/sbin/linuxha-rules"
    conntrackd_config: str = "/etc/conntrackd/conntrackd.conf"
    pings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    journal_lines: int = 0


def collect(question: Question, run: Run, read: Read, kernel: str) -> dict[str, Any]:
    addresses = _addresses(question, run)
    # conntrackd counts at a moment of its own, in between.
    before, daemon, after = _entries(read), _conntrackd(question, run), _entries(read)
    return {
        **addresses,
        "worker": _worker(question, read),
        "drained": (read(question.drain_file) or "0").strip() not in ("", "0"),
        "maintenance": parse.maintenance(read(question.maintenance_file)),
        "units": _units(question, run, read),
        "conntrackd": daemon,
        "cluster": _cluster(question, run),
        "device": _device(question, run),
        "watch": parse.watch_state(read(question.watch_file)),
        "conntrack": {
            "entries_before": before,
            "entries": after,
            "max": _number(read("/proc/sys/net/netfilter/nf_conntrack_max")),
        },
        "rules": _rules(question, run),
        "pings": pings.ask(question.pings, run),
        **records.collect(read, question.journal_lines),
        "forwarding": {family: (read(path) or "").strip() == "1" for family, path in FORWARDING.items()},
        "versions": _versions(run, read, kernel),
    }


def _entries(read: Read) -> Optional[int]:
    return _number(read("/proc/sys/net/netfilter/nf_conntrack_count"))


def _number(text: Optional[str]) -> Optional[int]:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isdigit() else None


def _addresses(question: Question, run: Run) -> dict[str, Any]:
    answer = run(["ip", "-json", "address", "show"])
    if not answer.ok:
        raise parse.Unreadable(f"ip address show: {answer.reason}")
    by_interface, duplicate = parse.addresses(answer.stdout)
    return {"addresses": by_interface, "held": parse.held(question.vips, by_interface), "duplicate": duplicate}


def _worker(question: Question, read: Read) -> dict[str, Any]:
    try:
        return {**parse.worker_state(read(question.state_file)), "problem": None}
    except parse.Unreadable as error:
        return {"instances": {}, "active": None, "gate": "unknown", "states": "unknown", "problem": str(error)}


def _units(question: Question, run: Run, read: Read) -> dict[str, Any]:
    if not question.units:
        return {}
    properties = ",".join((*parse.UNIT_PROPERTIES, "MainPID", "Environment"))
    answer = run(["systemctl", "show", f"--property={properties}", "--", *question.units])
    if not answer.ok:
        raise parse.Unreadable(f"systemctl show: {answer.reason}")
    found = parse.units(answer.stdout, question.units)
    for unit, (pid, planned) in parse.processes(answer.stdout, question.units).items():
        text = read(f"/proc/{pid}/environ") if pid and planned is not None else None
        running = None if text is None else started_with(text.encode("utf-8", "replace"))
        found[unit]["older"] = older(running, planned or [])
    return found


def _conntrackd(question: Question, run: Run) -> dict[str, Any]:
    def ask(*what: str) -> str:
        answer = run(["conntrackd", "-C", question.conntrackd_config, "-s", *what])
        if not answer.ok:
            raise parse.Unreadable(answer.reason)
        return answer.stdout

    try:
        caches, runtime, (messages, device) = ask("cache"), ask("runtime"), conntrackd.messages(ask())
    except parse.Unreadable as error:
        return {"problem": str(error)}
    found = {**conntrackd.caches(caches), **conntrackd.runtime(runtime), **messages, "link": device}
    problem = None
    copies = found["injected"] if found["external"] is None else found["external"]
    if None in (found["internal"], copies, found["overruns"]):
        problem = "the statistics have a form that is not known; is this a new version of conntrackd?"
    return {**found, "immediate": found["external"] is None, "problem": problem}


def _cluster(question: Question, run: Run) -> Optional[dict[str, Any]]:
    """What Pacemaker says; None where nobody asks."""
    if not question.cluster:
        return None
    try:
        status = Programs(run, "").status()
    except PacemakerError as problem:
        return {"problem": str(problem)}
    return {"problem": None, "unsettled": ready.problems(status), **status.plain()}


def _device(question: Question, run: Run) -> Optional[dict[str, Any]]:
    """The vote of the quorum device, as corosync on this node sees it; None where nobody asks."""
    if not question.device:
        return None
    answer = run(["corosync-quorumtool", "-s"])
    try:
        # The exit status tells whether there is quorum; the answer is there in both cases.
        flags = parse.quorum_device(answer.stdout)
    except parse.Unreadable as problem:
        return {"votes": False, "flags": "", "problem": f"{problem}: {answer.reason}"}
    return {"votes": flags.split(",")[:2] == ["A", "V"], "flags": flags, "problem": None}


def _rules(question: Question, run: Run) -> dict[str, Any]:
    result: dict[str, Any] = {"status": None, "problem": None, "fingerprint": {}, "count": {}}
    status = run([question.loader, "status"])
    # The exit status tells whether all is well; the answer is there in both cases.
    try:
        parsed = parse.load_json(status.stdout, "the answer of linuxha-rules")
        result["status"] = parsed if isinstance(parsed, dict) else None
    except parse.Unreadable:
        result["problem"] = f"linuxha-rules status: {status.reason}"
    for family, program in (("ipv4", "iptables-save"), ("ipv6", "ip6tables-save")):
        answer = run([program])
        if answer.ok:
            text = rules.own(answer.stdout) if (result["status"] or {}).get("mode") == "shared" else answer.stdout
            result["fingerprint"][family] = rules.fingerprint(text, question.mask)
            result["count"][family] = rules.count(text)
        else:
            result["fingerprint"][family] = result["count"][family] = None
            result["problem"] = result["problem"] or f"{program}: {answer.reason}"
    return result


def _versions(run: Run, read: Read, kernel: str) -> dict[str, str]:
    # Exits 1 when one package is unknown and still prints the others.
    answer = run(["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Status}\n", *PACKAGES])
    return {
        "kernel": kernel,
        "release": parse.os_release(read("/etc/os-release") or ""),
        **parse.packages(answer.stdout),
    }
