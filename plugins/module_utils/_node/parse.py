# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 linuxha.firewall contributors
"""Parsers for output that is meant for programs: `ip -json`, `systemctl show`, `dpkg-query`, os-release, state.json."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from .._change.classify import started_with


class Unreadable(ValueError):
    """Output that is not what the program promises, with the reason in one line."""


def canonical(address: str) -> str:
    """One spelling per address; what is no address stays as it is."""
    try:
        return str(ipaddress.ip_address(address.partition("/")[0]))
    except ValueError:
        return address


def load_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable(f"{what} is no JSON: {error}") from error


def addresses(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """`ip -json address show`: addresses by interface, and those that duplicate address detection found elsewhere."""
    links = load_json(text or "[]", "the list of addresses")
    if not isinstance(links, list):
        raise Unreadable("the list of addresses is no list")
    found: dict[str, list[str]] = {}
    duplicate: list[str] = []
    for link in links:
        if not isinstance(link, dict) or "ifname" not in link:
            continue  # ip prints {} for each interface that an option leaves out
        own = found.setdefault(str(link["ifname"]), [])
        for entry in link.get("addr_info") or []:
            if not isinstance(entry, dict) or "local" not in entry:
                continue
            own.append(canonical(str(entry["local"])))
            if entry.get("dadfailed"):
                duplicate.append(own[-1])
    return found, duplicate


def held(vips: Iterable[str], by_interface: dict[str, list[str]]) -> list[str]:
    """The virtual addresses that this node has, in the order and the spelling of the question."""
    here = {address for found in by_interface.values() for address in found}
    return [vip for vip in vips if canonical(vip) in here]


# The flags of this node's own line in `corosync-quorumtool -s`; its flag for machines (-p) leaves the text as it is.
_DEVICE = re.compile(r"^ +\d+ +\d+ +(\S+) +\S+ \(local\)$", re.MULTILINE)
_QUORATE = re.compile(r"^Quorate: ", re.MULTILINE)


def quorum_device(text: str) -> str:
    """What corosync says of this node's quorum device, `A,V,NMW` (alive, votes) for one; empty without."""
    if not _QUORATE.search(text):
        raise Unreadable("corosync-quorumtool gave no status")
    found = _DEVICE.search(text)
    return found[1] if found else ""


UNIT_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts")


def units(text: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`systemctl show --property=…` of several units: blocks between blank lines, in the order asked for."""
    blocks: list[dict[str, str]] = []
    for paragraph in text.strip().split("\n\n"):
        pairs = (line.partition("=") for line in paragraph.splitlines() if "=" in line)
        blocks.append({key: value for key, _equals, value in pairs})
    if len(blocks) != len(names):
        raise Unreadable(f"asked systemctl for {len(names)} units and got {len(blocks)}")
    return {
        name: {
            "load": block.get("LoadState", ""),
            "active": block.get("ActiveState", ""),
            "sub": block.get("SubState", ""),
            "enabled": block.get("UnitFileState", ""),
            "result": block.get("Result", ""),
            "restarts": int(block["NRestarts"]) if block.get("NRestarts", "").isdigit() else 0,
        }
        for name, block in zip(names, blocks)
    }


def processes(text: str, names: Sequence[str]) -> dict[str, tuple[str, Optional[list[str]]]]:
    """Of the same answer the main process of each unit, and what the unit starts it with."""
    found: dict[str, tuple[str, Optional[list[str]]]] = {}
    for name, paragraph in zip(names, text.strip().split("\n\n")):
        block = dict(line.partition("=")[::2] for line in paragraph.splitlines())
        pid = block.get("MainPID", "0")
        # Quoted like words of a shell where they have blanks, which ours have not.
        words = block.get("Environment", "").split()
        planned = started_with("\0".join(words).encode())
        found[name] = (pid if pid.isdigit() and pid != "0" else "", planned)
    return found


def packages(text: str) -> dict[str, str]:
    """`dpkg-query -W -f '${Package}\\t${Version}\\t${db:Status-Status}\\n'`: versions of what is installed."""
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def os_release(text: str) -> str:
    """`debian 12`, from the lines of /etc/os-release, which follow the rules of a shell."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            try:
                values[key.strip()] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return " ".join(values[key] for key in ("ID", "VERSION_ID") if values.get(key))


def worker_state(text: Optional[str]) -> dict[str, Any]:
    """state.json of the takeover worker."""
    if text is None:
        raise Unreadable("the takeover worker has not written its state")
    state = load_json(text, "the state of the takeover worker")
    if not isinstance(state, dict) or not isinstance(state.get("instances"), dict):
        raise Unreadable("the state of the takeover worker has no instances")
    instances = {
        str(name): {"state": str(one.get("state", "")), "since": one.get("since"), "priority": one.get("priority")}
        for name, one in state["instances"].items()
        if isinstance(one, dict)
    }
    gate, states = (str(state.get(key, "unknown")) for key in ("gate", "states"))
    behind = state.get("behind")
    return {
        "instances": instances,
        "active": state.get("active"),
        "gate": gate,
        "states": states,
        "behind": isinstance(behind, dict),
        "untold": str(state.get("untold") or ""),
    }


def watch_state(text: Optional[str]) -> dict[str, Any]:
    """conntrackd.json of the watcher of overruns; empty while there is none."""
    if text is None:
        return {}
    try:
        state = load_json(text, "the state of the watcher")
    except Unreadable as error:
        return {"problem": str(error)}
    return state if isinstance(state, dict) else {"problem": "the state of the watcher is no object"}


def maintenance(text: Optional[str]) -> Optional[dict[str, Any]]:
    """maintenance.json of a node that is kept from serving; None while it is not."""
    if text is None:
        return None
    keys = ("since", "until", "reason", "by")
    try:
        found = load_json(text, "the flag of the maintenance")
    except Unreadable as error:
        return {**dict.fromkeys(keys), "reason": str(error)}
    return {key: found.get(key) if isinstance(found, dict) else None for key in keys}
